/** The words of usage metrics (S2 API §8): intervals, ranges and points of a series. */

export const USAGE_INTERVALS = ['minute', 'hour', 'day'] as const;
export type UsageInterval = (typeof USAGE_INTERVALS)[number];

export const INTERVAL_SECONDS: Readonly<Record<UsageInterval, number>> = { minute: 60, hour: 3_600, day: 86_400 };

/** Unix seconds, both included: a bucket belongs to it that has a second in common with it. */
export interface UsageRange {
  readonly start: number;
  readonly end: number;
}

/** When a bucket begins, in Unix seconds, and what is in it. */
export type UsagePoint = readonly [second: number, value: number];

/** When the bucket begins that a second lies in. */
export function bucketOf(second: number, bucketSeconds: number): number {
  return second - (second % bucketSeconds);
}
