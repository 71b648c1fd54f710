/** What is kept of tokens, issuers, tickets, sessions and senders. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bytes of the body that shows a token or a login to exchange: it comes from a caller who is not known yet. */
export const EXCHANGE_BODY_BYTES_MAX = 16 * KiB;

/** Access tokens. All of them are kept in memory. */
export const TOKENS_MAX = 100_000;
export const TOKEN_ID_BYTES_MAX = 96;

/** Tokens whose last use is written in one transaction; more wait for the next minute. */
export const TOKEN_USES_WRITTEN_MAX = 2_000;

/** Bytes that the server adds to the resources of one OTLP request, in all. */
export const STAMPED_BYTES_MAX = 16 * MiB;

/** Resource attributes that one token sets, and bytes of one attribute with its key. */
export const TOKEN_ATTRIBUTES_MAX = 32;
export const TOKEN_ATTRIBUTE_BYTES_MAX = 4_096;

/** Characters of a secret that a user chooses, and bytes of the file that holds one. */
export const GIVEN_SECRET_CHARS_MIN = 32;
export const GIVEN_SECRET_CHARS_MAX = 1_024;
export const SECRET_FILE_BYTES_MAX = 4_096;

/** Streams of an init file that are made or checked at once, and how long to wait for one that is being deleted. */
export const INIT_STREAMS_AT_ONCE = 500;
export const INIT_BASIN_DELETION_WAIT_MS = 30_000;

/**
 * Bytes of a configuration file, an init file or a declaration, which are read into memory; and how many copies its
 * aliases may make, so that a small file does not become a large one.
 */
export const DOCUMENT_BYTES_MAX = 16 * MiB;
export const DOCUMENT_ALIASES_MAX = 1_000;

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

/** How long the senders of a basin that has moved to another partition are told so by the one that it was in. */
export const OIDC_MOVED_MS = 60_000;

/** Tickets for browser pages: how long one can be used, and how many exist, of all callers and of one token. */
export const TICKET_TTL_MS = 60_000;
export const TICKETS_MAX = 100_000;
export const TICKETS_PER_TOKEN_MAX = 10_000;

/** Logins of the web page: how long one can be used, and how many exist, of all callers and of one token. */
export const LOGIN_TTL_MS = 60_000;
export const LOGINS_MAX = 10_000;
export const LOGINS_PER_TOKEN_MAX = 100;

/** Sessions of the web page: how long one lasts that is not used, and how many exist, of all callers and of one token. */
export const SESSION_IDLE_MS = 12 * 3_600_000;
export const SESSIONS_MAX = 10_000;
export const SESSIONS_PER_TOKEN_MAX = 100;

/** Audit log lines about refusals in one second; the rest are only counted. */
export const AUDIT_REFUSALS_PER_SECOND_MAX = 50;

/**
 * Lines of the audit log that are kept in memory, and their bytes: of actions, and again as many of refusals and failures
 * of strangers. Then characters of one text in them, which the longest name of a stream fits into.
 */
export const AUDIT_KEPT_LINES_MAX = 500;
export const AUDIT_KEPT_BYTES_MAX = 512 * KiB;
export const AUDIT_TEXT_CHARS_MAX = 512;

/** Senders of OTLP data that are remembered; and those that showed no valid token, which push out no others. */
export const SENDERS_MAX = 1_000;
export const STRANGERS_REMEMBERED_MAX = 100;

/** What is remembered of one: characters of a text, services and streams, and kinds of rejections and of refusals. */
export const SENDER_TEXT_CHARS_MAX = 200;
export const SENDER_NAMES_MAX = 5;
export const SENDER_REASONS_MAX = 8;

/** Prometheus is told how many senders there were in so long. */
export const RECENT_SENDERS_MS = 300_000;

/** Of how many of its last requests a sender's latencies are known: at least half of them, once it sent as many. */
export const SENDER_LATENCIES_MAX = 1_024;

/** Basins of which Prometheus is told when they received data last. */
export const RECEIVING_BASINS_MAX = 100;
