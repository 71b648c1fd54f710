/** Clients that ask for large answers and never read them: memory stays bounded, others are served, and it comes back. */

import { readFileSync } from 'node:fs';
import type { ClientHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { call, connectRaw } from '../support/http-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { parsePrometheus } from '../support/prometheus.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

const MiB = 1024 * 1024;
const LARGE = '/v1/streams/large/records?seq_num=0';
/** As JSON it is six times as long. */
const RECORD_BYTES = 1_000_000;
const REQUESTS = 400;
/** What an attack may take beside the limit: garbage that is not collected yet, and what libraries hold. */
const RSS_MARGIN_BYTES = 170 * MiB;
const MEMORY_LIMIT_BYTES = 32 * MiB;

let server: TestServer;
let records: RecordsClient;
let reader = '';
let other = '';
let rssBefore = 0;

beforeAll(async () => {
  server = await startServer({ args: ['--memory-limit', '32MiB'] });
  records = new RecordsClient(server);
  const body = Buffer.alloc(RECORD_BYTES, 1).toString('base64');
  expect((await records.append('large', { records: [{ body }] }, { 's2-format': 'base64' }))[0]).toBe(200);
  await records.texts('small', 'text');
  reader = await issue('reader');
  other = await issue('other');
});

beforeEach(async () => {
  expect((await read(other, 'large')).body.length).toBeGreaterThan(6 * RECORD_BYTES);
  await memoryIsBack();
  rssBefore = rss();
});

afterAll(async () => {
  await server.stop();
});

async function issue(id: string): Promise<string> {
  const scope = { basins: { exact: 'telemetry' }, streams: { prefix: '' }, ops: ['read', 'check-tail'] };
  const [status, token] = await records.control('POST', '/v1/access-tokens', { id, scope });
  expect(status).toBe(201);
  return (token as { access_token: string }).access_token;
}

function headers(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}`, 's2-basin': 'telemetry' };
}

function read(token: string, stream: string) {
  const path = `/v1/streams/${stream}/records?seq_num=0`;
  return call(server.port, { method: 'GET', path, headers: headers(token) });
}

/** Anonymous memory of the server's process. */
function rss(): number {
  return 1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
}

async function reserved(): Promise<number> {
  const asked = { authorization: `Bearer ${server.token}` };
  const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers: asked });
  const samples = parsePrometheus(body.toString());
  return samples.find(({ name }) => name === 'tailrace_memory_reserved_bytes')?.value ?? Number.NaN;
}

async function becomes(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const memoryIsBack = (): Promise<void> => becomes(async () => (await reserved()) < MiB);

/** Others are served, and memory is bounded, while answers wait. */
async function expectServed(): Promise<void> {
  for (let i = 0; i < 50; i++) expect((await read(other, 'small')).status).toBe(200);
  expect(rss() - rssBefore).toBeLessThan(MEMORY_LIMIT_BYTES + RSS_MARGIN_BYTES);
  expect(await reserved()).toBeGreaterThan(RECORD_BYTES);
  expect(await reserved()).toBeLessThan(MEMORY_LIMIT_BYTES);
}

/** A connection that sends these bytes and never reads. */
async function sendOnly(bytes: string): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  socket.pause().on('error', () => {});
  await new Promise<void>((resolve) => void socket.write(bytes, () => resolve()));
  return socket;
}

const request = (token: string, path = LARGE): string =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ns2-basin: telemetry\r\n\r\n`;

test('400 pipelined reads on one connection that never reads hold a few answers', async () => {
  const socket = await sendOnly(request(reader).repeat(REQUESTS));
  await becomes(async () => (await reserved()) > 2 * RECORD_BYTES);
  await expectServed();
  socket.destroy();
  await memoryIsBack();
});

test('reads on many connections that never read are refused when memory is used up, and others are not', async () => {
  const sockets = await Promise.all(Array.from({ length: 40 }, () => sendOnly(request(reader).repeat(10))));
  await becomes(async () => (await reserved()) > 15 * RECORD_BYTES);
  await expectServed();
  expect((await read(reader, 'large')).status).toBe(502);
  for (const socket of sockets) socket.destroy();
  await memoryIsBack();
  expect((await read(reader, 'large')).status).toBe(200);
});

test('reads on the streams of two HTTP/2 connections that never read are refused when memory is used up', async () => {
  const connections: Http2Connection[] = [];
  const answered: Promise<number>[] = [];
  for (let i = 0; i < 2; i++) {
    const connection = await connectHttp2(server.url);
    connections.push(connection);
    for (let j = 0; j < 100; j++) {
      const stream = connection.open({ method: 'GET', path: LARGE, headers: headers(reader) }).pause();
      stream.on('error', () => {});
      answered.push(statusOf(stream.end()));
    }
  }
  const statuses = await Promise.all(answered);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
  expect(statuses.filter((status) => status === 200).length).toBeLessThan(6);
  expect(statuses.filter((status) => status === 502).length).toBeGreaterThan(190);
  await expectServed();
  for (const connection of connections) await connection.close();
  await memoryIsBack();
});

function statusOf(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.once('response', (answer) => resolve(Number(answer[':status'])));
    stream.once('close', () => reject(new Error(`the stream was closed with code ${stream.rstCode}`)));
  });
}

const LIVE_FORMS = [
  ['server-sent events', 'accept: text/event-stream'],
  [
    'WebSocket',
    'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
      'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: s2.json',
  ],
] as const;

test.each(LIVE_FORMS)('120 readers over %s that never read a large record wait for memory', async (_, form) => {
  const asked = request(reader).replace('\r\n\r\n', `\r\n${form}\r\n\r\n`);
  const sockets = await Promise.all(Array.from({ length: 120 }, () => sendOnly(asked)));
  let peak = 0;
  await becomes(async () => {
    peak = Math.max(peak, rss());
    return (await reserved()) > 3 * RECORD_BYTES;
  });
  const follows = await connectRaw(server.port);
  follows.send(
    request(other, '/v1/streams/small/records?seq_num=0').replace('\r\n\r\n', `\r\n${LIVE_FORMS[0][1]}\r\n\r\n`),
  );
  await follows.until(/"body":"text"/);
  for (let i = 0; i < 50; i++) {
    expect((await read(other, 'small')).status).toBe(200);
    peak = Math.max(peak, rss());
  }
  expect(peak - rssBefore).toBeLessThan(MEMORY_LIMIT_BYTES + RSS_MARGIN_BYTES);
  follows.destroy();
  for (const socket of sockets) socket.destroy();
  await memoryIsBack();
  expect(rss() - rssBefore).toBeLessThan(MEMORY_LIMIT_BYTES + RSS_MARGIN_BYTES);
});

test('pipelined requests are all answered, in their order, to a client that reads', async () => {
  const connection = await connectRaw(server.port);
  const count = 1_000;
  connection.send(Array.from({ length: count }, (_, i) => request(other, `/v1/nothing/${i}`)).join(''));
  const wanted = Array.from({ length: count }, () => 404);
  await becomes(async () => statusesIn(connection.received()).length >= count);
  expect(statusesIn(connection.received())).toEqual(wanted);
  connection.destroy();
});

function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}

test.each([
  ['a length', (body: string) => `content-length: ${body.length}\r\n\r\n${body}`],
  ['chunks', (body: string) => `transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`],
])('pipelined appends whose bodies have %s are all stored, in their order', async (how, framed) => {
  const connection = await connectRaw(server.port);
  const stream = `pipelined-${how.split(' ').at(-1)}`;
  const count = 60;
  const texts = Array.from({ length: count }, (_, i) => `text ${i}`);
  // Looks like the ends of many heads.
  const padded = (json: string): string => json + '\r\n\r\n'.repeat(50 * json.length);
  const appends = texts.map((text) => {
    const head = `POST /v1/streams/${stream}/records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\n`;
    return `${head}s2-basin: telemetry\r\ncontent-type: application/json\r\n${framed(padded(JSON.stringify({ records: [{ body: text }] })))}`;
  });
  connection.send(appends.join(''));
  await becomes(async () => statusesIn(connection.received()).length >= count);
  expect(statusesIn(connection.received())).toEqual(texts.map(() => 200));
  const stored = await records.bodies(stream);
  expect([...stored].sort()).toEqual([...texts].sort());
  connection.destroy();
});
