/** Usage metrics from outside: exact counts of known traffic, across restarts, and every refusal. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CallResponse, call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const HOUR = 3_600;
/** Metered bytes: 8 plus the body. */
const RECORD_BYTES = 8 + 5;
const APPENDS = 3;
const RECORDS = 2 * APPENDS;

let dataDir: string;
let server: TestServer;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-metrics-'));
  server = await startServer({ dataDir });
});

afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const nowSecond = (): number => Math.floor(Date.now() / 1_000);

interface Series {
  readonly name: string;
  readonly unit: string;
  readonly interval?: string;
  readonly values: readonly (readonly [number, number])[];
}
type Metric = { readonly accumulation: Series } | { readonly gauge: Series } | { readonly label: Series };

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

/** The response for the last two hours. */
async function ask(path: string, query: string): Promise<readonly Metric[]> {
  const now = nowSecond();
  const answer = await send('GET', `/v1/metrics${path}?${query}&start=${now - HOUR}&end=${now}`);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
  return (JSON.parse(answer.body.toString()) as { values: Metric[] }).values;
}

/** The sums of accumulations, by name; each checked for its unit and interval. */
async function sums(path: string, set: string, unit: string, interval = 'hour'): Promise<Record<string, number>> {
  const query = interval === 'hour' ? `set=${set}` : `set=${set}&interval=${interval}`;
  const seconds = { minute: 60, hour: HOUR, day: 24 * HOUR }[interval] ?? 0;
  const metrics = await ask(path, query);
  return Object.fromEntries(
    metrics.map((metric) => {
      if (!('accumulation' in metric)) throw new Error('an accumulation was expected');
      const { accumulation } = metric;
      expect([accumulation.unit, accumulation.interval]).toEqual([unit, interval]);
      const starts = accumulation.values.map(([second]) => second);
      expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
      expect(starts.filter((second) => second % seconds !== 0)).toEqual([]);
      expect(accumulation.values.filter(([, value]) => value === 0)).toEqual([]);
      return [accumulation.name, accumulation.values.reduce((sum, [, value]) => sum + value, 0)];
    }),
  );
}

/** The gauge's last value, after a check of its shape. */
async function lastStored(path: string, seconds: number): Promise<number | undefined> {
  const [metric] = await ask(path, 'set=storage');
  if (metric === undefined) return undefined;
  if (!('gauge' in metric)) throw new Error('a gauge was expected');
  const { name, unit, values } = metric.gauge;
  expect([name, unit]).toEqual(['metered_size', 'bytes']);
  for (const [index, [second]] of values.entries()) {
    expect(second % seconds).toBe(0);
    expect(second - (values[0]?.[0] ?? 0)).toBe(index * seconds);
  }
  return values.at(-1)?.[1];
}

async function expectStatus(status: number, answer: Promise<CallResponse>): Promise<void> {
  const { status: got, body } = await answer;
  expect([got, got === status ? '' : body.toString()]).toEqual([status, '']);
}

describe('known traffic', () => {
  beforeAll(async () => {
    await expectStatus(201, send('POST', '/v1/streams', { stream: 'plain', config: { storage_class: 'standard' } }));
    const path = '/v1/streams/plain/records';
    for (let i = 0; i < APPENDS; i++) {
      await expectStatus(200, send('POST', path, { records: [{ body: 'hello' }, { body: 'world' }] }));
    }
    await expectStatus(200, send('GET', `${path}?seq_num=0&count=4`));
    await expectStatus(200, send('GET', `${path}?seq_num=0&count=1`, undefined, { accept: 'text/event-stream' }));
    await expectStatus(200, send('GET', `${path}/tail`));
    await expectStatus(404, send('GET', '/v1/streams/missing/records?seq_num=0'));
    const record = { timeUnixNano: '1700000000123456789', body: { stringValue: 'otlp' } };
    const resource = { attributes: [{ key: 's2.stream', value: { stringValue: 'otlp' } }] };
    const resourceLogs = [{ resource, scopeLogs: [{ logRecords: [record, record] }] }];
    await expectStatus(200, send('POST', '/v1/logs', { resourceLogs }));
    await expectStatus(200, send('GET', '/v1/basins'));
    await expectStatus(200, send('GET', '/v1/basins'));
    await expectStatus(200, send('GET', '/v1/streams'));
  });

  test.each([['minute'], ['hour'], ['day']])('is counted exactly, by %s', async (interval) => {
    expect(await sums('/telemetry', 'append-ops', 'operations', interval)).toEqual({ standard: APPENDS, express: 1 });
    expect(await sums('/telemetry', 'append-throughput', 'bytes', interval)).toEqual({
      standard: RECORDS * RECORD_BYTES,
      express: await lastStored('/telemetry/otlp', 60),
    });
    expect(await sums('/telemetry', 'read-ops', 'operations', interval)).toEqual({ unary: 1, streaming: 1 });
    expect(await sums('/telemetry', 'read-throughput', 'bytes', interval)).toEqual({ read: 5 * RECORD_BYTES });
    expect(await sums('/telemetry', 'basin-ops', 'operations', interval)).toEqual({
      'check-tail': 1,
      'create-stream': 1,
      'list-streams': 1,
    });
    expect(await sums('', 'account-ops', 'operations', interval)).toMatchObject({ 'list-basins': 2 });
  });

  test('is stored as the sum of the streams', async () => {
    const plain = await lastStored('/telemetry/plain', 60);
    const otlp = await lastStored('/telemetry/otlp', 60);
    expect(plain).toBe(RECORDS * RECORD_BYTES);
    expect(otlp).toBeGreaterThan(0);
    expect(await lastStored('/telemetry', HOUR)).toBe((plain ?? 0) + (otlp ?? 0));
  });

  test('makes basins with streams active', async () => {
    expect(await ask('', 'set=active-basins')).toEqual([{ label: { name: 'active-basins', values: ['telemetry'] } }]);
  });

  test('is not billed', async () => {
    const total = (interval: string): unknown => [
      { accumulation: { name: 'total', unit: 'usd', interval, values: [] } },
    ];
    expect(await ask('', 'set=estimated-billable-usage')).toEqual(total('hour'));
    expect(await ask('', 'set=estimated-billable-usage&interval=day')).toEqual(total('day'));
  });

  test('is still counted after a restart, and after a kill except for the last minute', async () => {
    const appends = { standard: APPENDS, express: 1 };
    const operations = await sums('/telemetry', 'basin-ops', 'operations');
    const stored = await lastStored('/telemetry', HOUR);
    await server.stop();
    server = await startServer({ dataDir });
    expect(await sums('/telemetry', 'append-ops', 'operations', 'minute')).toEqual(appends);
    expect(await sums('/telemetry', 'basin-ops', 'operations')).toEqual(operations);
    expect(await lastStored('/telemetry', HOUR)).toBe(stored);
    await expectStatus(200, send('POST', '/v1/streams/plain/records', { records: [{ body: 'again' }] }));
    expect(await sums('/telemetry', 'append-ops', 'operations')).toEqual({ ...appends, standard: APPENDS + 1 });
    await server.kill();
    server = await startServer({ dataDir });
    const after = await sums('/telemetry', 'append-ops', 'operations');
    expect([APPENDS, APPENDS + 1]).toContain(after.standard);
    // Stored bytes are no count that may be lost: they are read from the store.
    expect(await lastStored('/telemetry', HOUR)).toBe((stored ?? 0) + RECORD_BYTES);
    expect(await lastStored('/telemetry/plain', 60)).toBe((RECORDS + 1) * RECORD_BYTES);
  });
});

describe('a query of usage metrics', () => {
  const now = nowSecond();
  const range = `start=${now - 60}&end=${now}`;

  test.each([
    ['/v1/metrics?set=active-basins', 422, 'invalid'],
    [`/v1/metrics?set=account-ops&start=${now}`, 422, 'invalid'],
    [`/v1/metrics/telemetry?set=append-ops&end=${now}`, 422, 'invalid'],
    ['/v1/metrics/telemetry/plain?set=storage', 422, 'invalid'],
    [`/v1/metrics?set=account-ops&start=${now}&end=${now - 1}`, 422, 'invalid'],
    [`/v1/metrics/telemetry?set=storage&start=${now}&end=${now + 600}`, 422, 'invalid'],
    [`/v1/metrics/telemetry?set=read-ops&start=${now - 91 * 86_400}&end=${now}`, 422, 'invalid'],
    [`/v1/metrics/telemetry?set=storage&interval=minute&${range}`, 422, 'invalid'],
    [`/v1/metrics/telemetry?set=storage&interval=day&${range}`, 422, 'invalid'],
    [`/v1/metrics/telemetry/plain?set=storage&interval=hour&${range}`, 422, 'invalid'],
    [`/v1/metrics?set=estimated-billable-usage&interval=minute&${range}`, 422, 'invalid'],
    [`/v1/metrics?${range}`, 400, 'bad_query'],
    [`/v1/metrics?set=storage&${range}`, 400, 'bad_query'],
    [`/v1/metrics/telemetry?set=account-ops&${range}`, 400, 'bad_query'],
    [`/v1/metrics/telemetry/plain?set=append-ops&${range}`, 400, 'bad_query'],
    [`/v1/metrics/telemetry?set=append-ops&interval=week&${range}`, 400, 'bad_query'],
    [`/v1/metrics/telemetry?set=append-ops&start=x&end=${now}`, 400, 'bad_query'],
    [`/v1/metrics/telemetry?set=append-ops&start=-1&end=${now}`, 400, 'bad_query'],
    ['/v1/metrics/telemetry?set=append-ops&start=0&end=4294967296', 400, 'bad_query'],
    [`/v1/metrics/telemetry?set=append-ops&set=append-ops&${range}`, 400, 'bad_query'],
    [`/v1/metrics/UPPER-CASE?set=append-ops&${range}`, 400, 'bad_path'],
    [`/v1/metrics/telemetry/%ff?set=storage&${range}`, 400, 'bad_path'],
    [`/v1/metrics/telemetry/%2e?set=storage&${range}`, 400, 'bad_path'],
    [`/v1/metrics/?set=append-ops&${range}`, 404, 'not_found'],
    [`/v1/metrics/telemetry/?set=storage&${range}`, 404, 'not_found'],
  ])('%s is refused with %i', async (path, status, code) => {
    const answer = await send('GET', path);
    const body = JSON.parse(answer.body.toString()) as { code: string; message: string };
    expect([answer.status, body.code]).toEqual([status, code]);
    expect(body.message.length).toBeGreaterThan(0);
  });

  test('has an error in the words that clients look for when start or end is missing', async () => {
    const answer = await send('GET', '/v1/metrics?set=account-ops');
    expect(answer.body.toString()).toContain('start and end params required');
  });

  test.each([
    [`/v1/metrics?set=account-ops&start=${now - 90 * 86_400}&end=${now}`],
    ['/v1/metrics?set=account-ops&start=0&end=3600'],
    ['/v1/metrics?set=active-basins&start=0&end=3600'],
    ['/v1/metrics/telemetry?set=append-ops&start=0&end=3600&interval=minute'],
    ['/v1/metrics/telemetry?set=storage&start=0&end=3600&interval=hour'],
    ['/v1/metrics/telemetry/plain?set=storage&start=0&end=3600&interval=minute'],
    [`/v1/metrics/telemetry?set=storage&start=${now - 3_600}&end=${now + 30}`],
    [`/v1/metrics/telemetry?set=storage&start=${now - 90 * 86_400}&end=${now}`],
    [`/v1/metrics/telemetry/plain?set=storage&start=${now - 90 * 86_400}&end=${now}`],
  ])('%s is served', async (path) => {
    const answer = await send('GET', path);
    expect([answer.status, Array.isArray(JSON.parse(answer.body.toString()).values)]).toEqual([200, true]);
  });

  test('may have a point as its range', async () => {
    const second = nowSecond();
    const answer = await send('GET', `/v1/metrics/telemetry/plain?set=storage&start=${second}&end=${second}`);
    const [metric] = (JSON.parse(answer.body.toString()) as { values: { gauge: Series }[] }).values;
    expect(metric?.gauge.values.map(([start]) => start)).toEqual([second - (second % 60)]);
  });

  test.each([
    [`/v1/metrics/unknown-basin?set=append-ops&${range}`],
    [`/v1/metrics/unknown-basin?set=storage&${range}`],
    [`/v1/metrics/unknown-basin/stream?set=storage&${range}`],
    [`/v1/metrics/telemetry/unknown?set=storage&${range}`],
  ])('is empty for %s, and is no error', async (path) => {
    const answer = await send('GET', path);
    expect([answer.status, answer.body.toString()]).toEqual([200, '{"values":[]}']);
  });

  test('needs a token', async () => {
    for (const path of ['', '/telemetry', '/telemetry/plain']) {
      const answer = await call(server.port, { method: 'GET', path: `/v1/metrics${path}?set=storage&${range}` });
      expect(answer.status).toBe(401);
    }
  });
});
