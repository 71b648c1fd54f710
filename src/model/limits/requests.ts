/** What one request and its response may hold, how long it waits, and how much of the memory and of a turn it takes. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** What one OTLP request may hold: bytes on the wire, bytes when decompressed, records. Each is a setting of that name. */
export type OtlpLimits = Readonly<Record<'wireBytesMax' | 'bodyBytesMax' | 'requestRecordsMax', number>>;
export const OTLP_LIMITS: OtlpLimits = { wireBytesMax: 16 * MiB, bodyBytesMax: 64 * MiB, requestRecordsMax: 100_000 };

/** Bytes of one string, number or run of white space in OTLP/JSON: more than a record can hold, also all in escapes. */
export const JSON_TOKEN_BYTES_MAX = 8 * MiB;

/** Streams that one OTLP request may write to: each costs the server as much as a small request of its own. */
export const REQUEST_STREAMS_MAX = 10_000;

/** Metered bytes of one record (S2). A record of exactly this size is allowed. */
export const RECORD_METERED_BYTES_MAX = MiB;

/** Records and metered bytes of one append (S2). */
export const APPEND_RECORDS_MAX = 1_000;
export const APPEND_METERED_BYTES_MAX = MiB;

/** Bytes of the body of a unary append. JSON with escapes is up to six times as long as the data in it. */
export const APPEND_JSON_BODY_BYTES_MAX = 8 * MiB;
export const APPEND_PROTO_BODY_BYTES_MAX = 2 * MiB;

/**
 * Metered bytes of the OTLP records that one request stores in encrypted streams, where each has its resource and scope to
 * itself: twice the largest body.
 */
export const ENCRYPTED_REQUEST_BYTES_MAX = 128 * MiB;

/** The longest time that a unary read waits for records (S2). */
export const UNARY_WAIT_MS_MAX = 60_000;

/** Bytes of the body of a control plane call. */
export const CONTROL_BODY_BYTES_MAX = MiB;

/** Bytes of a fencing token and of a request token (S2). */
export const FENCING_TOKEN_BYTES_MAX = 36;
export const REQUEST_TOKEN_BYTES_MAX = 36;

/** Bytes in flight in the whole process. One caller may hold so many times what is free after that. */
export const MEMORY_LIMIT_BYTES = 512 * MiB;
export const MEMORY_SHARE_PER_FREE = 4;

/** Bytes in flight of requests whose caller is not known yet; they take nothing from those of callers. */
export const STRANGERS_MEMORY_BYTES_MAX = 8 * MiB;

/** A body that does not come at once counts in such steps. */
export const BODY_RESERVED_STEP_BYTES = 64 * KiB;

/** The first buffer of a body that does not say its length, and how many times larger each further one is. */
export const BODY_BUFFER_BYTES = 64 * KiB;
export const BODY_BUFFER_GROWTH = 4;

/**
 * Blocks of a zstd body: these, and one more for each so many decompressed bytes that the body may have. An encoder makes
 * fewer: the smallest window makes blocks of 1 KiB, and a flush after each of 100,000 records stays below it in 64 MiB.
 */
export const ZSTD_BLOCKS_MIN = 1_024;
export const ZSTD_BLOCK_PLAIN_BYTES_MIN = 512;

/** Answers with fewer bytes are not counted in the memory of requests: what carries them is larger. */
export const ANSWER_COUNTED_BYTES_MIN = KiB;

/** Longest JSON of one byte of a record (`\\u0001`), and of a record besides its bytes. */
export const JSON_BYTES_PER_BYTE_MAX = 6;
export const JSON_BYTES_PER_RECORD = 64;

/** Texts of answers from this length on are sent as bytes: Node would copy them once more. */
export const ANSWER_TEXT_CHARS_MAX = 16 * KiB;

/** JSON of one stream or basin in a list: a name of control characters is six times as long, beside 512 bytes. */
export const LISTED_ROW_BYTES_MAX = 3_584;

/** JSON of the access tokens in one page of a list; a page with more ends early. Attributes of a token may be large. */
export const LISTED_TOKENS_BYTES_MAX = 3 * MiB;

/** Bytes of an OTLP response; messages in it are shortened to stay below. */
export const ANSWER_BYTES_MAX = 4 * MiB;

/** Characters of one message for people in a response. */
export const ANSWER_MESSAGE_CHARS_MAX = 4_096;

/** Work on the main thread yields after this many bytes. The worst input of this size takes 30 ms. */
export const YIELD_BYTES = MiB;

/** Such work that begins in one turn of the event loop, all requests together; more waits for a later turn. */
export const TURN_BYTES = 2 * MiB;

/** What one request counts as, and one stream that it writes to, besides their bytes. */
export const TURN_REQUEST_BYTES = 4 * KiB;
export const TURN_STREAM_BYTES = 2 * KiB;

/** Requests that are looked at in one turn of the event loop; more wait for a later turn. */
export const TURN_REQUESTS_MAX = 256;

/** Turns in a row without work while new clients come, of which each turn lets in one. */
export const TURNS_FOR_CLIENTS_MAX = 32;

/** A request that waited for so long before it was looked at is refused. */
export const REQUEST_WAIT_MS_MAX = 1_000;

/**
 * Bytes of requests that are under way, as much as the server gets done in this time: at first, and the least and the most.
 * Each request counts with at most `YIELD_BYTES`, and with `TURN_REQUEST_BYTES` besides.
 */
export const WORK_TARGET_MS = 500;
export const WORK_BYTES_AT_FIRST = 32 * MiB;
export const WORK_BYTES_MIN = 4 * MiB;
export const WORK_BYTES_MAX = 256 * MiB;

/** What a compressed body is taken to grow by until it is there. */
export const WORK_ENCODED_RATIO = 6;

/** What a body is taken to have that does not say its length. */
export const WORK_BODY_BYTES = 16 * KiB;

/** A body that is announced counts for so long before it is there. */
export const WORK_BODY_COMES_MS = 500;

/**
 * Levels of messages inside the message of a request: what the protobuf decoders of C++, Java, Python and Rust read at
 * most. An item with more is rejected. 31 lists of key and value within one another fit everywhere in an item.
 */
export const NESTING_MAX = 100;

/** A larger item is rejected anyway, so malformed ids in it stay. Good ones have half the length at least. */
export const REPAIRED_ITEM_BYTES_MAX = 4 * MiB;

/** How often buckets of rates that are full again are dropped. */
export const RATES_SWEEP_MS = 60_000;

/** The OTLP policy of a basin: names of attributes in each of its lists, bytes of one, and seconds of a window. */
export const POLICY_ATTRIBUTES_MAX = 128;
export const POLICY_ATTRIBUTE_BYTES_MAX = 256;
export const DEDUPE_WINDOW_SECONDS_MAX = 86_400;

/** Items that are larger are rejected without a look at what the policy would take out of them. */
export const REWRITTEN_ITEM_BYTES_MAX = 4 * MiB;

/** Bytes of names (S2). */
export const BASIN_NAME_BYTES_MIN = 8;
export const BASIN_NAME_BYTES_MAX = 48;
export const STREAM_NAME_BYTES_MAX = 512;

/** JSON of the senders in one page; a page with more ends early. */
export const LISTED_SENDERS_BYTES_MAX = 3 * MiB;

/** Metered bytes of one OTLP record: the most that `large_items_max` can say. */
export const LARGE_ITEM_BYTES_MAX = 16 * MiB;

/** The head of a resource, and that of a scope, has at most so many bytes in a record that S2 readers get cut. */
export const CUT_HEAD_BYTES_MAX = 256 * KiB;

/** No string is cut to fewer bytes. */
export const CUT_STRING_BYTES_MIN = 16;

/** What says how a record is cut is stored with it, and has at most so many bytes. */
export const CUT_EDITS_BYTES_MAX = MiB;

/** How often the server's own metrics go out, with the spans since then. It must never be load by itself. */
export const SELF_TELEMETRY_INTERVAL_MS = 15_000;

/** Spans of requests in that time, those that are under way too; more are counted and forgotten. */
export const SELF_SPANS_MAX = 150;

/** One of so many requests is traced, where the caller does not say whether to. */
export const SELF_SPANS_ONE_OF = 100;

/** How long a target may take. Then what was sent counts as dropped. */
export const SELF_TELEMETRY_TIMEOUT_MS = 10_000;

/** Taken out of the memory of requests while it is on: the spans, and the request that is made of them. */
export const SELF_TELEMETRY_BYTES = MiB;
