/** Too many connections, and clients that are refused while they still send: they are told, and never reset. */

import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Listener } from '../../src/http/connection/listener.ts';
import type { HttpRequest, Transport } from '../../src/http/exchange.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';
import { FRAME, framesIn, PREFACE } from '../support/http2-call.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const BODY_BYTES = 400_000;
const POST = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`;
const ENHANCE_YOUR_CALM = 11;

let listener: Listener;
let port = 0;
let clients: Client[];

interface Client {
  readonly socket: Socket;
  received: Buffer;
  /** The code of the error that ended it; empty when it ended in order. */
  readonly ended: Promise<string>;
}

beforeEach(async () => {
  const request = (_: HttpRequest, transport: Transport): void => {
    if (transport.version === 1) transport.response.end('served');
  };
  const logger = createLogger('silent');
  const handlers = { request, upgrade: () => {} };
  listener = new Listener(handlers, {
    clock: SYSTEM_CLOCK,
    logger,
    tls: undefined,
    portAdvice: 'choose another',
    connectionsMax: 2,
  });
  ({ port } = await listener.listen({ host: '127.0.0.1', port: 0 }));
  clients = [];
});

afterEach(() => {
  for (const { socket } of clients) socket.destroy();
  listener.stopAccepting();
  listener.cut();
});

function send(bytes: string | Uint8Array): Client {
  const socket = connect(port, '127.0.0.1');
  let code = '';
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? 'error';
  });
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(code)));
  const client: Client = { socket, received: Buffer.alloc(0), ended };
  socket.on('data', (chunk: Buffer) => {
    client.received = Buffer.concat([client.received, chunk]);
  });
  socket.write(bytes);
  clients.push(client);
  return client;
}

async function receives(client: Client, text: string): Promise<void> {
  while (!client.received.includes(text)) await new Promise((resolve) => setImmediate(resolve));
}

test('a client that is one too many gets a whole 503 with Retry-After and no reset, also while it sends a body', async () => {
  for (let i = 0; i < 2; i++) await receives(send(GET), 'served');
  const surplus = send(Buffer.concat([Buffer.from(POST), Buffer.alloc(BODY_BYTES)]));
  expect(await surplus.ended).toBe('');
  const text = surplus.received.toString();
  expect(text).toMatch(/^HTTP\/1\.1 503 .*\r\nRetry-After: 1\r\n.*too many connections/s);
});

test('when a connection has closed, the next client is served', async () => {
  const [first] = [send(GET), send(GET)];
  for (const client of clients) await receives(client, 'served');
  expect(await send(GET).ended).toBe('');
  first.socket.end();
  await first.ended;
  while (listener.connections > 1) await new Promise((resolve) => setImmediate(resolve));
  await receives(send(GET), 'served');
});

test('an HTTP/2 client that is one too many gets a GOAWAY that no stream was served', async () => {
  for (let i = 0; i < 2; i++) await receives(send(GET), 'served');
  const surplus = send(PREFACE);
  expect(await surplus.ended).toBe('');
  const [settings, goaway] = framesIn(surplus.received);
  expect(settings?.type).toBe(FRAME.settings);
  expect(goaway?.type).toBe(FRAME.goaway);
  expect(goaway?.payload.readUInt32BE(0)).toBe(0);
  expect(goaway?.payload.readUInt32BE(4)).toBe(ENHANCE_YOUR_CALM);
});
