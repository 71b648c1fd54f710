/** The server's own metrics and spans: in its own store, at an endpoint, and never because of themselves. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';
import { SELF_TELEMETRY_INTERVAL_MS } from '../../src/model/limits.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import { createServer } from '../../src/server.ts';
import { runCli } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { call } from '../support/http-call.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';
import { failToStart, startServer } from '../support/server.ts';
import { ManualClock } from '../support/socket-clock.ts';
import { Reader } from '../support/socket-reader.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
const NOT_SAMPLED = `00-${TRACE}-${PARENT}-00`;
const LOGS = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] });

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-self-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Reached {
  readonly port: number;
  readonly token: string;
}

/** Requests that get no span unless they say so. */
function send(
  { port, token }: Reached,
  method: string,
  path: string,
  more: { body?: string; traceparent?: string } = {},
) {
  const { body, traceparent = NOT_SAMPLED } = more;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', traceparent };
  return call(port, { method, path, headers, ...(body === undefined ? {} : { body }) });
}

async function scrape(server: Reached) {
  return parsePrometheus((await send(server, 'GET', '/metrics')).body.toString());
}

async function rowsOf({ port, token }: Reached): Promise<readonly MessageRow[]> {
  const client = createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin: 'telemetry' });
  const rows: MessageRow[] = [];
  const options = { view: 'message', start: { seqNum: 0 }, clamp: true, waitSeconds: 0 } as const;
  for await (const frame of client.read('tailrace/self', options)) if (frame.type === 'batch') rows.push(...frame.rows);
  return rows;
}

const spansIn = (rows: readonly MessageRow[]) => rows.filter(({ signal }) => signal === 'traces');

/** Asks again until it is so, and not for ever. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 40_000; !(await isSo()); )
    if (performance.now() > end) throw new Error('it did not come');
}

async function selfTelemetry(server: Reached, what: 'sent' | 'dropped', signal: 'metrics' | 'traces'): Promise<number> {
  return sumOf(await scrape(server), `tailrace_self_telemetry_${what}_total`, { signal });
}

test('with self it is in the stream tailrace/self, metrics at once and spans of requests; a target that is down costs a count', async () => {
  const dataDir = join(folder, 'store');
  const first = await startServer({ dataDir, args: ['--self-telemetry', 'self'] });
  // They are there before anything is asked of the server.
  await until(async () => (await selfTelemetry(first, 'sent', 'metrics')) > 0);
  const names = new Set((await rowsOf(first)).map(({ type }) => type));
  for (const name of ['tailrace_build_info', 'tailrace_commit_latency_seconds', 'process_cpu_seconds_total'])
    expect(names).toContain(name);
  expect((await send(first, 'POST', '/v1/logs', { body: LOGS, traceparent: SAMPLED })).status).toBe(200);
  expect((await send(first, 'GET', '/v1/streams/secret-name', { traceparent: SAMPLED })).status).toBe(404);
  const socket = `ws://127.0.0.1:${first.port}/v1/streams/secret-name/records`;
  const headers = { traceparent: SAMPLED };
  expect((await new Reader(socket, ['s2.json', `bearer.${first.token}`], { headers }).ended).code).toBe(4404);
  expect((await new Reader(socket, 's2.json', { headers }).refused).status).toBe(401);
  // The end sends what is left.
  expect(await first.stop()).toEqual({ code: 0, signal: null });

  const target = `http://127.0.0.1:${await freePort()}`;
  const second = await startServer({ dataDir, env: { TAILRACE_SELF_TELEMETRY: target } });
  const spans = spansIn(await rowsOf(second));
  expect(
    spans.map(({ type, traceId, parentSpanId, serviceName }) => [type, traceId, parentSpanId, serviceName]),
  ).toEqual([
    ['POST /v1/logs', TRACE, PARENT, 'tailrace'],
    ['GET /v1/streams/{stream}', TRACE, PARENT, 'tailrace'],
    ['GET /v1/streams/{stream}/records', TRACE, PARENT, 'tailrace'],
    ['GET /v1/streams/{stream}/records', TRACE, PARENT, 'tailrace'],
  ]);
  const statuses = spans.map(({ metadata }) => metadata?.['http.response.status_code']);
  expect(statuses.map(Number)).toEqual([200, 404, 101, 401]);
  expect(JSON.stringify(spans)).toContain('stream_not_found');
  expect(JSON.stringify(spans)).not.toContain('secret-name');
  await until(async () => (await selfTelemetry(second, 'dropped', 'metrics')) > 0);
  expect((await send(second, 'POST', '/v1/logs', { body: LOGS })).status).toBe(200);
  expect(sumOf(await scrape(second), 'tailrace_self_telemetry_sent_total')).toBe(0);
  expect(await second.stop()).toEqual({ code: 0, signal: null });
  expect(second.stderr()).toContain("the server's own telemetry was not taken (--self-telemetry)");
});

test('a server that sends to itself is as quiet after many intervals as after one, and ordinary requests are seen', async () => {
  const clock = new ManualClock();
  const port = await freePort();
  const options = { dataDir: join(folder, 'loop'), port, grpcPort: 0, noAuth: true, logLevel: 'silent' } as const;
  const server = await createServer({ ...options, selfTelemetry: `http://127.0.0.1:${port}` }, { clock });
  try {
    await server.listen();
    const self = { port, token: '' };
    const series: number[] = [];
    for (let last = 0; series.length < 6; clock.advance(SELF_TELEMETRY_INTERVAL_MS)) {
      let now = last;
      await until(async () => {
        now = await selfTelemetry(self, 'sent', 'metrics');
        return now > last;
      });
      series.push(now - last);
      last = now;
    }
    // The first requests made the series of their own counters; then nothing is added.
    expect(new Set(series.slice(2)).size).toBe(1);
    const quiet = await scrape(self);
    expect(sumOf(quiet, 'tailrace_otlp_requests_total')).toBe(0);
    expect(sumOf(quiet, 'tailrace_self_telemetry_sent_total', { signal: 'traces' })).toBe(0);
    // What is not seen above would be seen: the same request of anyone else.
    const body = '{}';
    expect((await send(self, 'POST', '/v1/metrics', { body, traceparent: SAMPLED })).status).toBe(200);
    expect(sumOf(await scrape(self), 'tailrace_otlp_requests_total')).toBe(1);
    clock.advance(SELF_TELEMETRY_INTERVAL_MS);
    await until(async () => (await selfTelemetry(self, 'sent', 'traces')) > 0);
    expect(spansIn(await rowsOf(self)).map(({ type }) => type)).toEqual(['POST /v1/metrics']);
  } finally {
    const closed = server.close();
    const timer = setInterval(() => clock.advance(1_000), 1);
    await closed;
    clearInterval(timer);
  }
});

test('what is sent to an endpoint has the headers of the setting, and they are shown nowhere', async () => {
  const receiver = await startServer({ dataDir: join(folder, 'receiver') });
  const env = {
    TAILRACE_SELF_TELEMETRY: `${receiver.url}/otlp`,
    TAILRACE_SELF_TELEMETRY_HEADERS: `Authorization=Bearer%20${receiver.token}`,
  };
  const sender = await startServer({ dataDir: join(folder, 'sender'), env });
  await until(async () => (await selfTelemetry(sender, 'sent', 'metrics')) > 0);
  expect((await rowsOf(receiver)).map(({ type }) => type)).toContain('tailrace_build_info');
  // The receiver counts it: it is not its own.
  expect(sumOf(await scrape(receiver), 'tailrace_otlp_requests_total', { status: '200' })).toBeGreaterThan(0);
  await sender.stop();
  await receiver.stop();
  expect(sender.stderr() + sender.stdout()).not.toContain(receiver.token);
  const printed = await runCli(['config', 'print'], { env });
  expect(printed.stdout).toMatch(/self_telemetry_headers +\*{8} /);
});

test('a target with credentials is refused without showing them', async () => {
  const args = ['--self-telemetry', 'http://user:pa55word@127.0.0.1'];
  const failed = await failToStart({ dataDir: join(folder, 'refused'), args });
  expect(failed.code).toBe(2);
  expect(failed.stderr).toContain('--self-telemetry (TAILRACE_SELF_TELEMETRY) must be self, or an endpoint');
  expect(failed.stderr).not.toContain('pa55word');
});
