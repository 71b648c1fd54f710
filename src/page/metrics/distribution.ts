/**
 * Histograms of OpenTelemetry as cells of values: what came between two points, cells of several series together, and
 * quantiles. Explicit and exponential buckets are alike once they are cells.
 */

import type { Attributes, Json } from '../wire/rows.ts';

/** Values above `low`, up to `high`. */
export interface Cell {
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

interface Explicit {
  readonly type: 'explicit';
  readonly bounds: readonly number[];
  /** One more than bounds. */
  readonly counts: readonly number[];
  readonly min: number | undefined;
  readonly max: number | undefined;
}

interface Exponential {
  readonly type: 'exponential';
  readonly scale: number;
  readonly zero: number;
  readonly zeroThreshold: number;
  /** Counts by index; bucket i holds values in (base^i, base^(i+1)], with base = 2^(2^-scale). */
  readonly positive: ReadonlyMap<number, number>;
  readonly negative: ReadonlyMap<number, number>;
}

export type Distribution = Explicit | Exponential;

/** Of a data point as rows have it; undefined for what is no histogram, or has no buckets. */
export function distributionOf(point: Attributes): Distribution | undefined {
  if (Array.isArray(point.bucketCounts) && Array.isArray(point.explicitBounds)) {
    const counts = numbersOf(point.bucketCounts);
    const bounds = numbersOf(point.explicitBounds);
    if (counts.length !== bounds.length + 1) return undefined;
    return { type: 'explicit', bounds, counts, min: numberOf(point.min), max: numberOf(point.max) };
  }
  const scale = numberOf(point.scale);
  if (scale === undefined) return undefined;
  return {
    type: 'exponential',
    scale,
    zero: numberOf(point.zeroCount) ?? 0,
    zeroThreshold: numberOf(point.zeroThreshold) ?? 0,
    positive: indexed(point.positive),
    negative: indexed(point.negative),
  };
}

/** 64-bit integers, NaN and infinities come as texts. */
export function numberOf(value: Json | undefined): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value === '') return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

function numbersOf(values: readonly Json[]): readonly number[] {
  return values.map((value) => numberOf(value) ?? 0);
}

function indexed(buckets: Json | undefined): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  if (typeof buckets !== 'object' || buckets === null || Array.isArray(buckets)) return found;
  const { offset, bucketCounts } = buckets as { readonly offset?: Json; readonly bucketCounts?: Json };
  if (!Array.isArray(bucketCounts)) return found;
  const first = numberOf(offset) ?? 0;
  for (const [i, count] of numbersOf(bucketCounts).entries()) if (count > 0) found.set(first + i, count);
  return found;
}

/** What came between two points of a cumulative series; undefined when it began anew in between. */
export function since(earlier: Distribution, later: Distribution): Distribution | undefined {
  if (earlier.type === 'explicit' && later.type === 'explicit') return sinceExplicit(earlier, later);
  if (earlier.type !== 'exponential' || later.type !== 'exponential') return undefined;
  const scale = Math.min(earlier.scale, later.scale);
  const [a, b] = [coarser(earlier, scale), coarser(later, scale)];
  const positive = sinceIndexed(a.positive, b.positive);
  const negative = sinceIndexed(a.negative, b.negative);
  if (positive === undefined || negative === undefined || b.zero < a.zero) return undefined;
  return { ...b, zero: b.zero - a.zero, positive, negative };
}

function sinceExplicit(earlier: Explicit, later: Explicit): Explicit | undefined {
  const isAlike =
    earlier.bounds.length === later.bounds.length && later.bounds.every((bound, i) => bound === earlier.bounds[i]);
  if (!isAlike) return undefined;
  const counts = later.counts.map((count, i) => count - (earlier.counts[i] ?? 0));
  return counts.some((count) => count < 0) ? undefined : { ...later, counts };
}

function sinceIndexed(
  earlier: ReadonlyMap<number, number>,
  later: ReadonlyMap<number, number>,
): ReadonlyMap<number, number> | undefined {
  const found = new Map(later);
  for (const [index, count] of earlier) {
    const left = (later.get(index) ?? 0) - count;
    if (left < 0) return undefined;
    found.set(index, left);
  }
  return found;
}

/** One step down halves the number of buckets: two neighbours become one. */
function coarser(distribution: Exponential, scale: number): Exponential {
  const shift = 2 ** (distribution.scale - scale);
  if (shift === 1) return distribution;
  const merge = (buckets: ReadonlyMap<number, number>): ReadonlyMap<number, number> => {
    const merged = new Map<number, number>();
    for (const [index, count] of buckets) {
      const at = Math.floor(index / shift);
      merged.set(at, (merged.get(at) ?? 0) + count);
    }
    return merged;
  };
  const { positive, negative } = distribution;
  return { ...distribution, scale, positive: merge(positive), negative: merge(negative) };
}

/** Without those that hold nothing. */
export function cellsOf(distribution: Distribution): readonly Cell[] {
  const cells = distribution.type === 'explicit' ? explicitCells(distribution) : exponentialCells(distribution);
  return cells.filter(({ count }) => count > 0);
}

/** No value is beyond the least and the greatest, so a bucket is no wider than these let it be. */
function explicitCells({ bounds, counts, min, max }: Explicit): readonly Cell[] {
  return counts.map((count, i) => {
    const [below, above] = [bounds[i - 1], bounds[i]];
    const high = above ?? Math.max(below ?? Number.NEGATIVE_INFINITY, max ?? below ?? 0);
    const low = below ?? Math.min(above ?? high, min ?? Math.min(0, high));
    const [cutLow, cutHigh] = [Math.max(low, min ?? low), Math.min(high, max ?? high)];
    return cutLow <= cutHigh ? { low: cutLow, high: cutHigh, count } : { low, high, count };
  });
}

function exponentialCells({ scale, zero, zeroThreshold, positive, negative }: Exponential): readonly Cell[] {
  const at = (index: number): number => 2 ** (index * 2 ** -scale);
  return [
    ...[...negative].map(([i, count]) => ({ low: -at(i + 1), high: -at(i), count })),
    { low: -zeroThreshold, high: zeroThreshold, count: zero },
    ...[...positive].map(([i, count]) => ({ low: at(i), high: at(i + 1), count })),
  ];
}

/** The value below which a share of all lies, evenly spread within its cell; undefined where there is none. */
export function quantile(cells: readonly Cell[], share: number): number | undefined {
  let total = 0;
  for (const { count } of cells) total += count;
  if (total <= 0) return undefined;
  const ordered = [...cells].sort((a, b) => a.high - b.high || a.low - b.low);
  const wanted = share * total;
  let passed = 0;
  for (const { low, high, count } of ordered) {
    if (passed + count >= wanted && count > 0) return low + (high - low) * Math.max(0, (wanted - passed) / count);
    passed += count;
  }
  return ordered.at(-1)?.high;
}
