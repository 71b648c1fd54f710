/** What Prometheus is told: a registry per server, cumulative histograms, and values read at the time of the scrape. */

import { expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { VERSION } from '../../src/model/version.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { type ScrapedMetric, unlabelled } from '../../src/observe/scraped-metric.ts';
import type { MetricSources } from '../../src/observe/watched-sources.ts';
import { IDLE_SOURCES } from '../support/idle-sources.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';

const read = async (metrics: Metrics) => parsePrometheus(await metrics.text(() => true));

test('two servers in one process count separately', async () => {
  const [one, other] = [new Metrics(), new Metrics()];
  one.appended(undefined, 's2', 3, 300);
  one.otlpAnswered('logs', 200);
  expect(sumOf(await read(one), 'tailrace_appended_records_total')).toBe(3);
  expect(sumOf(await read(other), 'tailrace_appended_records_total')).toBe(0);
  expect(sumOf(await read(other), 'tailrace_otlp_requests_total')).toBe(0);
});

test('a histogram counts a value in its own bucket and in all above, bounds included', async () => {
  const metrics = new Metrics();
  for (const records of [1, 2, 10, 11, 1_000_000]) metrics.appended(undefined, 's2', records, 1);
  const samples = await read(metrics);
  const at = (le: string): number => sumOf(samples, 's2_append_batch_records_bucket', { le });
  expect([at('1'), at('2'), at('5'), at('10'), at('25'), at('100000'), at('+Inf')]).toEqual([1, 2, 2, 3, 4, 4, 5]);
  expect(sumOf(samples, 's2_append_batch_records_sum')).toBe(1_000_024);
});

test('latencies are exported in seconds', async () => {
  const metrics = new Metrics();
  metrics.acked(250);
  metrics.permitted(1);
  metrics.committed(10, 4, 1_000);
  const samples = await read(metrics);
  expect(sumOf(samples, 's2_append_ack_latency_seconds_sum')).toBe(0.25);
  expect(sumOf(samples, 's2_append_permit_latency_seconds_sum')).toBe(0.001);
  expect(sumOf(samples, 'tailrace_commit_latency_seconds_sum')).toBe(0.01);
  expect(sumOf(samples, 'tailrace_transaction_entries_sum')).toBe(4);
  expect(sumOf(samples, 'tailrace_transaction_bytes_sum')).toBe(1_000);
});

test('an observed value is read once for a scrape, and again for the next one', async () => {
  const metrics = new Metrics();
  let looks = 0;
  let freeBytes: number | undefined;
  metrics.watch({
    ...IDLE_SOURCES,
    stat: async () => {
      looks++;
      const reads = { byProtocol: new Map([['sse', 2]]), lagRecordsMax: 7 };
      return { engine: { state: 'read_only', usedBytes: 5, fileBytes: 9, freeBytes }, openStreams: 3, reads };
    },
    connections: () => looks * 10,
    memory: { usedBytes: 1, limitBytes: 2 },
  });
  const first = await read(metrics);
  expect(looks).toBe(1);
  expect(sumOf(first, 'tailrace_store_state', { state: 'read_only' })).toBe(1);
  expect(sumOf(first, 'tailrace_store_state')).toBe(1);
  expect(sumOf(first, 'tailrace_open_readers', { protocol: 'sse' })).toBe(2);
  expect(sumOf(first, 'tailrace_reader_lag_records_max')).toBe(7);
  expect(first.some(({ name }) => name === 'tailrace_store_free_bytes')).toBe(false);
  freeBytes = 11;
  const second = await read(metrics);
  expect([looks, sumOf(second, 'tailrace_store_free_bytes')]).toEqual([2, 11]);
});

test('when data was received last is told of the basins that the caller may know', async () => {
  const metrics = new Metrics();
  metrics.watch({
    ...IDLE_SOURCES,
    received: () =>
      new Map<string, ReadonlyMap<Signal, number>>([
        [
          'mine',
          new Map([
            ['logs', 1_700_000_000_500],
            ['traces', 1_000],
          ]),
        ],
        ['theirs', new Map([['logs', 2_000]])],
      ]),
    lastBackup: () => 1_700_000_000_250,
  });
  const text = await metrics.text((basin) => basin === 'mine');
  const samples = parsePrometheus(text).filter(({ name }) => name === 'tailrace_otlp_last_received_timestamp_seconds');
  expect(samples.map(({ labels, value, type }) => [labels, value, type])).toEqual([
    [{ basin: 'mine', signal: 'logs' }, 1_700_000_000.5, 'gauge'],
    [{ basin: 'mine', signal: 'traces' }, 1, 'gauge'],
  ]);
  expect(sumOf(parsePrometheus(text), 'tailrace_last_backup_timestamp_seconds')).toBe(1_700_000_000.25);
});

test('the senders of the last minutes are counted by outcome, with and without a token', async () => {
  const metrics = new Metrics();
  metrics.watch({
    ...IDLE_SOURCES,
    recentSenders: () => [
      { outcome: 'refused', token: true, count: 2 },
      { outcome: 'refused', token: false, count: 3 },
    ],
    storeBytesMax: 77,
  });
  const samples = await read(metrics);
  expect(sumOf(samples, 'tailrace_recent_senders', { outcome: 'refused', token: 'valid' })).toBe(2);
  expect(sumOf(samples, 'tailrace_recent_senders', { outcome: 'refused', token: 'none' })).toBe(3);
  expect(sumOf(samples, 'tailrace_store_limit_bytes')).toBe(77);
});

test('the version that runs is in the labels of a gauge', async () => {
  const info = (await read(new Metrics())).filter(({ name }) => name === 'tailrace_build_info');
  expect(info.map(({ labels, value }) => [labels, value])).toEqual([
    [{ version: VERSION, node: process.versions.node }, 1],
  ]);
});

/** A store of 10 used bytes in which so many streams are open. */
function sourcesOf(openStreams: number, state = 'open', freeBytes = 100): MetricSources {
  const engine = { state, usedBytes: 10, fileBytes: 20, freeBytes };
  const reads = { byProtocol: new Map([['sse', openStreams]]), lagRecordsMax: openStreams };
  return { ...IDLE_SOURCES, stat: async () => ({ engine, openStreams, reads }), storeBytesMax: 1_000 };
}

test('the stores of several servers are summed, and the fullest and the worst of them are told', async () => {
  const metrics = new Metrics();
  metrics.watch(sourcesOf(3));
  metrics.watch(sourcesOf(4, 'full', 5));
  const samples = await read(metrics);
  const values = ['used_bytes', 'file_bytes', 'free_bytes', 'limit_bytes'].map((name) =>
    sumOf(samples, `tailrace_store_${name}`),
  );
  expect(values).toEqual([20, 40, 5, 2_000]);
  expect(sumOf(samples, 'tailrace_store_state', { state: 'full' })).toBe(1);
  expect(sumOf(samples, 'tailrace_store_state')).toBe(1);
  expect(sumOf(samples, 'tailrace_open_streams')).toBe(7);
  expect(sumOf(samples, 'tailrace_open_readers', { protocol: 'sse' })).toBe(7);
  expect(sumOf(samples, 'tailrace_reader_lag_records_max')).toBe(4);
});

test('what several servers have in common is counted once, and what each has is summed', async () => {
  const metrics = new Metrics();
  const recent = () => [{ outcome: 'taken', token: true, count: 2 }] as const;
  const shared = {
    ...{ memory: { usedBytes: 1, limitBytes: 8 }, connections: () => 5, recentSenders: recent },
    received: () => new Map([['basin', new Map<Signal, number>([['logs', 9_000]])]]),
  };
  metrics.watch({ ...IDLE_SOURCES, ...shared, lastBackup: () => 3_000 });
  metrics.watch({ ...IDLE_SOURCES, ...shared, lastBackup: () => undefined });
  const values = async () => {
    const samples = await read(metrics);
    return ['memory_limit_bytes', 'open_connections', 'recent_senders', 'last_backup_timestamp_seconds'].map((name) =>
      sumOf(samples, `tailrace_${name}`),
    );
  };
  expect(await values()).toEqual([8, 5, 2, 3]);
  metrics.watch({ ...IDLE_SOURCES, ...shared, memory: { ...shared.memory }, recentSenders: () => recent() });
  expect(await values()).toEqual([16, 5, 4, 3]);
  const received = 'tailrace_otlp_last_received_timestamp_seconds';
  expect((await read(metrics)).filter(({ name }) => name === received).map(({ value }) => value)).toEqual([9]);
});

test('a server that ends takes its gauges along, and what it counted stays', async () => {
  const metrics = new Metrics();
  const unwatch = metrics.watch(sourcesOf(3));
  metrics.watch(sourcesOf(4));
  metrics.appended(undefined, 's2', 5, 50);
  unwatch();
  const samples = await read(metrics);
  expect(sumOf(samples, 'tailrace_open_streams')).toBe(4);
  expect(sumOf(samples, 'tailrace_appended_records_total')).toBe(5);
});

test('metrics that are added after a scrape are in the next one, in the place of those of their names', async () => {
  const metrics = new Metrics();
  const gauge = (value: number): ScrapedMetric[] => {
    return [{ type: 'gauge', name: 'late', help: 'Comes late.', labels: [], read: () => unlabelled(value) }];
  };
  await read(metrics);
  metrics.add(gauge(1));
  expect(sumOf(await read(metrics), 'late')).toBe(1);
  metrics.add(gauge(2));
  expect(sumOf(await read(metrics), 'late')).toBe(2);
});
