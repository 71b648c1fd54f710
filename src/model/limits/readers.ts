/** What one reader may hold and ask for, and all readers together. */

import { JSON_BYTES_PER_BYTE_MAX } from './requests.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Records and metered bytes of one batch, where S2 limits it. */
export const READ_BATCH_RECORDS_MAX = 1_000;
export const READ_BATCH_BYTES_MAX = MiB;

/** Blocks and bytes that may wait for a follower; with more it goes back to scanning. */
export const FOLLOWER_BLOCKS_MAX = 64;
export const FOLLOWER_BYTES_MAX = 8 * MiB;

/** The same for a reader of many streams, of all of them together; and how many streams it may have. */
export const FEED_BLOCKS_MAX = 1_024;
export const FEED_BYTES_MAX = 8 * MiB;
export const READER_STREAMS_MAX = 10_000;

/**
 * Streams of one append times readers of many, of which these are told at once; with more it takes several turns. What
 * telling one of one counts as work, and appends that may wait to be told before their answers wait too.
 */
export const FEED_TOLD_AT_ONCE_MAX = 4_096;
export const FEED_TOLD_COST_BYTES = 256;
export const FEED_NEWS_MAX = 4;

/** Bytes of one stream that a reader of many gets, then it is the turn of another that is behind. */
export const READER_SLICE_BYTES = 8 * MiB;

/** What going back to the store for one stream counts as work, besides the bytes that are found there. */
export const BEHIND_TURN_BYTES = 8 * KiB;

/** What a position takes in memory that is kept for a stream that a reader of many must go back to. */
export const BEHIND_COST_BYTES = 256;

/** Streams that are looked up in one turn of the event loop for a reader of many. */
export const LIST_MEMBERS_PAGE = 64;

/**
 * Bytes of all messages with which a reader of many streams says where it was, and how long they may take; and of the id
 * of an event that says the same, which comes back as a header.
 */
export const RESUME_BYTES_MAX = 8 * MiB;
export const RESUME_WAIT_MS = 10_000;
export const EVENT_ID_BYTES_MAX = 4 * KiB;

/** Positions that a reader of many streams is told in one second while its filter wants nothing of them. */
export const PASSED_PER_SWEEP_MAX = 1_000;

/**
 * Bytes that one scan of a reader takes from the store. The first scan takes one block, the second the minimum, later
 * ones up to the maximum.
 */
export const SCAN_BYTES_MIN = MiB;
export const SCAN_BYTES_MAX = 4 * MiB;

/**
 * Blocks whose headers one look of a reader with a filter takes from the store, so that it can pass over those that hold
 * nothing of what it wants; and what each counts as work: the store copies all of its value.
 */
export const SKIP_PAGE_BLOCKS_MAX = 64;
export const SKIP_BLOCK_BYTES = 8 * KiB;

/** With many readers that scan, each gets its share of this instead, but not less than the minimum. */
export const SCANS_BYTES_MAX = 32 * MiB;
export const SCAN_BYTES_MIN_EACH = 64 * KiB;

/**
 * A block of at most so many bytes is unpacked, for a filter, into memory that the next one uses too: one for a process,
 * twice as large, for what is packed and what is unpacked.
 */
export const LENT_BLOCK_BYTES_MAX = 2 * MiB;

/** Bytes of unpacked blocks that are kept for readers that follow close after one another. */
export const READ_CACHE_BYTES_MAX = 32 * MiB;

/** What one append session may have in flight; above it, no more of the session is read. */
export const SESSION_IN_FLIGHT_BYTES_MAX = 8 * MiB;
export const SESSION_IN_FLIGHT_INPUTS_MAX = 1_024;

/** A reader gets no more above this many bytes that it has not taken. */
export const READER_BUFFERED_BYTES_MAX = 2 * MiB;

/**
 * While all readers together have more than this waiting for them, a reader gets more only when it has taken everything, and
 * then at most so many bytes: those that take nothing cost little each, and the others go on.
 */
export const READERS_BUFFERED_BYTES_MAX = 32 * MiB;
export const READER_BATCH_BYTES_MIN = 64 * KiB;

/** What a reader may need for one batch: a block, and the JSON of as much. Where that is not left it waits. */
export const READER_CLAIM_BYTES = (1 + JSON_BYTES_PER_BYTE_MAX) * MiB;

/** Shares of the whole budget: what one claims at most, and what readers have in any case. */
export const READER_SHARE = 1 / 8;
export const READERS_SHARE = 1 / 16;

/** While readers wait for memory, those that have taken nothing for so long are let go, the longest first. */
export const READER_SHORT_STALL_MS = 5_000;

/** Readers that wait for their peer and keep the page of the store that they are at. */
export const READERS_HOLDING_MAX = 8;

/** Encoded frames that are kept in case another reader wants the same ones, and what each costs besides its bytes. */
export const FRAME_CACHE_BYTES_MAX = 16 * MiB;
export const FRAME_CACHE_ENTRY_BYTES = 512;

/** A reader that takes everything lets the others have a turn after this many bytes; each block counts as so many. */
export const READER_TURN_BYTES = MiB;
export const READER_TURN_BLOCK_BYTES = KiB;

/** What an event counts as in the turn of all readers: one of another stream each may be a look into the store. */
export const READER_EVENT_BYTES = 4 * KiB;

/** What a WebSocket reader may send us in one message. */
export const SOCKET_MESSAGE_BYTES_MAX = 64 * KiB;

/** How often all readers are looked at: heartbeats, pings, and those that are gone. */
export const READER_SWEEP_MS = 1_000;

/** Idle readers get a heartbeat after a random time between these. */
export const HEARTBEAT_MIN_MS = 5_000;
export const HEARTBEAT_MAX_MS = 15_000;

/** How often a WebSocket reader is asked for a sign of life. */
export const SOCKET_PING_MS = 30_000;

/** A reader that is asked and gives no sign of life for so long, while nothing waits for it, is gone. */
export const SOCKET_SILENCE_MS = 600_000;

/** A reader with bytes waiting for it that takes none for so long is let go; it can resume. */
export const READER_STALL_MS = 3_600_000;

/** When the server stops, readers have so long to take what waits for them. */
export const READER_DRAIN_MS = 2_000;

/** A filter of a reader: characters of all its texts, and conditions. */
export const FILTER_CHARS_MAX = 4_096;
export const FILTER_TERMS_MAX = 32;

/** Instructions of all its regular expressions; and work on one record, in bytes, beyond which another thread does it. */
export const FILTER_PATTERN_STEPS_MAX = 500;
export const FILTER_TURN_BYTES = 4 * MiB;

/** A unary read with a filter looks for records so long at most, then tells where to go on. */
export const FILTERED_READ_MS_MAX = 5_000;

/** A read backwards: records when none are asked for, and the most; as many on each side of a record at most. */
export const BACK_RECORDS_DEFAULT = 100;
export const BACK_RECORDS_MAX = 1_000;
export const CONTEXT_RECORDS_DEFAULT = 5;
export const CONTEXT_RECORDS_MAX = 499;

/** What it takes records from is in memory until it is answered: with so many bytes of blocks it ends early. */
export const BACK_HELD_BYTES_MAX = 8 * MiB;

/** Counting and summing the records of a stream: all groups, each bucket of time for itself; further ones are one. And columns. */
export const AGGREGATE_GROUPS_MAX = 10_000;
export const AGGREGATE_COLUMNS_MAX = 3;

/** Bytes, or characters, of one value that names a group; longer ones are cut. */
export const AGGREGATE_NAME_BYTES_MAX = 256;

/** Places of all quantiles of one call together, each for the values within 1 % of each other; more need more memory. */
export const AGGREGATE_BINS_MAX = 500_000;

/** Memory is taken in such steps while groups grow. */
export const AGGREGATE_STEP_BYTES = MiB;

/** Open spans that wait for the record that closes them, and closed ones that are remembered (a power of two). */
export const AGGREGATE_OPEN_SPANS_MAX = 100_000;
export const AGGREGATE_CLOSED_SPANS = 65_536;

/** A call with one response looks at records so long at most, then says where to go on. */
export const AGGREGATE_MS_MAX = 5_000;

/** A call with several responses gets one so often, or less often where a response is much work. */
export const AGGREGATE_PARTIAL_MS = 1_000;

/** What a node that follows unpacks of one transaction for its readers; the rest they read from the store. */
export const FOLLOWED_BYTES_MAX = 32 * MiB;
