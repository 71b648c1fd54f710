/**
 * Responses: few headers, written as one flat array, the body with its length. A response to a request whose body is
 * still coming is complete at once; the rest of that body is discarded within limits, so that the client can read the
 * response.
 */

import type { ServerResponse } from 'node:http';
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { ANSWER_TEXT_CHARS_MAX, REFUSED_BODY_BYTES_MAX } from '../model/limits.ts';
import type { AnswerWatch } from './answer-watch.ts';
import { discardRest, endQuietly, isBodyPending } from './body/discard.ts';
import type { RequestMemory } from './body/reservation.ts';
import type { UploadWatch } from './body/upload-watch.ts';
import { announcedLength, type Exchange, isOpen } from './exchange.ts';
import { holdAnswer } from './held-answer.ts';
import { sendBody, writeBody } from './send-body.ts';

export interface HttpResponse {
  readonly status: number;
  /** Undefined for a response without a body. */
  readonly contentType?: string;
  readonly body: string | Uint8Array;
  /** Names and values in turn. */
  readonly headers?: readonly string[];
}

/** What replying takes besides the response; one for the whole server. */
export interface ReplyContext {
  /** Pays for responses until they have left. */
  readonly memory: RequestMemory;
  readonly watch: UploadWatch;
  readonly answers: AnswerWatch;
  /** Whether the server is stopping: then every response asks the client to close the connection. */
  closing(): boolean;
}

/** What replying takes of the server. */
export interface ReplyDeps {
  readonly replyContext: ReplyContext;
}

/** Without a body, and so without its length: no content, and not modified. */
const BODILESS: ReadonlySet<number> = new Set([204, 304]);

/** Headers of responses with a secret, or with what is of no use later: no cache keeps them. */
export const NO_STORE: readonly string[] = ['Cache-Control', 'no-store'];

/**
 * Sends a response. Does nothing when the client is gone.
 * @throws TailraceError `overloaded` when there is no memory for a large response to a read: nothing is sent then
 */
export function reply(exchange: Exchange, response: HttpResponse, context: ReplyContext): void {
  const { transport } = exchange;
  const content = contentOf(response.body);
  const bytes = typeof content === 'string' ? Buffer.byteLength(content) : content.length;
  holdAnswer(exchange, response.status, bytes, context.memory);
  if (exchange.traced !== undefined) exchange.traced.responseBytes = bytes;
  const headers = ['X-Correlation-Id', exchange.correlationId];
  if (response.contentType !== undefined) headers.push('Content-Type', response.contentType);
  if (!BODILESS.has(response.status)) headers.push('Content-Length', String(bytes));
  if (response.headers !== undefined) headers.push(...response.headers);
  if (exchange.corsHeaders !== undefined) headers.push(...exchange.corsHeaders);
  const body = bytes === 0 ? undefined : content;
  if (transport.version === 1)
    replyHttp1(exchange, transport.response, { status: response.status, headers, body }, context);
  else replyHttp2(exchange, transport.stream, { status: response.status, headers, body }, context);
}

/** Replies with a JSON value. `headers`: names and values in turn. */
export function replyJson(
  exchange: Exchange,
  status: number,
  value: unknown,
  { replyContext }: ReplyDeps,
  headers: readonly string[] = [],
): void {
  reply(exchange, { status, contentType: 'application/json', body: JSON.stringify(value), headers }, replyContext);
}

function contentOf(body: string | Uint8Array): string | Uint8Array {
  return typeof body === 'string' && body.length > ANSWER_TEXT_CHARS_MAX ? Buffer.from(body) : body;
}

/** A response as it goes out. */
interface Ready {
  readonly status: number;
  readonly headers: string[];
  readonly body: string | Uint8Array | undefined;
}

function replyHttp1(
  exchange: Exchange,
  response: ServerResponse,
  { status, headers, body }: Ready,
  context: ReplyContext,
) {
  const pending = isBodyPending(exchange);
  const close = closesAfter(exchange, response, context);
  if (close) headers.push('Connection', 'close');
  response.writeHead(status, headers);
  if (!pending || exchange.awaitsContinue) {
    sendBody(exchange, response, body, context.answers);
    return;
  }
  // A response that says `close` takes the connection down when it ends, so that comes last.
  if (!close) sendBody(exchange, response, body, context.answers);
  else if (body === undefined) response.flushHeaders();
  else writeBody(exchange, response, body, context.answers);
  discardRest(exchange, context.watch, () => {
    if (close && !response.writableEnded) response.end();
  });
}

/** Whether a response now says that it is the last one of its connection. */
export function closesAfter(exchange: Exchange, response: ServerResponse, context: ReplyContext): boolean {
  return context.closing() || (isBodyPending(exchange) && (!response.shouldKeepAlive || mustClose(exchange)));
}

/** After a short body the connection can stay open. A long or endless one, or one that must not come, closes it. */
function mustClose(exchange: Exchange): boolean {
  const length = announcedLength(exchange);
  return exchange.awaitsContinue || length === undefined || length > REFUSED_BODY_BYTES_MAX;
}

function replyHttp2(
  exchange: Exchange,
  stream: ServerHttp2Stream,
  { status, headers, body }: Ready,
  context: ReplyContext,
) {
  if (!isOpen(stream)) return;
  const isEmpty = body === undefined || exchange.request.method === 'HEAD';
  stream.respond(http2Headers(status, headers), { endStream: isEmpty });
  if (!isEmpty) sendBody(exchange, stream, body, context.answers);
  if (!isBodyPending(exchange)) return;
  if (exchange.awaitsContinue) endQuietly(stream);
  else discardRest(exchange, context.watch, () => endQuietly(stream));
}

/** Names and values in turn as HTTP/2 wants them. */
export function http2Headers(status: number, flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { ':status': status };
  for (let i = 0; i < flat.length; i += 2) headers[(flat[i] ?? '').toLowerCase()] = flat[i + 1];
  return headers;
}
