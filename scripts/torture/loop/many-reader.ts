/** A reader of many streams over a bare WebSocket: it takes everything, and looks only at the end of what came. */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Target } from './attack.ts';

/** Longer than the words that are waited for. */
const KEPT_CHARS = 400;
const TEXT = 0x81;
const MASKED = 0x80;

export interface ManyReader {
  send(bytes: Uint8Array): void;
  /** Resolves when this has come; rejects when the server ends the connection before. */
  until(expected: RegExp): Promise<void>;
  end(): void;
}

/** Resolves when the server has answered. */
export async function openReader({ port, token }: Target, path: string): Promise<ManyReader> {
  const socket = connect(port, '127.0.0.1');
  const head = [
    `GET ${path} HTTP/1.1`,
    'Host: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: s2.json',
    'S2-Basin: telemetry',
    `Authorization: Bearer ${token}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  let kept = '';
  let look = (): void => {};
  socket.on('data', (bytes) => {
    kept = (kept + bytes.toString('latin1')).slice(-KEPT_CHARS);
    look();
  });
  await once(socket, 'data');
  return {
    send: (bytes) => void socket.write(bytes),
    until: (expected) =>
      new Promise((resolve, reject) => {
        look = () => expected.test(kept) && resolve();
        socket.once('close', () => reject(new Error(`${path}: the server ended it: ${kept}`)));
        look();
      }),
    end: () => socket.destroy(),
  };
}

/** A message of text, masked with zeros; of 126 bytes to 64 KiB. */
export function textFrame(text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(text));
  return Buffer.concat([Buffer.of(TEXT, MASKED | 126), length, Buffer.alloc(4), Buffer.from(text)]);
}
