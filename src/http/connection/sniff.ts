/** Tells the protocol of a new connection by its first bytes: one port serves HTTP/1.1 and HTTP/2. */

import type { Socket } from 'node:net';

export type SniffedProtocol = 'http1' | 'http2';

/** Every HTTP/2 connection begins with this, and no HTTP/1.1 request does (RFC 9113, section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0', 'latin1');
const NOTHING = Buffer.alloc(0);

/**
 * Reads as little as it needs and puts it back, so that the next reader of the socket gets all bytes. `silent` is
 * called instead of `decided` when too few bytes came within `limitMs`; a socket that ends or fails before that is
 * destroyed.
 */
export function sniff(
  socket: Socket,
  limitMs: number,
  on: { decided(protocol: SniffedProtocol): void; silent(): void },
): void {
  let seen: Buffer = NOTHING;
  // After a long turn of the event loop the time is over before bytes that have come long since are read.
  const timer = setTimeout(() => {
    lastLook = setImmediate(() => {
      detach();
      on.silent();
    });
  }, limitMs);
  let lastLook: NodeJS.Immediate | undefined;
  const detach = (): void => {
    clearTimeout(timer);
    clearImmediate(lastLook);
    socket.off('readable', read).off('end', drop).off('close', detach).off('error', drop);
  };
  const drop = (): void => {
    detach();
    socket.on('error', () => {}).destroy();
  };
  const read = (): void => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes]);
    const protocol = protocolOf(seen);
    if (protocol === undefined) return;
    detach();
    socket.unshift(seen);
    on.decided(protocol);
  };
  socket.on('readable', read).once('end', drop).once('close', detach).once('error', drop);
}

/** Undefined while it can still become either. */
function protocolOf(seen: Buffer): SniffedProtocol | undefined {
  const length = Math.min(seen.length, PREFACE.length);
  if (seen.compare(PREFACE, 0, length, 0, length) !== 0) return 'http1';
  return length === PREFACE.length ? 'http2' : undefined;
}
