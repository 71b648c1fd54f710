/**
 * Discards the rest of a body that is not needed any more, within limits, while the response goes out. Closing with unread
 * bytes would reset the connection before the client has read the response.
 */

import { constants, type ServerHttp2Stream } from 'node:http2';
import { REFUSED_BODY_BYTES_MAX } from '../../model/limits.ts';
import { announcesBody, type Exchange, type HttpRequest } from '../exchange.ts';
import type { UploadWatch, Watched } from './upload-watch.ts';

/** After the server stops reading a refused upload, the client gets this long to read the response. */
const LINGER_MS = 2_000;

/** Whether a part of the request's body is still to come. */
export function isBodyPending(exchange: Exchange): boolean {
  return !exchange.request.complete && announcesBody(exchange);
}

/** Reads on and discards; calls `over` when there is nothing more to read. On HTTP/2 this can end the stream only. */
export function discardRest(exchange: Exchange, watch: UploadWatch, over: () => void): void {
  const { request, transport } = exchange;
  const tooSlow = (): void => {
    if (transport.version === 1) request.socket.destroy();
    else endQuietly(transport.stream);
  };
  const rest = { received: 0, tooSlow } satisfies Watched;
  const done = (): void => {
    watch.remove(rest);
    over();
  };
  request.on('data', (chunk: Buffer) => {
    rest.received += chunk.length;
    if (rest.received <= REFUSED_BODY_BYTES_MAX || request.isPaused()) return;
    watch.remove(rest);
    request.pause();
    if (transport.version === 1) linger(request);
    else endQuietly(transport.stream);
  });
  request.on('end', done).on('close', done);
  watch.add(rest);
  request.resume();
}

/** After the response, tells the client that the rest of its body is not needed (RFC 9113 §8.1). A turn later: see `cut`. */
export function endQuietly(stream: ServerHttp2Stream): void {
  const close = (): void => {
    if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
  };
  // A response that goes out in pieces would be cut short.
  setImmediate(() => (stream.writableEnded ? close() : stream.once('finish', () => setImmediate(close))));
}

/** Half-closes, and destroys the socket when the client does not close by itself. */
function linger({ socket }: HttpRequest): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
