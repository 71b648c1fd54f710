/**
 * Every limit of Tailrace, in one place (otlp.md, Limits; reliability.md, Rules). Those that users may set are
 * settings in `config.ts` with these values as defaults; the others are fixed here.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** What the OTLP doors take. Each is a setting of the same name. */
export interface OtlpLimits {
  /** Body as it comes over the wire. */
  readonly wireBytesMax: number;
  /** Body after decompression. */
  readonly bodyBytesMax: number;
  /** Records in one request. */
  readonly requestRecordsMax: number;
}

export const OTLP_LIMITS: OtlpLimits = {
  wireBytesMax: 16 * MiB,
  bodyBytesMax: 64 * MiB,
  requestRecordsMax: 100_000,
};

/** Metered bytes of one record (S2). Exactly this many is allowed. */
export const RECORD_METERED_BYTES_MAX = MiB;
/** Records and metered bytes of one append (S2 API §4.3). */
export const APPEND_RECORDS_MAX = 1_000;
export const APPEND_METERED_BYTES_MAX = MiB;
/** Body of a unary append: JSON with escapes is up to six times as long as what it says (S2 API §4.3). */
export const APPEND_JSON_BODY_BYTES_MAX = 8 * MiB;
export const APPEND_PROTO_BODY_BYTES_MAX = 2 * MiB;
/** Longest that a unary read waits for records (S2 API §5.2). */
export const UNARY_WAIT_MS_MAX = 60_000;
/** Body of a call of the control plane. */
export const CONTROL_BODY_BYTES_MAX = MiB;
/** Bytes of a fencing token and of a request token (S2 API §3.1). */
export const FENCING_TOKEN_BYTES_MAX = 36;
export const REQUEST_TOKEN_BYTES_MAX = 36;
/** Bytes in flight in the whole process, and what a request of unknown length reserves at first. */
export const MEMORY_LIMIT_BYTES = 512 * MiB;
export const RESERVE_UNKNOWN_BYTES = MiB;
/** A body in zstd after decompression, which blocks everything else meanwhile. */
export const ZSTD_BODY_BYTES_MAX = 8 * MiB;
/** Names of headers that a page of another site asks to send, as text. */
export const CORS_HEADERS_CHARS_MAX = 1_024;
/** A refused upload is read this much further before its connection is closed. */
export const REFUSED_BODY_BYTES_MAX = MiB;

/** OTLP answers stay below this; messages are shortened. */
export const ANSWER_BYTES_MAX = 4 * MiB;
/** One human message inside an answer. */
export const ANSWER_MESSAGE_CHARS_MAX = 4_096;

/** Payload of one block before compression; a larger item is a block of its own. */
export const BLOCK_BYTES_MAX = MiB;
/** Blocks of one transaction, or one request if that is larger. */
export const TRANSACTION_BYTES_MAX = 16 * MiB;
/** Transactions handed to the engine and not yet durable. */
export const TRANSACTIONS_IN_FLIGHT_MAX = 2;

/** Work on the main thread yields to others after this many bytes; of the worst that there is, they take 30 ms. */
export const YIELD_BYTES = MiB;

/** What a reader gets in one batch where S2 asks for it. */
export const READ_BATCH_RECORDS_MAX = 1_000;
export const READ_BATCH_BYTES_MAX = MiB;
/** Blocks that wait for a follower before it goes back to scanning. */
export const FOLLOWER_BLOCKS_MAX = 64;
/** Bytes that wait for a follower before it goes back to scanning. */
export const FOLLOWER_BYTES_MAX = 8 * MiB;
/** Bytes that one scan of a reader takes from the store: first one block, then these, then up to the most. */
export const SCAN_BYTES_MIN = MiB;
export const SCAN_BYTES_MAX = 4 * MiB;
/** With many readers that scan, each one's share of this takes the place of that limit, but never less than the least. */
export const SCANS_BYTES_MAX = 32 * MiB;
export const SCAN_BYTES_MIN_EACH = 64 * KiB;
/** Unpacked blocks that are kept for readers close after one another. */
export const READ_CACHE_BYTES_MAX = 32 * MiB;

/** What one append session has under way at most; beyond it no more of it is read. */
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
/** Readers that wait for their peer and keep the page of the store that they are at. */
export const READERS_HOLDING_MAX = 8;
/** Encoded frames that are kept in case another reader wants the same ones, and what each costs besides its bytes. */
export const FRAME_CACHE_BYTES_MAX = 16 * MiB;
export const FRAME_CACHE_ENTRY_BYTES = 512;
/** A reader that takes everything lets the others have a turn after this many bytes; each block counts as so many. */
export const READER_TURN_BYTES = MiB;
export const READER_TURN_BLOCK_BYTES = KiB;
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

/** While less room than this is free, records are refused; trims and deletions may use it. */
export const STORE_RESERVE_BYTES = 64 * MiB;

/** A streaming HTTP answer asks for patience above this many bytes that its client has not taken. */
export const STREAM_ANSWER_BUFFERED_BYTES_MAX = 2 * MiB;
/** With many of them each one's share of this, but not less than the least, takes the place of that limit. */
export const STREAM_ANSWERS_BUFFERED_BYTES_MAX = 128 * MiB;
export const STREAM_ANSWER_BUFFERED_BYTES_MIN = 256 * KiB;

/** Open connections of the HTTP listener. */
export const CONNECTIONS_MAX = 20_000;
export const REQUEST_HEADERS_MAX = 200;
export const REQUEST_HEADER_BYTES_MAX = 32 * KiB;
export const HEADERS_TIMEOUT_MS = 10_000;
export const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** HTTP/2: streams of one connection, and the window of each stream and of the connection. */
export const HTTP2_STREAMS_MAX = 250;
export const HTTP2_WINDOW_BYTES = 8 * MiB;
/**
 * What one HTTP/2 connection may take, in MiB; beyond it new streams are refused. Answers that wait for a slow client
 * count: each of its streams may hold `STREAM_ANSWER_BUFFERED_BYTES_MAX` and a frame of 2 MiB.
 */
export const HTTP2_SESSION_MEMORY_MIB_MAX = 1_024;
/** An HTTP/2 connection that sends more than these in a second is cut: resets of streams; pings and settings. */
export const HTTP2_RESETS_PER_SECOND_MAX = 500;
export const HTTP2_CONTROL_FRAMES_PER_SECOND_MAX = 5_000;
/** Slowest upload that we bear, measured over a window: below it the request is answered 503 and cut. */
export const BODY_RATE_BYTES_PER_SECOND_MIN = 1_024;
export const BODY_RATE_WINDOW_MS = 10_000;
/** SIGTERM to exit. */
export const SHUTDOWN_TIMEOUT_MS = 10_000;

/** Nesting of protobuf messages and of JSON (otlp.md, Encodings). */
export const NESTING_MAX = 64;

/** Open streams kept in memory; the least recently used idle ones are let go. */
export const OPEN_STREAMS_MAX = 10_000;
/** Streams that are counted at a start, before it listens; more are not waited for. */
export const STREAMS_COUNTED_MAX = 10_000;

/** Access tokens: all of them are in memory. */
export const TOKENS_MAX = 100_000;
export const TOKEN_ID_BYTES_MAX = 96;
/** All bytes that the server adds to the resources of one OTLP request. */
export const STAMPED_BYTES_MAX = 16 * MiB;
/** Resource attributes that a token sets, and bytes of one with its key. */
export const TOKEN_ATTRIBUTES_MAX = 32;
export const TOKEN_ATTRIBUTE_BYTES_MAX = 4_096;

/** Names (S2, §3.1). */
export const BASIN_NAME_BYTES_MIN = 8;
export const BASIN_NAME_BYTES_MAX = 48;
export const STREAM_NAME_BYTES_MAX = 512;

/** A wall clock that is so far ahead of the monotonic one, or of what the store saw last, is not believed at once. */
export const CLOCK_AHEAD_MS = 3_600_000;
export const CLOCK_AHEAD_START_MS = 86_400_000;
/** So long expiry waits then, unless an operator confirms the clock. */
export const CLOCK_PAUSE_MS = 86_400_000;

/** A full store that drops its oldest records makes this share of it free, in steps of so many bytes before compression. */
export const DROP_SHARE = 0.05;
export const DROP_STEP_BYTES = 32 * MiB;
/** Streams that are looked at for the oldest records. */
export const DROP_STREAMS_MAX = 100_000;

/** Background work: how often it looks by itself, and how much it takes in one step between commits. */
export const BACKGROUND_TICK_MS = 60_000;
/** Between two passes where the first could not make room in a full store: until then every append is refused. */
export const BACKGROUND_FULL_RETRY_MS = 1_000;
export const BACKGROUND_PAGE = 128;
export const BACKGROUND_BLOCKS_MAX = 512;

/** A backup is copied in steps of this much, between which requests go on. */
export const BACKUP_PAGE_BYTES = 256 * 1024;
export const BACKUP_PAGE_ROWS_MAX = 500;
/** Whoever takes none of a backup for so long is cut: it holds room on the disk, and the place of another. */
export const BACKUP_STALL_MS = 60_000;

/** Usage metrics (S2 API §8): the longest range that is answered, and how far ahead of our clock it may end. */
export const USAGE_RANGE_SECONDS_MAX = 90 * 86_400;
export const USAGE_AHEAD_SECONDS_MAX = 60;
/** So long minutes are kept, then only their hours; those for as long as they can be asked for. */
export const USAGE_MINUTES_SECONDS = 7 * 86_400;
export const USAGE_HOURS_SECONDS = 91 * 86_400;
/** Streams whose stored bytes are sampled in one minute, and those that wait for it. */
export const USAGE_STREAMS_PER_MINUTE_MAX = 2_000;
export const USAGE_STREAMS_WAITING_MAX = 20_000;
/** Minutes that wait to be written down while the store takes nothing; then they are put together. */
export const USAGE_MINUTES_WAITING_MAX = 60;

/** Characters of a secret that somebody makes up, and bytes of the file that holds one. */
export const GIVEN_SECRET_CHARS_MIN = 32;
export const GIVEN_SECRET_CHARS_MAX = 1_024;
export const SECRET_FILE_BYTES_MAX = 4_096;
/** Streams of an init file that are made sure of together, and how long one that is being deleted is waited for. */
export const INIT_STREAMS_AT_ONCE = 500;
export const INIT_BASIN_DELETION_WAIT_MS = 30_000;

/** Short-lived tokens of the exchange: how long one is at most, and how many whose signature was good are kept in mind. */
export const EXCHANGED_TOKEN_CHARS_MAX = 8_192;
export const EXCHANGED_TOKENS_CACHED_MAX = 10_000;
/** How long one lives unless a setting says otherwise, and at most; how long a key signs them. */
export const EXCHANGE_TTL_MS = 15 * 60_000;
export const EXCHANGE_TTL_MS_MAX = 60 * 60_000;
export const SIGNING_KEY_LIFE_MS = 30 * 86_400_000;
/** Keys that may verify: the one that signs, and those that were replaced while what they signed may still live. */
export const SIGNING_KEYS_MAX = 16;

/** Outside issuers that basins trust: how long what names them is, and the key sets that are kept here or fetched. */
export const OIDC_URL_CHARS_MAX = 2_048;
export const OIDC_AUDIENCE_BYTES_MAX = 512;
export const OIDC_STATIC_JWKS_BYTES_MAX = 32 * KiB;
export const OIDC_KEYS_MAX = 64;
/** Signed with fewer bits nothing counts (RFC 7518, 3.3). */
export const OIDC_RSA_BITS_MIN = 2_048;

/** What an issuer answers when it is asked for its keys, how long that may take, and how many requests wait for it. */
export const OIDC_JWKS_BYTES_MAX = 256 * KiB;
export const OIDC_FETCH_TIMEOUT_MS = 5_000;
export const OIDC_WAITING_MAX = 1_000;
/**
 * So long its keys count without asking again; and so long when it cannot be asked. A token that no key fits makes us ask
 * before, but not so soon after an answer, or after a failure.
 */
export const OIDC_FRESH_MS = 10 * 60_000;
export const OIDC_STALE_MS = 86_400_000;
export const OIDC_ASK_AGAIN_MS = 30_000;
export const OIDC_RETRY_MS = 2_000;
/** Its clock and ours may differ by so much. */
export const OIDC_CLOCK_TOLERANCE_SECONDS = 30;
/** Tokens whose signature was good that are kept in mind, and basins that are tried where a request names none. */
export const OIDC_TOKENS_CACHED_MAX = 10_000;
export const OIDC_BASINS_TRIED_MAX = 8;

/** Tickets for pages: how long one waits to be used, and how many are kept, of all callers and of one token. */
export const TICKET_TTL_MS = 60_000;
export const TICKETS_MAX = 100_000;
export const TICKETS_PER_TOKEN_MAX = 10_000;

/** Lines of the audit log about refusals in one second; beyond it they are counted. */
export const AUDIT_REFUSALS_PER_SECOND_MAX = 50;
