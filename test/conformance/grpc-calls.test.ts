/**
 * OTLP/gRPC call by call: status, message, RetryInfo, and what is stored. gRPC's own client makes the calls; what no
 * client sends is sent by hand. Refused calls leave nothing.
 */

import { readFileSync } from 'node:fs';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { SIGNALS } from '../../src/model/record.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { ControlClient } from '../support/control-calls.ts';
import { EXPORT, framed, GrpcClient, HEALTH, openCall, SERVING } from '../support/grpc-call.ts';
import { call } from '../support/http-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { readStream } from '../support/read-back.ts';
import { rememberSecret } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const LIMITS = { wire: 64 * 1024, body: 256 * 1024, records: 100 };
const pb = readFileSync(new URL('../fixtures/otlp/bench-1.pb', import.meta.url));

let server: TestServer;
let client: GrpcClient;
let zipped: GrpcClient;
let raw: Http2Connection;
let readOnly: string;

beforeAll(async () => {
  server = await startServer({
    args: [
      ...['--default-stream', '', '--memory-limit', '16MiB', '--wire-bytes-max', String(LIMITS.wire)],
      ...['--body-bytes-max', String(LIMITS.body), '--request-records-max', String(LIMITS.records)],
    ],
  });
  client = new GrpcClient(server);
  zipped = new GrpcClient(server, { gzip: true });
  raw = await connectHttp2(server.grpcUrl ?? '');
  const control = new ControlClient(server);
  const config = { create_stream_on_append: true };
  await control.call('PUT /basins/other-basin', { body: { config } });
  const scope = { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['read'] };
  const issued = await control.call('POST /access-tokens', { body: { id: 'reader', scope } });
  readOnly = (issued.body as { readonly access_token: string }).access_token;
  rememberSecret('a token that reads', readOnly);
});

afterAll(async () => {
  client.close();
  zipped.close();
  await raw.close();
  await server.stop();
});

/** A request with this number of records for a stream; without a stream name for `undefined`. */
function logs(stream: string | undefined, records: number, text = 'x', more: readonly object[] = []): Buffer {
  const attributes = stream === undefined ? [] : [{ key: 's2.stream', value: { stringValue: stream } }];
  const logRecords = Array.from({ length: records }, () => ({ body: { stringValue: text } }));
  const message = root.lookupType('opentelemetry.proto.logs.v1.LogsData');
  const resourceLogs = [{ resource: { attributes }, scopeLogs: [{ logRecords }] }, ...more];
  return Buffer.from(message.encode(message.fromObject({ resourceLogs })).finish());
}

/** A request of exactly so many bytes. */
function logsOf(bytes: number): Buffer {
  const overhead = logs('edge', 1, 'x'.repeat(bytes)).length - bytes;
  return logs('edge', 1, 'x'.repeat(bytes - overhead));
}

async function tailOf(stream: string): Promise<number> {
  return (await readStream(server, stream)).length;
}

async function streams(): Promise<string[]> {
  const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
  const { body } = await call(server.port, { method: 'GET', path: '/v1/streams', headers });
  return (JSON.parse(body.toString()) as { streams: { name: string }[] }).streams.map(({ name }) => name);
}

/** One call by hand. */
async function callRaw(body: Uint8Array, headers: Readonly<Record<string, string>> = {}, path: string = EXPORT.logs) {
  const { stream, end } = openCall(raw, path, { authorization: `Bearer ${server.token}`, ...headers });
  stream.end(body);
  return end;
}

describe('a call of gRPC ends with OK', () => {
  test.each(SIGNALS)('when it is an empty request of %s, with the empty response', async (signal) => {
    const answer = await client.call(EXPORT[signal], Buffer.alloc(0));
    expect([answer.code, answer.message?.length]).toEqual([0, 0]);
  });

  test.each([
    ['plain', framed(pb), {}],
    ['plain and says what it could be compressed with', framed(pb), { 'grpc-encoding': 'gzip' }],
    ['gzip', framed(gzipSync(pb), 1), { 'grpc-encoding': 'gzip' }],
    ['deflate', framed(deflateSync(pb), 1), { 'grpc-encoding': 'deflate' }],
  ])('when its message is %s, and stores it as it is', async (_, body, headers) => {
    const before = await tailOf('orders');
    const { headers: got, body: message } = await callRaw(body, headers);
    expect([got[':status'], got['content-type'], got['grpc-status'], message]).toEqual([
      200,
      'application/grpc',
      '0',
      framed(Buffer.alloc(0)),
    ]);
    const records = await readStream(server, 'orders');
    expect(records).toHaveLength(before + 1);
    expect(records.at(-1)?.body).toEqual(records[0]?.body);
  });

  test('with a partial success for resources without a stream, and the others are stored', async () => {
    const more = [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'lost' } }] }] }];
    const answer = await client.call(EXPORT.logs, logs('partly', 2, 'kept', more));
    const type = root.lookupType('opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse');
    const decoded = type.toObject(type.decode(answer.message ?? Buffer.alloc(0)), { longs: Number });
    expect(answer.code).toBe(0);
    expect(decoded).toMatchObject({
      partialSuccess: { rejectedLogRecords: 1, errorMessage: expect.stringContaining('s2.stream') as unknown },
    });
    expect(await tailOf('partly')).toBe(2);
  });

  test('in the basin of its metadata, under the correlation id of its metadata', async () => {
    const metadata = { 's2-basin': 'other-basin', 'x-correlation-id': 'abc-123.DEF_4' };
    const answer = await client.call(EXPORT.logs, logs('elsewhere', 1), metadata);
    expect([answer.code, answer.metadata.get('x-correlation-id')]).toEqual([0, ['abc-123.DEF_4']]);
    expect(await streams()).not.toContain('elsewhere');
    const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'other-basin' };
    const listed = await call(server.port, { method: 'GET', path: '/v1/streams', headers });
    expect(listed.body.toString()).toContain('elsewhere');
  });
});

const GZIP = { 'grpc-encoding': 'gzip' };
const BOMB = framed(gzipSync(Buffer.alloc(50 * 1024 * 1024)), 1);

/** A refusal: what is sent, the status, and words that name the problem or the fix. */
const REFUSED: readonly (readonly [
  what: string,
  sent: { readonly body?: Uint8Array; readonly path?: string; readonly headers?: Readonly<Record<string, string>> },
  code: number,
  words: string,
])[] = [
  ['no protobuf', { body: framed(Buffer.from('hello')) }, 3, 'protobuf'],
  ['no message at all', { body: Buffer.alloc(0) }, 3, 'no message'],
  ['half a prefix', { body: framed(pb).subarray(0, 3) }, 3, 'middle'],
  ['half a message', { body: framed(pb).subarray(0, -1) }, 3, 'middle'],
  ['two messages', { body: Buffer.concat([framed(pb), framed(pb)]) }, 3, 'one message'],
  ['another flag', { body: framed(pb, 2) }, 3, 'not 2'],
  ['compressed without saying how', { body: framed(gzipSync(pb), 1) }, 3, 'grpc-encoding'],
  ['invalid gzip', { body: framed(pb, 1), headers: GZIP }, 3, 'gzip'],
  ['a bad basin name', { headers: { 's2-basin': 'NO' } }, 3, 'basin'],
  ['without a token', { headers: { authorization: '' } }, 16, 'Authorization: Bearer'],
  ['with an unknown token', { headers: { authorization: 'Bearer trk_0' } }, 16, 'token'],
  ['for a basin that does not exist', { headers: { 's2-basin': 'no-such-basin' } }, 5, 'no-such-basin'],
  ['one byte too many on the wire', { body: framed(logsOf(LIMITS.wire + 1)) }, 8, `${LIMITS.wire} bytes`],
  ['a bomb', { body: BOMB, headers: GZIP }, 8, '--body-bytes-max'],
  ['one record too many', { body: framed(logs('many', LIMITS.records + 1)) }, 8, '--request-records-max'],
  ['in an unknown encoding', { headers: { 'grpc-encoding': 'snappy' } }, 12, 'gzip'],
  ['to an unknown service', { path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo' }, 12, 'Export'],
  ['to an unknown method', { path: `${EXPORT.logs}s` }, 12, 'Export'],
  ['for profiles', { path: '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export' }, 12, 'yet'],
];

describe('a call of gRPC is refused', () => {
  test.each(REFUSED)('when it is %s', async (_, { body = framed(pb), path, headers }, code, words) => {
    const before = [await streams(), await tailOf('orders')];
    const { headers: got, body: rest } = await callRaw(body, headers, path);
    expect([got[':status'], got['content-type'], got['grpc-status']]).toEqual([200, 'application/grpc', String(code)]);
    expect(decodeURIComponent(String(got['grpc-message']))).toContain(words);
    expect(got['grpc-status-details-bin']).toBeUndefined();
    expect(got['x-correlation-id']).toMatch(/^[\w.-]{4,64}$/);
    expect(rest).toHaveLength(0);
    expect([await streams(), await tailOf('orders')]).toEqual(before);
  });

  test('when its token may not append, which is written down in the audit log', async () => {
    const metadata = { authorization: `Bearer ${readOnly}`, 'x-correlation-id': 'refused-by-scope' };
    const answer = await client.call(EXPORT.logs, pb, metadata);
    expect([answer.code, answer.retryAfter]).toEqual([7, undefined]);
    expect(answer.details).toContain('`reader` may not append');
    const lines = server.stderr().split('\n');
    const line = lines.find((each) => each.includes('refused-by-scope') && each.includes('"audit":true')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({
      action: 'append',
      outcome: 'refused',
      protocol: 'grpc',
      principal: 'reader',
    });
  });

  test('with words of any script, which the client decodes', async () => {
    const control = new ControlClient(server);
    const scope = { basins: { prefix: '' }, streams: { exact: 'x' }, ops: ['append'] };
    const issued = await control.call('POST /access-tokens', { body: { id: 'narrow', scope } });
    const token = (issued.body as { readonly access_token: string }).access_token;
    rememberSecret('a token for one stream', token);
    const answer = await client.call(EXPORT.logs, logs('zürich 100% 世界', 1), { authorization: `Bearer ${token}` });
    expect(answer.code).toBe(7);
    expect(answer.details).toContain('"zürich 100% 世界"');
  });

  test('before its message is sent when it has no token', async () => {
    const { stream, end } = openCall(raw, EXPORT.logs);
    const answer = await new Promise<unknown>((resolve) =>
      stream.once('response', (headers) => resolve(headers['grpc-status'])),
    );
    stream.end();
    await end;
    expect(answer).toBe('16');
  });

  test('within bounded memory when 64 decompression bombs arrive at once, and the server continues', async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, () => callRaw(BOMB, GZIP)));
    for (const { headers } of answers) expect(['8', '14']).toContain(headers['grpc-status']);
    const rss = Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
    expect(rss).toBeLessThan(300 * 1024);
    expect((await client.call(EXPORT.logs, pb)).code).toBe(0);
  });

  test('with the time to wait while too much memory is in flight, and stored once when it is sent again', async () => {
    const authorization = `Bearer ${server.token}`;
    // Each call holds 64 KiB until it ends, and all of one sender at most four fifths of 16 MiB.
    const begun = framed(logsOf(LIMITS.wire - 100)).subarray(0, -1);
    const held: ReturnType<typeof openCall>[] = [];
    // Far from the window of a connection, which would hold bodies back.
    const connections = await Promise.all(Array.from({ length: 6 }, () => connectHttp2(server.grpcUrl ?? '')));
    const hold = (): void => {
      const one = openCall(connections[held.length % connections.length] ?? raw, EXPORT.logs, { authorization });
      one.stream.write(begun);
      held.push(one);
    };
    // More than fit: those behind are refused, and what is held leaves nothing for one more.
    for (let i = 0; i < 220; i++) hold();
    const sent = logs('throttled', 1, 'x'.repeat(LIMITS.wire - 100));
    let refused = await client.call(EXPORT.logs, sent);
    while (refused.code === 0) {
      hold();
      refused = await client.call(EXPORT.logs, sent);
    }
    expect([refused.code, refused.retryAfter]).toEqual([14, 1]);
    expect(refused.details).toContain('--memory-limit');
    const before = await tailOf('throttled');
    for (const { stream } of held) stream.close();
    await Promise.all(held.map(({ end }) => end));
    await Promise.all(connections.map((each) => each.close()));
    let answer = await client.call(EXPORT.logs, sent);
    while (answer.code === 14) answer = await client.call(EXPORT.logs, sent);
    expect([answer.code, await tailOf('throttled')]).toEqual([0, before + 1]);
  });
});

describe('the exact limit of a call of gRPC', () => {
  test('of its size on the wire is accepted', async () => {
    expect((await callRaw(framed(logsOf(LIMITS.wire)))).headers['grpc-status']).toBe('0');
  });

  test('of its size after decompression is accepted, and one byte more is not', async () => {
    expect((await zipped.call(EXPORT.logs, logsOf(LIMITS.body))).code).toBe(0);
    const more = await zipped.call(EXPORT.logs, logsOf(LIMITS.body + 1));
    expect([more.code, more.retryAfter]).toEqual([8, undefined]);
  });

  test('of its records is accepted', async () => {
    expect((await client.call(EXPORT.logs, logs('edge-of-records', LIMITS.records))).code).toBe(0);
    expect(await tailOf('edge-of-records')).toBe(LIMITS.records);
  });
});

describe('the port of gRPC', () => {
  test('tells a sender of OTLP/HTTP where the other port is', async () => {
    const port = Number(new URL(server.grpcUrl ?? '').port);
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${server.token}` };
    const answer = await call(port, { path: '/v1/logs', headers, body: '{}' });
    expect([answer.status, answer.headers['content-type']]).toEqual([404, 'application/json']);
    expect(answer.body.toString()).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${server.port}`);
    // A call over HTTP/1.1, and one whose Content-Type is another.
    const grpc = { ...headers, 'content-type': 'application/grpc' };
    expect((await call(port, { path: EXPORT.logs, headers: grpc, body: framed(pb) })).status).toBe(415);
    expect((await callRaw(framed(pb), { 'content-type': 'text/plain' })).headers[':status']).toBe(415);
    expect((await callRaw(framed(pb), { 'content-type': 'application/grpc-web' })).headers[':status']).toBe(415);
    expect((await callRaw(framed(pb), { 'content-type': 'application/grpc+proto' })).headers['grpc-status']).toBe('0');
  });

  test('is named to a call that came to the port of HTTP, in the status that libraries of gRPC show', async () => {
    const astray = new GrpcClient({ grpcUrl: server.url, token: server.token });
    const { code, details } = await astray.call(EXPORT.logs, pb);
    expect([code, details]).toEqual([5, expect.stringContaining('OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf')]);
    astray.close();
  });

  test('counts calls by the status that OTLP/HTTP has for them', async () => {
    const headers = { authorization: `Bearer ${server.token}` };
    const counted = async (): Promise<number> => {
      const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers });
      return Number(
        /tailrace_otlp_requests_total\{signal="traces",status="400"\} (\d+)/.exec(body.toString())?.[1] ?? 0,
      );
    };
    const before = await counted();
    expect((await client.call(EXPORT.traces, Buffer.from('hello'))).code).toBe(3);
    expect(await counted()).toBe(before + 1);
  });

  test('has a health service, for the server and for each service, without a token', async () => {
    const stranger = { authorization: '' };
    for (const path of ['', ...Object.values(EXPORT).map((each) => each.split('/')[1] ?? '')]) {
      const named = Buffer.from(path);
      const answer = await client.call(HEALTH.check, Buffer.concat([Buffer.of(10, named.length), named]), stranger);
      expect([answer.code, answer.message]).toEqual([0, SERVING]);
    }
    expect((await client.call(HEALTH.check, Buffer.alloc(0), stranger)).message).toEqual(SERVING);
    expect((await client.call(HEALTH.check, Buffer.of(10, 1, 97), stranger)).code).toBe(5);
    expect((await client.call(HEALTH.check, Buffer.of(10, 2, 97), stranger)).code).toBe(3);
    expect((await client.call(HEALTH.check, Buffer.alloc(1_025), stranger)).code).toBe(8);
  });
});
