/**
 * The port: accepts connections within a cap and gives each to node's HTTP parser, with the timeouts that keep slow and
 * silent clients from holding it. Each connection goes through one function, where later protocols branch off.
 */

import { createServer, type IncomingMessage, type Server } from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { TailraceError } from '../model/error.ts';
import {
  CONNECTIONS_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_HEADERS_MAX,
} from '../model/limits.ts';
import { correlationId, type HttpRequest, type Way } from './exchange.ts';

/** How often node looks for connections whose headers do not come. */
const TIMEOUT_CHECK_MS = 1_000;
const BACKLOG = 1_024;

export interface ListenerHandlers {
  request(request: HttpRequest, way: Way, awaitsContinue: boolean): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface ListeningAddress {
  readonly host: string;
  readonly port: number;
}

/** Lives from `listen` to `close`. */
export class Listener {
  readonly #http: Server;
  readonly #port: net.Server;
  readonly #sockets = new Set<net.Socket>();

  constructor(handlers: ListenerHandlers) {
    this.#http = createServer({
      maxHeaderSize: REQUEST_HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      // One timeout for the whole server would cut long uploads and sessions: bodies have a floor of their own.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    });
    // Above it node drops headers silently; one more than we take, so that the router can refuse them.
    this.#http.maxHeadersCount = REQUEST_HEADERS_MAX + 1;
    this.#http.on('request', (request, response) => handlers.request(request, { version: 1, response }, false));
    this.#http.on('checkContinue', (request, response) => handlers.request(request, { version: 1, response }, true));
    this.#http.on('checkExpectation', (request, response) =>
      handlers.request(request, { version: 1, response }, false),
    );
    this.#http.on('upgrade', (request, socket, head) => handlers.upgrade(request, socket, head));
    this.#http.on('clientError', refuseConnection);
    // node starts to watch for slow headers when its server listens; ours is fed with sockets instead.
    this.#http.emit('listening');
    this.#port = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#port.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws TailraceError `port_taken`, `config` when the address cannot be listened on */
  async listen(host: string, port: number): Promise<ListeningAddress> {
    await new Promise<void>((resolve, reject) => {
      this.#port.once('error', (cause) => reject(listenError(cause, host, port)));
      this.#port.listen({ host, port, backlog: BACKLOG }, resolve);
    });
    this.#port.removeAllListeners('error');
    this.#port.on('error', () => {});
    const address = this.#port.address();
    if (address === null || typeof address === 'string') throw new TailraceError('closed', 'the listener is closed');
    return { host, port: address.port };
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Takes no more connections. May be called twice, and before `listen`. */
  stopAccepting(): void {
    if (this.#port.listening) this.#port.close();
  }

  /** Lets connections go that have no request under way. */
  closeIdle(): void {
    this.#http.closeIdleConnections();
  }

  /** Cuts every connection, and ends for good. */
  cut(): void {
    this.#http.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** One connection. What it speaks is decided here. */
  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#http.emit('connection', socket);
  }
}

function listenError(cause: NodeJS.ErrnoException | Error, host: string, port: number): TailraceError {
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'EADDRINUSE') {
    const message = `port ${port} on ${host} is taken: choose another with --port (TAILRACE_PORT); 0 picks a free one`;
    return new TailraceError('port_taken', message, { cause });
  }
  if (code === 'EACCES') {
    return new TailraceError('port_taken', `port ${port} needs more rights: choose one above 1023 with --port`, {
      cause,
    });
  }
  return new TailraceError('config', `cannot listen on ${host}: set another address with --host`, { cause });
}

/** What node could not parse, or waited for in vain. Slow headers are 503: a retry cures them. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, phrase, code, message] = REFUSALS.get(error.code ?? '') ?? BAD_REQUEST;
  const body = JSON.stringify({ code, message });
  const retry = status === 503 ? 'Retry-After: 1\r\n' : '';
  socket.end(
    `HTTP/1.1 ${status} ${phrase}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `X-Correlation-Id: ${correlationId(undefined)}\r\n${retry}Connection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

type Refusal = readonly [status: number, phrase: string, grpcCode: number, message: string];

const BAD_REQUEST: Refusal = [400, 'Bad Request', 3, 'this is not HTTP/1.1 as it should be'];
const REFUSALS: ReadonlyMap<string, Refusal> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', [503, 'Service Unavailable', 14, 'the headers come too slowly: send the request again']],
  ['HPE_HEADER_OVERFLOW', [431, 'Request Header Fields Too Large', 8, 'the headers are too large']],
]);
