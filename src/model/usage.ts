/** The terms of usage metrics (S2): intervals, ranges and points of a series. */

export const USAGE_INTERVALS = ['minute', 'hour', 'day'] as const;
export type UsageInterval = (typeof USAGE_INTERVALS)[number];

export const INTERVAL_SECONDS: Readonly<Record<UsageInterval, number>> = { minute: 60, hour: 3_600, day: 86_400 };

/** Unix seconds, both inclusive. It includes every bucket that overlaps it. */
export interface UsageRange {
  readonly start: number;
  readonly end: number;
}

/** The start of a bucket, in Unix seconds, and its value. */
export type UsagePoint = readonly [second: number, value: number];

/** The start of the bucket that contains a second. */
export function bucketOf(second: number, bucketSeconds: number): number {
  return second - (second % bucketSeconds);
}

/** The metric sets of each level. */
export const METRIC_SETS = {
  account: ['active-basins', 'account-ops', 'estimated-billable-usage'],
  basin: ['storage', 'append-ops', 'read-ops', 'read-throughput', 'append-throughput', 'basin-ops'],
  stream: ['storage'],
} as const;

export type MetricLevel = keyof typeof METRIC_SETS;
