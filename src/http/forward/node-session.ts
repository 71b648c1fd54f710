/** One HTTP/2 connection to another node, over which requests go that this node passes on. */

import type { OutgoingHttpHeaders } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../../model/clock.ts';
import {
  FORWARD_CONNECT_MS,
  FORWARD_PING_MS,
  FORWARD_RESETS_PER_SECOND_MAX,
  FORWARD_SILENCE_MS,
  FORWARD_WINDOW_BYTES,
  HTTP2_SESSION_MEMORY_MIB_MAX,
  HTTP2_STREAMS_MAX,
  HTTP2_WINDOW_BYTES,
} from '../../model/limits.ts';

/** What a server should allow at least (RFC 9113, section 6.5.2); ours says what it allows in its first frame. */
const STREAMS_BEFORE_SETTINGS = 100;

/** Where a node is. */
export interface NodeAddress {
  /** `http:` or `https:`; only its origin counts. */
  readonly url: URL;
  /** The certificates by which its own is judged, as PEM; undefined for those of the system. */
  readonly ca: Buffer | undefined;
}

export interface NodeSessionDeps {
  readonly clock: Pick<Clock, 'timer'>;
  /** Called once when the connection could not be made, or broke. */
  readonly onBroken: (reason: string) => void;
}

/** Lives from the constructor until it is closed, or breaks; it makes no second connection. */
export class NodeSession {
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #clock: Pick<Clock, 'timer'>;
  /** Undefined until the node has said it. */
  #streamsMax: number | undefined;
  #streams = 0;
  #isConnected = false;
  /** No new requests: closed by us, or by the node. */
  #isEnding = false;
  #resets = 0;
  readonly #resetLater: ClientHttp2Stream[] = [];
  /** Looks in a row at which there was no sign of life. */
  #silentLooks = 0;
  #bytesSeen = 0;
  #cancelLook = (): void => {};

  constructor({ url, ca }: NodeAddress, { clock, onBroken }: NodeSessionDeps) {
    this.#clock = clock;
    this.#socket = url.protocol === 'https:' ? securely(url, ca) : connectTcp(placeOf(url));
    this.#socket.setNoDelay(true);
    this.#session = connect(url.origin, {
      createConnection: () => this.#socket,
      settings: { initialWindowSize: FORWARD_WINDOW_BYTES, enablePush: false },
      maxSessionMemory: HTTP2_SESSION_MEMORY_MIB_MAX,
    });
    this.#endLater();
    let reason = 'the connection ended';
    this.#session.on('error', (error: Error) => {
      reason = error.message;
    });
    this.#session.once('connect', () => {
      this.#isConnected = true;
      this.#session.setLocalWindowSize(HTTP2_WINDOW_BYTES);
    });
    this.#session.on('remoteSettings', ({ maxConcurrentStreams }) => {
      this.#streamsMax = Math.min(HTTP2_STREAMS_MAX, maxConcurrentStreams ?? HTTP2_STREAMS_MAX);
    });
    this.#session.once('close', () => {
      const wasEnding = this.#isEnding;
      this.#isEnding = true;
      this.#cancelLook();
      if (!wasEnding || this.#streams > 0) onBroken(reason);
    });
    this.#lookLater();
  }

  /** Whether one more request may go over it. */
  get hasSpace(): boolean {
    return !this.isOver && this.#streams < (this.#streamsMax ?? STREAMS_BEFORE_SETTINGS);
  }

  /** Whether it takes no more requests, for ever. */
  get isOver(): boolean {
    return this.#isEnding || this.#session.closed || this.#session.destroyed;
  }

  /** Sends the head of a request. Call it only while there is space. */
  open(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    const stream = this.#session.request(headers, { endStream });
    this.#streams++;
    stream.once('close', () => {
      this.#streams--;
    });
    return stream;
  }

  /**
   * Gives a request up, so that the node sees no end of its body. A node cuts a connection with many resets, on which
   * requests of other clients may be, so those that are too many for a second wait for the next.
   */
  reset(stream: ClientHttp2Stream): void {
    if (stream.destroyed || (stream.readableEnded && stream.writableEnded)) return;
    if (this.#resets >= FORWARD_RESETS_PER_SECOND_MAX) {
      this.#resetLater.push(stream);
      return;
    }
    this.#resets++;
    // Node sends a reset at once, and a write during a read damages memory.
    setImmediate(() => stream.destroy(new Error('given up')));
  }

  /** Takes no more requests, and ends with the last that is under way. */
  close(): void {
    this.#session.close();
  }

  /** Ends at once, with all requests. */
  destroy(): void {
    this.#session.destroy();
  }

  /**
   * Node ends a session in the middle of a read when its peer says GOAWAY; what follows in the same chunk can then abort
   * the process (see `connection/http2.ts`). So it ends in the next turn, and takes no requests from now on.
   */
  #endLater(): void {
    const session = this.#session;
    const close = session.close.bind(session);
    const destroy = session.destroy.bind(session);
    session.close = (callback) => {
      this.#isEnding = true;
      setImmediate(() => close(callback));
    };
    session.destroy = (error, code) => {
      this.#isEnding = true;
      setImmediate(() => destroy(error, code));
    };
  }

  #lookLater(): void {
    this.#cancelLook = this.#clock.timer(FORWARD_PING_MS, () => this.#look());
  }

  /** Looks are counted, not time: in a process that got no processor time, an answer may be there and not read yet. */
  #look(): void {
    this.#resets = 0;
    for (const stream of this.#resetLater.splice(0)) this.reset(stream);
    const { bytesRead } = this.#socket;
    this.#silentLooks = bytesRead === this.#bytesSeen ? this.#silentLooks + 1 : 0;
    this.#bytesSeen = bytesRead;
    const waitMs = this.#isConnected ? FORWARD_SILENCE_MS : FORWARD_CONNECT_MS;
    if (this.#silentLooks * FORWARD_PING_MS >= waitMs) {
      this.#session.destroy(new Error('the node is silent'), constants.NGHTTP2_CANCEL);
      return;
    }
    // An answer is a sign of life.
    if (this.#isConnected && !this.#session.destroyed) this.#session.ping(() => {});
    this.#lookLater();
  }
}

/** What a socket connects to. */
export function placeOf(url: URL): { host: string; port: number } {
  const usual = url.protocol === 'https:' ? 443 : 80;
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port === '' ? usual : Number(url.port) };
}

function securely(url: URL, ca: Buffer | undefined): Socket {
  const { host, port } = placeOf(url);
  const socket = connectTls({ host, port, ALPNProtocols: ['h2'], ...(ca === undefined ? {} : { ca }) });
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol !== 'h2') socket.destroy(new Error('the node speaks no HTTP/2 over TLS'));
  });
  return socket;
}
