/** Usage metrics of S2 (§8), typed. */

export { METRIC_SETS, type MetricLevel } from '../s2/metrics.ts';

import type { UsageInterval, UsagePoint } from '../model/usage.ts';
import { type CallOptions, callApi, objectIn, type Target } from './calls.ts';

/** One element of an answer: exactly one of the keys is there. Seconds are Unix seconds. */
export interface Metric {
  readonly label?: { readonly name: string; readonly values: readonly string[] };
  readonly scalar?: { readonly name: string; readonly unit: string; readonly value: number };
  readonly gauge?: { readonly name: string; readonly unit: string; readonly values: readonly UsagePoint[] };
  readonly accumulation?: {
    readonly name: string;
    readonly unit: string;
    readonly interval: UsageInterval;
    readonly values: readonly UsagePoint[];
  };
}

export interface MetricsOptions {
  /** Such as `append-ops`; which ones there are depends on the level. */
  readonly set: string;
  /** Unix seconds, both included. */
  readonly start: number;
  readonly end: number;
  readonly interval?: UsageInterval | undefined;
  /** Without one: of the whole account. */
  readonly basin?: string | undefined;
  /** Without one: of the basin. */
  readonly stream?: string | undefined;
  readonly signal?: CallOptions['signal'];
}

/**
 * Asks for a set of metrics. What does not exist has none.
 * @throws TailraceError `bad_query` for an unknown set, `invalid` for a range that is not served
 */
export async function fetchMetrics(target: Target, options: MetricsOptions): Promise<readonly Metric[]> {
  const { set, start, end, interval, basin, stream, signal } = options;
  const names = [basin, stream].filter((name) => name !== undefined);
  const path = ['/v1/metrics', ...names.map(encodeURIComponent)].join('/');
  const query = new URLSearchParams({ set, start: String(start), end: String(end) });
  if (interval !== undefined) query.set('interval', interval);
  const { json } = await callApi(target, { method: 'GET', path, query, signal });
  const { values } = objectIn(json, `GET ${path}`);
  return Array.isArray(values) ? (values as Metric[]) : [];
}
