/** The end of a connection whose client may still be sending. */

import type { Duplex } from 'node:stream';
import { REFUSED_BODY_BYTES_MAX } from '../../model/limits.ts';

/** After it has read what it was told, the client gets this long to close. */
const LINGER_MS = 2_000;

/**
 * Half-closes, and discards what still comes, within limits, until the client closes too. To close at once with unread
 * bytes would reset the connection, and with it the response that the client has not read yet.
 */
export function linger(socket: Duplex): void {
  let received = 0;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > REFUSED_BODY_BYTES_MAX) socket.pause();
  });
  if (socket.writable) socket.end();
  socket.resume();
}
