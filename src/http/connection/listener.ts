/**
 * The port: accepts connections within a limit, does TLS when it is on, and gives each connection to the server of its
 * protocol, HTTP/1.1 or HTTP/2.
 */

import { readFileSync } from 'node:fs';
import net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { noteClient } from '../../encoding/turns.ts';
import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import {
  CONNECTIONS_MAX,
  CONNECTIONS_REFUSED_MAX,
  HEADERS_TIMEOUT_MS,
  LAST_CONNECTIONS_MS,
} from '../../model/limits.ts';
import type { Logger } from '../../observe/logger.ts';
import type { ListenerHandlers } from './handlers.ts';
import { Http1, refuseConnection, TOO_MANY, TOO_SLOW } from './http1.ts';
import { Http2, refuseHttp2 } from './http2.ts';
import { type SniffedProtocol, sniff } from './sniff.ts';
import { Tls, type TlsFiles } from './tls.ts';

/** The system has a limit of its own (`net.core.somaxconn` of Linux), which is this or less. */
const BACKLOG = 4_096;
/** Open files that are no connections: the store, and what Node opens. */
const OTHER_FILES = 64;
/** How often idle connections are closed while the server stops. */
const IDLE_CHECK_MS = 20;
/** Where few files may be open, some are left for connections that are refused. */
const CONNECTIONS_SHARE = 0.8;

export interface ListenerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined serves without TLS. */
  readonly tls: TlsFiles | undefined;
  /** Connections that are served at a time; without it as many as the limits allow, ours and that of the system. */
  readonly connectionsMax?: number;
  /** What to do when the port is taken, after a colon. */
  readonly portAdvice: string;
}

/** An address, or the descriptor of a socket that listens already. */
export type ListenAt = ListeningAddress | { readonly fd: number };

export interface ListeningAddress {
  readonly host: string;
  readonly port: number;
}

/** Lives from the constructor to `cut`. */
export class Listener {
  readonly #http1: Http1;
  readonly #http2: Http2;
  readonly #tls: Tls | undefined;
  readonly #port: net.Server;
  readonly #portAdvice: string;
  readonly #sockets = new Set<net.Socket>();
  /** How many have come. */
  #accepted = 0;
  readonly #clock: Clock;
  /** Those whose protocol is not known yet, with the time at which they came. */
  readonly #undecided = new Map<net.Socket, number>();
  /** Those that were refused, while their clients read that. */
  readonly #refused = new Set<net.Socket>();
  readonly #connectionsMax: number;

  /** @throws TailraceError `config` when the TLS files cannot be used */
  constructor(handlers: ListenerHandlers, deps: ListenerDeps) {
    this.#clock = deps.clock;
    this.#http1 = new Http1(handlers);
    this.#http2 = new Http2(handlers, deps.clock);
    this.#tls = deps.tls === undefined ? undefined : new Tls(deps.tls, deps, (socket) => this.#secured(socket));
    this.#portAdvice = deps.portAdvice;
    this.#port = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#connectionsMax = deps.connectionsMax ?? connectionsAllowed();
  }

  /** @throws TailraceError `port_taken`, `config` when the address cannot be listened on */
  async listen(at: ListenAt): Promise<ListeningAddress> {
    await new Promise<void>((resolve, reject) => {
      this.#port.once('error', (cause) =>
        reject('fd' in at ? socketError(at.fd, cause) : this.#listenError(cause, at)),
      );
      const where = 'fd' in at ? { fd: at.fd } : { host: at.host, port: at.port };
      this.#port.listen({ ...where, backlog: BACKLOG }, resolve);
    });
    this.#port.removeAllListeners('error');
    this.#port.on('error', () => {});
    const address = this.#port.address();
    if (typeof address === 'string') throw socketError('fd' in at ? at.fd : undefined);
    if (address === null) throw new TailraceError('closed', 'the listener is closed');
    return { host: 'fd' in at ? address.address : at.host, port: address.port };
  }

  /** Reads certificate and key again, where there is TLS. @throws TailraceError `config` as {@link Tls.reload} */
  reloadTls(files: TlsFiles): void {
    this.#tls?.reload(files);
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /**
   * Takes the connections that the system has accepted for us, one a turn of the event loop: it resets those that are
   * left when the port closes. Ends when a turn brings none, or after a while where ever more come.
   */
  async acceptWaiting(): Promise<void> {
    const deadline = this.#clock.monotonicMs() + LAST_CONNECTIONS_MS;
    for (let before = -1; before < this.#accepted && this.#clock.monotonicMs() < deadline; ) {
      before = this.#accepted;
      // The first is still in this turn.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    }
  }

  /** Takes no more connections, and tells idle HTTP/2 clients. May be called twice, and before `listen`. */
  stopAccepting(): void {
    if (this.#port.listening) this.#port.close();
    this.#http2.stop();
  }

  /**
   * Closes connections that have no request in flight. One that came a moment ago is left, because its first request is
   * on the way. Call it only after `stopAccepting`, and again until no connection is left.
   */
  closeIdle(): void {
    const last = this.#clock.monotonicMs() - LAST_CONNECTIONS_MS;
    const silent = [...this.#undecided].filter(([, since]) => since <= last);
    // In a process that got no processor time for a while, bytes may have come that are read in this turn.
    setImmediate(() => {
      for (const [socket] of silent) if (this.#undecided.has(socket)) socket.destroy();
    });
    this.#http1.closeIdle();
    this.#http2.closeIdle();
  }

  /**
   * Closes idle connections until none is left, for `waitMs` at most, and tells the HTTP/2 clients that are left that they are
   * about to be cut. Call it after `stopAccepting`, and before `cut`.
   */
  async settled(waitMs: number): Promise<void> {
    const deadline = this.#clock.monotonicMs() + waitMs;
    while (this.connections > 0 && this.#clock.monotonicMs() < deadline) {
      this.closeIdle();
      await new Promise<void>((resolve) => void this.#clock.timer(IDLE_CHECK_MS, resolve));
    }
    this.#http2.announceAll();
  }

  /** Cuts every connection, and ends the listener. */
  cut(): void {
    this.#tls?.close();
    this.#http1.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #listenError(cause: NodeJS.ErrnoException | Error, { host, port }: ListeningAddress): TailraceError {
    const code = 'code' in cause ? cause.code : undefined;
    if (code === 'EADDRINUSE') {
      const message = `port ${port} on ${host} is taken: ${this.#portAdvice}`;
      return new TailraceError('port_taken', message, { cause });
    }
    if (code === 'EACCES') {
      const message = `port ${port} needs more rights, ports above 1023 do not: ${this.#portAdvice}`;
      return new TailraceError('port_taken', message, { cause });
    }
    return new TailraceError('config', `cannot listen on ${host}: set another address with --host`, { cause });
  }

  #accept(socket: net.Socket): void {
    this.#accepted++;
    noteClient();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    if (this.#sockets.size > this.#connectionsMax + CONNECTIONS_REFUSED_MAX) {
      socket.on('error', () => {}).destroy();
      return;
    }
    if (this.#tls === undefined) this.#sniff(socket);
    else this.#tls.take(socket);
  }

  /** ALPN has told the protocol; without ALPN it is HTTP/1.1 (RFC 9113, section 3.2). */
  #secured(socket: TLSSocket): void {
    this.#serve(socket, socket.alpnProtocol === 'h2' ? 'http2' : 'http1');
  }

  /** A client that is one too many is told so once it has said what it speaks: before that it does not listen. */
  #serve(socket: net.Socket, protocol: SniffedProtocol): void {
    if (this.#sockets.size - this.#refused.size > this.#connectionsMax) {
      this.#refused.add(socket);
      socket.once('close', () => this.#refused.delete(socket));
      if (protocol === 'http2') refuseHttp2(socket);
      else refuseConnection(TOO_MANY, socket);
    } else if (protocol === 'http2') this.#http2.take(socket);
    else this.#http1.take(socket);
  }

  #sniff(socket: net.Socket): void {
    this.#undecided.set(socket, this.#clock.monotonicMs());
    socket.once('close', () => this.#undecided.delete(socket));
    sniff(socket, HEADERS_TIMEOUT_MS, {
      decided: (protocol: SniffedProtocol) => {
        this.#undecided.delete(socket);
        this.#serve(socket, protocol);
      },
      silent: () => refuseConnection(TOO_SLOW, socket),
    });
  }
}

/** As many as our limit, or that of the system for open files, which Linux shows here. */
function connectionsAllowed(): number {
  try {
    const files = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity);
    return Math.min(CONNECTIONS_MAX, Math.floor((files - OTHER_FILES) * CONNECTIONS_SHARE));
  } catch {
    return CONNECTIONS_MAX;
  }
}

function socketError(fd: number | undefined, cause?: Error): TailraceError {
  const options = cause === undefined ? {} : { cause };
  return new TailraceError(
    'config',
    `descriptor ${fd} is no listening TCP socket: set ListenStream to a port`,
    options,
  );
}
