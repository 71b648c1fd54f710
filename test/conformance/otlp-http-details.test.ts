/**
 * The errors and forms of HTTP that real senders run into: each refusal says what to change, and what can be understood
 * is taken.
 */

import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { call, connectRaw } from '../support/http-call.ts';
import { jsonOf, report, requestOf, type SendOptions, send, stored } from '../support/otlp-send.ts';
import { field } from '../support/otlp-wire.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
const CLEAN = { status: 200, rejected: 0, message: '' };
const request = (stream: string): Uint8Array => requestOf(stream, field(5, field(1, 'x')));

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

describe('a protobuf body in another format is refused with what to do', () => {
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, request('x').length]), request('x')]);
  test.each([
    ['gzip without its header', report('pb-gzip-no-header.bin'), 'Content-Encoding: gzip'],
    ['zlib without its header', deflateSync(request('x')), 'Content-Encoding: deflate'],
    ['zstd without its header', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0]), 'Content-Encoding: zstd'],
    ['JSON', Buffer.from(` ${jsonOf('logs', 'x', '{}')}`), 'Content-Type: application/json'],
    ['JSON that is indented', Buffer.from('\ufeff{\n  "resourceLogs" : []\n}'), 'Content-Type: application/json'],
    ['JSON without a key', Buffer.from('\n{ }\n'), 'Content-Type: application/json'],
    ['a list in JSON', Buffer.from('[{"resourceLogs":[]}]'), 'Content-Type: application/json'],
    ['a gRPC frame', frame, 'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf'],
  ])('%s', async (_, body, words) => {
    const headers = { 'content-type': 'application/x-protobuf' };
    const { status, message } = await send(server, 'logs', body, { headers });
    expect([status, message]).toEqual([400, expect.stringContaining(words)]);
  });

  test.each([
    ['a resource of 123 bytes', Buffer.concat([Buffer.from('\n{'), Buffer.alloc(123)])],
    ['a resource of 34 bytes in it', Buffer.concat([Buffer.from('\n{\n"'), Buffer.alloc(121, 0xff)])],
    ['a resource of 91 bytes', Buffer.concat([Buffer.from('\n[\n{'), Buffer.alloc(89, 0x7b)])],
    ['a resource of 34 bytes', Buffer.concat([Buffer.from('\n"'), Buffer.alloc(34)])],
  ])('but not one that begins as JSON may, with %s', async (_, body) => {
    const headers = { 'content-type': 'application/x-protobuf' };
    const { status, message } = await send(server, 'logs', body, { headers });
    expect([status, message]).toEqual([400, expect.stringContaining('is not a valid OTLP protobuf message')]);
  });
});

describe('a body is taken', () => {
  test.each([
    ['zlib', deflateSync(request('coded')), 'zlib'],
    ['none', request('coded'), 'none'],
    ['gzip with zeros behind it', Buffer.concat([gzipSync(request('coded')), Buffer.alloc(100)]), 'gzip'],
    ['zlib with zeros behind it', Buffer.concat([deflateSync(request('coded')), Buffer.alloc(3)]), 'deflate'],
  ])('in the coding %s', async (_, body, coding) => {
    const headers = { 'content-encoding': coding, 'content-type': 'application/x-protobuf' };
    const before = (await stored(server, 'logs', 'coded')).length;
    expect(await send(server, 'logs', body, { headers })).toEqual(CLEAN);
    expect(await stored(server, 'logs', 'coded')).toHaveLength(before + 1);
  });

  test('but not with anything else behind it', async () => {
    const body = Buffer.concat([gzipSync(request('coded')), Buffer.alloc(100), Buffer.from('x')]);
    const headers = { 'content-encoding': 'gzip', 'content-type': 'application/x-protobuf' };
    expect(await send(server, 'logs', body, { headers })).toMatchObject({ status: 400 });
  });

  test('when the request target is a whole URL', async () => {
    const body = jsonOf('logs', 'absolute', '{}');
    const connection = await connectRaw(server.port);
    const head = `host: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\n`;
    connection.send(
      `POST http://collector:4318/v1/logs HTTP/1.1\r\n${head}content-length: ${body.length}\r\n\r\n${body}`,
    );
    expect(await connection.until(/^HTTP\/1\.1 \d{3}/)).toMatch(/^HTTP\/1\.1 200/);
    connection.destroy();
    expect(await stored(server, 'logs', 'absolute')).toHaveLength(1);
  });
});

describe('a 401 says what is wrong with the header:', () => {
  const token = (): string => server.token;
  test.each<[what: string, header: () => string | undefined, words: string]>([
    ['none', () => undefined, 'a token is needed'],
    ['Bearer%20', () => `Bearer%20${token()}`, '"Bearer%20": this client does not decode it'],
    ['quotes', () => `"Bearer ${token()}"`, 'is in quotes'],
    ['a token in quotes', () => `Bearer "${token()}"`, 'in quotes'],
    ['no token', () => 'Bearer', 'no token after "Bearer"'],
    ['another scheme', () => `Basic ${Buffer.from(`x:${token()}`).toString('base64')}`, 'the scheme Basic'],
    ['a token alone', () => token(), 'does not begin with "Bearer "'],
    ['an unknown token', () => 'Bearer trk_0', 'not known'],
  ])('%s', async (_, header, words) => {
    const authorization = header();
    const headers = { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) };
    const { status, body } = await call(server.port, { path: '/v1/logs', headers, body: report('auth-quotes.json') });
    expect([status, body.toString()]).toEqual([401, expect.any(String)]);
    expect((JSON.parse(body.toString()) as { message: string }).message).toContain(words);
    expect(body.toString()).not.toContain(token());
  });
});

test('a second cause of the same sender within a minute is on the terminal too', async () => {
  const faults = [[0x0f, 0x00], [0x0a, 0x01], [0x08]];
  for (const fault of faults)
    expect(await send(server, 'metrics', Uint8Array.from(fault))).toMatchObject({ status: 400 });
  for (const words of ['wire type 7', 'longer than the message', 'resourceMetrics of']) {
    const line = new RegExp(`refused POST /v1/metrics: .*${words}`);
    while (!line.test(server.stderr())) await new Promise((resolve) => setImmediate(resolve));
  }
});

describe('paths', () => {
  const path = (prefix: string, signal: string): SendOptions => ({ path: `${prefix}/v1/${signal}` });

  test('of other receivers are taken', async () => {
    for (const prefix of ['/otlp', '/api/v1/otlp', '/api/public/otel']) {
      expect(await send(server, 'logs', jsonOf('logs', 'alias', '{}'), path(prefix, 'logs'))).toEqual(CLEAN);
      expect(await send(server, 'traces', jsonOf('traces', 'alias', '{}'), path(prefix, 'traces'))).toEqual(CLEAN);
    }
    expect(await send(server, 'metrics', jsonOf('metrics', 'alias', '{}'), path('/api/v1/otlp', 'metrics'))).toEqual(
      CLEAN,
    );
    expect(await stored(server, 'logs', 'alias')).toHaveLength(7);
  });

  test('of Langfuse take the token as the password of Basic', async () => {
    const authorization = `Basic ${Buffer.from(`pk-lf-1:${server.token}`).toString('base64')}`;
    const options = { ...path('/api/public/otel', 'traces'), headers: { authorization } };
    expect(await send(server, 'traces', jsonOf('traces', 'langfuse', '{}'), options)).toEqual(CLEAN);
    const wrong = { ...options, headers: { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` } };
    expect(await send(server, 'traces', jsonOf('traces', 'langfuse', '{}'), wrong)).toMatchObject({ status: 401 });
  });

  test('/v1/traces/otlp answers with the ids of the stored traces and the number of spans', async () => {
    const id = '0af7651916cd43dd8448eb211c80319c';
    const spans = [`{"traceId":"${id}","spanId":"b7ad6b7169203331"}`, `{"traceId":"${id}"}`, '{"traceId":"short"}'];
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    const body = jsonOf('traces', 'with-ids', ...spans);
    const response = await call(server.port, { path: '/v1/traces/otlp', headers, body });
    const { traceIds, spanCount, partialSuccess } = JSON.parse(response.body.toString()) as Record<string, unknown>;
    expect([response.status, spanCount, traceIds]).toEqual([200, 3, [id, expect.stringMatching(/^[0-9a-f]{32}$/)]]);
    expect(partialSuccess).toEqual({ errorMessage: expect.stringContaining('repaired 1 id') });
    const empty = await call(server.port, { path: '/v1/traces/otlp', headers, body: '{}' });
    expect(JSON.parse(empty.body.toString())).toEqual({ traceIds: [], spanCount: 0 });
  });

  test.each([
    ['/', '/v1/logs'],
    ['/otlp', '/v1/logs'],
    ['/v1/v1/logs', '/v1/logs'],
    ['/logs', '/v1/logs'],
    ['/opentelemetry.proto.collector.logs.v1.LogsService/Export', 'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf'],
  ])('that are wrong teach the right one: %s', async (wrong, words) => {
    const { status, message } = await send(server, 'logs', '{}', { path: wrong });
    expect([status, message]).toEqual([404, expect.stringContaining(words)]);
  });

  test.each(['/v1development/profiles', '/v1/profiles', '/otlp/v1development/profiles', '/api/v1/otlp/v1/profiles'])(
    'of profiles say that these are not supported yet: %s',
    async (path) => {
      const { status, message } = await send(server, 'logs', '{}', { path });
      expect([status, message]).toEqual([404, 'profiles are not supported yet: send logs, traces or metrics']);
    },
  );

  test('of OTLP with the content type of gRPC are told where gRPC is', async () => {
    const { status, message } = await send(server, 'logs', '{}', { headers: { 'content-type': 'application/grpc' } });
    expect([status, message]).toEqual([
      400,
      expect.stringContaining(`but on ${new URL(server.grpcUrl ?? '').port}: send it there`),
    ]);
  });
});
