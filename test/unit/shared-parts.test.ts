/** Servers of one process that have their memory budget, senders, audit lines and metrics in common. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import type { OtherParts } from '../../src/http/account-part.ts';
import { Audit } from '../../src/observe/audit.ts';
import { EventLoopDelay } from '../../src/observe/event-loop-delay.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { Senders } from '../../src/observe/senders.ts';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';
import { type ComposedServer, createServer } from '../../src/server.ts';
import { call } from '../support/http-call.ts';
import { logs } from '../support/otlp-post.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';

const dirs: string[] = [];
const servers: ComposedServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true });
});

/** What each server but the first one says, as it comes from another process. */
async function all<T>(part: (server: ComposedServer) => T | Promise<T>): Promise<readonly T[]> {
  return JSON.parse(JSON.stringify(await Promise.all(servers.slice(1).map(part))));
}

/** Two servers on stores of their own, with all in common that they may have. */
async function startTwo(isShared = true) {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const metrics = new Metrics();
  const audit = new Audit(quiet, SYSTEM_CLOCK);
  const memory = new MemoryBudget(7_000_000);
  const loop = EventLoopDelay.start(() => SYSTEM_CLOCK.monotonicMs());
  const shared = { memory, strangers: new MemoryBudget(1_000), senders: new Senders(SYSTEM_CLOCK), loop };
  const start = async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'tailrace-test-'));
    dirs.push(dataDir);
    const config = { dataDir, port: 0, grpcPort: 0, noAuth: true, selfTelemetry: 'self' } as const;
    // The first one gathers what the second one has: it is there when that is asked.
    const others: OtherParts = {
      usage: async (query) => await all(({ account }) => account.usage(query)),
      senders: () => all(({ account }) => account.senders()),
      audit: (most) => all(({ account }) => account.audit(most)),
    };
    const common = isShared ? { shared } : {};
    const around = servers.length === 0 ? { ...common, others } : common;
    const server = await createServer(config, { logger: quiet, ...(isShared ? { metrics, audit } : {}) }, around);
    servers.push(server);
    return { server, port: (await server.listen()).port };
  };
  return { memory, one: await start(), other: await start() };
}

async function send(port: number, records: number): Promise<void> {
  const all = Array.from({ length: records }, () => ({ body: { stringValue: 'x' } }));
  const body = JSON.stringify(logs({ 's2.stream': `s${records}` }, ...all));
  const headers = { 'content-type': 'application/json' };
  expect((await call(port, { method: 'POST', path: '/v1/logs', headers, body })).status).toBe(200);
}

async function get(port: number, target: string): Promise<string> {
  const { status, body } = await call(port, { method: 'GET', path: target });
  expect(status).toBe(200);
  return body.toString();
}

test('each of two servers tells the metrics, senders and audit lines of both', async () => {
  const { one, other } = await startTwo();
  await send(one.port, 2);
  await send(other.port, 3);
  const created = { method: 'POST', path: '/v1/basins', body: JSON.stringify({ basin: 'of-the-other' }) };
  const { status } = await call(other.port, { ...created, headers: { 'content-type': 'application/json' } });
  expect(status).toBe(201);
  const samples = parsePrometheus(await get(one.port, '/metrics'));
  expect(sumOf(samples, 'tailrace_otlp_accepted_total', { signal: 'logs' })).toBe(5);
  expect(sumOf(samples, 'tailrace_recent_senders', { outcome: 'taken', token: 'valid' })).toBe(1);
  expect(sumOf(samples, 'tailrace_memory_limit_bytes')).toBe(7_000_000);
  expect(JSON.parse(await get(one.port, '/v1/senders'))).toMatchObject({
    senders: [{ signals: { logs: { accepted: 5 } } }],
  });
  expect(await get(one.port, '/v1/audit')).toContain('of-the-other');
});

test('a server that ends leaves the other one what they have in common', async () => {
  const { memory, one, other } = await startTwo();
  await send(one.port, 2);
  await one.server.close();
  const samples = parsePrometheus(await get(other.port, '/metrics'));
  expect(sumOf(samples, 'tailrace_otlp_accepted_total', { signal: 'logs' })).toBe(2);
  expect(sumOf(samples, 'tailrace_store_state', { state: 'open' })).toBe(1);
  await send(other.port, 3);
  await other.server.close();
  expect(memory.usedBytes).toBe(0);
});

test('usage of the account is that of both servers, where the one gathers that of the other', async () => {
  const { one, other } = await startTwo();
  for (const [{ port }, basin] of [
    [one, 'basin-of-one'],
    [other, 'basin-of-other'],
  ] as const) {
    const headers = { 'content-type': 'application/json', 's2-basin': basin };
    const made = await call(port, {
      method: 'PUT',
      path: `/v1/basins/${basin}`,
      headers,
      body: JSON.stringify({ config: { create_stream_on_append: true } }),
    });
    expect(made.status).toBe(201);
    const body = JSON.stringify({ records: [{ body: 'x' }] });
    expect((await call(port, { method: 'POST', path: '/v1/streams/s/records', headers, body })).status).toBe(200);
  }
  const now = Math.floor(SYSTEM_CLOCK.now() / 1_000);
  const range = `start=${now - 3_600}&end=${now}`;
  const whole = JSON.parse(await get(one.port, `/v1/metrics?set=active-basins&${range}`));
  const names = whole.values[0].label.values;
  expect(names).toEqual(expect.arrayContaining(['basin-of-one', 'basin-of-other']));
  expect(new Set(names).size).toBe(names.length);
  const { values } = JSON.parse(await get(one.port, `/v1/metrics?set=account-ops&${range}`));
  const made = values.find(({ accumulation }: { accumulation: { name: string } }) => {
    return accumulation.name === 'create-basin';
  });
  const counts: readonly (readonly [number, number])[] = made.accumulation.values;
  expect(counts.reduce((sum, [, count]) => sum + count, 0)).toBe(2);
  const part = await get(other.port, `/v1/metrics?set=active-basins&${range}`);
  expect(part).not.toContain('basin-of-one');
});

test('senders and audit lines of another process are gathered, those of the own one are there once', async () => {
  for (const isShared of [true, false]) {
    const { one, other } = await startTwo(isShared);
    await send(one.port, 2);
    await send(other.port, 3);
    const { senders } = JSON.parse(await get(one.port, '/v1/senders'));
    expect(senders).toMatchObject([{ accepted: 5, signals: { logs: { requests: 2, accepted: 5 } } }]);
    const make = (port: number, basin: string) => {
      const headers = { 'content-type': 'application/json' };
      return call(port, { method: 'POST', path: '/v1/basins', headers, body: JSON.stringify({ basin }) });
    };
    expect((await make(one.port, 'basin-first')).status).toBe(201);
    expect((await make(other.port, 'basin-second')).status).toBe(201);
    const { lines } = JSON.parse(await get(one.port, '/v1/audit?limit=2'));
    expect(lines.map(({ basin }: { basin: string }) => basin).sort()).toEqual(['basin-first', 'basin-second']);
    const newest = JSON.parse(await get(one.port, '/v1/audit?limit=1'));
    expect(newest).toMatchObject({ lines: [{ action: 'create-basin' }], has_more: true, forgotten: 0 });
    for (const server of servers.splice(0)) await server.close();
  }
});
