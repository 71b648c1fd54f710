/** Memory of requests in flight is shared: no client, with or without a token, takes what others need to send. */

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { call, connectRaw, type RawConnection } from '../support/http-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { parsePrometheus } from '../support/prometheus.ts';
import { startServer, type TestServer } from '../support/server.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const EXCHANGE = '/v1/ingest-token/exchange';
const EXCHANGE_BODY_BYTES_MAX = 16 * KiB;
const JSON_TYPE = 'application/json';

let server: TestServer;
let other = '';
let flooder = '';
const opened: (RawConnection | Http2Connection)[] = [];

beforeAll(async () => {
  server = await startServer({ args: ['--memory-limit', '32MiB'] });
  other = await issue('other');
  flooder = await issue('flooder');
});

afterEach(async () => {
  for (const one of opened.splice(0)) await ('close' in one ? one.close() : one.destroy());
  await reservedBecomes((bytes) => bytes === 0);
});

afterAll(async () => {
  await server.stop();
});

async function issue(id: string): Promise<string> {
  const scope = { basins: { exact: 'telemetry' }, streams: { prefix: '' }, ops: ['append'] };
  const answer = await call(server.port, {
    path: '/v1/access-tokens',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': JSON_TYPE },
    body: JSON.stringify({ id, scope }),
  });
  expect(answer.status).toBe(201);
  return (JSON.parse(answer.body.toString()) as { access_token: string }).access_token;
}

/** Sends a log of so many bytes; the status. */
async function send(token: string, bytes: number): Promise<number> {
  const logRecords = [{ body: { stringValue: 'x'.repeat(bytes) } }];
  const attributes = [{ key: 's2.stream', value: { stringValue: 'sent' } }];
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  const headers = { authorization: `Bearer ${token}`, 'content-type': JSON_TYPE };
  return (await call(server.port, { path: '/v1/logs', headers, body })).status;
}

/** Memory that requests hold. */
async function reserved(): Promise<number> {
  const headers = { authorization: `Bearer ${server.token}` };
  const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers });
  const samples = parsePrometheus(body.toString());
  return samples.find(({ name }) => name === 'tailrace_memory_reserved_bytes')?.value ?? Number.NaN;
}

async function reservedBecomes(expected: (bytes: number) => boolean): Promise<void> {
  while (!expected(await reserved())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Begins an OTLP body of this length and stops after its first bytes. */
async function beginUpload(token: string, announced: number, sent: number): Promise<void> {
  const connection = await connectRaw(server.port);
  opened.push(connection);
  connection.send(
    `POST /v1/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: ${JSON_TYPE}\r\n` +
      `content-length: ${announced}\r\n\r\n`,
  );
  connection.send(Buffer.alloc(sent, ' '));
}

test('512 slow requests of strangers take nothing from what senders need', async () => {
  for (const streams of [200, 200, 112]) {
    const connection = await connectHttp2(server.url);
    opened.push(connection);
    for (let i = 0; i < streams; i++) {
      const stream = connection.open({ path: EXCHANGE, headers: { 'content-type': JSON_TYPE } });
      stream.on('error', () => {});
      stream.write('{');
    }
    // What was sent before a ping was read before its answer.
    await new Promise<void>((resolve) => void connection.session.ping(() => resolve()));
  }
  expect(await reserved()).toBe(0);
  expect(await send(server.token, 1)).toBe(200);
  expect(await send(other, 4 * MiB)).toBe(200);
});

test('lists and usage metrics are refused before they are made when there is no memory for them', async () => {
  for (let i = 0; i < 24; i++) await beginUpload(server.token, MiB, MiB - 1);
  await reservedBecomes((bytes) => bytes >= 23.5 * MiB);
  const status = async (path: string): Promise<number> => {
    const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
    return (await call(server.port, { method: 'GET', path, headers })).status;
  };
  const end = Math.floor(Date.now() / 1_000);
  const metrics = (days: number) =>
    `/v1/metrics?set=account-ops&interval=minute&start=${end - days * 86_400}&end=${end}`;
  for (const path of ['/v1/basins', '/v1/streams', '/v1/access-tokens', metrics(7)])
    expect(await status(path)).toBe(502);
  for (const path of ['/v1/basins', '/v1/streams', '/v1/access-tokens']) {
    expect(await status(`${path}?limit=400`)).toBe(200);
  }
  expect(await status(metrics(1))).toBe(200);
  expect(await status('/metrics')).toBe(200);
});

test('a body of the exchange has at most 16 KiB', async () => {
  const exchange = (bytes: number) => {
    const credential = JSON.stringify({ credential: flooder });
    const body = credential + ' '.repeat(bytes - credential.length);
    return call(server.port, { path: EXCHANGE, headers: { 'content-type': JSON_TYPE }, body });
  };
  expect((await exchange(EXCHANGE_BODY_BYTES_MAX)).status).toBe(200);
  const refused = await exchange(EXCHANGE_BODY_BYTES_MAX + 1);
  expect(refused.status).toBe(400);
  expect(refused.body.toString()).toContain(String(EXCHANGE_BODY_BYTES_MAX));
});

test('a body holds what has come of it, not what it announces', async () => {
  for (let i = 0; i < 10; i++) await beginUpload(flooder, 16 * MiB, KiB);
  await reservedBecomes((bytes) => bytes >= 10 * KiB);
  expect(await reserved()).toBeLessThan(MiB);
  expect(await send(other, 4 * MiB)).toBe(200);
});

test('32 slow bodies of one token do not starve the sender with another one', async () => {
  for (let i = 0; i < 32; i++) await beginUpload(flooder, MiB, MiB - 1);
  await reservedBecomes((bytes) => bytes >= 16 * MiB);
  expect(await send(other, MiB)).toBe(200);
});
