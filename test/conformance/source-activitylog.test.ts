/**
 * What the documentation of ActivityLog states: a sender that is set up as it says works here, by the limits that its plans
 * have. Where we differ: `src/otlp/README.md`.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { ControlClient } from '../support/control-calls.ts';
import { type CallResponse, call } from '../support/http-call.ts';
import { makeOtlpBasin, makeSenderToken } from '../support/otlp-basin.ts';
import {
  type Answer,
  keyValues,
  logs,
  numbered,
  type Post,
  post as postOtlp,
  SPAN_ID,
  spans,
  TRACE_ID,
} from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';
import { only, type Row, viewRows } from '../support/view-rows.ts';

let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
});

afterAll(async () => {
  await server.stop();
});

const post = (path: string, body: object, options?: Post): Promise<Answer> => postOtlp(server, path, body, options);

/** What it says of an accepted request: nothing, or a warning. */
function warning({ status, json }: Answer): string | undefined {
  expect([status, json.partialSuccess?.rejectedLogRecords]).toEqual([200, undefined]);
  return json.partialSuccess?.errorMessage;
}

test('the paths of ActivityLog take a smoke test of curl, with an empty response', async () => {
  const resource = { 's2.stream': 'activity', 'service.name': 'smoke' };
  const times = { startTimeUnixNano: '1744000000000000000', endTimeUnixNano: '1744000001500000000' };
  const one = { parentSpanId: '0102030405060708', ...times };
  expect((await post('/api/v1/otlp/v1/traces', spans(resource, one))).json).toEqual({});
  expect((await post('/api/v1/otlp/v1/logs', logs(resource, {}))).json).toEqual({});
  const [row] = await viewRows(server, 'activity');
  expect(row).toMatchObject({
    ...{ type: 'step', serviceName: 'smoke', traceId: TRACE_ID, spanId: SPAN_ID, parentSpanId: '0102030405060708' },
    ...{
      timestamp: '2025-04-07T04:26:40.000000000Z',
      endTimestamp: '2025-04-07T04:26:41.500000000Z',
      durationMs: 1500,
    },
  });
});

test('a record has its level, its body and its attributes, and those of gen_ai their columns', async () => {
  const numbers = [1, 4, 5, 8, 9, 12, 13, 16, 17, 20];
  const records = numbers.map((severityNumber) => ({ severityNumber, body: { stringValue: 'b' } }));
  await post('/api/v1/otlp/v1/logs', logs({ 's2.stream': 'levels' }, ...records));
  const levels = (await viewRows(server, 'levels')).map(({ level }) => level);
  const names = ['debug', 'debug', 'info', 'warn', 'error'];
  expect(levels).toEqual(names.flatMap((name) => [name, name]));
  const attributes = {
    ...{ 'gen_ai.system': 'anthropic', 'gen_ai.request.model': 'claude', 'gen_ai.usage.cost': 0.0042 },
    ...{ 'gen_ai.usage.prompt_tokens': 10, 'gen_ai.usage.completion_tokens': 20 },
    ...{ 'gen_ai.usage.cache_read_input_tokens': 3, 'gen_ai.usage.cache_creation_input_tokens': 4 },
    ...{ 'gen_ai.prompt': 'why?', other: 'kept' },
  };
  await post('/api/v1/otlp/v1/traces', spans({ 's2.stream': 'calls' }, { attributes: keyValues(attributes) }));
  expect(only(await viewRows(server, 'calls'))).toMatchObject({
    ...{ llmSystem: 'anthropic', model: 'claude', inputTokens: 10, outputTokens: 20, costMicrocents: 4_200 },
    ...{ cacheReadTokens: 3, cacheCreateTokens: 4, metadata: { 'gen_ai.prompt': 'why?', other: 'kept' } },
  });
});

test('service.name names an existing stream, everything else goes to the default one', async () => {
  const basin = await makeOtlpBasin(s2, { otlp_service_routing: true });
  await s2.call('PUT /streams/billing', { basin });
  const { token } = await makeSenderToken(s2, {}, { exact: basin });
  for (const service of ['billing', 'unknown']) {
    await post('/api/v1/otlp/v1/logs', logs({ 'service.name': service }, {}), { token });
  }
  expect(only(await viewRows(server, 'billing', basin)).serviceName).toBe('billing');
  expect(only(await viewRows(server, 'all', basin)).serviceName).toBe('unknown');
});

const links = (count: number) => Array.from({ length: count }, () => ({ traceId: TRACE_ID, spanId: SPAN_ID }));
const events = (count: number) => Array.from({ length: count }, () => ({ name: 'e' }));
const listed = (name: string) => (row: Row) => (row[name] as readonly unknown[]).length;
const keys = (name: 'resource' | 'metadata') => (row: Row) => Object.keys(row[name]).length;
const valued = (length: number) => logs({}, { attributes: keyValues({ value: 'v'.repeat(length) }) });
const bodied = (length: number) => logs({}, { body: { stringValue: 'b'.repeat(length) } });

test.each<[string, string, number, Signal, (size: number) => object, (row: Row) => number]>([
  ['bytes in an attribute', 'free', 65_536, 'logs', valued, ({ metadata }) => String(metadata.value).length],
  ['attributes of a resource', 'free', 256, 'logs', (size) => logs(numbered(size), {}), keys('resource')],
  [
    'attributes of a record',
    'free',
    128,
    'logs',
    (size) => logs({}, { attributes: keyValues(numbered(size)) }),
    keys('metadata'),
  ],
  [
    'attributes of a span',
    'pro',
    128,
    'traces',
    (size) => spans({}, { attributes: keyValues(numbered(size)) }),
    keys('metadata'),
  ],
  ['events of a span', 'enterprise', 128, 'traces', (size) => spans({}, { events: events(size) }), listed('events')],
  ['links of a span', 'enterprise', 32, 'traces', (size) => spans({}, { links: links(size) }), listed('links')],
  ['bytes in a body (free)', 'free', 16_384, 'logs', bodied, ({ body }) => String(body).length],
  ['bytes in a body (pro)', 'pro', 262_144, 'logs', bodied, ({ body }) => String(body).length],
])('a profile keeps what it allows and warns of the rest: %s', async (_, profile, most, signal, body, measure) => {
  const basin = await makeOtlpBasin(s2, { otlp_limits: { profile: `activitylog-${profile}` } });
  expect(warning(await post(`/api/v1/otlp/v1/${signal}`, body(most), { basin }))).toBeUndefined();
  expect(warning(await post(`/api/v1/otlp/v1/${signal}`, body(most + 1), { basin }))).toContain(`allows ${most}`);
  expect((await viewRows(server, 'all', basin)).map(measure)).toEqual([most, most]);
});

test('an attribute with a key of more than 256 bytes is rejected', async () => {
  const basin = await makeOtlpBasin(s2, { otlp_limits: { profile: 'activitylog-free' } });
  const keyed = (length: number) => ({ attributes: keyValues({ ['k'.repeat(length)]: 'v' }) });
  const { json } = await post('/api/v1/otlp/v1/logs', logs({}, keyed(256), keyed(257)), { basin });
  expect(json.partialSuccess).toMatchObject({ rejectedLogRecords: '1' });
  expect(Object.keys(only(await viewRows(server, 'all', basin)).metadata)).toEqual(['k'.repeat(256)]);
});

test.each([
  [400, { 'content-type': 'text/plain' }],
  [401, { authorization: 'Bearer wrong' }],
  [415, { 'content-encoding': 'br' }],
])('status %i comes with a correlation id, which may be that of the sender', async (status, headers) => {
  const answer = await post('/api/v1/otlp/v1/logs', {}, { headers: { ...headers, 'x-correlation-id': 'mine-1' } });
  expect([answer.status, answer.headers['x-correlation-id']]).toEqual([status, 'mine-1']);
});

test('every response has a correlation id, that of a WebSocket too', async () => {
  const headers = { authorization: `Bearer ${server.token}` };
  for (const path of [
    '/health',
    '/readyz',
    '/metrics',
    '/v1/basins',
    '/v1/logs',
    '/nowhere',
    '/v1/streams/all/records',
  ]) {
    const answer = await call(server.port, { method: 'GET', path, headers });
    expect([path, answer.headers['x-correlation-id']]).toEqual([path, expect.stringMatching(/^\S+$/)]);
  }
  await post('/v1/logs', logs({ 's2.stream': 'watched' }, {}));
  const url = `ws://127.0.0.1:${server.port}/v1/streams/watched/records`;
  const reader = new Reader(url, 'view.json', { headers: { ...headers, 'x-correlation-id': 'mine-2' } });
  const upgraded = new Promise<CallResponse['headers']>((resolve) =>
    reader.socket.once('upgrade', (response) => resolve(response.headers)),
  );
  expect((await upgraded)['x-correlation-id']).toBe('mine-2');
  await reader.close();
});
