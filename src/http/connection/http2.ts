/**
 * HTTP/2 on connections that are handed over: Node's own server with windows for fast uploads, and a guard that ends
 * idle connections and cuts those that flood the server with resets or pings.
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
  HTTP2_NOTICE_MS,
  HTTP2_RESETS_PER_SECOND_MAX,
  HTTP2_SESSION_MEMORY_MIB_MAX,
  HTTP2_STREAMS_MAX,
  HTTP2_STREAMS_PER_TURN_MAX,
  HTTP2_WINDOW_BYTES,
  KEEP_ALIVE_TIMEOUT_MS,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_HEADERS_MAX,
  SOCKET_PING_MS,
  SOCKET_SILENCE_MS,
} from '../../model/limits.ts';
import { noteSocket } from '../exchange.ts';
import type { ListenerHandlers } from './handlers.ts';
import { linger } from './linger.ts';

const SWEEP_MS = 1_000;
const READING = { true: 'readStart', false: 'readStop' } as const;
/** A GOAWAY without an error, for the highest stream id. */
const NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
/** Our settings, which come first, and a GOAWAY that no stream was served and that there is too much (RFC 9113, section 6.8). */
const REFUSAL = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb]);
/** `:method` and the like. */
const PSEUDO_HEADERS = 4;
/** How often the system probes a silent peer. */
const KEEP_ALIVE_MS = 30_000;
/** Frames that break the protocol, and streams beyond the allowed ones: no client sends many of them by accident. */
const BROKEN_FRAMES_MAX = 100;
const REJECTED_STREAMS_MAX = 100;

/** One connection. */
interface Http2Connection {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  /** Streams that are open. */
  streams: number;
  /** When the last stream ended, or the connection began. */
  idleSince: number;
  /** Since the last sweep. */
  resets: number;
  controlFrames: number;
  /** When the ping was sent that the client has not acknowledged yet. */
  pingedAt: number | undefined;
  /** When the last ping was sent. */
  lastPingAt: number;
  /** When the client was told to open no more streams: it may not have read that yet, or may close the connection. */
  announcedAt: number | undefined;
  /** It will be told so in the next turn. */
  isNoticeDue: boolean;
  /** Since when it is to end, or has ended. What is left is cut once the client took what was sent, or had time to. */
  overSince: number | undefined;
}

/** Lives as long as its connections do. */
export class Http2 {
  readonly #server: Http2Server;
  readonly #clock: Clock;
  readonly #connections = new Map<object, Http2Connection>();
  #isSweeping = false;
  #isStopping = false;
  /** Streams that began in this turn of the event loop, on all connections. */
  #begunInTurn = 0;
  /** Connections that came after too many of them. */
  #postponed: Socket[] = [];

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
      return (message: Http2ServerRequest): void => {
        // Reset in the same packet: no client waits for a response.
        if (message.stream.destroyed) return;
        handlers.request(prepared(message), { version: 2, stream: message.stream }, awaitsContinue);
      };
    };
    this.#server.on('request', request(false));
    this.#server.on('checkContinue', request(true));
    this.#server.on('checkExpectation', request(false));
  }

  /** Serves a connection, from bytes that may have been put back into it. */
  take(socket: Socket): void {
    if (this.#begunInTurn >= HTTP2_STREAMS_PER_TURN_MAX) {
      this.#postponed.push(socket.off('error', ignore).on('error', ignore));
      return;
    }
    socket.off('error', ignore);
    if (socket.destroyed) return;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // Half a connection is of no use here: without this, the half that a client leaves open would stay.
    socket.allowHalfOpen = false;
    const begin = (session: ServerHttp2Session): void => this.#begin(session, socket);
    // The session is made, and announced, within the call.
    this.#server.once('session', begin);
    this.#server.emit('connection', socket);
    this.#server.off('session', begin);
  }

  /**
   * Tells each client to open no more streams once its last one has ended; until then it gets no GOAWAY, because some
   * clients drop the connection at any, with the responses that are still to come. Streams already sent are served.
   */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const connection of this.#connections.values()) this.#announceIdle(connection);
  }

  /** Tells all clients, also those that have open streams: the time for these is over. */
  announceAll(): void {
    const now = this.#clock.monotonicMs();
    for (const connection of this.#connections.values()) announceEnd(connection, now);
  }

  /** Closes connections that have no open stream. Call it only after `stop`. */
  closeIdle(): void {
    const now = this.#clock.monotonicMs();
    for (const connection of this.#connections.values()) {
      const { session, socket, streams, overSince, announcedAt } = connection;
      if (streams > 0 || connection.isNoticeDue || (announcedAt !== undefined && now - announcedAt < HTTP2_NOTICE_MS))
        continue;
      if (overSince === undefined) this.#endGracefully(connection);
      else if (session.destroyed && socket.writableFinished) socket.destroy();
    }
  }

  #begin(session: ServerHttp2Session, socket: Socket): void {
    const idleSince = this.#clock.monotonicMs();
    const connection: Http2Connection = {
      session,
      socket,
      streams: 0,
      idleSince,
      resets: 0,
      controlFrames: 0,
      pingedAt: undefined,
      lastPingAt: idleSince,
      announcedAt: undefined,
      isNoticeDue: false,
      overSince: undefined,
    };
    this.#connections.set(session, connection);
    noteSocket(session, socket);
    socket.once('close', () => this.#connections.delete(session));
    endLater(session);
    // A close follows every error.
    session.on('error', () => {});
    session.on('stream', (stream: ServerHttp2Stream) => this.#count(connection, stream));
    session.on('ping', () => countControl(connection));
    session.on('remoteSettings', () => countControl(connection));
    session.setLocalWindowSize(HTTP2_WINDOW_BYTES);
    if (this.#isStopping) this.#endGracefully(connection);
    if (!this.#isSweeping) this.#schedule();
  }

  #count(connection: Http2Connection, stream: ServerHttp2Stream): void {
    this.#pace();
    if (stream.destroyed) {
      // Reset in the packet that opened it, before anybody heard of it.
      countReset(connection);
      return;
    }
    connection.streams++;
    // A stream that its client reset without an error would otherwise wait for ever for what it still has to send.
    stream.once('aborted', () => setImmediate(() => stream.destroy()));
    stream.once('close', () => {
      connection.streams--;
      connection.idleSince = this.#clock.monotonicMs();
      // Node writes the end of the stream to the socket after this event, in the same turn.
      if (this.#isStopping) this.#announceSoon(connection);
      // What we refuse while its body is coming is no reset by the client: it has its response.
      const isOurs = !stream.aborted || stream.writableFinished;
      if (isOurs && stream.rstCode === constants.NGHTTP2_NO_ERROR) return;
      countReset(connection);
    });
  }

  /** A packet can hold a thousand requests that are reset at once: when many have come, the rest is read next turn. */
  #pace(): void {
    this.#begunInTurn++;
    if (this.#begunInTurn === 1) setImmediate(() => this.#nextTurn());
    if (this.#begunInTurn !== HTTP2_STREAMS_PER_TURN_MAX) return;
    for (const connection of this.#connections.values()) setReading(connection, false);
  }

  #nextTurn(): void {
    const wasStopped = this.#begunInTurn >= HTTP2_STREAMS_PER_TURN_MAX;
    this.#begunInTurn = 0;
    if (!wasStopped) return;
    for (const connection of this.#connections.values()) setReading(connection, true);
    // One by one: what the first ones bring is counted before the next one begins.
    for (const socket of this.#postponed.splice(0)) setImmediate(() => this.take(socket));
  }

  #announceSoon(connection: Http2Connection): void {
    connection.isNoticeDue = true;
    setImmediate(() => {
      connection.isNoticeDue = false;
      this.#announceIdle(connection);
    });
  }

  #announceIdle(connection: Http2Connection): void {
    if (connection.streams === 0) announceEnd(connection, this.#clock.monotonicMs());
  }

  /** The session then ends with its last stream. */
  #endGracefully(connection: Http2Connection): void {
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
      if (connection.streams > 0) probe(connection, now);
      else if (connection.overSince !== undefined) cutOver(connection, now);
      else if (connection.session.destroyed) connection.overSince = now;
      else if (now - connection.idleSince >= KEEP_ALIVE_TIMEOUT_MS) this.#endGracefully(connection);
    }
    this.#isSweeping = false;
    if (this.#connections.size > 0) this.#schedule();
  }
}

/** Tells a client that is one too many that none of its requests is served: it may send them again. */
export function refuseHttp2(socket: Socket): void {
  socket.write(REFUSAL);
  linger(socket);
}

/**
 * Stops reading what the system has received, or goes on. Node's sessions read from the handle below the socket, so the
 * methods of the socket do not do it.
 */
function setReading({ session, socket }: Http2Connection, isReading: boolean): void {
  if (session.destroyed || socket.destroyed) return;
  const handle: unknown = Reflect.get(socket, '_handle');
  const call: unknown = typeof handle === 'object' && handle !== null && Reflect.get(handle, READING[`${isReading}`]);
  if (typeof call === 'function') Reflect.apply(call, handle, []);
}

/** Handlers read the header Host, as in HTTP/1.1; HTTP/2 has `:authority` instead (RFC 9113, section 8.3.1). */
function prepared(message: Http2ServerRequest): Http2ServerRequest {
  const authority = message.headers[':authority'];
  if (authority !== undefined) message.headers.host = authority;
  return message;
}

/**
 * Sends GOAWAY for the highest stream id, which only asks for no new streams (RFC 9113, section 6.8). Node has only the
 * GOAWAY that refuses streams already sent, and S2's TypeScript SDK gives up on a refused one. Node hands whole frames
 * to the socket, so ours fits between them. It must not do that with TLS, where two writes at a time are a fault.
 * No ping follows to learn when the client has read it: hyper-h2 takes every other frame after a GOAWAY as a fault.
 */
function announceEnd(connection: Http2Connection, now: number): void {
  const { session, socket, announcedAt, overSince } = connection;
  if (announcedAt !== undefined || overSince !== undefined) return;
  if (socket instanceof TLSSocket || session.destroyed || !socket.writable) return;
  connection.announcedAt = now;
  socket.write(NOTICE);
}

/**
 * Node ends a session in the middle of a read when a client sends GOAWAY or breaks the protocol; what follows in the
 * same chunk then aborts the whole process (nghttp2 1.61: an assertion, or damaged memory). Ended in the next turn of
 * the event loop, the session has read all of it.
 */
function endLater(session: ServerHttp2Session): void {
  const close = session.close.bind(session);
  const destroy = session.destroy.bind(session);
  session.close = (callback) => void setImmediate(() => close(callback));
  session.destroy = (error, code) => void setImmediate(() => destroy(error, code));
}

/** A slow client may still be taking what was sent. */
function cutOver({ socket, overSince = 0 }: Http2Connection, now: number): void {
  if (socket.writableFinished || now - overSince >= KEEP_ALIVE_TIMEOUT_MS) socket.destroy();
}

/**
 * Finds peers that vanished, and those that broke the protocol, which Node tells so and then neither reads nor cuts.
 */
function probe(connection: Http2Connection, now: number): void {
  const { session, socket, pingedAt, lastPingAt } = connection;
  if (pingedAt !== undefined) {
    if (now - pingedAt >= SOCKET_SILENCE_MS) socket.destroy();
    return;
  }
  if (session.destroyed || now - lastPingAt < SOCKET_PING_MS) return;
  connection.pingedAt = connection.lastPingAt = now;
  session.ping(() => {
    connection.pingedAt = undefined;
  });
}

function ignore(): void {}

function countReset(connection: Http2Connection): void {
  connection.resets++;
  if (connection.resets > HTTP2_RESETS_PER_SECOND_MAX) cutFlood(connection);
}

function countControl(connection: Http2Connection): void {
  connection.controlFrames++;
  if (connection.controlFrames > HTTP2_CONTROL_FRAMES_PER_SECOND_MAX) cutFlood(connection);
}

function cutFlood({ session }: Http2Connection): void {
  if (!session.destroyed) session.destroy(new Error('too many resets or pings'), constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
