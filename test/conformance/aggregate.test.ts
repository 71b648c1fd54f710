/** Counts and sums over HTTP, by the client and in the library: histograms, exact sums, open spans, access, refusals. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AggregateResult, createClient, openTailrace } from '../../src/index.ts';
import type { Signal } from '../../src/model/record.ts';
import { call } from '../support/http-call.ts';
import { send } from '../support/otlp-send.ts';
import { codeOf, type Headers, makeBasin, openSse, outcome, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

const T0 = 1_700_000_040_000;
const LEVELS = [5, 9, 9, 13];

let server: TestServer;
let s2: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
  const logRecords = Array.from({ length: 40 }, (_, n) => ({
    timeUnixNano: String((T0 + n * 3_000) * 1e6),
    severityNumber: LEVELS[n % 4],
    body: { stringValue: `record ${n}` },
    attributes: [
      { key: 'bytes', value: { intValue: String(2n ** 53n + BigInt(n)) } },
      { key: 'http.route', value: { stringValue: n % 2 === 0 ? '/a' : '/b' } },
    ],
  }));
  await post('logs', 'shop', { scopeLogs: [{ logRecords }] });
});

afterAll(() => server.stop());

async function post(signal: Signal, stream: string, scopes: object): Promise<void> {
  const attributes = [
    { key: 's2.stream', value: { stringValue: stream } },
    { key: 'service.name', value: { stringValue: 'checkout' } },
  ];
  const name = { logs: 'resourceLogs', traces: 'resourceSpans', metrics: 'resourceMetrics' }[signal];
  const body = JSON.stringify({ [name]: [{ resource: { attributes }, ...scopes }] });
  expect(await send(server, signal, body)).toEqual({ status: 200, rejected: 0, message: '' });
}

function path(stream: string, query: string): string {
  return `/v1/streams/${encodeURIComponent(stream)}/aggregate${query}`;
}

async function ask(stream: string, query = '', headers: Headers = {}, client = s2) {
  const answer = await call(client.server.port, {
    method: 'GET',
    path: path(stream, query),
    headers: client.headers(headers),
  });
  return outcome(answer);
}

async function result(stream: string, query = '', headers: Headers = {}, client = s2): Promise<AggregateResult> {
  const [status, body] = await ask(stream, query, headers, client);
  expect([status, status === 200 ? undefined : body]).toEqual([200, undefined]);
  return body as AggregateResult;
}

async function all(results: AsyncIterable<AggregateResult>): Promise<AggregateResult[]> {
  const list: AggregateResult[] = [];
  for await (const each of results) list.push(each);
  return list;
}

describe('one response', () => {
  test('without parameters counts all records that are there', async () => {
    expect(await result('shop')).toEqual({
      from: 0,
      next_seq_num: 40,
      records: 40,
      complete: true,
      rows: [{ count: 40 }],
    });
  });

  test('counts by level and minute of the timestamp of the record', async () => {
    const { rows } = await result('shop', '?by=level&bucket=1m');
    expect(rows).toEqual([
      { group: { level: 'info' }, bucket: T0, count: 10 },
      { group: { level: 'debug' }, bucket: T0, count: 5 },
      { group: { level: 'warn' }, bucket: T0, count: 5 },
      { group: { level: 'info' }, bucket: T0 + 60_000, count: 10 },
      { group: { level: 'debug' }, bucket: T0 + 60_000, count: 5 },
      { group: { level: 'warn' }, bucket: T0 + 60_000, count: 5 },
    ]);
  });

  test('sums integers beyond 2^53 to the digit, of what a filter wants', async () => {
    const { rows, records } = await result('shop', '?sum=attr.bytes&by=service,attr.http.route&filter=level%3E%3Dwarn');
    const values = Array.from({ length: 10 }, (_, n) => 2n ** 53n + BigInt(4 * n + 3));
    expect(records).toBe(40);
    expect(rows).toMatchObject([
      {
        group: { service: 'checkout', 'attr.http.route': '/b' },
        count: 10,
        values: 10,
        sum: String(values.reduce((sum, value) => sum + value)),
        min: String(values[0]),
        max: String(values.at(-1)),
      },
    ]);
    expect(Number(rows[0]?.p50) / 2 ** 53).toBeCloseTo(1, 2);
  });

  test('looks at the range of a read', async () => {
    expect(await result('shop', '?seq_num=10&count=5')).toMatchObject({ from: 10, next_seq_num: 15, records: 5 });
    const times = `?timestamp=${T0 + 3_000}&until=${T0 + 12_000}`;
    expect(await result('shop', times)).toMatchObject({ from: 1, next_seq_num: 4, rows: [{ count: 3 }] });
    expect(await result('shop', '?tail_offset=4')).toMatchObject({ from: 36, records: 4, complete: true });
    expect(await result('shop', '?tail_offset=0')).toMatchObject({ from: 40, records: 0, rows: [] });
    expect(codeOf(await ask('shop', '?seq_num=10&tail_offset=1'))).toEqual([422, 'invalid']);
    expect((await ask('shop', '?seq_num=41'))[0]).toBe(416);
    expect(await result('shop', '?seq_num=41&clamp=true')).toMatchObject({ from: 40, records: 0, complete: true });
  });

  test('does not count what was trimmed', async () => {
    await s2.texts('trimmed', 'a', 'b', 'c', 'd');
    const trim = {
      headers: [['', Buffer.from('trim').toString('base64')]],
      body: Buffer.alloc(8, '\0\0\0\0\0\0\0\x02').toString('base64'),
    };
    expect((await s2.append('trimmed', { records: [trim] }, { 's2-format': 'base64' }))[0]).toBe(200);
    expect(await result('trimmed', '?by=level')).toMatchObject({
      from: 2,
      next_seq_num: 5,
      records: 3,
      rows: [{ group: { level: null }, count: 3 }],
    });
  });
});

test('spans count once where an open and a closed record of them are there, as they were closed', async () => {
  const span = (id: number, end: number, cost: number) => ({
    traceId: '0102030405060708090a0b0c0d0e0f10',
    spanId: id.toString(16).padStart(16, '0'),
    name: 'chat',
    startTimeUnixNano: String(T0 * 1e6),
    endTimeUnixNano: String(end * 1e6),
    attributes: [
      { key: 'gen_ai.request.model', value: { stringValue: cost < 5 ? 'small' : 'large' } },
      { key: 'gen_ai.usage.cost', value: { doubleValue: cost } },
    ],
  });
  // Opened twice and closed; closed, then opened; never closed; another span.
  const spans = [span(1, 0, 1), span(1, 0, 2), span(2, T0 + 9, 4), span(2, 0, 8), span(3, 0, 16), span(1, T0 + 5, 3)];
  await post('traces', 'spans', { scopeSpans: [{ spans: [...spans, span(4, T0 + 1, 1.5)] }] });
  const { rows, records } = await result('spans', '?sum=costMicrocents&by=model');
  expect(records).toBe(7);
  expect(rows).toMatchObject([
    { group: { model: 'small' }, count: 3, sum: 8.5e6, min: 1.5e6, max: 4e6, average: 8.5e6 / 3 },
    { group: { model: 'large' }, count: 1, sum: 16e6 },
  ]);
  expect((await result('spans', '?sum=durationMs')).rows).toMatchObject([{ count: 4, values: 3, sum: 15 }]);
});

test('of metrics the data points are summed, each in the group of its own attributes', async () => {
  const point = (host: string, value: object) => ({
    attributes: [{ key: 'host', value: { stringValue: host } }],
    ...value,
  });
  const dataPoints = [point('a', { asInt: '7' }), point('b', { asDouble: 0.5 }), point('a', { asInt: '-9' })];
  const nothing = point('a', { asInt: '1', flags: 1 });
  const metrics = [{ name: 'load', gauge: { dataPoints: [...dataPoints, nothing, point('b', { asDouble: 'NaN' })] } }];
  await post('metrics', 'load', { scopeMetrics: [{ metrics }] });
  expect((await result('load', '?sum=value&by=name&by=attr.host')).rows).toMatchObject([
    { group: { name: 'load', 'attr.host': 'a' }, count: 3, values: 2, sum: -2, min: -9, max: 7 },
    { group: { name: 'load', 'attr.host': 'b' }, count: 2, values: 1, sum: 0.5, not_finite: 1 },
  ]);
  expect((await result('load', '?by=name')).rows).toEqual([{ group: { name: 'load' }, count: 1 }]);
});

test('an item of more than 1 MiB, which another thread looks at, counts like any other', async () => {
  const basin = await makeBasin(server, 'large-items', { create_stream_on_append: true, large_items_max: 2 ** 22 });
  const attributes = [
    { key: 'n', value: { intValue: String(2n ** 60n) } },
    { key: 'x', value: { stringValue: 'x'.repeat(2 ** 20) } },
  ];
  const logRecords = [attributes, attributes.slice(0, 1)].map((each) => ({ severityNumber: 17, attributes: each }));
  const resource = { attributes: [{ key: 's2.stream', value: { stringValue: 'large' } }] };
  const body = JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
  expect(await send(server, 'logs', body, { headers: { 's2-basin': 'large-items' } })).toMatchObject({
    status: 200,
    rejected: 0,
  });
  const { rows } = await result('large', '?sum=attr.n&by=level,attr.x,resource.s2.stream', {}, basin);
  const group = { level: 'error', 'resource.s2.stream': 'large' };
  const sum = String(2n ** 60n);
  expect(rows).toMatchObject([
    { group: { ...group, 'attr.x': `${'x'.repeat(256)}…` }, count: 1, sum },
    { group: { ...group, 'attr.x': null }, count: 1, sum },
  ]);
});

describe('what is asked wrongly is refused with 400 and the nearest name', () => {
  test.each([
    ['?bucekt=1m', /no query parameter "bucekt" here: did you mean bucket/],
    ['?wait=5', /no query parameter "wait"/],
    ['?by=levle', /`by` has no column "levle": expected is level perhaps, or one of signal, level, .*attr\.<key>/],
    ['?sum=costMicrocent', /`sum` has no column "costMicrocent": expected is costMicrocents perhaps/],
    ['?sum=level', /`sum` has no column "level"/],
    ['?by=attr.', /lacks the name of an attribute, as in attr\.http\.method/],
    ['?by=level,service,name,signal', /at most 3 columns, not 4/],
    ['?by=level&by=level', /"level" twice/],
    ['?bucket=1minute', /a span of time such as 1m, 1h or 7d, not "1minute"/],
    ['?bucket=0s', /a span of time/],
    ['?sum=value&sum=value', /query parameter `sum` is there twice/],
    ['?filter=levle%3Dwarn', /level perhaps/],
  ])('%s', async (query, message) => {
    for (const headers of [{}, { accept: 'text/event-stream' }]) {
      const [status, body] = await ask('shop', query, headers);
      expect([status, (body as { message: string }).message]).toEqual([400, expect.stringMatching(message)]);
    }
  });
});

test('three columns are taken, a key in quotes too', async () => {
  const query = `?${new URLSearchParams({ by: 'level,attr."http.route",signal' })}`;
  expect((await result('shop', query)).rows).toContainEqual({
    group: { level: 'info', 'attr."http.route"': '/b', signal: 'logs' },
    count: 10,
  });
});

describe('who may not read', () => {
  test('a stream gets no counts of it', async () => {
    const scope = { basins: { prefix: '' }, streams: { prefix: 'mine/' }, ops: ['read'] };
    const [, issued] = await s2.control('POST', '/v1/access-tokens', { id: 'narrow', scope });
    const { access_token: token } = issued as { access_token: string };
    const narrow = new RecordsClient({ port: server.port, token });
    await s2.texts('mine/a', 'x');
    expect(await result('mine/a', '', {}, narrow)).toMatchObject({ records: 1 });
    expect(codeOf(await ask('shop', '', {}, narrow))).toEqual([403, 'permission_denied']);
    expect(codeOf(await ask('shop', '', {}, new RecordsClient({ port: server.port, token: 'none' })))[0]).toBe(401);
    expect(codeOf(await ask('nothing'))).toEqual([404, 'stream_not_found']);
  });

  test('an encrypted stream without its key gets no counts of it', async () => {
    const safe = await makeBasin(server, 'encrypted-basin', {
      create_stream_on_append: true,
      stream_cipher: 'aes-256-gcm',
    });
    const key = { 's2-encryption-key': randomBytes(32).toString('base64') };
    expect((await safe.append('safe', { records: [{ body: 'a' }, { body: 'b' }] }, key))[0]).toBe(200);
    expect(await result('safe', '', key, safe)).toMatchObject({ records: 2, rows: [{ count: 2 }] });
    expect(codeOf(await ask('safe', '', {}, safe))).toEqual([400, 'bad_header']);
    const other = { 's2-encryption-key': randomBytes(32).toString('base64') };
    expect(codeOf(await ask('safe', '?by=level', other, safe))).toEqual([400, 'decryption_failed']);
  });
});

test('server-sent events end with the complete result', async () => {
  const events = await (
    await openSse(server.port, path('shop', '?by=level'), s2.headers({ accept: 'text/event-stream' }))
  ).rest();
  expect(events.map(({ event, data }) => (event === 'aggregate' ? JSON.parse(data) : data))).toEqual([
    await result('shop', '?by=level'),
    '[DONE]',
  ]);
});

describe('as an async iterable', () => {
  const options = { sum: 'attr.bytes', by: ['level'], bucket: '1h', start: { seqNum: 4 }, filter: '!level=debug' };
  const query = `?${new URLSearchParams({ sum: 'attr.bytes', by: 'level', bucket: '1h', seq_num: '4', filter: '!level=debug' })}`;

  test('the client gives what the call answers, and its refusals', async () => {
    const client = createClient({ endpoint: server.url, token: server.token });
    const results = await all(client.aggregate('shop', options));
    expect(results.at(-1)).toEqual(await result('shop', query));
    const wrong = all(client.aggregate('shop', { by: ['levle'] }));
    await expect(wrong).rejects.toMatchObject({ code: 'bad_query', message: expect.stringContaining('level perhaps') });
    const misspelt = { buket: '1h' } as object;
    await expect(all(client.aggregate('shop', misspelt))).rejects.toMatchObject({ code: 'invalid' });
    const stopped = { signal: AbortSignal.abort() };
    await expect(all(client.aggregate('shop', stopped))).rejects.toMatchObject({ code: 'aborted' });
  });

  test('the library gives the same of its own store, and nothing once it is aborted', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-test-'));
    const store = await openTailrace({ dataDir, logLevel: 'silent' });
    const logRecords = [9, 17, 17].map((severityNumber) => ({ timeUnixNano: `${T0}000000`, severityNumber }));
    const resource = { attributes: [{ key: 's2.stream', value: { stringValue: 'a' } }] };
    const body = JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
    await store.ingestOtlp(body, { signal: 'logs', contentType: 'application/json' });
    expect(await all(store.aggregate('a', { by: ['level'], bucket: '1m' }))).toEqual([
      {
        from: 0,
        next_seq_num: 3,
        records: 3,
        complete: true,
        rows: [
          { group: { level: 'error' }, bucket: T0, count: 2 },
          { group: { level: 'info' }, bucket: T0, count: 1 },
        ],
      },
    ]);
    expect(await all(store.aggregate('a', { signal: AbortSignal.abort() }))).toEqual([]);
    await expect(all(store.aggregate('a', { sum: 'level' }))).rejects.toMatchObject({ code: 'bad_query' });
    await store.close();
    await rm(dataDir, { recursive: true });
  });
});
