/** What the chart of the page draws of metrics: rates, increases, quantiles of buckets, groups. */

import { expect, test } from '@jest/globals';
import { chartLines, GROUPS_MAX, intervalOf } from '../../src/page/metrics/chart-lines.ts';
import { cellsOf, distributionOf, quantile, since } from '../../src/page/metrics/distribution.ts';
import { SeriesStore } from '../../src/page/metrics/series.ts';
import type { Attributes, Row } from '../../src/page/wire/rows.ts';

const MINUTE = 60_000;
const BEGIN = Date.parse('2026-11-30T10:00:00Z');

type Fields = Partial<Row> & { readonly dataPoints: readonly Attributes[] };

function point(at: number, fields: Attributes, attributes: Attributes = {}, start?: number): Attributes {
  const started = start === undefined ? {} : { startTimestamp: new Date(start).toISOString() };
  return { timestamp: new Date(at).toISOString(), ...started, attributes, ...fields };
}

function storeOf(...all: readonly Fields[]): SeriesStore {
  const store = new SeriesStore();
  for (const [seqNum, fields] of all.entries()) {
    store.add({ seqNum, timestamp: new Date(BEGIN).toISOString(), signal: 'metrics', type: 'm', ...fields });
  }
  return store;
}

function draw(store: SeriesStore, by: readonly string[] = [], lengthMs = 10 * MINUTE) {
  if (store.info === undefined) throw new Error('the store has no record');
  return chartLines(store.info, store.series(), by, { from: BEGIN, to: BEGIN + lengthMs });
}

const CUMULATIVE = { kind: 'sum', temporality: 'cumulative', monotonic: true } as const;
/** Values of the steps in which something is known. */
const known = (values: readonly (number | null)[]): readonly number[] => values.filter((value) => value !== null);

test('a cumulative sum is drawn as what it grows by each second', () => {
  const points = Array.from({ length: 10 }, (_, i) => ({
    ...CUMULATIVE,
    dataPoints: [point(BEGIN + i * MINUTE, { value: 600 * i })],
  }));
  const { mode, stepMs, lines } = draw(storeOf(...points));
  expect([mode, stepMs]).toEqual(['rate', MINUTE]);
  expect(new Set(known(lines[0]?.values ?? []).map((rate) => Math.round(rate)))).toEqual(new Set([10]));
});

test('a cumulative sum that begins anew counts from its new start, and is never less than nothing', () => {
  const start = BEGIN - 1;
  const again = BEGIN + 2.5 * MINUTE;
  const store = storeOf(
    { ...CUMULATIVE, dataPoints: [point(BEGIN + MINUTE, { value: 1_000 }, {}, start)] },
    { ...CUMULATIVE, dataPoints: [point(BEGIN + 2 * MINUTE, { value: 1_060 }, {}, start)] },
    { ...CUMULATIVE, dataPoints: [point(BEGIN + 3 * MINUTE, { value: 30 }, {}, again)] },
    { ...CUMULATIVE, dataPoints: [point(BEGIN + 4 * MINUTE, { value: 90 }, {}, again)] },
  );
  const { lines, stepMs } = draw(store, [], 5 * MINUTE);
  const rates = known(lines[0]?.values ?? []);
  expect(Math.min(...rates)).toBeGreaterThan(0);
  // What came before the first point is not known; afterwards 60, 30 and 60.
  expect(Math.round(rates.reduce((sum, rate) => sum + (rate * stepMs) / 1_000, 0))).toBe(150);
});

test('a sum of deltas is drawn as what came in each step, and 64-bit integers that are texts count', () => {
  const store = storeOf(
    ...[1, 2, 3].map((i) => ({
      ...{ kind: 'sum', temporality: 'delta', monotonic: true },
      dataPoints: [point(BEGIN + i * MINUTE, { value: '7' }, {}, BEGIN + (i - 1) * MINUTE)],
    })),
  );
  const { mode, lines } = draw(store, [], 3 * MINUTE);
  expect(mode).toBe('delta');
  expect(known(lines[0]?.values ?? [])).toEqual([7, 7, 7]);
});

test('a gauge stays as it was measured until it is stale, and the mean stands for several', () => {
  const store = storeOf(
    ...[0, 1, 2].map((i) => ({
      kind: 'gauge',
      dataPoints: [
        point(BEGIN + i * MINUTE, { value: 10 }, { host: 'a' }),
        point(BEGIN + i * MINUTE, { value: 30 }, { host: 'b' }),
      ],
    })),
  );
  const together = known(draw(store).lines[0]?.values ?? []);
  expect(new Set(together)).toEqual(new Set([20]));
  expect(together.length).toBeLessThan(8);
  const split = draw(store, ['host']);
  expect(split.lines.map(({ label }) => label)).toEqual(['a', 'b']);
});

test('records that come twice and in any order draw the same', () => {
  const rows = [3, 1, 2, 0].map((i) => ({ ...CUMULATIVE, dataPoints: [point(BEGIN + i * MINUTE, { value: 60 * i })] }));
  const store = storeOf(...rows);
  store.add({ seqNum: 0, timestamp: new Date(BEGIN).toISOString(), signal: 'metrics', type: 'm', ...rows[0] });
  expect(store.points).toBe(4);
  expect(intervalOf(store.series())).toBe(MINUTE);
  expect(new Set(known(draw(store).lines[0]?.values ?? []).map(Math.round))).toEqual(new Set([1]));
});

test('quantiles of explicit buckets lie in the bucket that holds them', () => {
  const buckets = distributionOf({ bucketCounts: ['0', 90, 10, 0], explicitBounds: [10, 20, 40] });
  const cells = buckets === undefined ? [] : cellsOf(buckets);
  expect(quantile(cells, 0.5)).toBeCloseTo(10 + (10 * 50) / 90, 6);
  expect(quantile(cells, 0.99)).toBeCloseTo(20 + 20 * 0.9, 6);
  expect(quantile([], 0.5)).toBeUndefined();
});

test('open ends of buckets end at the least and the greatest value', () => {
  const buckets = distributionOf({ bucketCounts: [10, 0, 10], explicitBounds: [10, 20], min: 4, max: 36 });
  const cells = buckets === undefined ? [] : cellsOf(buckets);
  expect(quantile(cells, 0)).toBe(4);
  expect(quantile(cells, 1)).toBe(36);
});

test('quantiles of exponential buckets are within the width of a bucket, also between two scales', () => {
  const scale = 3;
  const counts = new Array<number>(200).fill(0);
  for (let value = 1; value <= 1_000; value++) {
    const index = Math.max(0, Math.ceil(Math.log2(value) * 2 ** scale) - 1);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  const later = distributionOf({ scale, positive: { offset: 0, bucketCounts: counts } });
  const earlier = distributionOf({ scale: scale - 1, positive: { offset: 0, bucketCounts: [] } });
  if (later === undefined || earlier === undefined) throw new Error('no distribution');
  const width = 2 ** (2 ** -(scale - 1));
  for (const share of [0.5, 0.9, 0.99]) {
    const found = quantile(cellsOf(since(earlier, later) ?? later), share) ?? 0;
    expect(found / (1_000 * share)).toBeGreaterThan(1 / width);
    expect(found / (1_000 * share)).toBeLessThan(width);
  }
});

test('a cumulative histogram is drawn by what came in each step, not by all since its start', () => {
  const histogram = (at: number, counts: readonly number[]): Fields => ({
    ...{ kind: 'histogram', temporality: 'cumulative' },
    dataPoints: [point(at, { bucketCounts: counts, explicitBounds: [1, 2] }, {}, BEGIN - MINUTE)],
  });
  const store = storeOf(
    histogram(BEGIN + MINUTE, [1_000, 0, 0]),
    histogram(BEGIN + 2 * MINUTE, [1_000, 10, 0]),
    histogram(BEGIN + 3 * MINUTE, [1_000, 20, 0]),
  );
  const { lines } = draw(store, [], 3 * MINUTE);
  expect(lines.map(({ share }) => share)).toEqual([0.5, 0.99]);
  for (const value of known(lines[0]?.values ?? [])) expect(value).toBeGreaterThan(1);
});

test('a summary has the quantiles that its sender made', () => {
  const quantiles = [
    { quantile: 0.5, value: 12 },
    { quantile: 0.9, value: 30 },
  ];
  const store = storeOf({ kind: 'summary', dataPoints: [point(BEGIN + MINUTE, { count: 3, quantiles })] });
  const { mode, lines } = draw(store, [], 5 * MINUTE);
  expect([mode, lines.map(({ share }) => share)]).toEqual(['summary', [0.5, 0.9]]);
});

test('of many groups those with the greatest values are drawn, and how many are not is known', () => {
  const dataPoints = Array.from({ length: 40 }, (_, i) => point(BEGIN + MINUTE, { value: i }, { id: `g${i}` }));
  const { lines, left } = draw(storeOf({ kind: 'gauge', dataPoints }), ['id'], 5 * MINUTE);
  expect([lines.length, left]).toEqual([GROUPS_MAX, 40 - GROUPS_MAX]);
  expect(lines.map(({ label }) => label)).toContain('g39');
  expect(lines.map(({ label }) => label)).not.toContain('g0');
});

test('what is before the shown time goes, but for the point at which differences begin', () => {
  const store = storeOf(
    ...[0, 1, 2, 3].map((i) => ({ ...CUMULATIVE, dataPoints: [point(BEGIN + i * MINUTE, { value: i })] })),
  );
  store.forgetBefore(BEGIN + 2.5 * MINUTE);
  expect(store.series()[0]?.points.map(({ at }) => at - BEGIN)).toEqual([2 * MINUTE, 3 * MINUTE]);
  expect(store.points).toBe(2);
});

test('a point without a recorded value draws nothing', () => {
  expect(storeOf({ kind: 'gauge', dataPoints: [point(BEGIN, { noRecordedValue: true })] }).points).toBe(0);
});

test('a cumulative sum that goes back without a new start counts from nothing', () => {
  const values = [100, 160, 30, 90];
  const store = storeOf(
    ...values.map((value, i) => ({ ...CUMULATIVE, dataPoints: [point(BEGIN + i * MINUTE, { value })] })),
  );
  const { lines, stepMs } = draw(store, [], 4 * MINUTE);
  const rates = known(lines[0]?.values ?? []);
  expect(Math.round(rates.reduce((sum, rate) => sum + (rate * stepMs) / 1_000, 0))).toBe(150);
});
