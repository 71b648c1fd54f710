/** What the server says about itself: whether it is ready, its metrics, its usage over time, and who sent last. */

import { call, request, segment, WireError } from './call.ts';
import type { SendersPage } from './senders.ts';

export interface Readiness {
  readonly status: 'ready' | 'draining';
  /** `ok`, or why the store takes no writes: `full`, `read_only`. */
  readonly writes: string;
}

/** One line of `/metrics`: its name, labels and value. */
export interface MetricLine {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A count or a size for each of the times, which are Unix seconds. */
export interface UsageCounts {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly (readonly [second: number, value: number])[];
}

interface UsageValues {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly (readonly [number, number])[];
}

/** Senders that sent last, enough to see what the user has just tried. */
const LAST_SENDERS = 50;

/** Also while the server is stopping, when it answers 503. */
export async function readiness(signal?: AbortSignal): Promise<Readiness> {
  try {
    return await call<Readiness>('/readyz', within(signal));
  } catch (thrown) {
    if (thrown instanceof WireError && thrown.status === 503) return { status: 'draining', writes: 'ok' };
    throw thrown;
  }
}

/** The metrics that Prometheus scrapes; needs `account-metrics`. */
export async function serverMetrics(signal?: AbortSignal): Promise<readonly MetricLine[]> {
  const response = await request('/metrics', { accept: 'text/plain', ...within(signal) });
  return parseMetrics(await response.text());
}

/** The samples of Prometheus' text format; comments and what is not understood are left out. */
export function parseMetrics(text: string): readonly MetricLine[] {
  const lines: MetricLine[] = [];
  for (const line of text.split('\n')) {
    const [, name, labels = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line) ?? [];
    if (name !== undefined) lines.push({ name, labels: labelsOf(labels), value: numberOf(value) });
  }
  return lines;
}

/** Usage of a basin, or of the account without one, in steps of an hour. Times are Unix seconds. */
export async function usage(
  where: { readonly basin?: string; readonly set: string; readonly start: number; readonly end: number },
  signal?: AbortSignal,
): Promise<readonly UsageCounts[]> {
  const { basin, ...query } = where;
  const path = basin === undefined ? '/v1/metrics' : `/v1/metrics/${segment(basin)}`;
  const options = { query: { ...query, interval: 'hour' }, ...within(signal) };
  const { values } = await call<{ readonly values: readonly Readonly<Record<string, UsageValues>>[] }>(path, options);
  return values.flatMap(({ accumulation, gauge }) => {
    const series = accumulation ?? gauge;
    return series === undefined ? [] : [{ name: series.name, unit: series.unit, points: series.values }];
  });
}

/** Those that sent last come first. Without a basin those of all, and those that send to none. */
export function lastSenders(basin: string | undefined, signal?: AbortSignal): Promise<SendersPage> {
  const path = basin === undefined ? '/v1/senders' : `/v1/senders/${segment(basin)}`;
  return call<SendersPage>(path, { query: { limit: LAST_SENDERS }, ...within(signal) });
}

function within(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value.replace(/\\(.)/g, unescaped)]));
}

function unescaped(_all: string, letter: string): string {
  return letter === 'n' ? '\n' : letter;
}

function numberOf(text: string): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}
