/**
 * The reference of the reader bars: a bare `ws` server that sends one shared buffer over and over. Prints its port;
 * `GET /go` starts the sending to every socket that is open; a socket opened with `now` in its URL gets it at once.
 *
 * argv: bytes of a frame, frames.
 */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

const BUFFERED_MAX = 4 * 1024 * 1024;
const frame = Buffer.alloc(Number(process.argv[2] ?? 65_536), 0x61);
const frames = Number(process.argv[3] ?? 1_000);

const server = createServer((_request, response) => {
  for (const socket of sockets.clients) void send(socket);
  response.end();
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket, request) => {
  if (request.url?.includes('now')) void send(socket);
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});

async function send(socket: WebSocket): Promise<void> {
  for (let i = 0; i < frames && socket.readyState === socket.OPEN; i++) {
    if (socket.bufferedAmount < BUFFERED_MAX) socket.send(frame);
    else await new Promise<void>((resolve) => socket.send(frame, () => resolve()));
  }
  if (socket.readyState === socket.OPEN) await Promise.race([once(socket, 'close'), Promise.resolve()]);
}
