/** The S2 API over plain HTTP: lists, the tail, health; and how each is refused. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CallResponse, call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const NAMES = ['a/b', 'apple', 'apricot', 'banana', 'über', '日本', '\u{1f600}', '\uffee'];

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const resourceLogs = NAMES.map((name) => ({
    resource: { attributes: [{ key: 's2.stream', value: { stringValue: name } }] },
    scopeLogs: [{ logRecords: [{ timeUnixNano: '1700000000123456789', body: { stringValue: name } }] }],
  }));
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const { status } = await call(server.port, { path: '/v1/logs', headers, body: JSON.stringify({ resourceLogs }) });
  expect(status).toBe(200);
});

afterAll(async () => {
  await server.stop();
});

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<CallResponse> {
  const common = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
  return call(server.port, { method, path, headers: { ...common, ...headers } });
}

const parsed = <T>(answer: CallResponse): T => JSON.parse(answer.body.toString()) as T;

interface StreamPage {
  readonly streams: readonly { readonly name: string; readonly created_at: string }[];
  readonly has_more: boolean;
}

describe('GET /v1/streams', () => {
  const list = async (query: string): Promise<[string[], boolean]> => {
    const { streams, has_more } = parsed<StreamPage>(await get(`/v1/streams${query}`));
    return [streams.map(({ name }) => name), has_more];
  };

  test('returns all streams, in the order of their bytes', async () => {
    const byBytes = [...NAMES].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await list('')).toEqual([byBytes, false]);
    expect(await list('?limit=0')).toEqual([byBytes, false]);
    expect(await list('?limit=1500')).toEqual([byBytes, false]);
  });

  test.each([
    ['?prefix=ap', ['apple', 'apricot'], false],
    ['?prefix=ap&limit=1', ['apple'], true],
    ['?prefix=ap&start_after=apple', ['apricot'], false],
    ['?prefix=ap&start_after=a', ['apple', 'apricot'], false],
    ['?start_after=banana&limit=1', ['über'], true],
    ['?prefix=a%2F', ['a/b'], false],
    ['?prefix=nothing', [], false],
  ])('applies its parameters: %s', async (query, names, more) => {
    expect(await list(query)).toEqual([names, more]);
  });

  test('has in each entry what S2 clients parse', async () => {
    const { streams } = parsed<StreamPage>(await get('/v1/streams?prefix=apple'));
    expect(streams).toEqual([{ name: 'apple', created_at: expect.any(String), deleted_at: null, cipher: null }]);
    expect(Math.abs(Date.parse(streams[0]?.created_at ?? '') - Date.now())).toBeLessThan(600_000);
  });

  test.each([
    '?limit=-1',
    '?limit=x',
    '?limit=1&limit=2',
    '?limit=1500&unknown=1',
    '?prefix=a%00b',
    `?prefix=${'x'.repeat(513)}`,
  ])('refuses %s as a bad query', async (query) => {
    const answer = await get(`/v1/streams${query}`);
    expect([answer.status, parsed<{ code: string }>(answer).code]).toEqual([400, 'bad_query']);
  });
});

test('GET /v1/basins lists the default basin', async () => {
  const answer = await get('/v1/basins');
  expect(parsed(answer)).toMatchObject({ basins: [{ name: 'telemetry', deleted_at: null }], has_more: false });
  expect(parsed(await get('/v1/basins?prefix=other'))).toEqual({ basins: [], has_more: false });
  expect((await get('/v1/basins?prefix=NO')).status).toBe(400);
});

describe('GET /v1/streams/{stream}/records/tail', () => {
  test.each(NAMES)('returns the tail of %s', async (name) => {
    const answer = await get(`/v1/streams/${encodeURIComponent(name)}/records/tail`);
    expect(answer.headers['content-type']).toBe('application/json');
    expect([answer.status, parsed(answer)]).toEqual([200, { tail: { seq_num: 1, timestamp: 1_700_000_000_123 } }]);
  });

  test.each([
    ['/v1/streams/missing/records/tail', {}, 404, 'stream_not_found'],
    ['/v1/streams/apple/records/tail', { 's2-basin': 'other-basin' }, 404, 'basin_not_found'],
    ['/v1/streams/apple/records/tail', { 's2-basin': 'NO' }, 400, 'bad_header'],
    ['/v1/streams/apple/records/tail', { authorization: '' }, 401, 'authn'],
    ['/v1/streams/missing/records/tail', { authorization: 'Bearer x', 's2-basin': 'other-basin' }, 401, 'authn'],
    ['/v1/streams/%ff/records/tail', {}, 400, 'bad_path'],
    ['/v1/streams/%2E%2E/records/tail', {}, 400, 'bad_path'],
    ['/v1/streams/a%00/records/tail', {}, 400, 'bad_path'],
    ['/v1/streams/apple/records/tail/', {}, 404, 'not_found'],
    ['/v1/streams//records/tail', {}, 404, 'not_found'],
    ['/v1/streams/', {}, 404, 'not_found'],
    ['/v1/nothing', {}, 404, 'not_found'],
  ])('for %s with %j is %i %s', async (path, headers, status, code) => {
    const answer = await get(path, headers);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/json']);
    expect(parsed(answer)).toEqual({ code, message: expect.any(String) });
    expect(answer.headers['x-correlation-id']).toMatch(/^[\w.-]{4,64}$/);
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
  });

  test('without a basin is that of the default one', async () => {
    const headers = { authorization: `Bearer ${server.token}` };
    const answer = await call(server.port, { method: 'GET', path: '/v1/streams/apple/records/tail', headers });
    expect([answer.status, parsed(answer)]).toMatchObject([200, { tail: { seq_num: 1 } }]);
  });

  test('is 405 with the allowed methods for another method', async () => {
    const answer = await get('/v1/streams/apple/records/tail', {}, 'DELETE');
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
  });
});

test('OTLP data is read as records, in one order with records from S2', async () => {
  const appended = await call(server.port, {
    path: '/v1/streams/apple/records',
    headers: { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry', 'content-type': 'application/json' },
    body: '{"records":[{"body":"by hand"}],"match_seq_num":1}',
  });
  expect([appended.status, parsed(appended)]).toMatchObject([200, { start: { seq_num: 1 } }]);
  const expected = {
    records: [
      {
        seq_num: 0,
        timestamp: 1_700_000_000_123,
        headers: [
          ['otel.signal', 'logs'],
          ['content-type', 'application/x-protobuf'],
        ],
        body: expect.stringContaining('apple'),
      },
      { seq_num: 1, timestamp: expect.any(Number), body: 'by hand' },
    ],
    tail: { seq_num: 2, timestamp: expect.any(Number) },
  };
  expect(parsed(await get('/v1/streams/apple/records?seq_num=0'))).toEqual(expected);
  const events = await get('/v1/streams/apple/records?seq_num=0&count=2', { accept: 'text/event-stream' });
  const data = events.body.toString().matchAll(/^data: (\{.*\})$/gm);
  const batches = [...data].map(([, json = '']) => JSON.parse(json) as { records: unknown[] });
  expect(batches.flatMap(({ records }) => records)).toEqual(expected.records);
});

test('OTLP data is metered by the record, one by one and together', async () => {
  const attributes = [{ key: 's2.stream', value: { stringValue: 'metered' } }];
  const logRecords = ['one', 'two', 'three'].map((text) => ({ body: { stringValue: text } }));
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  expect((await call(server.port, { path: '/v1/logs', headers, body })).status).toBe(200);
  const read = (query: string, more = {}) => get(`/v1/streams/metered/records?seq_num=0${query}`, more);
  const events = await read('&count=9', { accept: 'text/event-stream' });
  const [, total = ''] = /^id: 2,3,(\d+)$/m.exec(events.body.toString()) ?? [];
  const countWithin = async (bytes: number) =>
    parsed<{ records: unknown[] }>(await read(`&bytes=${bytes}`)).records.length;
  expect(await countWithin(Number(total))).toBe(3);
  expect(await countWithin(Number(total) - 1)).toBe(2);
});

test('GET of an OTLP path is 405 and names POST', async () => {
  for (const path of ['/v1/logs', '/v1/traces', '/otlp/v1/logs']) {
    const answer = await get(path);
    expect([answer.status, answer.headers.allow]).toEqual([405, 'POST']);
    expect(parsed(answer)).toEqual({ code: 12, message: expect.stringContaining('POST') });
  }
});

describe('health', () => {
  test.each(['/health', '/ping'])('%s is OK without a token', async (path) => {
    const answer = await call(server.port, { method: 'GET', path });
    expect([answer.status, answer.body.toString()]).toEqual([200, 'OK']);
    const head = await call(server.port, { method: 'HEAD', path });
    expect([head.status, head.body.length]).toEqual([200, 0]);
  });

  test('/readyz reports that the server accepts writes', async () => {
    const answer = await call(server.port, { method: 'GET', path: '/readyz' });
    expect([answer.status, parsed(answer)]).toEqual([200, { status: 'ready', writes: 'ok' }]);
  });
});
