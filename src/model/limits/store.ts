/** What the store does at once, keeps in memory, and leaves free. */

const MiB = 1024 * 1024;

/** Payload bytes of one block before compression; a larger item gets a block of its own. */
export const BLOCK_BYTES_MAX = MiB;

/**
 * Least payload of a block with a summary. Smaller ones are read as soon as looked at, and for them a summary would cost
 * more than three hundredths of a request.
 */
export const SUMMARY_PAYLOAD_BYTES_MIN = 4 * 1024;

/**
 * A row of summaries is about so many blocks: enough that a reader passes over a long stream by few rows, and few enough
 * that one is read at once. It takes at most this share of what they take, but some bytes for each are always right.
 */
export const SUMMARY_ROW_BLOCKS = 64;
export const SUMMARY_ROW_SHARE = 3 / 200;
export const SUMMARY_ROW_BLOCK_BYTES = 16;

/**
 * Rows are made when a stream has so many new blocks with a summary, or a reader has looked at the headers of as many that
 * no row is about: fewer are looked at in a few milliseconds. And how many are made in one step, of blocks of so many bytes
 * at a time.
 */
export const SUMMARY_ROWS_DUE_BLOCKS = 256;
export const SUMMARY_ROWS_PER_STEP = 8;
export const SUMMARY_ROWS_SCAN_BYTES = MiB;

/**
 * Rows of trace ids take at most this share of their blocks. So many of equal size become one while that is no larger than
 * a large block.
 */
export const TRACE_ROW_SHARE = 1 / 100;
export const TRACE_ROWS_JOINED = 8;
export const TRACE_ROW_BYTES_MAX = MiB;

/**
 * Summaries and trace ids of new blocks that are kept for their rows, of all streams together. Summaries of others are read
 * from the store, and there are no rows of trace ids about them.
 */
export const RECENT_SUMMARIES_BYTES_MAX = 8 * MiB;

/** Bytes of the blocks in one transaction. A single request that is larger gets a transaction of its own. */
export const TRANSACTION_BYTES_MAX = 16 * MiB;

/** Transactions that the engine has and that are not durable yet. */
export const TRANSACTIONS_IN_FLIGHT_MAX = 2;

/** Rows in one transaction. A single request that writes more gets a transaction of its own. */
export const TRANSACTION_ROWS_MAX = 10_000;

/** While less space than this is free, records are refused. Trims and deletions may use it. */
export const STORE_RESERVE_BYTES = 64 * MiB;

/** So much of it is a file of its own, which is given up when another program has filled the disk. */
export const STORE_HELD_BYTES = 4 * MiB;

/** Fences, trim commands and settings leave so much of it to what then frees space. */
export const STORE_RESERVE_LAST_BYTES = MiB;

/** How long the count of the streams of a basin is good that bounds them. */
export const STREAM_COUNT_FRESH_MS = 1_000;

/** Open streams kept in memory; beyond it, the least recently used idle ones are dropped. */
export const OPEN_STREAMS_MAX = 10_000;

/** Streams whose rate is known: a few hundred bytes for each that got records in the last minute. */
export const RATED_STREAMS_MAX = 20_000;

/** Streams that are counted before the server listens; it does not wait for more. */
export const STREAMS_COUNTED_MAX = 10_000;

/**
 * Answers that are kept for repeats of requests, in all basins; beyond it the oldest go. Until they are gone, so many
 * more are kept, and then none.
 */
export const ANSWERS_KEPT_MAX = 100_000;
export const ANSWERS_KEPT_SLACK = 10_000;

/**
 * A wall clock that is this far ahead is not trusted at once: ahead of the monotonic clock; at a start, ahead of the
 * time that the store saw last.
 */
export const CLOCK_AHEAD_MS = 3_600_000;
export const CLOCK_AHEAD_START_MS = 86_400_000;

/** How long expiry then waits, unless an operator confirms the clock. */
export const CLOCK_PAUSE_MS = 86_400_000;

/** A full store that drops its oldest records frees this share of itself, in steps of so many uncompressed bytes. */
export const DROP_SHARE = 0.05;
export const DROP_STEP_BYTES = 32 * MiB;

/** Streams that are searched for the oldest records. */
export const DROP_STREAMS_MAX = 100_000;

/** Background work: how often it looks by itself, and how much it takes in one step between commits. */
export const BACKGROUND_TICK_MS = 60_000;

/** Time between two passes when the first could not free space in a full store: until then every append is refused. */
export const BACKGROUND_FULL_RETRY_MS = 1_000;
export const BACKGROUND_PAGE = 128;
export const BACKGROUND_BLOCKS_MAX = 512;

/** The rows of a basin that moves to another partition come in pages of at most so many bytes (or one row) and rows. */
export const MOVE_PAGE_BYTES = MiB;
export const MOVE_PAGE_ROWS_MAX = 1_000;

/** A stream of it takes as long to look up as so many bytes take to copy. */
export const MOVE_STREAM_BYTES = 64 * 1024;

/** Streams of it that are copied while it is in use, each some hundred bytes in memory; the others while it is sealed. */
export const MOVE_STREAMS_MAX = 50_000;

/** A backup is copied in steps of this size; requests go on between them. */
export const BACKUP_PAGE_BYTES = 256 * 1024;
export const BACKUP_PAGE_ROWS_MAX = 500;

/** A client that reads none of its backup for this long is disconnected: no other backup can run meanwhile. */
export const BACKUP_STALL_MS = 60_000;

/** Usage metrics (S2): the longest range that is allowed, and how far its end may be ahead of our clock. */
export const USAGE_RANGE_SECONDS_MAX = 90 * 86_400;
export const USAGE_AHEAD_SECONDS_MAX = 60;

/** How long minutes are kept, after which only their hours remain, and hours: as long as a query can ask for them. */
export const USAGE_MINUTES_SECONDS = 7 * 86_400;
export const USAGE_HOURS_SECONDS = 91 * 86_400;

/** JSON of one point of a series. */
export const USAGE_POINT_BYTES_MAX = 32;

/** Streams whose stored bytes are sampled in one minute, and streams that may wait to be sampled. */
export const USAGE_STREAMS_PER_MINUTE_MAX = 2_000;
export const USAGE_STREAMS_WAITING_MAX = 20_000;

/** Minutes that may wait while the store takes no writes. With more, the oldest ones are merged. */
export const USAGE_MINUTES_WAITING_MAX = 60;
