/**
 * HTTP/2 on connections that are handed over: node's own server with windows for fast uploads, and a guard that ends
 * idle connections and cuts those that flood us with resets or pings (S2 API §11.1).
 */

import {
  constants,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../model/clock.ts';
import {
  HTTP2_CONTROL_FRAMES_PER_SECOND_MAX,
  HTTP2_RESETS_PER_SECOND_MAX,
  HTTP2_SESSION_MEMORY_MIB_MAX,
  HTTP2_STREAMS_MAX,
  HTTP2_WINDOW_BYTES,
  KEEP_ALIVE_TIMEOUT_MS,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_HEADERS_MAX,
  SOCKET_PING_MS,
  SOCKET_SILENCE_MS,
} from '../../model/limits.ts';
import type { ListenerHandlers } from './handlers.ts';

const SWEEP_MS = 1_000;
/** A GOAWAY without an error, behind the last of all streams. */
const NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
/** `:method` and the like. */
const PSEUDO_HEADERS = 4;
/** How often the system asks a silent peer whether it is still there. */
const KEEP_ALIVE_MS = 30_000;
/** Frames that break the protocol, and streams beyond the allowed ones: nobody sends many of them by accident. */
const BROKEN_FRAMES_MAX = 100;
const REJECTED_STREAMS_MAX = 100;

/** One connection. */
interface Connection {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  /** Streams that are open. */
  streams: number;
  /** When the last stream ended, or the connection began. */
  idleSince: number;
  /** Since the last sweep. */
  resets: number;
  controlFrames: number;
  /** When we asked whether somebody is there, while the answer is out. */
  askedAt: number | undefined;
  /** When we asked last. */
  lastAskedAt: number;
  /** It was told that the end comes, and may not have heard it yet. */
  isAnnouncing: boolean;
  /** Since when it is to end, or has ended: what is left of it then is cut, when it took what was sent or had time to. */
  overSince: number | undefined;
}

/** Lives as long as its connections do. */
export class Http2 {
  readonly #server: Http2Server;
  readonly #clock: Clock;
  readonly #connections = new Map<object, Connection>();
  #isSweeping = false;
  #isStopping = false;

  constructor(handlers: ListenerHandlers, clock: Clock) {
    this.#clock = clock;
    this.#server = createServer({
      settings: {
        maxConcurrentStreams: HTTP2_STREAMS_MAX,
        initialWindowSize: HTTP2_WINDOW_BYTES,
        maxHeaderListSize: REQUEST_HEADER_BYTES_MAX,
      },
      maxHeaderListPairs: REQUEST_HEADERS_MAX + PSEUDO_HEADERS + 1,
      maxSessionInvalidFrames: BROKEN_FRAMES_MAX,
      maxSessionRejectedStreams: REJECTED_STREAMS_MAX,
      maxSessionMemory: HTTP2_SESSION_MEMORY_MIB_MAX,
    });
    const request = (awaitsContinue: boolean) => {
      return (message: Http2ServerRequest): void =>
        handlers.request(prepared(message), { version: 2, stream: message.stream }, awaitsContinue);
    };
    this.#server.on('stream', (stream) => this.#count(stream));
    this.#server.on('request', request(false));
    this.#server.on('checkContinue', request(true));
    this.#server.on('checkExpectation', request(false));
  }

  /** Serves a connection, from bytes that may have been put back into it. */
  take(socket: Socket): void {
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // Half a connection is of no use here: without this, what a client leaves behind by hanging up would live on.
    socket.allowHalfOpen = false;
    const begin = (session: ServerHttp2Session): void => this.#begin(session, socket);
    // The session is made, and told, within the call.
    this.#server.once('session', begin);
    this.#server.emit('connection', socket);
    this.#server.off('session', begin);
  }

  /** Tells all clients to open no more streams; those that run go on, and those that are on their way are answered. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const connection of this.#connections.values()) announceEnd(connection);
  }

  /** Lets connections go that have nothing under way. Call it only behind `stop`. */
  closeIdle(): void {
    for (const connection of this.#connections.values()) {
      const { session, socket, streams, overSince, isAnnouncing } = connection;
      if (streams > 0 || isAnnouncing) continue;
      if (overSince === undefined) this.#sayGoodbye(connection);
      else if (session.destroyed && socket.writableFinished) socket.destroy();
    }
  }

  #begin(session: ServerHttp2Session, socket: Socket): void {
    const idleSince = this.#clock.monotonicMs();
    const connection: Connection = {
      session,
      socket,
      streams: 0,
      idleSince,
      resets: 0,
      controlFrames: 0,
      askedAt: undefined,
      lastAskedAt: idleSince,
      isAnnouncing: false,
      overSince: undefined,
    };
    this.#connections.set(session, connection);
    socket.once('close', () => this.#connections.delete(session));
    endLater(session);
    // What fails is followed by a close.
    session.on('error', () => {});
    session.on('ping', () => countControl(connection));
    session.on('remoteSettings', () => countControl(connection));
    session.setLocalWindowSize(HTTP2_WINDOW_BYTES);
    if (this.#isStopping) this.#sayGoodbye(connection);
    if (!this.#isSweeping) this.#schedule();
  }

  #count(stream: ServerHttp2Stream): void {
    const connection = stream.session === undefined ? undefined : this.#connections.get(stream.session);
    if (connection === undefined) return;
    connection.streams++;
    // A stream that its client reset without an error would otherwise wait for what it still has to send, for ever.
    stream.once('aborted', () => setImmediate(() => stream.destroy()));
    stream.once('close', () => {
      connection.streams--;
      connection.idleSince = this.#clock.monotonicMs();
      if (!stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR) return;
      connection.resets++;
      if (connection.resets > HTTP2_RESETS_PER_SECOND_MAX) cutFlood(connection);
    });
  }

  /** The session ends by itself with its last stream. */
  #sayGoodbye(connection: Connection): void {
    connection.overSince = this.#clock.monotonicMs();
    connection.session.close();
  }

  #schedule(): void {
    this.#isSweeping = true;
    this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    const now = this.#clock.monotonicMs();
    for (const connection of this.#connections.values()) {
      connection.resets = 0;
      connection.controlFrames = 0;
      if (connection.streams > 0) askWhetherThere(connection, now);
      else if (connection.overSince !== undefined) cutOver(connection, now);
      else if (connection.session.destroyed) connection.overSince = now;
      else if (now - connection.idleSince >= KEEP_ALIVE_TIMEOUT_MS) this.#sayGoodbye(connection);
    }
    this.#isSweeping = false;
    if (this.#connections.size > 0) this.#schedule();
  }
}

/** Handlers look for a Host as they do in HTTP/1.1; here `:authority` says it (RFC 9113 §8.3.1). */
function prepared(message: Http2ServerRequest): Http2ServerRequest {
  const authority = message.headers[':authority'];
  if (authority !== undefined) message.headers.host = authority;
  return message;
}

/**
 * GOAWAY for all streams that there could be, which only asks for no new ones (RFC 9113 §6.8). node has just the GOAWAY
 * that refuses those which are on their way, and S2's TypeScript SDK gives up on a refused one. node hands whole frames to
 * the socket, so ours fits between them; it must not do that with TLS, where two writes at a time are a fault.
 */
function announceEnd(connection: Connection): void {
  const { session, socket } = connection;
  if (socket instanceof TLSSocket || session.destroyed || !socket.writable) return;
  connection.isAnnouncing = true;
  socket.write(NOTICE);
  // Whatever its client sent before it read the notice is here before the answer to this.
  session.ping(() => {
    connection.isAnnouncing = false;
  });
}

/**
 * node ends a session in the middle of what it reads, when a client says goodbye or breaks the protocol; what comes behind
 * that in the same piece then aborts the whole process (nghttp2 1.61: an assertion, or damaged memory). Ended a turn
 * later, it is all read.
 */
function endLater(session: ServerHttp2Session): void {
  const close = session.close.bind(session);
  const destroy = session.destroy.bind(session);
  session.close = (callback) => void setImmediate(() => close(callback));
  session.destroy = (error, code) => void setImmediate(() => destroy(error, code));
}

/** A slow client may still be taking what was sent. */
function cutOver({ socket, overSince = 0 }: Connection, now: number): void {
  if (socket.writableFinished || now - overSince >= KEEP_ALIVE_TIMEOUT_MS) socket.destroy();
}

/** A peer that vanished; or one that broke the protocol, whom node tells and then neither hears nor cuts. */
function askWhetherThere(connection: Connection, now: number): void {
  const { session, socket, askedAt, lastAskedAt } = connection;
  if (askedAt !== undefined) {
    if (now - askedAt >= SOCKET_SILENCE_MS) socket.destroy();
    return;
  }
  if (session.destroyed || now - lastAskedAt < SOCKET_PING_MS) return;
  connection.askedAt = connection.lastAskedAt = now;
  session.ping(() => {
    connection.askedAt = undefined;
  });
}

function countControl(connection: Connection): void {
  connection.controlFrames++;
  if (connection.controlFrames > HTTP2_CONTROL_FRAMES_PER_SECOND_MAX) cutFlood(connection);
}

function cutFlood({ session }: Connection): void {
  if (!session.destroyed) session.destroy(new Error('too many resets or pings'), constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
