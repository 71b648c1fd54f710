/** What Prometheus scrapes: the text format checked by its grammar, and counts of known traffic. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CallResponse, call, connectRaw } from '../support/http-call.ts';
import { familyOf, parsePrometheus, type Sample, sumOf } from '../support/prometheus.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<CallResponse> {
  const common = {
    authorization: `Bearer ${server.token}`,
    's2-basin': 'telemetry',
    'content-type': 'application/json',
  };
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  return call(server.port, { method, path, headers: { ...common, ...headers }, ...text });
}

async function scrape(): Promise<readonly Sample[]> {
  const { status, body } = await send('GET', '/metrics');
  expect(status).toBe(200);
  return parsePrometheus(body.toString());
}

const logs = (stream: string, record: unknown): unknown => ({
  resourceLogs: [
    {
      resource: { attributes: [{ key: 's2.stream', value: { stringValue: stream } }] },
      scopeLogs: [{ logRecords: [record] }],
    },
  ],
});
const RECORD = { timeUnixNano: '1700000000123456789', body: { stringValue: 'x' } };

describe('the response of /metrics', () => {
  test('is text of version 0.0.4, and needs a token', async () => {
    const answer = await send('GET', '/metrics');
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect((await call(server.port, { method: 'GET', path: '/metrics' })).status).toBe(401);
    expect((await send('POST', '/metrics')).status).toBe(405);
  });

  test('has the metric names of s2-lite, of every process, and ours', async () => {
    const families = new Map((await scrape()).map((sample) => [familyOf(sample.name), sample.type]));
    expect(Object.fromEntries(families)).toMatchObject({
      s2_append_permit_latency_seconds: 'histogram',
      s2_append_ack_latency_seconds: 'histogram',
      s2_append_batch_records: 'histogram',
      s2_append_batch_bytes: 'histogram',
      process_cpu_seconds_total: 'counter',
      process_resident_memory_bytes: 'gauge',
      process_start_time_seconds: 'gauge',
      tailrace_commit_latency_seconds: 'histogram',
      tailrace_transaction_entries: 'histogram',
      tailrace_transaction_bytes: 'histogram',
      tailrace_store_used_bytes: 'gauge',
      tailrace_store_free_bytes: 'gauge',
      tailrace_store_state: 'gauge',
      tailrace_open_streams: 'gauge',
      tailrace_open_connections: 'gauge',
      tailrace_memory_reserved_bytes: 'gauge',
      tailrace_reader_lag_records_max: 'gauge',
      tailrace_otlp_accepted_total: 'counter',
      tailrace_build_info: 'gauge',
      tailrace_recent_senders: 'gauge',
      nodejs_eventloop_lag_p50_seconds: 'gauge',
      nodejs_eventloop_lag_p99_seconds: 'gauge',
      nodejs_eventloop_lag_max_seconds: 'gauge',
    });
    const known = /^(s2|tailrace|process|nodejs)_/;
    expect([...families.keys()].filter((name) => !known.test(name))).toEqual([]);
  });
});

describe('the metrics of known traffic', () => {
  test('count OTLP: what was stored, what was refused and why, and every status', async () => {
    const before = await scrape();
    expect((await send('POST', '/v1/logs', logs('prometheus', RECORD))).status).toBe(200);
    expect((await send('POST', '/v1/logs', logs('..', RECORD))).status).toBe(200);
    const named = { ...RECORD, severityNumber: 'SEVERITY_NUMBER_INFO' };
    expect((await send('POST', '/v1/logs', logs('prometheus', named))).status).toBe(200);
    expect((await send('POST', '/v1/logs', 'no object')).status).toBe(400);
    expect((await send('POST', '/otlp/v1/traces', {}, { 'content-type': 'text/plain' })).status).toBe(400);
    const after = await scrape();
    const added = (name: string, labels: Record<string, string> = {}): number =>
      sumOf(after, name, labels) - sumOf(before, name, labels);
    expect(added('tailrace_otlp_accepted_total', { signal: 'logs' })).toBe(2);
    expect(added('tailrace_otlp_rejected_total', { signal: 'logs', reason: 'unroutable' })).toBe(1);
    expect(added('tailrace_otlp_requests_total', { signal: 'logs', status: '200' })).toBe(3);
    expect(added('tailrace_otlp_requests_total', { signal: 'logs', status: '400' })).toBe(1);
    expect(added('tailrace_otlp_requests_total', { signal: 'traces', status: '400' })).toBe(1);
    expect(added('tailrace_otlp_json_enum_names_total')).toBe(1);
    expect(added('tailrace_appended_records_total', { kind: 'logs' })).toBe(2);
    expect(added('s2_append_batch_records_count')).toBe(2);
    expect(added('s2_append_ack_latency_seconds_count')).toBe(2);
    expect(added('s2_append_permit_latency_seconds_count')).toBe(2);
    expect(added('tailrace_commit_latency_seconds_count')).toBe(2);
  });

  test('count appends and reads', async () => {
    const before = await scrape();
    const records = [{ body: 'one' }, { body: 'two' }];
    expect((await send('POST', '/v1/streams/plain/records', { records })).status).toBe(200);
    expect((await send('GET', '/v1/streams/plain/records?seq_num=1')).status).toBe(200);
    const after = await scrape();
    const added = (name: string, labels: Record<string, string> = {}): number =>
      sumOf(after, name, labels) - sumOf(before, name, labels);
    expect(added('tailrace_appended_records_total', { kind: 's2' })).toBe(2);
    expect(added('tailrace_appended_bytes_total', { kind: 's2' })).toBe(22);
    expect(added('s2_append_batch_records_sum')).toBe(2);
    expect(added('s2_append_batch_bytes_sum')).toBe(22);
    expect(added('tailrace_reads_total', { protocol: 'unary' })).toBe(1);
    expect(added('tailrace_read_records_total')).toBe(1);
    expect(added('tailrace_read_bytes_total')).toBe(11);
    expect(added('tailrace_operations_total', { operation: 'append' })).toBe(1);
  });

  test('tell senders that are refused from those that are not', async () => {
    expect((await send('POST', '/v1/logs', 'no object')).status).toBe(400);
    expect((await send('POST', '/v1/logs', logs('prometheus', RECORD))).status).toBe(200);
    expect((await call(server.port, { method: 'POST', path: '/v1/logs' })).status).toBe(401);
    const samples = await scrape();
    const recent = (outcome: string, token: string) => sumOf(samples, 'tailrace_recent_senders', { outcome, token });
    expect(recent('taken', 'valid')).toBeGreaterThanOrEqual(1);
    expect(recent('refused', 'valid')).toBeGreaterThanOrEqual(1);
    expect([recent('refused', 'none'), recent('taken', 'none')]).toEqual([1, 0]);
  });

  test('show that the store accepts writes, and what is open', async () => {
    const samples = await scrape();
    const states = samples.filter(({ name }) => name === 'tailrace_store_state');
    expect(states.map(({ labels, value }) => [labels.state, value])).toEqual([
      ['open', 1],
      ['full', 0],
      ['read_only', 0],
      ['closed', 0],
    ]);
    expect(sumOf(samples, 'tailrace_open_streams')).toBe(2);
    expect(sumOf(samples, 'tailrace_open_connections')).toBeGreaterThanOrEqual(1);
    expect(sumOf(samples, 'tailrace_memory_limit_bytes')).toBe(512 * 1024 * 1024);
    expect(sumOf(samples, 'tailrace_reader_lag_records_max')).toBe(0);
  });
});

test('when each basin received data last is known by signal, to those who may know the basin', async () => {
  const config = { create_stream_on_append: true, otlp_default_stream: 'app' };
  expect((await send('POST', '/v1/basins', { basin: 'receiving', config })).status).toBe(201);
  const began = Date.now() / 1_000;
  expect((await send('POST', '/v1/logs', logs('app', RECORD), { 's2-basin': 'receiving' })).status).toBe(200);
  expect((await send('POST', '/v1/traces', 'refused', { 's2-basin': 'receiving' })).status).toBe(400);
  const NAME = 'tailrace_otlp_last_received_timestamp_seconds';
  const seen = (samples: readonly Sample[], basin: string) =>
    samples.filter(({ name, labels }) => name === NAME && labels.basin === basin);
  const own = seen(await scrape(), 'receiving');
  expect(own.map(({ labels, type }) => [labels.signal, type])).toEqual([['logs', 'gauge']]);
  expect(own[0]?.value).toBeGreaterThanOrEqual(Math.floor(began));
  const scope = { basins: { exact: 'elsewhere' }, ops: ['account-metrics'] };
  const issued = await send('POST', '/v1/access-tokens', { id: 'elsewhere', scope });
  const { access_token: token } = JSON.parse(issued.body.toString()) as { access_token: string };
  const answer = await send('GET', '/metrics', undefined, { authorization: `Bearer ${token}` });
  expect(answer.status).toBe(200);
  expect(parsePrometheus(answer.body.toString()).filter(({ name }) => name === NAME)).toEqual([]);
});

test('readers are counted by protocol while they are connected', async () => {
  const records = [{ body: 'one' }];
  expect((await send('POST', '/v1/streams/followed/records', { records })).status).toBe(200);
  const lines = [
    'GET /v1/streams/followed/records?seq_num=0 HTTP/1.1',
    'Host: 127.0.0.1',
    'S2-Basin: telemetry',
    `Authorization: Bearer ${server.token}`,
  ];
  const sse = await connectRaw(server.port);
  sse.send(`${[...lines, 'Accept: text/event-stream'].join('\r\n')}\r\n\r\n`);
  await sse.until(/event: ping/);
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  const webSocket = await connectRaw(server.port);
  webSocket.send(`${[...lines, ...upgrade, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='].join('\r\n')}\r\n\r\n`);
  await webSocket.until(/caught_up/);
  const readers = async (): Promise<readonly number[]> => {
    const samples = await scrape();
    return ['sse', 'websocket'].map((protocol) => sumOf(samples, 'tailrace_open_readers', { protocol }));
  };
  expect(await readers()).toEqual([1, 1]);
  expect(sumOf(await scrape(), 'tailrace_reader_lag_records_max')).toBe(0);
  sse.destroy();
  webSocket.destroy();
  for (let left = await readers(); left.some((count) => count > 0); ) left = await readers();
});

test('metrics have no labels from client data: streams, basins and paths', async () => {
  const before = new Set((await scrape()).map(({ series }) => series));
  for (let i = 0; i < 20; i++) {
    await send('POST', '/v1/logs', logs(`stream-${i}`, RECORD));
    await send('POST', '/v1/logs', logs(`stream-${i}\0`, RECORD));
    await send('GET', `/v1/streams/none-${i}/records?seq_num=0`);
    await send('GET', `/nowhere-${i}`);
  }
  const fresh = (await scrape()).map(({ series }) => series).filter((series) => !before.has(series));
  expect(fresh.filter((series) => /\d/.test(series.replace(/status="\d+"|le="[^"]*"/g, '')))).toEqual([]);
  expect(fresh.length).toBeLessThan(10);
});
