/**
 * The table of OTLP responses, row by row, over real sockets: status, the exact Content-Type, the decoded body. Refused
 * requests leave nothing.
 */

import { readFileSync } from 'node:fs';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { type Call, type CallResponse, call, connectRaw } from '../support/http-call.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
const LIMITS = { wire: 64 * 1024, body: 256 * 1024, records: 100 };
const pb = readFileSync(new URL('../fixtures/otlp/bench-1.pb', import.meta.url));

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    args: [
      ...['--default-stream', '', '--memory-limit', '16MiB', '--wire-bytes-max', String(LIMITS.wire)],
      ...['--body-bytes-max', String(LIMITS.body), '--request-records-max', String(LIMITS.records)],
    ],
  });
});

afterAll(async () => {
  await server.stop();
});

/** A request as an exporter sends it, with the changes of a test. */
function post(
  change: Partial<Call> & { readonly type?: string; readonly headers?: Record<string, string> } = {},
): Promise<CallResponse> {
  const { type = PROTOBUF, headers, ...rest } = change;
  const common = { authorization: `Bearer ${server.token}`, ...(type === '' ? {} : { 'content-type': type }) };
  return call(server.port, { path: '/v1/logs', body: pb, ...rest, headers: { ...common, ...headers } });
}

/** A JSON request with this number of records for a stream; without a stream name for `undefined`. */
function logs(stream: string | undefined, records: number, text = 'x'): string {
  const attributes = stream === undefined ? [] : [{ key: 's2.stream', value: { stringValue: stream } }];
  const logRecords = Array.from({ length: records }, () => ({ body: { stringValue: text } }));
  return JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
}

function encode(json: string): Buffer {
  const message = root.lookupType('opentelemetry.proto.logs.v1.LogsData');
  return Buffer.from(message.encode(message.fromObject(JSON.parse(json) as object)).finish());
}

/** google.rpc.Status in the encoding of the response. */
function statusOf(answer: CallResponse): { readonly code: number; readonly message: string } {
  if (answer.headers['content-type'] === JSON_TYPE)
    return JSON.parse(answer.body.toString()) as { code: number; message: string };
  expect(answer.headers['content-type']).toBe(PROTOBUF);
  const status = root.lookupType('google.rpc.Status');
  return status.toObject(status.decode(answer.body), { defaults: true }) as { code: number; message: string };
}

async function tailOf(stream: string): Promise<number> {
  return (await readStream(server, stream)).length;
}

async function streams(): Promise<string[]> {
  const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
  const { body } = await call(server.port, { method: 'GET', path: '/v1/streams', headers });
  return (JSON.parse(body.toString()) as { streams: { name: string }[] }).streams.map(({ name }) => name);
}

describe('an OTLP request gets 200', () => {
  test.each(['logs', 'traces', 'metrics'])(
    'when it is an empty request of %s, with the empty response',
    async (signal) => {
      for (const prefix of ['', '/otlp']) {
        const binary = await post({ path: `${prefix}/v1/${signal}`, body: '' });
        expect([binary.status, binary.headers['content-type'], binary.body.length]).toEqual([200, PROTOBUF, 0]);
        const json = await post({ path: `${prefix}/v1/${signal}`, body: '{}', type: JSON_TYPE });
        expect([json.status, json.headers['content-type'], json.body.toString()]).toEqual([200, JSON_TYPE, '{}']);
      }
    },
  );

  test.each([
    ['plain', PROTOBUF, {}, pb],
    ['gzip', PROTOBUF, { 'content-encoding': 'gzip' }, gzipSync(pb)],
    ['deflate', PROTOBUF, { 'content-encoding': 'deflate' }, deflateSync(pb)],
    ['identity', PROTOBUF, { 'content-encoding': 'identity' }, pb],
    ['a parameter and other letter case', 'Application/X-Protobuf; charset=utf-8', {}, pb],
  ])('when its encoding is %s', async (_, type, headers, body) => {
    const before = await tailOf('orders');
    const answer = await post({ type, headers, body });
    expect([answer.status, answer.headers['content-type'], answer.body.length]).toEqual([200, PROTOBUF, 0]);
    expect(await tailOf('orders')).toBe(before + 1);
  });

  test('when its body has chunks without a length, cut anywhere', async () => {
    const before = await tailOf('orders');
    const chunks = [pb.subarray(0, 1), pb.subarray(1, 300), pb.subarray(300)];
    const { body: _, ...chunked } = { body: undefined, chunks };
    const common = { authorization: `Bearer ${server.token}`, 'content-type': PROTOBUF };
    const answer = await call(server.port, { path: '/v1/logs', headers: common, ...chunked });
    expect(answer.status).toBe(200);
    expect(await tailOf('orders')).toBe(before + 1);
  });

  test('with a partial success for resources without a stream, which names the fix, and the others are stored', async () => {
    const both = JSON.parse(logs('partly', 2)) as { resourceLogs: unknown[] };
    both.resourceLogs.push(...(JSON.parse(logs(undefined, 3)) as { resourceLogs: unknown[] }).resourceLogs);
    both.resourceLogs.push(...(JSON.parse(logs('..', 1)) as { resourceLogs: unknown[] }).resourceLogs);
    const json = await post({ body: JSON.stringify(both), type: JSON_TYPE });
    expect([json.status, json.headers['content-type']]).toEqual([200, JSON_TYPE]);
    const { partialSuccess } = JSON.parse(json.body.toString()) as {
      partialSuccess: { rejectedLogRecords: string; errorMessage: string };
    };
    expect(partialSuccess.rejectedLogRecords).toBe('4');
    expect(partialSuccess.errorMessage).toContain('s2.stream');
    const binary = await post({ body: encode(JSON.stringify(both)) });
    expect([binary.status, binary.headers['content-type']]).toEqual([200, PROTOBUF]);
    const type = root.lookupType('opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse');
    const decoded = type.toObject(type.decode(binary.body), { longs: Number }) as {
      partialSuccess: { rejectedLogRecords: number; errorMessage: string };
    };
    expect(decoded.partialSuccess.rejectedLogRecords).toBe(4);
    expect(decoded.partialSuccess.errorMessage).toBe(partialSuccess.errorMessage);
    expect(await tailOf('partly')).toBe(4);
  });

  test('with data points as the count of metrics', async () => {
    const dataPoints = [{ asInt: '1' }, { asInt: '2' }, { asInt: '3' }];
    const body = JSON.stringify({
      resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'm', gauge: { dataPoints } }] }] }],
    });
    const answer = await post({ path: '/v1/metrics', body, type: JSON_TYPE });
    expect(JSON.parse(answer.body.toString())).toMatchObject({ partialSuccess: { rejectedDataPoints: '3' } });
  });
});

const GZIP = { 'content-encoding': 'gzip' };
const cut = gzipSync(pb).subarray(0, -9);
const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024));

/**
 * A refusal: how the request is sent, the status, the gRPC code in the body, and words that name the problem or the
 * fix.
 */
const REFUSED: readonly (readonly [
  what: string,
  change: Parameters<typeof post>[0],
  status: number,
  code: number,
  words: string,
])[] = [
  ['no protobuf', { body: 'hello' }, 400, 3, 'protobuf'],
  ['a cut protobuf message', { body: pb.subarray(0, -1) }, 400, 3, 'protobuf'],
  ['no JSON', { body: '{"resourceLogs":', type: JSON_TYPE }, 400, 3, 'JSON'],
  ['an empty JSON body', { body: '', type: JSON_TYPE }, 400, 3, '{}'],
  ['JSON with other spellings', { body: '{"ResourceLogs":[]}', type: JSON_TYPE }, 400, 3, 'resourceLogs'],
  ['traces sent to the path of logs', { body: '{"resourceSpans":[]}', type: JSON_TYPE }, 400, 3, '/v1/traces'],
  ['no Content-Type', { type: '' }, 400, 3, PROTOBUF],
  ['another Content-Type', { type: 'text/plain' }, 400, 3, PROTOBUF],
  ['curl without -H', { type: 'application/x-www-form-urlencoded' }, 400, 3, "-H 'Content-Type: application/json'"],
  ['gzip that ends too early', { headers: GZIP, body: cut }, 400, 3, 'gzip'],
  [
    'gzip with more data after it',
    { headers: GZIP, body: Buffer.concat([gzipSync(pb), Buffer.alloc(64, 'x')]) },
    400,
    3,
    'gzip',
  ],
  ['invalid gzip', { headers: GZIP, body: pb }, 400, 3, 'gzip'],
  ['a bad basin name', { headers: { 's2-basin': 'NO' } }, 400, 3, 'basin'],
  ['no token', { headers: { authorization: '' } }, 401, 16, 'Authorization: Bearer'],
  ['an unknown token', { headers: { authorization: 'Bearer trk_0' } }, 401, 16, 'token'],
  ['a basin that does not exist', { headers: { 's2-basin': 'no-such-basin' } }, 404, 5, 'no-such-basin'],
  ['the endpoint without a path', { path: '/' }, 404, 5, '/v1/logs'],
  ['/otlp alone', { path: '/otlp' }, 404, 5, '/v1/logs'],
  ['a path twice', { path: '/v1/v1/logs' }, 404, 5, '/v1/logs'],
  ['a path without version', { path: '/logs' }, 404, 5, '/v1/logs'],
  ['profiles', { path: '/v1development/profiles' }, 404, 5, 'profiles'],
  ['another method', { method: 'PUT' }, 405, 12, ''],
  ['one byte too many on the wire', { body: Buffer.alloc(LIMITS.wire + 1) }, 413, 8, '--wire-bytes-max'],
  ['a bomb', { headers: GZIP, body: bomb }, 413, 8, '--body-bytes-max'],
  ['one record too many', { body: logs('many', LIMITS.records + 1), type: JSON_TYPE }, 413, 8, '--request-records-max'],
  ['an unknown coding', { headers: { 'content-encoding': 'br' } }, 415, 12, 'gzip'],
  ['stacked codings', { headers: { 'content-encoding': 'gzip, gzip' } }, 415, 12, 'gzip'],
];

describe('an OTLP request is refused', () => {
  test.each(REFUSED)('when it is %s', async (_, change, status, code, words) => {
    const before = [await streams(), await tailOf('orders')];
    const answer = await post(change);
    expect(answer.status).toBe(status);
    const said =
      change?.type === JSON_TYPE ||
      change?.type === '' ||
      change?.type?.startsWith('text') ||
      change?.type?.includes('form');
    expect(answer.headers['content-type']).toBe(said ? JSON_TYPE : PROTOBUF);
    expect(statusOf(answer).code).toBe(code);
    expect(statusOf(answer).message).toContain(words);
    expect(answer.headers['x-correlation-id']).toMatch(/^[\w.-]{4,64}$/);
    if (status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer');
    if (status === 405) expect(answer.headers.allow).toBe('POST');
    if (status === 415) expect(answer.headers['accept-encoding']).toBe('gzip');
    expect(answer.body.toString()).not.toContain(server.token);
    expect([await streams(), await tailOf('orders')]).toEqual(before);
  });

  test('within bounded memory when 64 decompression bombs arrive at once, and the server continues', async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, () => post({ headers: GZIP, body: bomb })));
    for (const { status } of answers) expect([413, 503]).toContain(status);
    const rss = Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
    expect(rss).toBeLessThan(300 * 1024);
    expect((await post()).status).toBe(200);
  });
});

describe('the exact limit', () => {
  test('of the body size is accepted', async () => {
    const json = logs('edge', 1, 'x');
    const padded = `${json}${' '.repeat(LIMITS.wire - json.length)}`;
    expect(padded).toHaveLength(LIMITS.wire);
    expect((await post({ body: padded, type: JSON_TYPE })).status).toBe(200);
    expect((await post({ body: `${padded} `, type: JSON_TYPE })).status).toBe(413);
  });

  test('of the body size after decompression is accepted', async () => {
    const json = logs('edge', 1, 'x');
    const padded = `${json}${' '.repeat(LIMITS.body - json.length)}`;
    expect((await post({ body: gzipSync(padded), type: JSON_TYPE, headers: GZIP })).status).toBe(200);
    expect((await post({ body: gzipSync(`${padded} `), type: JSON_TYPE, headers: GZIP })).status).toBe(413);
  });

  test('of the number of records is accepted', async () => {
    expect((await post({ body: logs('edge', LIMITS.records), type: JSON_TYPE })).status).toBe(200);
    expect(await tailOf('edge')).toBe(LIMITS.records + 2);
  });
});

describe('every OTLP response', () => {
  test('carries the caller’s correlation id when it is valid, else a generated one', async () => {
    const kept = await post({ headers: { 'x-correlation-id': 'abc-123.DEF_4' } });
    expect(kept.headers['x-correlation-id']).toBe('abc-123.DEF_4');
    const replaced = await post({ headers: { 'x-correlation-id': 'x'.repeat(65) } });
    expect(replaced.headers['x-correlation-id']).not.toContain('xx');
    expect(replaced.headers['x-correlation-id']).toMatch(/^[\w.-]{4,64}$/);
  });

  test('is 503 with Retry-After when memory in flight is used up, and service resumes afterwards', async () => {
    // Each upload holds 64 KiB until it ends, and all of one sender at most four fifths of 16 MiB: one more is too many.
    const uploads = await Promise.all(Array.from({ length: 204 }, () => startUpload()));
    const large = { body: PADDED, type: JSON_TYPE };
    let refused = await post(large);
    for (let i = 0; i < 200 && refused.status === 200; i++) refused = await post(large);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(5);
    expect(statusOf(refused).code).toBe(14);
    for (const upload of uploads) upload.end();
    expect(await Promise.all(uploads.map((upload) => upload.status()))).toEqual(uploads.map(() => 200));
    expect((await post()).status).toBe(200);
  });
});

/** A request of exactly the size that is allowed. */
const PADDED = logs('padded', 1).padEnd(LIMITS.wire);

/** A chunked upload that stops before its last byte until it is told to end. */
async function startUpload(): Promise<{ end: () => void; status: () => Promise<number> }> {
  const connection = await connectRaw(server.port);
  connection.send(
    `POST /v1/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: ${JSON_TYPE}\r\n` +
      `transfer-encoding: chunked\r\n\r\n${(LIMITS.wire - 1).toString(16)}\r\n`,
  );
  connection.send(`${PADDED.slice(0, -1)}\r\n`);
  return {
    end: () => connection.send(`1\r\n${PADDED.slice(-1)}\r\n0\r\n\r\n`),
    status: async () => {
      const head = await connection.until(/^HTTP\/1\.1 \d{3}/);
      connection.destroy();
      return Number(head.slice(9, 12));
    },
  };
}
