/** S2's usage metrics, typed. */

import { type Checks, checkOptions, expectText, expectWholeNumber, oneOf, optional } from '../model/arguments.ts';
import { USAGE_INTERVALS, type UsageInterval, type UsagePoint } from '../model/usage.ts';
import { callApi, objectIn, segment } from './calls.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

/** One element of a response: exactly one of the keys is there. Seconds are Unix seconds. */
export interface UsageMetric {
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

export interface MetricsRequestOptions {
  /** Such as `append-ops`; which ones there are depends on the level. */
  readonly set: string;
  /** Unix seconds, both included. */
  readonly start: number;
  readonly end: number;
  readonly interval?: UsageInterval | undefined;
  /** Without a basin: usage of the whole account. */
  readonly basin?: string | undefined;
  /** Without a stream: usage of the basin. */
  readonly stream?: string | undefined;
  readonly signal?: RequestOptions['signal'];
}

const CHECKS: Checks<MetricsRequestOptions> = {
  ...REQUEST_CHECKS,
  set: expectText,
  start: expectWholeNumber,
  end: expectWholeNumber,
  interval: optional(oneOf(USAGE_INTERVALS)),
  stream: optional(expectText),
};

/**
 * Fetches a set of metrics. A basin or stream that does not exist has none.
 * @throws TailraceError `bad_query` for an unknown set, `invalid` for a range that is not served
 */
export async function fetchMetrics(
  target: ServerTarget,
  options: MetricsRequestOptions,
): Promise<readonly UsageMetric[]> {
  checkOptions(options, 'options', CHECKS, ['set', 'start', 'end']);
  const { set, start, end, interval, basin, stream, signal } = options;
  const names = [basin, stream].filter((name) => name !== undefined);
  const path = ['/v1/metrics', ...names.map((name) => segment(name, 'the name of a basin or stream'))].join('/');
  const query = new URLSearchParams({ set, start: String(start), end: String(end) });
  if (interval !== undefined) query.set('interval', interval);
  const { json } = await callApi(target, { method: 'GET', path, query, signal });
  const { values } = objectIn(json, `GET ${path}`);
  return Array.isArray(values) ? (values as UsageMetric[]) : [];
}
