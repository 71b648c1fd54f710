/** Quantiles of a histogram, as far as its buckets tell: where in a bucket a value lies is not known. */

import { fields, listOf, someNumber } from './printable.ts';

interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

type HistogramPoint = Readonly<Record<string, unknown>>;

/** The value below which that share of all values lies; undefined without buckets or values in them. */
export function estimateQuantile(point: HistogramPoint, quantile: number): number | undefined {
  const [min, max] = [someNumber(point.min), someNumber(point.max)];
  const buckets = Array.isArray(point.explicitBounds) ? explicitBuckets(point, min, max) : exponentialBuckets(point);
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  let rest = total * quantile;
  for (const { from, to, count } of buckets) {
    if (count > 0 && rest <= count) {
      const value = from + ((to - from) * rest) / count;
      return Math.min(max ?? value, Math.max(min ?? value, value));
    }
    rest -= count;
  }
  return undefined;
}

/** One more count than bounds; a single bucket says nothing. */
function explicitBuckets(point: HistogramPoint, min: number | undefined, max: number | undefined): readonly Bucket[] {
  const bounds = listOf(point.explicitBounds).map((bound) => someNumber(bound) ?? 0);
  const counts = listOf(point.bucketCounts).map((count) => someNumber(count) ?? 0);
  if (bounds.length === 0 || counts.length !== bounds.length + 1) return [];
  return counts.map((count, i) => {
    const [below, above] = [bounds[i - 1], bounds[i]];
    const from = below ?? min ?? Math.min(0, above ?? 0);
    return { from, to: above ?? max ?? from, count };
  });
}

/** Bounds grow by the base 2^(2^-scale); the negative ones come first, largest first. */
function exponentialBuckets(point: HistogramPoint): readonly Bucket[] {
  const base = 2 ** (2 ** -(someNumber(point.scale) ?? 0));
  const side = (value: unknown): readonly Bucket[] => {
    const { offset, bucketCounts } = fields(value);
    const first = someNumber(offset) ?? 0;
    return listOf(bucketCounts).map((count, i) => ({
      from: base ** (first + i),
      to: base ** (first + i + 1),
      count: someNumber(count) ?? 0,
    }));
  };
  const negative = side(point.negative).map(({ from, to, count }) => ({ from: -to, to: -from, count }));
  const threshold = someNumber(point.zeroThreshold) ?? 0;
  const zero = { from: -threshold, to: threshold, count: someNumber(point.zeroCount) ?? 0 };
  return [...negative.toReversed(), zero, ...side(point.positive)];
}
