/** What connections may hold, and how long they may take. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Characters of the header names that a page of another site asks to send. */
export const CORS_HEADERS_CHARS_MAX = 1_024;

/** How much more of a refused upload is read before its connection is closed. */
export const REFUSED_BODY_BYTES_MAX = MiB;

/** A client that takes nothing of a response for so long is cut. Readers have `READER_STALL_MS`. */
export const ANSWER_STALL_MS = 60_000;

/** Responses are handed to the system in such pieces: who takes one has taken something. */
export const ANSWER_PIECE_BYTES = 64 * KiB;

/** A streaming HTTP response stops taking more above this many bytes that its client has not read. */
export const STREAM_ANSWER_BUFFERED_BYTES_MAX = 2 * MiB;

/** The sum for all of them: with many, the limit of each is its share of this, but not less than the minimum. */
export const STREAM_ANSWERS_BUFFERED_BYTES_MAX = 128 * MiB;
export const STREAM_ANSWER_BUFFERED_BYTES_MIN = 256 * KiB;

/** Open connections of the HTTP listener. */
export const CONNECTIONS_MAX = 20_000;

/** Connections beyond these that are told so; further ones are closed unread. */
export const CONNECTIONS_REFUSED_MAX = 1_024;

/** Proxies between a sender and the server, and addresses and networks that they may be in. */
export const PROXY_HOPS_MAX = 16;
export const PROXY_NETWORKS_MAX = 1_000;
export const REQUEST_HEADERS_MAX = 200;
export const REQUEST_HEADER_BYTES_MAX = 32 * KiB;
export const HEADERS_TIMEOUT_MS = 10_000;
export const KEEP_ALIVE_TIMEOUT_MS = 75_000;

/** Requests of one HTTP/1.1 connection that are under way; those behind them wait, and their bytes are not looked at. */
export const HTTP1_REQUESTS_UNDER_WAY_MAX = 4;

/** Requests of all connections that had been parsed by then, some kilobytes each; a connection with more is cut. */
export const HTTP1_REQUESTS_HELD_MAX = 16_384;

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

/** A connection that has sent nothing for this long is cut by a stop; until then its first request is answered. */
export const LAST_CONNECTIONS_MS = 100;

/**
 * Requests and upgraded connections that a node passes on at a time, on each port; and its HTTP/2 connections to one
 * node, of which each has as many streams as that allows.
 */
export const FORWARDED_REQUESTS_MAX = 10_000;
export const FORWARD_SESSIONS_MAX = 64;

/** What a node holds of one response whose client does not take it. */
export const FORWARD_WINDOW_BYTES = 128 * KiB;

/** How long a node may take to accept a connection, how often it is asked for a sign of life, and how long it may be silent. */
export const FORWARD_CONNECT_MS = 2_000;
export const FORWARD_PING_MS = 1_000;
export const FORWARD_SILENCE_MS = 5_000;

/** Streams that are reset per second on one connection to a node, which cuts a connection with many: more wait. */
export const FORWARD_RESETS_PER_SECOND_MAX = 250;
