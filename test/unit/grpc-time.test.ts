/**
 * What time, a broken store and a foreign Host do to calls of gRPC, on a clock that the test moves; and the limit of
 * watches.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BODY_RATE_WINDOW_MS, GRPC_WATCH_MS, GRPC_WATCHES_MAX, HTTP2_STREAMS_MAX } from '../../src/model/limits.ts';
import { type ComposedServer, createServer } from '../../src/server.ts';
import type { Engine } from '../../src/storage/engine.ts';
import type { ServerAddress } from '../../src/tailrace-server.ts';
import {
  EXPORT,
  encodeOtlp,
  framed,
  GrpcClient,
  HEALTH,
  NOT_SERVING,
  openCall,
  SERVING,
} from '../support/grpc-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { ManualClock } from '../support/socket-clock.ts';

const EMPTY = framed(Buffer.alloc(0));
const clock = new ManualClock();
let isBroken = false;
let dataDir: string;
let server: ComposedServer;
let address: ServerAddress;
let connection: Http2Connection;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-test-'));
  const parts = { clock, wrapEngine: breakable };
  server = await createServer({ dataDir, port: 0, noAuth: true, logLevel: 'silent' }, parts);
  address = await server.listen();
  connection = await connectHttp2(address.grpc?.url ?? '');
});

afterAll(async () => {
  await connection.close();
  const closed = server.close();
  // Everything that close() waits for becomes due at once.
  const timer = setInterval(() => clock.advance(1_000), 1);
  await closed;
  clearInterval(timer);
  await rm(dataDir, { recursive: true, force: true });
});

/** An engine that says it is broken while the test wants so. */
function breakable(engine: Engine): Engine {
  return new Proxy(engine, {
    get: (target, name) => {
      if (name === 'stat')
        return async () => ({ ...(await target.stat()), ...(isBroken ? { state: 'read_only' } : {}) });
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Goes on until something happens that does not come from the clock alone. */
async function advanceUntil<T>(stepMs: number, happened: Promise<T>): Promise<T> {
  const timer = setInterval(() => clock.advance(stepMs), 1);
  try {
    return await happened;
  } finally {
    clearInterval(timer);
  }
}

function watchOn(on: Http2Connection) {
  const { stream, end } = openCall(on, HEALTH.watch);
  const first = new Promise<Buffer | undefined>((resolve) => {
    stream.once('data', (part: Buffer) => resolve(part));
    void end.then(({ body }) => resolve(body.length === 0 ? undefined : body));
  });
  stream.end(EMPTY);
  return { stream, end, first };
}

test('the address of a server says where gRPC is', () => {
  expect(address.grpc).toEqual({ port: expect.any(Number), url: `http://127.0.0.1:${address.grpc?.port}` });
  expect(server.address).toEqual(address);
});

test('a server without tokens takes no call that a page of another site may have sent', async () => {
  const { stream, end } = openCall(connection, EXPORT.logs, { ':authority': 'evil.example' });
  stream.end(EMPTY);
  expect((await end).headers['grpc-status']).toBe('7');
  const local = openCall(connection, EXPORT.logs);
  local.stream.end(EMPTY);
  expect((await local.end).headers['grpc-status']).toBe('0');
});

test('a call whose message comes too slowly is unavailable, and may be sent again', async () => {
  const { stream, end } = openCall(connection, EXPORT.logs);
  stream.write(framed(Buffer.alloc(100)).subarray(0, 6));
  const { headers } = await advanceUntil(BODY_RATE_WINDOW_MS, end);
  expect([headers['grpc-status'], headers['grpc-message']]).toEqual(['14', expect.stringContaining('too slowly')]);
  expect(headers['grpc-status-details-bin']).toEqual(expect.any(String));
});

test('a store that only a restart helps is not serving, which those who watch are told', async () => {
  const client = new GrpcClient({ grpcUrl: address.grpc?.url, token: '' });
  const { stream, first } = watchOn(connection);
  expect(await first).toEqual(framed(SERVING));
  isBroken = true;
  try {
    const next = new Promise<Buffer>((resolve) => stream.once('data', resolve));
    expect(await advanceUntil(GRPC_WATCH_MS, next)).toEqual(framed(NOT_SERVING));
    expect((await client.call(HEALTH.check, Buffer.alloc(0))).message).toEqual(NOT_SERVING);
  } finally {
    isBroken = false;
  }
  const back = new Promise<Buffer>((resolve) => stream.once('data', resolve));
  expect(await advanceUntil(GRPC_WATCH_MS, back)).toEqual(framed(SERVING));
  stream.close();
  client.close();
});

test('the health service has so many watches at once, and one more when one has ended', async () => {
  const url = address.grpc?.url ?? '';
  const connections = await Promise.all(
    Array.from({ length: Math.ceil((GRPC_WATCHES_MAX + 1) / HTTP2_STREAMS_MAX) }, () => connectHttp2(url)),
  );
  const on = (index: number): Http2Connection => connections[Math.floor(index / HTTP2_STREAMS_MAX)] ?? connection;
  const watches = Array.from({ length: GRPC_WATCHES_MAX }, (_, index) => watchOn(on(index)));
  for (const { first } of watches) expect(await first).toEqual(framed(SERVING));
  const refused = await watchOn(on(GRPC_WATCHES_MAX)).end;
  expect([refused.headers['grpc-status'], refused.headers['grpc-message']]).toEqual([
    '14',
    expect.stringContaining(String(GRPC_WATCHES_MAX)),
  ]);
  watches[0]?.stream.close();
  let again = watchOn(on(GRPC_WATCHES_MAX));
  while ((await again.first) === undefined) again = watchOn(on(GRPC_WATCHES_MAX));
  expect(await again.first).toEqual(framed(SERVING));
  await Promise.all(connections.map((each) => each.close()));
});

/** Ends with the status after its message came so late. */
async function statusAfter(timeout: string, ms: number): Promise<readonly unknown[]> {
  const { stream, end } = openCall(connection, EXPORT.logs, { 'grpc-timeout': timeout });
  const opened = new Promise<void>((resolve) => stream.session?.ping(() => resolve()));
  const message = framed(encodeOtlp('logs', { resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] }));
  stream.write(message.subarray(0, -1));
  await opened;
  clock.advance(ms);
  stream.end(message.subarray(-1));
  const { headers } = await end;
  return [headers['grpc-status'], decodeURIComponent(String(headers['grpc-message'] ?? ''))];
}

async function storedRecords(): Promise<number> {
  const basin = server.log.basin('telemetry');
  if (basin === undefined) throw new Error('there is no default basin');
  return (await server.log.checkTail(await server.log.openStream(basin, 'unknown_service', 'append'))).seqNum;
}

test.each([
  ['5S', 5_000],
  ['5000m', 5_000],
  ['99999999u', 99_999.999],
  ['99999999n', 99.999],
  ['1M', 60_000],
  ['1H', 3_600_000],
])('a call with grpc-timeout %s is not stored once that time is over', async (timeout, ms) => {
  const before = await storedRecords();
  // The message of a call must come at some speed, so the longest wait is that of a test on the upload.
  if (ms < BODY_RATE_WINDOW_MS)
    expect(await statusAfter(timeout, Math.ceil(ms))).toEqual(['4', expect.stringContaining('was over')]);
  expect(await storedRecords()).toBe(before);
  expect(await statusAfter(timeout, Math.min(Math.floor(ms - 1), BODY_RATE_WINDOW_MS / 2))).toEqual(['0', '']);
  expect(await storedRecords()).toBe(before + 1);
});

test.each(['', '5', 'S', '123456789S', '1.5S', '-1S', '5s', '5 S'])(
  'a call with the malformed grpc-timeout %j is refused',
  async (timeout) => {
    const before = await storedRecords();
    expect(await statusAfter(timeout, 0)).toEqual(['3', expect.stringContaining('grpc-timeout')]);
    expect(await storedRecords()).toBe(before);
  },
);
