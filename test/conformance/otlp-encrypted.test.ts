/**
 * OTLP into encrypted streams: with the key of the sender each item is stored as an encrypted record, which every view and
 * filter shows to who has the key as those of a stream without a cipher; without it, it is rejected with what to do.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { S2Basin } from '@s2-dev/streamstore';
import { meteredBytes, OTLP_HEADERS, SIGNALS, type Signal } from '../../src/model/record.ts';
import { EXPORT, GrpcClient } from '../support/grpc-call.ts';
import { encodeJsonFixture, itemsOf } from '../support/otlp-items.ts';
import { keyValues, SPAN_ID, TRACE_ID } from '../support/otlp-post.ts';
import { send } from '../support/otlp-send.ts';
import { makeBasin, RecordsClient } from '../support/records-calls.ts';
import { failureOf, sdkOf, take } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { viewLines, viewRows } from '../support/view-rows.ts';

const MiB = 1024 * 1024;
const CIPHERS = ['aes-256-gcm', 'aegis-256'] as const;
const SECRET = Buffer.alloc(32, 'S');
const KEY = { 's2-encryption-key': SECRET.toString('base64') };
const OTHER = { 's2-encryption-key': Buffer.alloc(32, 8).toString('base64') };
const CONFIG = { create_stream_on_append: true, otlp_default_stream: '{service.name}' };
const FROM_START = { start: { from: { seqNum: 0 } }, stop: { limits: { count: 10 } } };

let dir: string;
let server: TestServer;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-encrypted-'));
  server = await startServer({ dataDir: path.join(dir, 'data') });
  await makeBasin(server, 'plain-basin', CONFIG);
  for (const cipher of CIPHERS) {
    await makeBasin(server, basinOf(cipher), { ...CONFIG, stream_cipher: cipher, large_items_max: 2 * MiB });
  }
});

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const basinOf = (cipher: (typeof CIPHERS)[number]): string => `sealed-${cipher}`;

const time = { timeUnixNano: '1700000000123456789' };
const ids = { traceId: TRACE_ID, spanId: SPAN_ID };
const ITEMS: Readonly<Record<Signal, readonly object[]>> = {
  logs: [
    { ...time, ...ids, severityNumber: 17, body: { stringValue: 'needle-in-a-log' }, attributes: keyValues({ a: 1 }) },
    { ...time, severityNumber: 9, body: { stringValue: 'hello' } },
  ],
  traces: [
    { ...ids, name: 'needle-in-a-span', startTimeUnixNano: '1700000000000000000', endTimeUnixNano: time.timeUnixNano },
    { ...ids, name: 'other', endTimeUnixNano: time.timeUnixNano, status: { code: 2 } },
  ],
  metrics: [
    { name: 'needle-in-a-metric', gauge: { dataPoints: [{ ...time, asDouble: 0.5 }] } },
    {
      name: 'requests',
      sum: {
        dataPoints: [
          { ...time, asInt: '1' },
          { ...time, asInt: '2' },
        ],
      },
    },
  ],
};
const KEYS = {
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const;

function requestFor(signal: Signal, streams: readonly string[], items: readonly object[] = ITEMS[signal]): object {
  const [resources, scopes, list] = KEYS[signal];
  return {
    [resources]: streams.map((stream) => ({
      resource: { attributes: keyValues({ 's2.stream': stream, 'service.name': 'shop' }) },
      [scopes]: [{ scope: { name: 'lib', version: '1' }, [list]: items, schemaUrl: 'https://example.com/1' }],
      schemaUrl: 'https://example.com/2',
    })),
  };
}

/** Sends a request in one of three ways; returns how much was rejected, and the message. */
const WAYS = {
  'JSON over HTTP': (signal: Signal, request: object, headers: Record<string, string>) =>
    send(server, signal, JSON.stringify(request), { headers }),
  'protobuf over HTTP': (signal: Signal, request: object, headers: Record<string, string>) =>
    send(server, signal, encodeJsonFixture(signal, Buffer.from(JSON.stringify(request))), { headers }),
  gRPC: async (signal: Signal, request: object, headers: Record<string, string>) => {
    const client = new GrpcClient(server);
    const bytes = encodeJsonFixture(signal, Buffer.from(JSON.stringify(request)));
    const { code, message } = await client.call(EXPORT[signal], bytes, headers);
    client.close();
    const isTaken = code === 0 && message?.length === 0;
    return isTaken
      ? { status: 200, rejected: 0, message: '' }
      : { status: code, rejected: -1, message: String(message) };
  },
} as const;
const ACCEPTED = { status: 200, rejected: 0, message: '' };

describe.each(CIPHERS)('OTLP into streams encrypted with %s', (cipher) => {
  const basin = basinOf(cipher);
  let sealed: S2Basin;

  beforeAll(() => {
    sealed = sdkOf(server).basin(basin);
  });

  test.each(SIGNALS.flatMap((signal) => Object.keys(WAYS).map((way) => [signal, way as keyof typeof WAYS] as const)))(
    'shows %s sent as %s to who has the key as a stream without a cipher does',
    async (signal, way) => {
      const stream = `${cipher} ${signal} ${way}`;
      const request = requestFor(signal, [stream]);
      expect(await WAYS[way](signal, request, { 's2-basin': basin, ...KEY })).toEqual(ACCEPTED);
      expect(await WAYS[way](signal, request, { 's2-basin': 'plain-basin', ...KEY })).toEqual(ACCEPTED);
      for (const view of [viewRows, viewLines]) {
        const clear = await view(server, stream, 'plain-basin');
        expect(clear).toHaveLength(2);
        expect(await view(server, stream, basin, { headers: KEY })).toEqual(clear);
      }
      const client = new RecordsClient(server, basin);
      const raw = (of: RecordsClient, headers = {}) => of.batch(stream, '?seq_num=0&format=base64', headers);
      const { records } = await raw(client, { ...KEY, 's2-format': 'base64' });
      const plain = await raw(new RecordsClient(server, 'plain-basin'), { 's2-format': 'base64' });
      expect(records).toEqual(plain.records);
      const keyed = sealed.stream(stream, { encryptionKey: SECRET });
      const read = await take(await keyed.readSession(FROM_START, { as: 'bytes' }));
      await keyed.close();
      const sent = itemsOf(signal, encodeJsonFixture(signal, Buffer.from(JSON.stringify(request))), false);
      expect(read.flatMap(({ body }) => itemsOf(signal, body, false))).toEqual(sent);
    },
  );

  test('lets filters choose among the records', async () => {
    await send(server, 'logs', JSON.stringify(requestFor('logs', ['filtered'])), {
      headers: { 's2-basin': basin, ...KEY },
    });
    const query = `&filter=${encodeURIComponent('level>=error service=shop')}`;
    expect(await viewRows(server, 'filtered', basin, { headers: KEY, query })).toMatchObject([
      { seqNum: 0, body: 'needle-in-a-log' },
    ]);
  });

  test('is read with the key alone, also after a restart, and leaves no plain text on the disk', async () => {
    const stream = 'restarted';
    await send(server, 'logs', JSON.stringify(requestFor('logs', [stream])), {
      headers: { 's2-basin': basin, ...KEY },
    });
    const rows = await viewRows(server, stream, basin, { headers: KEY });
    await server.stop();
    server = await startServer({ dataDir: path.join(dir, 'data') });
    sealed = sdkOf(server).basin(basin);
    expect(await viewRows(server, stream, basin, { headers: KEY })).toEqual(rows);
    const wrong = sealed.stream(stream, { encryptionKey: Buffer.alloc(32, 8) });
    expect(await failureOf(wrong.read(FROM_START))).toMatchObject({ status: 400, code: 'decryption_failed' });
    await wrong.close();
    expect(await new RecordsClient(server, basin).read(stream, '?seq_num=0')).toMatchObject([
      400,
      { code: 'bad_header' },
    ]);
    const seen = new RecordsClient(server, 'plain-basin');
    await send(
      server,
      'logs',
      JSON.stringify(requestFor('logs', [`seen ${cipher}`], [{ body: { stringValue: 'pin-in-the-clear' } }])),
      {
        headers: { 's2-basin': 'plain-basin' },
      },
    );
    expect((await seen.batch(`seen ${cipher}`, '?seq_num=0')).records).toHaveLength(1);
    const files = await readdir(server.dataDir, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(path.join(file.parentPath, file.name))),
    );
    expect(contents.some((bytes) => bytes.includes('pin-in-the-clear'))).toBe(true);
    expect(contents.some((bytes) => bytes.includes(SECRET))).toBe(false);
  });
});

describe.each(CIPHERS)('A stream encrypted with %s', (cipher) => {
  const basin = basinOf(cipher);

  test.each([
    ['no key', {}, /encrypted with .*S2-Encryption-Key.*base64 of 32 bytes/],
    ['a key of 31 bytes', { 's2-encryption-key': SECRET.subarray(1).toString('base64') }, /has 31 bytes/],
    ['a key of 33 bytes', { 's2-encryption-key': Buffer.alloc(33, 'S').toString('base64') }, /has 33 bytes/],
    ['a key without its padding', { 's2-encryption-key': KEY['s2-encryption-key'].slice(0, 43) }, /is not base64/],
    ['a key that is no base64', { 's2-encryption-key': `${'S'.repeat(40)}!!!!` }, /is not base64/],
    ['an empty key', { 's2-encryption-key': '' }, /is not base64|S2-Encryption-Key/],
  ])('rejects the items with %s alone, and says what to send', async (what, headers, message) => {
    const stream = `refused ${what}`;
    const answer = await send(server, 'logs', JSON.stringify(requestFor('logs', [stream])), {
      headers: { 's2-basin': basin, ...headers },
    });
    expect(answer).toMatchObject({ status: 200, rejected: 2 });
    expect(answer.message).toMatch(message);
    expect(answer.message).toContain(cipher);
    expect(answer.message + server.stderr() + server.stdout()).not.toMatch(/SSSS|U1NT/);
    expect((await new RecordsClient(server, basin).tail(stream))[0]).toBe(404);
  });

  test('takes items of up to the size of an S2 record, whatever the basin says of large items', async () => {
    const sized = (length: number): object[] => [{ body: { stringValue: 'x'.repeat(length) } }];
    const bytesOf = (items: object[]): number =>
      meteredBytes(
        OTLP_HEADERS.logs,
        encodeJsonFixture('logs', Buffer.from(JSON.stringify(requestFor('logs', ['large'], items)))).length,
      );
    const most = MiB - 1_000 + (MiB - bytesOf(sized(MiB - 1_000)));
    expect(bytesOf(sized(most))).toBe(MiB);
    const headers = { 's2-basin': basin, ...KEY };
    const items = [...sized(most), ...sized(most + 1), ...sized(3)];
    const answer = await send(server, 'logs', JSON.stringify(requestFor('logs', ['large'], items)), { headers });
    expect(answer).toMatchObject({ status: 200, rejected: 1 });
    expect(answer.message).toMatch(/at most 1048576 metered bytes/);
    const rows = await viewRows(server, 'large', basin, { headers: KEY });
    expect(rows.map(({ body }) => String(body).length)).toEqual([most, 3]);
  });
});

test('One request stores into streams with and without a cipher, in one go', async () => {
  const client = new RecordsClient(server, 'plain-basin');
  await client.control('PATCH', '/v1/basins/plain-basin', { stream_cipher: 'aes-256-gcm' });
  await client.control('PUT', '/v1/streams/mixed-sealed', {});
  await client.control('PATCH', '/v1/basins/plain-basin', { stream_cipher: null });
  const request = JSON.stringify(requestFor('logs', ['mixed-sealed', 'mixed-open']));
  const without = await send(server, 'logs', request, { headers: { 's2-basin': 'plain-basin' } });
  expect(without).toMatchObject({ status: 200, rejected: 2 });
  expect(without.message).toContain('"mixed-sealed"');
  const withKey = await send(server, 'logs', request, { headers: { 's2-basin': 'plain-basin', ...KEY } });
  expect(withKey).toEqual(ACCEPTED);
  const withOther = await send(server, 'logs', request, { headers: { 's2-basin': 'plain-basin', ...OTHER } });
  expect(withOther).toEqual(ACCEPTED);
  expect(await viewRows(server, 'mixed-open', 'plain-basin')).toHaveLength(6);
  expect((await client.batch('mixed-sealed', '?seq_num=0&count=2', KEY)).records).toHaveLength(2);
  expect((await client.batch('mixed-sealed', '?seq_num=2', OTHER)).records).toHaveLength(2);
});

test('A request repeated within the window of its basin is stored once, encrypted too', async () => {
  await makeBasin(server, 'sealed-once', { ...CONFIG, stream_cipher: 'aes-256-gcm', otlp_dedupe_window: 60 });
  const request = JSON.stringify(requestFor('logs', ['once']));
  const headers = { 's2-basin': 'sealed-once', ...KEY };
  for (let i = 0; i < 2; i++) expect(await send(server, 'logs', request, { headers })).toEqual(ACCEPTED);
  expect(await viewRows(server, 'once', 'sealed-once', { headers: KEY })).toHaveLength(2);
});
