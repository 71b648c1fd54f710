/** Readers that never read: their memory is bounded in all, and the others go on. */

import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const MIB = 1024 * 1024;
const READERS = 300;
const APPENDS = 24;
const RECORDS = 1_000;
/** Each reader with a page of the store and a full buffer of its own took three times as much. */
const GROWTH_BYTES_MAX = 200 * MIB;

let server: TestServer;
const sockets: Socket[] = [];

beforeAll(async () => {
  server = await startServer();
  const records = new RecordsClient(server);
  const body = Array.from({ length: 100 }, (_, i) => (i * 7_919).toString(36)).join('');
  for (let i = 0; i < APPENDS; i++) {
    await records.texts('backlog', ...Array.from({ length: RECORDS }, (_, k) => `${i} ${k} ${body}${body}`));
  }
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await server.stop('SIGKILL');
});

/** Asks for all records and never reads. */
async function neverReads(headers: readonly string[]): Promise<void> {
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  sockets.push(socket);
  socket.on('error', () => {});
  socket.pause();
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  const all = [`authorization: Bearer ${server.token}`, 's2-basin: telemetry', 'host: x', ...headers];
  socket.write(`GET /v1/streams/backlog/records?seq_num=0 HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n`);
}

const WEB_SOCKET = [
  'upgrade: websocket',
  'connection: Upgrade',
  'sec-websocket-version: 13',
  `sec-websocket-key: ${Buffer.alloc(16, 1).toString('base64')}`,
];

async function residentBytes(): Promise<number> {
  const answer = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.token}` } });
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(await answer.text())?.[1]);
}

/** Reads all records over a WebSocket; says how many came. */
async function readAll(): Promise<number> {
  const url = `ws://127.0.0.1:${server.port}/v1/streams/backlog/records?seq_num=0&count=${APPENDS * RECORDS}`;
  const reader = new Reader(url, 's2.json', { headers: { authorization: `Bearer ${server.token}` } });
  await reader.ended;
  return reader.got.reduce((sum, frame) => {
    const { records } = frame as { records?: readonly unknown[] };
    return sum + (records?.length ?? 0);
  }, 0);
}

test('hundreds of readers that never read cost little together, and a reader that reads gets everything', async () => {
  expect(await readAll()).toBe(APPENDS * RECORDS);
  const before = await residentBytes();
  for (let i = 0; i < READERS; i++) {
    await neverReads(
      i % 2 === 0 ? [...WEB_SOCKET, `sec-websocket-protocol: ${i % 4 === 0 ? 's2.json' : 's2.proto'}`] : SSE,
    );
  }
  // Each full read takes its turns among theirs: by then they have got what they can.
  for (let i = 0; i < 4; i++) expect(await readAll()).toBe(APPENDS * RECORDS);
  expect((await residentBytes()) - before).toBeLessThan(GROWTH_BYTES_MAX);
});

const SSE = ['accept: text/event-stream'];
