/**
 * HTTP/1.1 on connections that are handed over: Node's own server, with timeouts so that slow clients cannot hold it.
 */

import { createServer, IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_HEADERS_MAX,
} from '../../model/limits.ts';
import { correlationId } from '../../observe/correlation-id.ts';
import type { ListenerHandlers } from './handlers.ts';
import { linger } from './linger.ts';
import { Pipeline } from './pipeline.ts';

/** How often Node looks for connections whose headers do not come. */
const TIMEOUT_CHECK_MS = 1_000;
const ASKED = Symbol('asked for an upgrade');
const WEBSOCKET = /(^|,)\s*websocket\s*(,|$)/i;

/** Lives until `close`. */
export class Http1 {
  readonly #server: Server<typeof Request>;
  readonly #pipelines = new WeakMap<Duplex, Pipeline>();

  constructor(handlers: ListenerHandlers) {
    this.#server = createServer({
      IncomingMessage: Request,
      // Node's refusal has no correlation id and no reason: ours has (`HttpServer`).
      requireHostHeader: false,
      maxHeaderSize: REQUEST_HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      // One timeout for all requests would cut long uploads and sessions: bodies have a minimum rate instead.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    });
    // Node silently drops headers above this; it is one more than we take, so that the server can refuse the request.
    this.#server.maxHeadersCount = REQUEST_HEADERS_MAX + 1;
    const request = (awaitsContinue: boolean) => {
      return (message: IncomingMessage, response: ServerResponse): void => {
        const handle = (): void => handlers.request(message, { version: 1, response }, awaitsContinue);
        const pipeline = this.#pipelines.get(message.socket);
        if (pipeline === undefined) handle();
        else pipeline.begin(message, response, handle);
      };
    };
    this.#server.on('request', request(false));
    this.#server.on('checkContinue', request(true));
    this.#server.on('checkExpectation', request(false));
    this.#server.on('upgrade', (message, socket, head) => {
      this.#pipelines.get(socket)?.end();
      handlers.upgrade(message, socket, head);
    });
    const refuse = (error: { readonly code?: string | undefined }, socket: Duplex): void => {
      const pipeline = this.#pipelines.get(socket);
      pipeline?.end();
      if (pipeline === undefined || error.code === 'ECONNRESET') refuseConnection(error, socket);
      else pipeline.whenAnswered(() => refuseConnection(error, socket));
    };
    this.#server.on('connect', (_, socket) => refuse(NO_PROXY, socket));
    this.#server.on('clientError', refuse);
    // Node starts to watch for slow headers when its server listens; this one is handed sockets instead.
    this.#server.emit('listening');
  }

  /** Serves a connection, from bytes that may have been put back into it. */
  take(socket: Socket): void {
    this.#pipelines.set(socket, new Pipeline(socket));
    this.#server.emit('connection', socket);
  }

  /** Closes connections that have no request in flight. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
  }

  /** Ends the server; open connections stay. */
  close(): void {
    this.#server.close();
  }
}

/**
 * Only WebSockets are upgrades. Clients of HTTP/2 ask for `h2c` with their first request and accept a response in
 * HTTP/1.1; Node would take the connection away from HTTP for any upgrade.
 */
class Request extends IncomingMessage {
  [ASKED]?: true;

  /** Set by Node's parser, before the headers are there. */
  set upgrade(asked: boolean | null) {
    if (asked === true) this[ASKED] = true;
  }

  get upgrade(): boolean {
    return this[ASKED] === true && (this.method === 'CONNECT' || WEBSOCKET.test(this.headers.upgrade ?? ''));
  }
}

/**
 * Tells a client that is too slow, that is one too many, or whose HTTP/1.1 is broken, and closes the connection. Where a
 * retry may work it is 503.
 */
export function refuseConnection(error: { readonly code?: string | undefined }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, phrase, code, message] = REPLIES.get(error.code ?? '') ?? BAD_REQUEST;
  const body = JSON.stringify({ code, message });
  const retry = status === 503 ? 'Retry-After: 1\r\n' : '';
  socket.end(
    `HTTP/1.1 ${status} ${phrase}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `X-Correlation-Id: ${correlationId(undefined)}\r\n${retry}Connection: close\r\n\r\n${body}`,
  );
  linger(socket);
}

/** Makes `refuseConnection` say that the headers do not come. */
export const TOO_SLOW = { code: 'ERR_HTTP_REQUEST_TIMEOUT' } as const;
/** Makes it say that there are too many connections. */
export const TOO_MANY = { code: 'TOO_MANY' } as const;

const NO_PROXY = { code: 'NO_PROXY' } as const;

type RawReply = readonly [status: number, phrase: string, grpcCode: number, message: string];

const BAD_REQUEST: RawReply = [400, 'Bad Request', 3, 'this is not HTTP/1.1 as it should be'];
const REPLIES: ReadonlyMap<string, RawReply> = new Map([
  [TOO_SLOW.code, [503, 'Service Unavailable', 14, 'the headers come too slowly: send the request again']],
  [TOO_MANY.code, [503, 'Service Unavailable', 14, 'too many connections are open: send the request again later']],
  [NO_PROXY.code, [400, 'Bad Request', 3, 'this server is no proxy: take it out of HTTP_PROXY and HTTPS_PROXY']],
  ['HPE_HEADER_OVERFLOW', [431, 'Request Header Fields Too Large', 8, 'the headers are too large']],
]);
