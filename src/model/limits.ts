/**
 * Every limit of Tailrace, in one place. A limit that users may set is a setting in `config.ts` with the value here as
 * its default; the others are fixed here.
 */

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
/** The longest time that a unary read waits for records (S2). */
export const UNARY_WAIT_MS_MAX = 60_000;
/** Bytes of the body of a control plane call. */
export const CONTROL_BODY_BYTES_MAX = MiB;
/** Bytes of the body that shows a token to exchange: it comes from a caller who is not known yet. */
export const EXCHANGE_BODY_BYTES_MAX = 16 * KiB;
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
/** Characters of the header names that a page of another site asks to send. */
export const CORS_HEADERS_CHARS_MAX = 1_024;
/** How much more of a refused upload is read before its connection is closed. */
export const REFUSED_BODY_BYTES_MAX = MiB;

/** Answers with fewer bytes are not counted in the memory of requests: what carries them is larger. */
export const ANSWER_COUNTED_BYTES_MIN = KiB;
/** Longest JSON of one byte of a record (`\\u0001`), and of a record besides its bytes. */
export const JSON_BYTES_PER_BYTE_MAX = 6;
export const JSON_BYTES_PER_RECORD = 64;
/** Texts of answers from this length on are sent as bytes: Node would copy them once more. */
export const ANSWER_TEXT_CHARS_MAX = 16 * KiB;
/** JSON of one stream or basin in a list: a name of control characters is six times as long, beside 256 bytes. */
export const LISTED_ROW_BYTES_MAX = 3_328;
/** JSON of the access tokens in one page of a list; a page with more ends early. Attributes of a token may be large. */
export const LISTED_TOKENS_BYTES_MAX = 3 * MiB;
/** A client that takes nothing of a response for so long is cut. Readers have `READER_STALL_MS`. */
export const ANSWER_STALL_MS = 60_000;
/** Responses are handed to the system in such pieces: who takes one has taken something. */
export const ANSWER_PIECE_BYTES = 64 * KiB;
/** Bytes of an OTLP response; messages in it are shortened to stay below. */
export const ANSWER_BYTES_MAX = 4 * MiB;
/** Characters of one message for people in a response. */
export const ANSWER_MESSAGE_CHARS_MAX = 4_096;

/** Payload bytes of one block before compression; a larger item gets a block of its own. */
export const BLOCK_BYTES_MAX = MiB;
/** Bytes of the blocks in one transaction. A single request that is larger gets a transaction of its own. */
export const TRANSACTION_BYTES_MAX = 16 * MiB;
/** Transactions that the engine has and that are not durable yet. */
export const TRANSACTIONS_IN_FLIGHT_MAX = 2;
/** Rows in one transaction. A single request that writes more gets a transaction of its own. */
export const TRANSACTION_ROWS_MAX = 10_000;

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

/** Records and metered bytes of one batch, where S2 limits it. */
export const READ_BATCH_RECORDS_MAX = 1_000;
export const READ_BATCH_BYTES_MAX = MiB;
/** Blocks and bytes that may wait for a follower; with more it goes back to scanning. */
export const FOLLOWER_BLOCKS_MAX = 64;
export const FOLLOWER_BYTES_MAX = 8 * MiB;
/**
 * Bytes that one scan of a reader takes from the store. The first scan takes one block, the second the minimum, later
 * ones up to the maximum.
 */
export const SCAN_BYTES_MIN = MiB;
export const SCAN_BYTES_MAX = 4 * MiB;
/** With many readers that scan, each gets its share of this instead, but not less than the minimum. */
export const SCANS_BYTES_MAX = 32 * MiB;
export const SCAN_BYTES_MIN_EACH = 64 * KiB;
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

/** While less space than this is free, records are refused. Trims and deletions may use it. */
export const STORE_RESERVE_BYTES = 64 * MiB;
/** So much of it is a file of its own, which is given up when another program has filled the disk. */
export const STORE_HELD_BYTES = 4 * MiB;
/** Fences, trim commands and settings leave so much of it to what then frees space. */
export const STORE_RESERVE_LAST_BYTES = MiB;

/** A streaming HTTP response stops taking more above this many bytes that its client has not read. */
export const STREAM_ANSWER_BUFFERED_BYTES_MAX = 2 * MiB;
/** The sum for all of them: with many, the limit of each is its share of this, but not less than the minimum. */
export const STREAM_ANSWERS_BUFFERED_BYTES_MAX = 128 * MiB;
export const STREAM_ANSWER_BUFFERED_BYTES_MIN = 256 * KiB;

/** Open connections of the HTTP listener. */
export const CONNECTIONS_MAX = 20_000;
/** Connections beyond these that are told so; further ones are closed unread. */
export const CONNECTIONS_REFUSED_MAX = 1_024;
export const REQUEST_HEADERS_MAX = 200;
export const REQUEST_HEADER_BYTES_MAX = 32 * KiB;
export const HEADERS_TIMEOUT_MS = 10_000;
export const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** Requests of one HTTP/1.1 connection that are under way; those behind them wait, and their bytes are not looked at. */
export const HTTP1_REQUESTS_UNDER_WAY_MAX = 4;
/** Requests of all connections that had been parsed by then, some kilobytes each; a connection with more is cut. */
export const HTTP1_REQUESTS_HELD_MAX = 16_384;
/** A connection that has sent nothing for this long is cut by a stop; until then its first request is answered. */
export const LAST_CONNECTIONS_MS = 100;
/**
 * Bytes of an error message in the headers of gRPC, percent-encoded. A message goes out twice when a retry may help, and
 * some clients take no more than 8 KiB of headers.
 */
export const GRPC_MESSAGE_BYTES_MAX = 2 * KiB;
/** Bytes of a call to the health service, watches of it that are open, and how often they look. */
export const GRPC_HEALTH_BYTES_MAX = KiB;
export const GRPC_WATCHES_MAX = 1_000;
export const GRPC_WATCH_MS = 1_000;
/** HTTP/2: streams of one connection, and the window of each stream and of the connection. */
export const HTTP2_STREAMS_MAX = 250;
export const HTTP2_WINDOW_BYTES = 8 * MiB;
/** Streams that begin in one turn of the event loop, on all connections; then nothing more is read in that turn. */
export const HTTP2_STREAMS_PER_TURN_MAX = 500;
/**
 * Memory of one HTTP/2 connection, in MiB; above it new streams are refused. Responses that wait for a slow client
 * count. Those of all connections are bounded by `MEMORY_LIMIT_BYTES`.
 */
export const HTTP2_SESSION_MEMORY_MIB_MAX = 128;
/**
 * How long an idle HTTP/2 connection stays open when the server stops and the client was told: what crosses that notice
 * is answered. Most clients close the connection themselves.
 */
export const HTTP2_NOTICE_MS = 100;
/** An HTTP/2 connection that sends more per second is closed: stream resets; PING and SETTINGS frames. */
export const HTTP2_RESETS_PER_SECOND_MAX = 500;
export const HTTP2_CONTROL_FRAMES_PER_SECOND_MAX = 5_000;
/** The slowest upload that is allowed, measured over a window. A slower one gets 503, and its connection is closed. */
export const BODY_RATE_BYTES_PER_SECOND_MIN = 1_024;
export const BODY_RATE_WINDOW_MS = 10_000;
/** The longest time from SIGTERM to exit. */
export const SHUTDOWN_TIMEOUT_MS = 10_000;

/**
 * Levels of messages inside the message of a request: what the protobuf decoders of C++, Java, Python and Rust read at
 * most. An item with more is rejected. 31 lists of key and value within one another fit everywhere in an item.
 */
export const NESTING_MAX = 100;

/** A larger item is rejected anyway, so malformed ids in it stay. Good ones have half the length at least. */
export const REPAIRED_ITEM_BYTES_MAX = 4 * MiB;

/** How long the count of the streams of a basin is good that bounds them. */
export const STREAM_COUNT_FRESH_MS = 1_000;
/** Open streams kept in memory; beyond it, the least recently used idle ones are dropped. */
export const OPEN_STREAMS_MAX = 10_000;
/** Streams that are counted before the server listens; it does not wait for more. */
export const STREAMS_COUNTED_MAX = 10_000;

/** How often buckets of rates that are full again are dropped. */
export const RATES_SWEEP_MS = 60_000;

/** Access tokens. All of them are kept in memory. */
export const TOKENS_MAX = 100_000;
export const TOKEN_ID_BYTES_MAX = 96;
/** Bytes that the server adds to the resources of one OTLP request, in all. */
export const STAMPED_BYTES_MAX = 16 * MiB;
/** Resource attributes that one token sets, and bytes of one attribute with its key. */
export const TOKEN_ATTRIBUTES_MAX = 32;
export const TOKEN_ATTRIBUTE_BYTES_MAX = 4_096;

/** The OTLP policy of a basin: names of attributes in each of its lists, bytes of one, and seconds of a window. */
export const POLICY_ATTRIBUTES_MAX = 128;
export const POLICY_ATTRIBUTE_BYTES_MAX = 256;
export const DEDUPE_WINDOW_SECONDS_MAX = 86_400;
/** Items that are larger are rejected without a look at what the policy would take out of them. */
export const REWRITTEN_ITEM_BYTES_MAX = 4 * MiB;
/**
 * Answers that are kept for repeats of requests, in all basins; beyond it the oldest go. Until they are gone, so many
 * more are kept, and then none.
 */
export const ANSWERS_KEPT_MAX = 100_000;
export const ANSWERS_KEPT_SLACK = 10_000;

/** Bytes of names (S2). */
export const BASIN_NAME_BYTES_MIN = 8;
export const BASIN_NAME_BYTES_MAX = 48;
export const STREAM_NAME_BYTES_MAX = 512;

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

/** Characters of a secret that a user chooses, and bytes of the file that holds one. */
export const GIVEN_SECRET_CHARS_MIN = 32;
export const GIVEN_SECRET_CHARS_MAX = 1_024;
export const SECRET_FILE_BYTES_MAX = 4_096;
/** Streams of an init file that are made or checked at once, and how long to wait for one that is being deleted. */
export const INIT_STREAMS_AT_ONCE = 500;
export const INIT_BASIN_DELETION_WAIT_MS = 30_000;

/** Short-lived tokens of the exchange: the length of one, and how many with a good signature are cached. */
export const EXCHANGED_TOKEN_CHARS_MAX = 8_192;
export const EXCHANGED_TOKENS_CACHED_MAX = 10_000;
/** Lifetime of such a token: the default, and the maximum of the setting. Then how long one key signs them. */
export const EXCHANGE_TTL_MS = 15 * 60_000;
export const EXCHANGE_TTL_MS_MAX = 60 * 60_000;
export const SIGNING_KEY_LIFE_MS = 30 * 86_400_000;
/** Keys that may verify: the one that signs, and replaced ones whose tokens may still be valid. */
export const SIGNING_KEYS_MAX = 16;

/** Outside issuers that basins trust: length of URLs and audiences, size of key sets that are stored or fetched. */
export const OIDC_URL_CHARS_MAX = 2_048;
export const OIDC_AUDIENCE_BYTES_MAX = 512;
export const OIDC_STATIC_JWKS_BYTES_MAX = 32 * KiB;
export const OIDC_KEYS_MAX = 64;
/** RSA keys with fewer bits are not accepted (RFC 7518, section 3.3). */
export const OIDC_RSA_BITS_MIN = 2_048;

/** Fetching the keys of an issuer: bytes of the response, how long it may take, and how many requests wait for it. */
export const OIDC_JWKS_BYTES_MAX = 256 * KiB;
export const OIDC_FETCH_TIMEOUT_MS = 5_000;
export const OIDC_WAITING_MAX = 1_000;
/**
 * How long fetched keys are used without fetching again, and how long when the issuer cannot be reached. A token that
 * matches no key causes an earlier fetch, but not sooner than this after a success, or after a failure.
 */
export const OIDC_FRESH_MS = 10 * 60_000;
export const OIDC_STALE_MS = 86_400_000;
export const OIDC_ASK_AGAIN_MS = 30_000;
export const OIDC_RETRY_MS = 2_000;
/** How far the clock of the issuer may differ from ours. */
export const OIDC_CLOCK_TOLERANCE_SECONDS = 30;
/** Tokens with a good signature that are cached, and basins that are tried when a request names none. */
export const OIDC_TOKENS_CACHED_MAX = 10_000;
export const OIDC_BASINS_TRIED_MAX = 8;

/** Tickets for browser pages: how long one can be used, and how many exist, of all callers and of one token. */
export const TICKET_TTL_MS = 60_000;
export const TICKETS_MAX = 100_000;
export const TICKETS_PER_TOKEN_MAX = 10_000;

/** Audit log lines about refusals in one second; the rest are only counted. */
export const AUDIT_REFUSALS_PER_SECOND_MAX = 50;

/** Senders of OTLP data that are remembered; and those that showed no valid token, which push out no others. */
export const SENDERS_MAX = 1_000;
export const STRANGERS_REMEMBERED_MAX = 100;
/** What is remembered of one: characters of a text, services and streams, and kinds of rejections and of refusals. */
export const SENDER_TEXT_CHARS_MAX = 200;
export const SENDER_NAMES_MAX = 5;
export const SENDER_REASONS_MAX = 8;
/** JSON of the senders in one page; a page with more ends early. */
export const LISTED_SENDERS_BYTES_MAX = 3 * MiB;
/** Basins of which Prometheus is told when they received data last. */
export const RECEIVING_BASINS_MAX = 100;
/** A filter of a reader: characters of all its texts, and conditions. */
export const FILTER_CHARS_MAX = 4_096;
export const FILTER_TERMS_MAX = 32;
/** Instructions of all its regular expressions; and work on one record, in bytes, beyond which another thread does it. */
export const FILTER_PATTERN_STEPS_MAX = 500;
export const FILTER_TURN_BYTES = 4 * MiB;
/** A unary read with a filter looks for records so long at most, then tells where to go on. */
export const FILTERED_READ_MS_MAX = 5_000;
