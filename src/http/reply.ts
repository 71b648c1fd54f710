/**
 * Answers: few headers, written as one flat array, the body with its length. An answer to a request whose body is still
 * coming is complete at once; the rest is thrown away within limits, so that the client gets to read it.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { REFUSED_BODY_BYTES_MAX } from '../model/limits.ts';
import { announcedLength, announcesBody, type Exchange } from './exchange.ts';
import type { UploadWatch, Watched } from './upload-watch.ts';

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Names and values in turn. */
  readonly headers?: readonly string[];
}

/** What answering takes beside the answer. */
export interface ReplyRoom {
  readonly watch: UploadWatch;
  /** Every answer asks the client to go away: the server is stopping. */
  closing(): boolean;
}

/** After it stops reading a refused upload, the client gets this long to read the answer. */
const LINGER_MS = 2_000;

/** Sends an answer. A client that is gone already gets nothing, silently. */
export function reply(exchange: Exchange, answer: Answer, room: ReplyRoom): void {
  const { request, response } = exchange;
  const bytes = typeof answer.body === 'string' ? Buffer.byteLength(answer.body) : answer.body.length;
  const headers = [
    'Content-Type',
    answer.contentType,
    'Content-Length',
    String(bytes),
    'X-Correlation-Id',
    exchange.correlationId,
  ];
  if (answer.headers !== undefined) headers.push(...answer.headers);
  const pending = announcesBody(request) && !request.complete;
  const close = room.closing() || (pending && mustClose(exchange));
  if (close) headers.push('Connection', 'close');
  response.writeHead(answer.status, headers);
  if (!pending || exchange.awaitsContinue) {
    if (bytes === 0) response.end();
    else response.end(answer.body);
    return;
  }
  discardRest(request, response, answer.body, close, room.watch);
}

/** A body that is short goes by and the connection lives on; a long or endless one, or one that must not come, ends it. */
function mustClose(exchange: Exchange): boolean {
  const length = announcedLength(exchange.request);
  return exchange.awaitsContinue || length === undefined || length > REFUSED_BODY_BYTES_MAX;
}

/** Answers now and reads on behind the answer: closing on unread bytes would reset the connection under the answer. */
function discardRest(
  request: IncomingMessage,
  response: ServerResponse,
  body: string | Uint8Array,
  close: boolean,
  watch: UploadWatch,
): void {
  const rest = { received: 0, tooSlow: (): unknown => request.socket.destroy() } satisfies Watched;
  const over = (): void => {
    watch.remove(rest);
    // A response that says `close` takes the connection down when it ends, so that comes last.
    if (!response.writableEnded) response.end();
  };
  request.on('data', (chunk: Buffer) => {
    rest.received += chunk.length;
    if (rest.received <= REFUSED_BODY_BYTES_MAX || request.isPaused()) return;
    watch.remove(rest);
    request.pause();
    linger(request);
  });
  request.on('end', over).on('close', over);
  watch.add(rest);
  if (close) response.write(body);
  else response.end(body);
  request.resume();
}

/** Half-closes, and cuts when the client does not hang up by itself. */
function linger(request: IncomingMessage): void {
  const { socket } = request;
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
