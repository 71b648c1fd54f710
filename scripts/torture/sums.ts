/**
 * A million log records in a store of their own: counts and sums agree with what was sent, integers to the digit and
 * quantiles to 1 %, and a histogram takes at most a second of processor time. The reference decodes the same records with
 * protobufjs, without counting anything.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { openTailrace } from '../../src/library.ts';
import type { AggregateResult } from '../../src/model/aggregate.ts';
import { assert } from '../../src/model/error.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import type { AggregateCallOptions, Tailrace } from '../../src/tailrace.ts';

const RECORDS = 1_000_000;
const REQUEST_RECORDS = 1_000;
const T0 = 1_700_000_040_000;
const SEVERITIES = [5, 9, 9, 9, 13, 17];
const LEVELS = ['debug', 'info', 'info', 'info', 'warn', 'error'];
const ROUTES = 20;
const HISTOGRAM_MS_MAX = 1_000;

const logsData = protobuf.Root.fromJSON(SCHEMA).lookupType('opentelemetry.proto.logs.v1.LogsData');

export async function run(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tailrace-sums-'));
  const store = await openTailrace({ dataDir, logLevel: 'silent' });
  try {
    const bodies = await fill(store);
    const decodeMs = await processorMs(() => {
      for (const body of bodies) logsData.decode(body);
    });
    report('protobufjs decodes them', decodeMs, decodeMs);
    const histogram = await timed(store, 'histogram by level and minute', { by: ['level'], bucket: '1m' }, decodeMs);
    assert(histogram.ms <= HISTOGRAM_MS_MAX, 'a histogram of a million records takes at most a second');
    checkHistogram(histogram.result);
    const sums = { sum: 'attr.bytes', by: ['attr.http.route'] };
    checkSums((await timed(store, 'sums of an attribute by another', sums, decodeMs)).result);
    const wanted = { by: ['level'], filter: 'level>=warn' };
    checkWarnings((await timed(store, 'counts of a third, by a filter', wanted, decodeMs)).result);
  } finally {
    await store.close();
    rmSync(dataDir, { recursive: true });
  }
}

/** Integers that no double holds, and that differ in size by up to 2^60. */
function bytesOf(n: number): bigint {
  return n % 7 === 0 ? -(2n ** 60n) + BigInt(n) : BigInt((n * 37) % 100_003) ** 2n;
}

async function fill(store: Tailrace): Promise<readonly Uint8Array[]> {
  const bodies: Uint8Array[] = [];
  const resource = { attributes: [attribute('s2.stream', 'logs'), attribute('service.name', 'checkout')] };
  for (let first = 0; first < RECORDS; first += REQUEST_RECORDS) {
    const logRecords = Array.from({ length: REQUEST_RECORDS }, (_, k) => logRecord(first + k));
    const body = logsData
      .encode(logsData.fromObject({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }))
      .finish();
    bodies.push(body);
    await store.ingestOtlp(body, { signal: 'logs', contentType: 'application/x-protobuf' });
  }
  return bodies;
}

function logRecord(n: number): object {
  return {
    timeUnixNano: `${T0 + n}000000`,
    severityNumber: SEVERITIES[n % SEVERITIES.length],
    severityText: 'INFO',
    body: { stringValue: `request ${n} was handled by worker ${n % 17} in ${n % 997} ms` },
    attributes: [
      attribute('http.request.method', 'GET'),
      attribute('http.route', `/api/${n % ROUTES}`),
      { key: 'bytes', value: { intValue: String(bytesOf(n)) } },
    ],
    traceId: Buffer.alloc(16, (n % 255) + 1),
    spanId: Buffer.alloc(8, (n % 255) + 1),
  };
}

function attribute(key: string, stringValue: string): object {
  return { key, value: { stringValue } };
}

/** The best of three runs. */
async function timed(
  store: Tailrace,
  what: string,
  options: AggregateCallOptions,
  decodeMs: number,
): Promise<{ readonly result: AggregateResult; readonly ms: number }> {
  let last: AggregateResult | undefined;
  let best = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 3; turn++) {
    const ms = await processorMs(async () => {
      for await (const result of store.aggregate('logs', options)) last = result;
    });
    best = Math.min(best, ms);
  }
  report(what, best, decodeMs);
  if (last === undefined) throw new Error('no result');
  assert(last.complete && last.records === RECORDS, 'all records are looked at');
  return { result: last, ms: best };
}

/** Processor time of the whole process: other processes do not count. */
async function processorMs(work: () => void | Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e3;
}

function report(what: string, ms: number, decodeMs: number): void {
  process.stdout.write(`${what}: ${Math.round(ms)} ms of processor time, ${(decodeMs / ms).toFixed(1)} × protobufjs\n`);
}

function checkHistogram({ rows }: AggregateResult): void {
  const right = new Map<string, number>();
  for (let n = 0; n < RECORDS; n++) {
    const name = `${LEVELS[n % LEVELS.length]} ${T0 + n - ((T0 + n) % 60_000)}`;
    right.set(name, (right.get(name) ?? 0) + 1);
  }
  assert(rows.length === right.size, 'there are no other rows');
  for (const { group, bucket, count } of rows) {
    assert(right.get(`${group?.level} ${bucket}`) === count, 'each row has the count of its records');
  }
}

function checkWarnings({ rows }: AggregateResult): void {
  const counts = Object.fromEntries(rows.map(({ group, count }) => [group?.level, count]));
  for (const level of ['warn', 'error']) {
    const at = LEVELS.indexOf(level);
    const right = Math.floor((RECORDS - 1 - at) / LEVELS.length) + 1;
    assert(counts[level] === right, 'the filter leaves the records that it wants');
  }
  assert(rows.length === 2, 'and no others');
}

function checkSums({ rows }: AggregateResult): void {
  assert(rows.length === ROUTES, 'each route is a row');
  for (const row of rows) {
    const first = Number(row.group?.['attr.http.route']?.slice('/api/'.length));
    const values: bigint[] = [];
    for (let n = first; n < RECORDS; n += ROUTES) values.push(bytesOf(n));
    values.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const sum = values.reduce((total, value) => total + value, 0n);
    assert(String(row.sum) === String(sum), 'sums of integers are exact to the digit');
    assert(String(row.min) === String(values[0]) && String(row.max) === String(values.at(-1)), 'so are the ends');
    for (const [said, rank] of [[row.p50, 0.5] as const, [row.p95, 0.95] as const, [row.p99, 0.99] as const]) {
      const right = Number(values[Math.floor(rank * (values.length - 1))]);
      assert(Math.abs(Number(said) - right) <= Math.abs(right) / 100, 'quantiles are within 1 %');
    }
  }
}
