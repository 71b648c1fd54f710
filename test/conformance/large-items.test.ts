/**
 * A basin with `large_items_max`: items that are larger than an S2 record are stored whole, the views of OTLP return them
 * whole, and S2's readers get them with their longest strings cut.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { meteredBytes, OTLP_HEADERS, type Signal } from '../../src/model/record.ts';
import { runCli } from '../support/cli.ts';
import { EXPORT, GrpcClient } from '../support/grpc-call.ts';
import { encodeJsonFixture, itemsOf, type OtlpItem } from '../support/otlp-items.ts';
import { type Sent, send } from '../support/otlp-send.ts';
import { type JsonRecord, makeBasin, RecordsClient } from '../support/records-calls.ts';
import { sdkOf, TRANSPORTS, take } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const MiB = 1024 * 1024;
const BASIN = 'large-items';
const LARGEST = 1.5 * MiB;
const CONFIG = { create_stream_on_append: true, otlp_default_stream: 'all', large_items_max: LARGEST };
const FIXED = meteredBytes(OTLP_HEADERS.logs, 0);

let dir: string;
let server: TestServer;
let s2: RecordsClient;
let made = 0;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-large-'));
  await start();
  s2 = await makeBasin(server, BASIN, CONFIG);
});

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startServer({ dataDir: path.join(dir, 'data') });
  s2 = new RecordsClient(server, BASIN);
}

const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
const nextStream = (): string => `s${made++}`;

/** A request of one log record, which is also the body of the record that it becomes. */
function logOf(stream: string, fields: object): Buffer {
  const logRecords = [{ timeUnixNano: '1700000000000000000', ...fields }];
  const resource = { attributes: [text('s2.stream', stream), text('service.name', 'shop')] };
  const body = { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'lib' }, logRecords }] }] };
  return encodeJsonFixture('logs', Buffer.from(JSON.stringify(body)));
}

/** One whose record has exactly so many metered bytes. */
function logOfSize(stream: string, metered: number, fill = 'x'): Buffer {
  const sized = (length: number): Buffer => logOf(stream, { body: { stringValue: fill.repeat(length) } });
  let length = Math.floor(metered / fill.length) - 200;
  for (;;) {
    const missing = metered - FIXED - sized(length).length;
    if (missing === 0) return sized(length);
    length += missing;
  }
}

const post = (body: string | Uint8Array, signal: Signal = 'logs'): Promise<Sent> =>
  send(server, signal, body, { headers: { 's2-basin': BASIN } });

async function accepted(body: string | Uint8Array, signal: Signal = 'logs'): Promise<void> {
  expect(await post(body, signal)).toEqual({ status: 200, rejected: 0, message: '' });
}

const headersOf = (record: JsonRecord | undefined): Record<string, string> =>
  Object.fromEntries((record?.headers ?? []).map(([name, value]) => [plain(name), plain(value)]));
const plain = (base64: string): string => Buffer.from(base64, 'base64').toString();
const BASE64 = { 's2-format': 'base64' };

/** The text of the body of the only log record in a message. */
function saidIn(body: Uint8Array): string {
  const [only, ...more] = itemsOf('logs', body, false);
  if (only === undefined || more.length > 0) throw new Error('the body does not hold one item');
  return (only.item as { body: { stringValue: string } }).body.stringValue;
}

async function onSocket(protocol: string, stream: string, query = '&format=base64'): Promise<Reader> {
  const url = `ws://127.0.0.1:${server.port}/v1/streams/${stream}/records?seq_num=0${query}`;
  return new Reader(url, protocol, { headers: s2.headers(), maxPayload: 0 });
}

/** The first batch of a subprotocol; of `otlp.proto` the message. */
async function firstBatch(protocol: string, stream: string): Promise<unknown> {
  const reader = await onSocket(protocol, stream);
  for (;;) {
    const frame = await reader.next();
    if (!Buffer.isBuffer(frame) && frame.type !== 'batch') continue;
    await reader.close();
    return frame;
  }
}

describe('the size of a record', () => {
  test('of S2 is not cut, one byte more is, the most that the basin takes is stored, and one more is rejected', async () => {
    const stream = nextStream();
    const sizes = [MiB, MiB + 1, LARGEST];
    for (const size of sizes) await accepted(logOfSize(stream, size));
    const over = await post(logOfSize(stream, LARGEST + 1));
    expect(over).toMatchObject({ status: 200, rejected: 1 });
    expect(over.message).toContain(`at most ${LARGEST} metered bytes in this basin (large_items_max)`);
    for (const [i, size] of sizes.entries()) {
      const { records } = await s2.batch(stream, `?seq_num=${i}&count=1`, BASE64);
      const body = Buffer.from(records[0]?.body ?? '', 'base64');
      const whole = logOfSize(stream, size);
      const lost = Buffer.byteLength(saidIn(whole)) - Buffer.byteLength(saidIn(body));
      expect(headersOf(records[0])['otel.truncated_bytes']).toBe(size === MiB ? undefined : String(lost));
      if (size === MiB) expect(body.equals(whole)).toBe(true);
      else expect(lost).toBeGreaterThan(0);
      expect(meteredOf(records[0])).toBeLessThanOrEqual(MiB);
      expect(meteredOf(records[0])).toBeGreaterThan(MiB - 100);
      const message = (await onceAt('otlp.proto', stream, i)) as Buffer;
      expect(message.equals(whole)).toBe(true);
    }
  });

  test('above S2 is rejected in a basin that does not ask for it, and again once it has taken that back', async () => {
    const basin = await makeBasin(server, 'usual-items', { ...CONFIG, large_items_max: null });
    const body = logOfSize('all', MiB + 1);
    const to = (name: string) => send(server, 'logs', body, { headers: { 's2-basin': name } });
    expect(await to('usual-items')).toMatchObject({ rejected: 1 });
    expect(await basin.control('PATCH', '/v1/basins/usual-items', { large_items_max: 2 * MiB })).toMatchObject([
      200,
      {},
    ]);
    expect(await to('usual-items')).toMatchObject({ rejected: 0 });
    expect(await basin.control('PATCH', '/v1/basins/usual-items', { large_items_max: null })).toMatchObject([200, {}]);
    expect(await to('usual-items')).toMatchObject({ rejected: 1 });
    expect((await basin.batch('all', '?seq_num=0')).records).toHaveLength(1);
  });
});

/** Metered bytes of a record that came in base64. */
function meteredOf(record: JsonRecord | undefined): number {
  const pairs = (record?.headers ?? []).map(
    (pair) => pair.map((one) => Buffer.from(one, 'base64')) as [Buffer, Buffer],
  );
  return meteredBytes(pairs, Buffer.from(record?.body ?? '', 'base64').length);
}

async function onceAt(protocol: string, stream: string, seqNum: number): Promise<unknown> {
  const url = `ws://127.0.0.1:${server.port}/v1/streams/${stream}/records?seq_num=${seqNum}&count=1`;
  const reader = new Reader(url, protocol, { headers: s2.headers(), maxPayload: 0 });
  await reader.ended;
  return reader.got.findLast((frame) => Buffer.isBuffer(frame) || frame.type === 'batch');
}

const said = '{"role":"user"} 日本語 😀 "quoted" \n'.repeat(30_000);
const LONG = said.slice(0, 99_000);

test('a large record comes to live readers whole, to each in its view', async () => {
  const stream = nextStream();
  await accepted(logOf(stream, { body: { stringValue: 'first' } }));
  const readers: Reader[] = [];
  for (const protocol of ['otlp.proto', 'otlp.json', 'view.json', 'view.text']) {
    const url = `ws://127.0.0.1:${server.port}/v1/streams/${stream}/records?tail_offset=0`;
    const reader = new Reader(url, protocol, { headers: s2.headers(), maxPayload: 0 });
    await reader.until('caught_up');
    readers.push(reader);
  }
  const [proto, json, rows, lines] = readers as [Reader, Reader, Reader, Reader];
  await accepted(logOf(stream, { body: { stringValue: said } }));
  const positions = proto.until('positions');
  expect((await positions).next).toMatchObject({ seq_num: 2 });
  expect(saidIn((await proto.next()) as Buffer)).toBe(said);
  const [request] = (await json.until('batch')).requests as object[];
  expect(saidIn(encodeJsonFixture('logs', Buffer.from(JSON.stringify(request))))).toBe(said);
  expect((await rows.until('batch')).rows).toEqual([expect.objectContaining({ body: said })]);
  expect(String((await lines.until('batch')).lines)).toContain(said.trimEnd().replaceAll('\n', '\\n'));
  for (const reader of readers) await reader.close();
});

describe('a large record', () => {
  const stream = nextStream();
  const whole = logOf(stream, { body: { stringValue: said }, attributes: [text('kept', 'short'), text('long', LONG)] });
  const small = (i: number) => logOf(stream, { body: { stringValue: `small ${i}` } });

  beforeAll(async () => {
    expect(whole.length).toBeGreaterThan(MiB + 100_000);
    for (const body of [small(0), whole, small(2)]) await accepted(body);
  });

  test('is whole in every view of OTLP', async () => {
    expect(whole.equals((await onceAt('otlp.proto', stream, 1)) as Buffer)).toBe(true);
    const { requests } = (await onceAt('otlp.json', stream, 1)) as { requests: object[] };
    expect(whole.equals(encodeJsonFixture('logs', Buffer.from(JSON.stringify(requests[0]))))).toBe(true);
    const { rows } = (await onceAt('view.json', stream, 1)) as { rows: Record<string, unknown>[] };
    expect(rows[0]).toMatchObject({ body: said, metadata: { kept: 'short', long: LONG }, serviceName: 'shop' });
    const { lines } = (await onceAt('view.text', stream, 1)) as { lines: string[] };
    const labels = JSON.stringify({ kept: 'short', long: LONG, 's2.stream': stream });
    expect(lines[0]).toBe(`2023-11-14T22:13:20.000000000Z -     shop ${said.replaceAll('\n', '\\n')} ${labels}`);
  });

  test('comes cut over every call of S2, and readers go past it', async () => {
    const bodies = async (headers: Record<string, string>) =>
      (await s2.batch(stream, '?seq_num=1&count=1', headers)).records;
    const [record] = await bodies(BASE64);
    const cut = Buffer.from(record?.body ?? '', 'base64');
    expect(meteredOf(record)).toBeLessThanOrEqual(MiB);
    expect(said.startsWith(saidIn(cut))).toBe(true);
    expect(headersOf(record)).toMatchObject({
      'otel.signal': 'logs',
      'otel.truncated_bytes': expect.stringMatching(/^\d+$/),
    });
    const [raw] = await bodies({});
    expect(raw?.body?.length).toBe(cut.toString('utf8').length);

    for (const protocol of ['s2.json', 's2.proto']) expect(await firstBatch(protocol, stream)).toBeDefined();
    const events = await (await s2.sse(stream, '?seq_num=0&count=3', BASE64)).rest();
    const seen = events
      .filter(({ event }) => event === 'batch')
      .flatMap(({ data }) => (JSON.parse(data) as { records: JsonRecord[] }).records);
    expect(seen.map(({ seq_num: seqNum }) => seqNum)).toEqual([0, 1, 2]);
    expect(seen[1]).toEqual(record);

    for (const forceTransport of TRANSPORTS) {
      const sdk = sdkOf(server).basin(BASIN).stream(stream, { forceTransport });
      const session = await sdk.readSession(
        { start: { from: { seqNum: 0 } }, stop: { limits: { count: 3 } } },
        { as: 'bytes' },
      );
      const records = await take(session);
      expect(records.map(({ seqNum }) => seqNum)).toEqual([0, 1, 2]);
      expect(Buffer.from(records[1]?.body ?? []).equals(cut)).toBe(true);
    }
  });

  test('counts in a read as it is returned', async () => {
    const size = meteredOf((await s2.batch(stream, '?seq_num=1&count=1', BASE64)).records[0]);
    expect((await s2.batch(stream, `?seq_num=1&bytes=${size}`)).records).toHaveLength(1);
    expect((await s2.batch(stream, `?seq_num=1&bytes=${size - 1}`)).records).toHaveLength(0);
    expect((await s2.batch(stream, '?seq_num=0&count=3')).records.map(({ seq_num: seqNum }) => seqNum)).toEqual([0]);
  });

  test('is there after kill -9 as before, and a check of the store finds nothing wrong with it', async () => {
    const before = await s2.batch(stream, '?seq_num=1&count=1', BASE64);
    await server.kill();
    const checked = await runCli(['verify', '--data-dir', path.join(dir, 'data')]);
    expect(checked.code).toBe(0);
    await start();
    expect((await s2.batch(stream, '?seq_num=1&count=1', BASE64)).records).toEqual(before.records);
    expect(whole.equals((await onceAt('otlp.proto', stream, 1)) as Buffer)).toBe(true);
  });
});

test('large records are trimmed and deleted like any other, and their space is counted whole', async () => {
  const stream = nextStream();
  for (let i = 0; i < 3; i++) await accepted(logOfSize(stream, LARGEST));
  await s2.append(stream, { records: [{ headers: [['', 'trim']], body: '\0\0\0\0\0\0\0\x02' }] });
  const { records } = await s2.batch(stream, '?seq_num=0&clamp=true&count=1');
  expect(records[0]?.seq_num).toBe(2);
  expect(await s2.control('DELETE', `/v1/streams/${stream}`)).toMatchObject([202, undefined]);
});

test('an item that cannot be cut to fit is rejected with the reason, and costs no other', async () => {
  const stream = nextStream();
  const many = Array.from({ length: 70_000 }, (_, i) => ({ key: `k${i}`, value: { intValue: String(i) } }));
  const logRecords = [{ attributes: many }, { body: { stringValue: 'beside' } }];
  const resource = { attributes: [text('s2.stream', stream)] };
  const { rejected, message } = await post(
    JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }),
  );
  expect(rejected).toBe(1);
  expect(message).toContain('cannot be cut');
  expect((await s2.batch(stream, '?seq_num=0')).records).toHaveLength(1);
});

test('what is long in the resource and scope is cut too, and whole in the views', async () => {
  const stream = nextStream();
  const resource = { attributes: [text('s2.stream', stream), text('env', 'é'.repeat(300_000))] };
  const scope = { name: 'lib', attributes: [text('of', 'y'.repeat(600_000))] };
  const logRecords = [{ body: { stringValue: 'one' } }, { body: { stringValue: 'two' } }];
  const body = JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords }] }] });
  await accepted(body);
  const records = [];
  for (const i of [0, 1]) records.push(...(await s2.batch(stream, `?seq_num=${i}&count=1`, BASE64)).records);
  expect(records.map(meteredOf).every((size) => size <= MiB)).toBe(true);
  expect(records.map((record) => saidIn(Buffer.from(record.body ?? '', 'base64')))).toEqual(['one', 'two']);
  const frames = [await onceAt('otlp.proto', stream, 0), await onceAt('otlp.proto', stream, 1)] as Buffer[];
  const whole = itemsOf('logs', Buffer.from(body), true);
  expect(frames.flatMap((frame) => itemsOf('logs', frame, false))).toEqual(
    itemsOf('logs', encodeJsonFixture('logs', Buffer.from(body)), false),
  );
  expect(whole).toHaveLength(2);
});

describe('a large item', () => {
  test('of each signal is taken in both encodings, compressed, and over gRPC', async () => {
    const stream = nextStream();
    const resource = { attributes: [text('s2.stream', stream)] };
    const long = [text('long', 'z'.repeat(1.2 * MiB))];
    const span = {
      traceId: '0102030405060708090a0b0c0d0e0f10',
      spanId: '0102030405060708',
      name: 's',
      events: [{ name: 'e', attributes: long }],
    };
    const metric = { name: 'm', gauge: { dataPoints: [{ timeUnixNano: '1', asInt: '1', attributes: long }] } };
    const bodies = {
      logs: { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [{ attributes: long }] }] }] },
      traces: { resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] },
      metrics: { resourceMetrics: [{ resource, scopeMetrics: [{ metrics: [metric] }] }] },
    };
    const grpc = new GrpcClient(server, { gzip: true });
    let seqNum = 0;
    for (const signal of ['logs', 'traces', 'metrics'] as const) {
      const json = Buffer.from(JSON.stringify(bodies[signal]));
      const proto = encodeJsonFixture(signal, json);
      await accepted(json.toString(), signal);
      expect(
        await send(server, signal, gzipSync(proto), {
          headers: { 's2-basin': BASIN, 'content-encoding': 'gzip', 'content-type': 'application/x-protobuf' },
        }),
      ).toMatchObject({ status: 200, rejected: 0 });
      expect(await grpc.call(EXPORT[signal], proto, { 's2-basin': BASIN })).toMatchObject({ code: 0 });
      for (const last = seqNum + 3; seqNum < last; seqNum++) {
        const [record] = (await s2.batch(stream, `?seq_num=${seqNum}&count=1`, BASE64)).records;
        expect([headersOf(record)['otel.signal'], meteredOf(record) <= MiB]).toEqual([signal, true]);
        expect(itemsOf(signal, Buffer.from(record?.body ?? '', 'base64'), false)).toHaveLength(1);
        expect(itemsOf(signal, (await onceAt('otlp.proto', stream, seqNum)) as Buffer, false)).toEqual(
          itemsOf(signal, proto, false),
        );
      }
    }
    grpc.close();
  });

  test('has what the basin wants dropped taken out, its text repaired, and its ids too', async () => {
    const config = { ...CONFIG, large_items_max: 6 * MiB, otlp_drop_attributes: ['secret'] };
    const basin = await makeBasin(server, 'large-dropped', config);
    const body = Buffer.from(
      JSON.stringify({
        resourceLogs: [
          {
            scopeLogs: [
              {
                logRecords: [
                  {
                    traceId: 'abcd',
                    attributes: [text('secret', 'hidden'), text('long', `${'w'.repeat(5 * MiB)}\\ud83d`)],
                  },
                ],
              },
            ],
          },
        ],
      }).replaceAll('\\\\ud83d', '\\ud83d'),
    );
    const sent = await send(server, 'logs', body.toString(), { headers: { 's2-basin': 'large-dropped' } });
    expect(sent).toMatchObject({ status: 200, rejected: 0 });
    expect(sent.message).toMatch(/repaired/);
    s2 = basin;
    const message = (await onceAt('otlp.proto', 'all', 0)) as Buffer;
    s2 = new RecordsClient(server, BASIN);
    const [only] = itemsOf('logs', message, false);
    const { attributes, traceId } = (only as OtlpItem).item as {
      traceId: string;
      attributes: { key: string; value: { stringValue: string } }[];
    };
    expect(attributes.map(({ key }) => key)).toEqual(['long', 'otel.id_malformed']);
    expect(attributes[0]?.value.stringValue.endsWith('w\ufffd')).toBe(true);
    expect(Buffer.from(traceId, 'base64')).toHaveLength(16);
  });
});
