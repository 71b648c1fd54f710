/** Calls for usage metrics: their queries, parsed and checked, and the JSON of their responses. */

import type { QueryNames } from '../encoding/known-names.ts';
import { TailraceError } from '../model/error.ts';
import { USAGE_AHEAD_SECONDS_MAX, USAGE_RANGE_SECONDS_MAX } from '../model/limits.ts';
import {
  METRIC_SETS,
  type MetricLevel,
  USAGE_INTERVALS,
  type UsageInterval,
  type UsagePoint,
  type UsageRange,
} from '../model/usage.ts';

export type MetricSet<L extends MetricLevel> = (typeof METRIC_SETS)[L][number];

export interface MetricsQuery<L extends MetricLevel> {
  readonly set: MetricSet<L>;
  readonly range: UsageRange;
  readonly interval: UsageInterval;
}

export type MetricUnit = 'bytes' | 'operations' | 'usd';

/** One element of a response. */
export type MetricJson =
  | { readonly label: { readonly name: string; readonly values: readonly string[] } }
  | {
      readonly accumulation: {
        readonly name: string;
        readonly unit: MetricUnit;
        readonly interval: UsageInterval;
        readonly values: readonly UsagePoint[];
      };
    }
  | { readonly gauge: { readonly name: string; readonly unit: MetricUnit; readonly values: readonly UsagePoint[] } };

const U32_MAX = 2 ** 32 - 1;

/** The query parameters of a call for metrics. */
export const METRICS_PARAMETERS: QueryNames = { once: ['set', 'start', 'end', 'interval'] };

/**
 * @throws TailraceError `bad_query` when it is not a query of this level, `invalid` for a range or an interval that is
 * not served
 */
export function parseMetricsQuery<L extends MetricLevel>(
  params: URLSearchParams,
  level: L,
  nowSecond: number,
): MetricsQuery<L> {
  const set = setNamed(level, single(params, 'set'));
  const start = secondNamed('start', single(params, 'start'));
  const end = secondNamed('end', single(params, 'end'));
  const asked = intervalNamed(single(params, 'interval'));
  const range = rangeOf(start, end, nowSecond);
  const only = level === 'stream' ? 'minute' : 'hour';
  if (set === 'storage' && (asked ?? only) !== only) {
    throw invalid(`storage of a ${level} has a point for each ${only}: interval must be ${only}, or left out`);
  }
  if (set === 'estimated-billable-usage' && asked === 'minute') {
    throw invalid('estimated-billable-usage is by hour or day, not by minute');
  }
  return { set, range, interval: asked ?? (set === 'storage' ? only : 'hour') };
}

export function labelJson(name: string, values: readonly string[]): MetricJson {
  return { label: { name, values } };
}

export function accumulationJson(
  name: string,
  unit: MetricUnit,
  interval: UsageInterval,
  values: readonly UsagePoint[] = [],
): MetricJson {
  return { accumulation: { name, unit, interval, values } };
}

/** A gauge of metered bytes, with S2's name for it. */
export function storageJson(values: readonly UsagePoint[]): MetricJson {
  return { gauge: { name: 'metered_size', unit: 'bytes', values } };
}

/** The body of a response. */
export function metricsResponse(values: readonly MetricJson[]): string {
  return JSON.stringify({ values });
}

function single(params: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = params.getAll(name);
  if (more.length > 0) throw badQuery(`the query parameter "${name}" is there twice`);
  return value;
}

function setNamed<L extends MetricLevel>(level: L, given: string | undefined): MetricSet<L> {
  const sets: readonly MetricSet<L>[] = METRIC_SETS[level];
  const found = sets.find((set) => set === given);
  if (found !== undefined) return found;
  const what = given === undefined ? 'missing field `set`' : `unknown set ${JSON.stringify(given.slice(0, 100))}`;
  throw badQuery(`${what}: expected one of ${sets.join(', ')}`);
}

function secondNamed(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const second = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
  if (second <= U32_MAX) return second;
  throw badQuery(`${name} must be whole Unix seconds, at most ${U32_MAX}`);
}

function intervalNamed(given: string | undefined): UsageInterval | undefined {
  if (given === undefined) return undefined;
  const found = USAGE_INTERVALS.find((interval) => interval === given);
  if (found !== undefined) return found;
  throw badQuery(`unknown interval ${JSON.stringify(given.slice(0, 100))}: expected ${USAGE_INTERVALS.join(', ')}`);
}

function rangeOf(start: number | undefined, end: number | undefined, nowSecond: number): UsageRange {
  if (start === undefined || end === undefined) throw invalid('start and end params required');
  if (start > end) throw invalid('start must not be after end');
  if (end > nowSecond + USAGE_AHEAD_SECONDS_MAX) throw invalid('end must not be in the future');
  if (end - start > USAGE_RANGE_SECONDS_MAX) throw invalid('the time range must not exceed 90 days');
  return { start, end };
}

function badQuery(message: string): TailraceError {
  return new TailraceError('bad_query', message);
}

function invalid(message: string): TailraceError {
  return new TailraceError('invalid', message);
}
