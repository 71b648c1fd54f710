/** Series of points from counts and samples. */

import { bucketOf, type UsagePoint, type UsageRange } from '../model/usage.ts';

/** The counts of the period that begins at a second. */
export interface Counted {
  readonly second: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** One series per counter, summed into buckets; buckets without counts are left out. */
export function accumulate(
  counted: Iterable<Counted>,
  bucketSeconds: number,
): ReadonlyMap<string, readonly UsagePoint[]> {
  const series = new Map<string, Map<number, number>>();
  for (const { second, counts } of counted) {
    const bucket = bucketOf(second, bucketSeconds);
    for (const [name, count] of counts) {
      const buckets = series.get(name) ?? new Map<number, number>();
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + count);
      series.set(name, buckets);
    }
  }
  return new Map([...series].map(([name, buckets]) => [name, [...buckets].sort(([a], [b]) => a - b)]));
}

/**
 * A point for each bucket of a range: the last sample in it, or else the last one before it. There are no points before
 * the first sample, nor after the last bucket that has begun.
 */
export function gauge(
  samples: readonly UsagePoint[],
  { start, end }: UsageRange,
  bucketSeconds: number,
  nowSecond: number,
): UsagePoint[] {
  const points: UsagePoint[] = [];
  const last = bucketOf(Math.min(end, nowSecond), bucketSeconds);
  const first = Math.max(bucketOf(start, bucketSeconds), bucketOf(samples[0]?.[0] ?? nowSecond, bucketSeconds));
  let next = 0;
  let value: number | undefined;
  for (let bucket = first; bucket <= last; bucket += bucketSeconds) {
    for (let sample = samples[next]; sample !== undefined; sample = samples[++next]) {
      if (sample[0] >= bucket + bucketSeconds) break;
      value = sample[1];
    }
    if (value !== undefined) points.push([bucket, value]);
  }
  return points;
}
