/**
 * One request and its response, with what every handler needs of them, and the id that ties its log lines together. The
 * same on HTTP/1.1 and HTTP/2: what differs is handled here, in `reply.ts` and in `stream-response.ts`.
 */

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { AuthContext } from '../access/access.ts';
import type { Forwarded } from '../access/trusted-proxies.ts';
import type { TailraceError } from '../model/error.ts';
import type { OtlpSource } from '../model/otlp-source.ts';
import type { AuditProtocol } from '../observe/audit.ts';
import { correlationId } from '../observe/correlation-id.ts';
import type { TracedRequest } from '../observe/self/request-spans.ts';

/** What handlers see of a request, on either protocol. Iterating it yields the body as it comes, as Buffers. */
export interface HttpRequest extends Readable {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Names in lower case; on HTTP/2 with its pseudo-headers. */
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** Whether nothing more of the body will come. */
  readonly complete: boolean;
  /** Whether it ended too early. On HTTP/2 the body may then look as if it was complete. */
  readonly aborted: boolean;
  /** On HTTP/2 a stand-in for the connection: read only addresses from it. */
  readonly socket: Socket;
}

/** Where the response goes, by the version of HTTP. */
export type Transport =
  | { readonly version: 1; readonly response: ServerResponse }
  | { readonly version: 2; readonly stream: ServerHttp2Stream };

/** What the audit log will say of a request, as it becomes known. */
export interface AuditContext extends AuthContext {
  protocol: AuditProtocol;
  /** What failed after the response had begun. */
  failure: TailraceError | undefined;
}

export interface Exchange {
  readonly request: HttpRequest;
  readonly transport: Transport;
  /** On the monotonic clock. */
  readonly openedAt: number;
  /** The caller's own id when it sent a valid one, else ours. In every response and every log line. */
  readonly correlationId: string;
  /** As the request line has it: still percent-encoded, slashes unchanged. */
  readonly path: string;
  /** After the question mark, without it. */
  readonly query: string;
  /** Whether the client waits for 100 Continue before it sends its body. False once that is sent. */
  awaitsContinue: boolean;
  /** What the caller's token puts before stream names: no response shows it. */
  hiddenPrefix: string;
  /** For the page that sends the request, names and values in turn; undefined where no origin is configured. */
  corsHeaders: readonly string[] | undefined;
  /** What trusted proxies say of it; undefined where it came through none. */
  readonly forwarded: Forwarded | undefined;
  readonly auditContext: AuditContext;
  /** What OTLP data says of its sender; undefined while it is not looked at. */
  source: OtlpSource | undefined;
  /** Undefined when the request gets no span. */
  traced: TracedRequest | undefined;
  /** Whether it carries what this server measured of itself: then it counts nowhere. */
  isOwnTelemetry: boolean;
}

/** A request before the router has seen it. */
export function openExchange(
  request: HttpRequest,
  transport: Transport,
  awaitsContinue: boolean,
  openedAt: number,
  { corsHeaders, forwarded }: Partial<Pick<Exchange, 'corsHeaders' | 'forwarded'>> = {},
): Exchange {
  const url = originForm(request.url ?? '/');
  const mark = url.indexOf('?');
  return {
    request,
    transport,
    openedAt,
    correlationId: correlationId(request.headers['x-correlation-id']),
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? '' : url.slice(mark + 1),
    awaitsContinue,
    hiddenPrefix: '',
    corsHeaders,
    forwarded,
    auditContext: { protocol: 'http', caller: undefined, need: undefined, failure: undefined },
    source: undefined,
    traced: undefined,
    isOwnTelemetry: false,
  };
}

/** A client that talks to a proxy names the whole URL (RFC 9112, section 3.2.2); a server must take that too. */
export function originForm(url: string): string {
  if (url.startsWith('/')) return url;
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '');
  return path.startsWith('/') || path === url ? path : `/${path}`;
}

/** Whether a body follows the headers. */
export function announcesBody({ request, transport }: Exchange): boolean {
  if (transport.version === 2) return !transport.stream.endAfterHeaders;
  const length = request.headers['content-length'];
  return (length !== undefined && length !== '0') || request.headers['transfer-encoding'] !== undefined;
}

/** The announced length; undefined for a body without one. */
export function announcedLength(exchange: Exchange): number | undefined {
  const { request, transport } = exchange;
  const length = request.headers['content-length'];
  if (transport.version === 2) return length === undefined && announcesBody(exchange) ? undefined : Number(length ?? 0);
  return request.headers['transfer-encoding'] === undefined ? Number(length ?? 0) : undefined;
}

/** The encodings of responses that are named and not refused by `q=0` (RFC 9110, section 12.5.3). */
export function acceptedEncodings(header: string | string[] | undefined): ReadonlySet<string> {
  const parts = String(header ?? '')
    .toLowerCase()
    .split(',');
  const isRefused = (part: string): boolean => /;\s*q=0(\.0*)?\s*$/.test(part);
  return new Set(parts.filter((part) => !isRefused(part)).map((part) => part.split(';')[0]?.trim() ?? ''));
}

/** Sends 100 Continue to a client that waits for it. May be called twice. */
export function goOn(exchange: Exchange): void {
  if (!exchange.awaitsContinue) return;
  exchange.awaitsContinue = false;
  if (exchange.transport.version === 1) exchange.transport.response.writeContinue();
  else if (isOpen(exchange.transport.stream)) exchange.transport.stream.additionalHeaders({ ':status': 100 });
}

/** Whether the client is gone: no response reaches it. */
export function isGone({ request, transport }: Pick<Exchange, 'request' | 'transport'>): boolean {
  return transport.version === 1 ? request.socket.destroyed : !isOpen(transport.stream);
}

/** Calls once the client is gone, or the response is sent. Returns how to cancel that. */
export function onceOver(exchange: Exchange, call: () => void): () => void {
  if (isGone(exchange)) {
    call();
    return () => {};
  }
  const { transport } = exchange;
  const sink = transport.version === 1 ? transport.response : transport.stream;
  sink.once('close', call);
  return () => void sink.off('close', call);
}

/** The status of the response; undefined before it was sent. */
export function statusSent({ transport }: Exchange): number | undefined {
  if (transport.version === 1) return transport.response.headersSent ? transport.response.statusCode : undefined;
  const status = transport.stream.headersSent ? transport.stream.sentHeaders[':status'] : undefined;
  return status === undefined ? undefined : Number(status);
}

/** Whether the head of the response was sent. */
export function isAnswered({ transport }: Exchange): boolean {
  return transport.version === 1 ? transport.response.headersSent : transport.stream.headersSent;
}

/**
 * Ends the request so that its client sees a failure: the connection of HTTP/1.1, only the stream of HTTP/2. (Closing a
 * stream with an error code would first end it as if it was complete.) HTTP/2 waits for the next turn of the event
 * loop: Node sends a reset at once, and a write during a read damages memory.
 */
export function cut({ request, transport }: Pick<Exchange, 'request' | 'transport'>): void {
  if (transport.version === 1) request.socket.destroy();
  else setImmediate(() => transport.stream.destroy(new Error('cut')));
}

/** Sockets below HTTP/2, whose sessions don't give them out. */
const socketsBelow = new WeakMap<object, Socket>();

/** An HTTP/2 connection runs over this socket. */
export function noteSocket(session: object, socket: Socket): void {
  socketsBelow.set(session, socket);
}

/** Ends the whole connection at once, with what waits in it. */
export function cutConnection(exchange: Exchange): void {
  const { request, transport } = exchange;
  const socket = transport.version === 1 ? request.socket : socketsBelow.get(connectionOf(exchange));
  if (socket === undefined) cut(exchange);
  else setImmediate(() => socket.destroy());
}

/** The connection below: one object for all requests that come over it. */
export function connectionOf({ request, transport }: Exchange): object {
  return transport.version === 1 ? request.socket : (transport.stream.session ?? transport.stream);
}

/** Address of the sender, for log lines and to tell senders apart. */
export function senderOf({ forwarded, request }: Exchange): string {
  return forwarded?.sender ?? request.socket.remoteAddress ?? 'unknown';
}

/** The host and port that the client addressed. */
export function hostOf({ forwarded, request }: Exchange): string | undefined {
  return forwarded?.host ?? request.headers.host;
}

/** The scheme by which the client connected. */
export function schemeOf({ forwarded, request, transport }: Exchange): 'http' | 'https' {
  if (forwarded?.scheme !== undefined) return forwarded.scheme;
  const isSecure = transport.version === 1 ? request.socket instanceof TLSSocket : transport.stream.session?.encrypted;
  return isSecure === true ? 'https' : 'http';
}

/** A stream of HTTP/2 that can still be written to. */
export function isOpen(stream: ServerHttp2Stream): boolean {
  return !stream.destroyed && !stream.closed && !stream.aborted;
}
