/** `GET /v1/senders`: everyone who sends or is refused is seen, within limits, and by those who may know of it. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import {
  LISTED_SENDERS_BYTES_MAX,
  SENDER_NAMES_MAX,
  SENDER_TEXT_CHARS_MAX,
  SENDERS_MAX,
  STRANGERS_REMEMBERED_MAX,
  STREAM_NAME_BYTES_MAX,
} from '../../src/model/limits.ts';
import type { Signal } from '../../src/model/record.ts';
import { otlpBody } from '../support/access-rows.ts';
import { EXPORT, encodeOtlp, GrpcClient } from '../support/grpc-call.ts';
import { type CallResponse, call, connectRaw } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ['--body-bytes-max', '5000'] });
  for (const basin of ['basin-one', 'basin-two']) {
    await control('POST', '/v1/basins', {
      basin,
      config: { create_stream_on_append: true, otlp_default_stream: '{service.name}' },
    });
  }
});

afterAll(async () => {
  await server.stop();
});

type Json = Readonly<Record<string, unknown>>;

async function control(method: string, path: string, body?: unknown, token = server.token): Promise<Json> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const answer = await call(server.port, {
    method,
    path,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  return JSON.parse(answer.body.toString()) as Json;
}

async function senders(path = '/v1/senders', token?: string): Promise<readonly Json[]> {
  return (await control('GET', path, undefined, token)).senders as readonly Json[];
}

/** The senders with that User-Agent. */
async function withAgent(agent: string): Promise<readonly Json[]> {
  return (await senders()).filter(({ user_agent }) => user_agent === agent);
}

interface Sending {
  readonly agent: string;
  readonly path?: string;
  readonly token?: string;
  readonly basin?: string;
  readonly type?: string;
  readonly body?: unknown;
}

function send({ agent, path = '/v1/logs', token, basin, type, body }: Sending): Promise<CallResponse> {
  const headers = {
    'user-agent': agent,
    'content-type': type ?? 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(basin === undefined ? {} : { 's2-basin': basin }),
  };
  return call(server.port, { path, headers, body: JSON.stringify(body ?? otlpBody('logs', 'app')) });
}

async function issue(id: string, scope: object, more: object = {}): Promise<string> {
  return (await control('POST', '/v1/access-tokens', { id, scope, ...more })).access_token as string;
}

const ALL = { prefix: '' };
const ACK = { p50: expect.any(Number), p99: expect.any(Number) };
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

test('a real exporter is seen with its service, its SDK, its streams, its clock and what it sent', async () => {
  const exporter = new OTLPLogExporter({
    url: `${server.url}/v1/logs`,
    headers: { authorization: `Bearer ${server.token}` },
  });
  const provider = new LoggerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': 'checkout' })),
    processors: [new BatchLogRecordProcessor({ exporter })],
  });
  for (const body of ['one', 'two']) provider.getLogger('test').emit({ body, timestamp: Date.now() - 60_000 });
  await provider.shutdown();
  const found = (await senders()).find(({ service_names: names }) => (names as string[]).includes('checkout'));
  expect(found).toEqual({
    address: '127.0.0.1',
    user_agent: expect.stringMatching(/^OTel-OTLP-Exporter-JavaScript\//),
    service_names: ['checkout'],
    sdk: { name: 'opentelemetry', language: 'nodejs', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
    token: 'root',
    basin: 'telemetry',
    streams: ['checkout'],
    protocols: ['http'],
    encodings: ['protobuf'],
    accepted: 2,
    rejected: 0,
    refused: 0,
    signals: { logs: { requests: 1, accepted: 2, rejected: 0, last_seen: TIME } },
    rejections: [],
    repairs: [],
    refusals: [],
    clock_skew_ms: expect.any(Number),
    ack_ms: ACK,
    first_seen: TIME,
    last_seen: TIME,
  });
  expect(found?.clock_skew_ms).toBeLessThanOrEqual(-60_000);
  expect((found?.ack_ms as { p50?: number } | undefined)?.p50).toBeGreaterThan(0);
});

test('calls of gRPC are seen, stored and refused ones', async () => {
  const client = new GrpcClient(server);
  const message = encodeOtlp('traces', otlpBody('traces', 'over-grpc'));
  await client.call(EXPORT.traces, message);
  await client.call(EXPORT.traces, message, { authorization: 'Bearer trk_unknown' });
  client.close();
  const rows = (await senders()).filter(({ protocols }) => (protocols as string[]).includes('grpc'));
  expect(rows).toMatchObject([
    { token: null, accepted: 0, refusals: [{ status: 401, code: 'authn', path: EXPORT.traces, signal: 'traces' }] },
    { token: 'root', basin: 'telemetry', accepted: 1, streams: ['over-grpc'], encodings: ['protobuf'], refusals: [] },
  ]);
  expect(rows.map(({ ack_ms: ack }) => ack)).toEqual([null, ACK]);
});

test('what is repaired is counted by its kind, with what to do', async () => {
  const resource = { attributes: [{ key: 's2.stream', value: { stringValue: 'odd' } }] };
  const spans = [{ traceId: 'abc', spanId: '01', name: 'half \ud83d', startTimeUnixNano: 1 }];
  const body = { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] };
  for (let i = 0; i < 2; i++)
    expect((await send({ agent: 'odd', path: '/v1/traces', token: server.token, body })).status).toBe(200);
  expect((await send({ agent: 'odd', token: server.token, body: { resourceLogs: [{}] } })).status).toBe(200);
  const kinds = await withAgent('odd');
  expect(kinds.flatMap(({ repairs }) => repairs)).toEqual(
    expect.arrayContaining([
      {
        kind: 'strings',
        message: expect.stringMatching(/^repaired strings: not UTF-8/),
        signal: 'traces',
        count: 2,
        last_seen: TIME,
      },
      { kind: 'ids', message: expect.stringMatching(/^repaired ids: /), signal: 'traces', count: 4, last_seen: TIME },
      {
        kind: 'empty',
        message: expect.stringMatching(/^no log records were found/),
        signal: 'logs',
        count: 1,
        last_seen: TIME,
      },
    ]),
  );
  expect(kinds.reduce((sum, { accepted }) => sum + (accepted as number), 0)).toBe(2);
});

test('what is rejected is counted by its reason, with what to do', async () => {
  const body = otlpBody('logs', 'fine', '..', '.');
  expect((await send({ agent: 'partial', token: server.token, body })).status).toBe(200);
  expect(await withAgent('partial')).toMatchObject([
    {
      accepted: 1,
      rejected: 2,
      encodings: ['json'],
      streams: ['fine'],
      rejections: [
        {
          reason: 'unroutable',
          message: expect.stringContaining('stream name must not be'),
          signal: 'logs',
          count: 2,
          last_seen: TIME,
        },
      ],
    },
  ]);
});

describe('a sender of which every request is refused is seen too', () => {
  const huge = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x'.repeat(5_000) } }] }] }] };

  test.each<[string, Omit<Sending, 'agent'>, number, string, Signal | null]>([
    ['without a token', {}, 401, 'authn', 'logs'],
    ['with an unknown token', { token: 'trk_unknown' }, 401, 'authn', 'logs'],
    ['at a wrong path', { path: '/v1/v1/traces' }, 404, 'not_found', 'traces'],
    ['at a path that says no signal', { path: '/ingest' }, 404, 'not_found', null],
    ['at the path of a signal that is not supported', { path: '/v1development/profiles' }, 404, 'not_found', null],
  ])('%s', async (what, sending, status, code, signal) => {
    expect((await send({ agent: what, ...sending })).status).toBe(status);
    const [row, ...others] = await withAgent(what);
    expect(others).toEqual([]);
    expect(row).toMatchObject({ token: null, basin: null, accepted: 0, refused: 1, signals: {}, service_names: [] });
    expect(row?.refusals).toEqual([
      {
        status,
        code,
        message: expect.any(String),
        path: sending.path ?? '/v1/logs',
        signal,
        count: 1,
        last_seen: TIME,
      },
    ]);
  });

  test('with gRPC on the port of HTTP', async () => {
    const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
    expect((await send({ agent: 'gRPC', type: 'application/grpc', path })).status).toBe(404);
    expect(await withAgent('gRPC')).toMatchObject([{ protocols: ['grpc'], encodings: ['protobuf'], refused: 1 }]);
  });

  test.each<[string, Omit<Sending, 'agent'>, number, string]>([
    ['with too large a body', { body: huge }, 413, 'too_large'],
    ['with a body that is no JSON object', { body: 'text' }, 400, 'bad_json'],
    ['with a Content-Type that is not OTLP', { type: 'text/plain' }, 400, 'bad_request'],
  ])('%s', async (what, sending, status, code) => {
    for (let i = 0; i < 2; i++) {
      expect((await send({ agent: what, token: server.token, ...sending })).status).toBe(status);
    }
    const [row, ...others] = await withAgent(what);
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      token: 'root',
      basin: 'telemetry',
      refused: 2,
      refusals: [{ status, code, count: 2 }],
    });
  });

  test('whose quota is used up', async () => {
    const limits = { spans_per_minute: 1 };
    const token = await issue('quota', { basins: { exact: 'basin-one' }, streams: ALL, ops: ['append'] }, { limits });
    const body = otlpBody('traces', 'app');
    const sending = { agent: 'quota', path: '/v1/traces', token, body };
    expect([(await send(sending)).status, (await send(sending)).status]).toEqual([200, 429]);
    const row = { basin: 'basin-one', token: 'quota', accepted: 1, refusals: [{ status: 429, code: 'rate_limited' }] };
    expect(await withAgent('quota')).toMatchObject([row]);
  });

  test('whose basin does not exist, or is not open to its token: that is told of its own basin', async () => {
    const agent = 'misplaced';
    expect((await send({ agent, token: server.token, basin: 'gone-away' })).status).toBe(404);
    const token = await issue('misplaced', { basins: { exact: 'basin-one' }, streams: ALL, ops: ['append'] });
    expect((await send({ agent, token, basin: 'basin-two' })).status).toBe(403);
    expect(await withAgent(agent)).toMatchObject([
      { token: 'misplaced', basin: 'basin-one', refusals: [{ status: 403, code: 'permission_denied' }] },
      { token: 'root', basin: 'gone-away', refusals: [{ status: 404, code: 'basin_not_found' }] },
    ]);
  });
});

test.each([[[]], [['--no-auth']]])('a page of another site that may not send is seen too, with %j', async (args) => {
  const cors = await startServer({ args: ['--cors-origin', 'https://app.example', ...args] });
  const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST', 'user-agent': 'page' };
  await call(cors.port, { method: 'OPTIONS', path: '/v1/traces', headers });
  await call(cors.port, { method: 'GET', path: '/v1/traces', headers: { 'user-agent': 'a person' } });
  const body = JSON.stringify(otlpBody('logs', 'app'));
  await call(cors.port, {
    path: '/v1/logs',
    headers: { 'user-agent': 'app', 'content-type': 'application/json' },
    body,
  });
  const authorization = `Bearer ${cors.token}`;
  const answer = await call(cors.port, { method: 'GET', path: '/v1/senders', headers: { authorization } });
  await cors.stop();
  const rows = (JSON.parse(answer.body.toString()) as { senders: Json[] }).senders;
  expect(rows).toMatchObject([
    args.length === 0
      ? { user_agent: 'app', token: null, refusals: [{ code: 'authn' }] }
      : { user_agent: 'app', token: 'anyone', basin: 'telemetry', accepted: 1 },
    { user_agent: 'page', refusals: [{ code: 'permission_denied', path: '/v1/traces' }] },
  ]);
});

test('calls that send no OTLP data make no sender', async () => {
  const headers = { 'user-agent': 'no sender' };
  for (const path of ['/v1/basins', '/v1/streams/app/records', '/v1/tickets', '/v1/access-tokens']) {
    expect((await call(server.port, { path, headers })).status).toBe(401);
  }
  for (const path of ['/v1/logs', '/nowhere']) await call(server.port, { method: 'GET', path, headers });
  expect(await withAgent('no sender')).toEqual([]);
});

describe('a token sees', () => {
  const metrics = { ops: ['account-metrics', 'basin-metrics'] };

  beforeAll(async () => {
    await send({ agent: 'scope', token: server.token, basin: 'basin-one', body: otlpBody('logs', 'a-1', 'b-1') });
    await send({ agent: 'scope', token: server.token, basin: 'basin-two', body: otlpBody('logs', 'a-2') });
    await send({ agent: 'scope' });
  });

  const basinsSeen = async (path: string, token: string): Promise<readonly unknown[]> =>
    [...new Set((await senders(path, token)).map(({ basin }) => basin))].sort();

  test('the senders of its basins, and no strangers', async () => {
    const token = await issue('one', { basins: { exact: 'basin-one' }, streams: ALL, ...metrics });
    expect(await basinsSeen('/v1/senders', token)).toEqual(['basin-one']);
    expect(await basinsSeen('/v1/senders/basin-one', token)).toEqual(['basin-one']);
    await expect(senders('/v1/senders/basin-two', token)).rejects.toThrow(/403/);
  });

  test('strangers too, when it may see every basin', async () => {
    const token = await issue('every', { basins: ALL, streams: ALL, ...metrics });
    expect(await basinsSeen('/v1/senders', token)).toEqual(expect.arrayContaining(['basin-one', 'basin-two', null]));
    expect(await basinsSeen('/v1/senders/basin-two', token)).toEqual(['basin-two']);
    const some = await issue('some', { basins: { prefix: 'basin-' }, streams: ALL, ...metrics });
    expect(await basinsSeen('/v1/senders', some)).toEqual(['basin-one', 'basin-two']);
  });

  test('nothing without the operation', async () => {
    const token = await issue('sends', { basins: ALL, streams: ALL, ops: ['append'] });
    for (const path of ['/v1/senders', '/v1/senders/basin-one']) {
      await expect(senders(path, token)).rejects.toThrow(/403/);
      expect((await call(server.port, { method: 'GET', path })).status).toBe(401);
    }
  });

  test('no sender of streams that it may not see, and its own names of those that it may', async () => {
    const scope = { basins: ALL, streams: { prefix: 'a-' }, ...metrics };
    const token = await issue('streams', scope, { auto_prefix_streams: true });
    const rows = await senders('/v1/senders', token);
    expect(rows.map(({ basin, streams }) => [basin, streams])).toEqual([['basin-two', ['2']]]);
  });
});

test('a page has the limit that is asked for, newest first', async () => {
  await send({ agent: 'last' });
  const page = await control('GET', '/v1/senders?limit=1');
  expect(page).toMatchObject({ since: TIME, now: TIME, senders: [{ user_agent: 'last' }], has_more: true });
  await expect(control('GET', '/v1/senders?limit=x')).rejects.toThrow(/400.*bad_query/);
});

test('10,000 User-Agents leave no more senders than the limit, and strangers push out no others', async () => {
  const quiet = await issue('quiet', { basins: { exact: 'basin-one' }, streams: ALL, ops: ['append'] });
  await send({ agent: 'quiet', token: quiet });
  const agents = (count: number, token: string): string =>
    Array.from({ length: count }, (_, i) =>
      [
        'POST /v1/logs HTTP/1.1',
        'Host: localhost',
        `User-Agent: many/${i}`,
        `Authorization: Bearer ${token}`,
        'Content-Length: 0\r\n\r\n',
      ].join('\r\n'),
    ).join('');
  const raw = await connectRaw(server.port);
  raw.send(agents(SENDERS_MAX + 1, server.token));
  raw.send(agents(10_000, 'trk_unknown'));
  raw.send('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  await raw.closed;
  const rows = (await control('GET', '/v1/senders')).senders as readonly Json[];
  const strangers = rows.filter(({ token }) => token === null);
  expect(strangers).toHaveLength(STRANGERS_REMEMBERED_MAX);
  expect(rows.length).toBeLessThanOrEqual(SENDERS_MAX);
  const known = await Promise.all(
    ['basin-one', 'basin-two', 'telemetry', 'gone-away'].map((name) => senders(`/v1/senders/${name}`)),
  );
  expect(known.flat()).toHaveLength(SENDERS_MAX);
  expect(known.flat().map(({ token }) => token)).toContain('quiet');
});

test('a page ends early when its senders have long names, and says that there are more', async () => {
  const streams = Array.from({ length: SENDER_NAMES_MAX }, (_, i) => `${i}${'x'.repeat(STREAM_NAME_BYTES_MAX - 1)}`);
  const body = JSON.stringify(otlpBody('logs', ...streams));
  const requests = Array.from({ length: SENDERS_MAX }, (_, i) =>
    [
      'POST /v1/logs HTTP/1.1',
      'Host: localhost',
      `User-Agent: ${String(i).padEnd(SENDER_TEXT_CHARS_MAX, '-')}`,
      `Authorization: Bearer ${server.token}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}\r\n\r\n${body}`,
    ].join('\r\n'),
  );
  const raw = await connectRaw(server.port);
  raw.send(`${requests.join('')}GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  await raw.closed;
  const headers = { authorization: `Bearer ${server.token}` };
  const answer = await call(server.port, { method: 'GET', path: '/v1/senders/telemetry', headers });
  const page = JSON.parse(answer.body.toString()) as { senders: Json[]; has_more: boolean };
  const sizes = page.senders.map((sender) => Buffer.byteLength(JSON.stringify(sender)));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  expect(page.has_more).toBe(true);
  expect(bytes).toBeLessThanOrEqual(LISTED_SENDERS_BYTES_MAX);
  expect(bytes + 1.01 * Math.max(...sizes)).toBeGreaterThan(LISTED_SENDERS_BYTES_MAX);
});
