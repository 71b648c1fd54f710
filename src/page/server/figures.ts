/** Figures of the server from two looks at its metrics: sums, rates, quantiles of histograms. */

import type { MetricLine } from '../wire/server-state.ts';

/** What the metrics were at a time, in milliseconds. */
export interface MetricLook {
  readonly at: number;
  readonly lines: readonly MetricLine[];
}

type Labels = Readonly<Record<string, string>>;

/** The sum over all lines of a name with these labels; undefined where there is none. */
export function sumOf({ lines }: MetricLook, name: string, labels: Labels = {}): number | undefined {
  const found = linesOf(lines, name, labels);
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** Sums by the values of one label, the largest first; those that are 0 are left out. */
export function sumsBy(
  { lines }: MetricLook,
  name: string,
  label: string,
  labels: Labels = {},
): readonly (readonly [string, number])[] {
  const sums = new Map<string, number>();
  for (const { labels: own, value } of linesOf(lines, name, labels)) {
    const key = own[label] ?? '';
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return [...sums].filter(([, sum]) => sum > 0).sort((a, b) => b[1] - a[1]);
}

/** A second, between each look and the one before it; a server that was started again gives none. */
export function ratesOf(looks: readonly MetricLook[], name: string): readonly number[] {
  return looks.flatMap((look, i) => {
    const before = looks[i - 1];
    if (before === undefined || look.at <= before.at) return [];
    const grown = (sumOf(look, name) ?? 0) - (sumOf(before, name) ?? 0);
    return grown < 0 ? [] : [(1_000 * grown) / (look.at - before.at)];
  });
}

/**
 * Of a histogram, what came between two looks, or since the start: the value below which the share `q` is. Between two
 * bounds it is a straight line. Undefined where nothing came.
 */
export function quantileOf(
  look: MetricLook,
  before: MetricLook | undefined,
  name: string,
  q: number,
): number | undefined {
  const earlier = before === undefined ? new Map<number, number>() : bucketsOf(before, name);
  const counts = [...bucketsOf(look, name)]
    .sort(([a], [b]) => a - b)
    .map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)] as const);
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  let [lower, below] = [0, 0];
  for (const [bound, upTo] of counts) {
    if (upTo >= q * total) {
      if (bound === Number.POSITIVE_INFINITY) return lower;
      return lower + ((bound - lower) * (q * total - below)) / Math.max(1, upTo - below);
    }
    [lower, below] = [bound, upTo];
  }
  return lower;
}

function bucketsOf({ lines }: MetricLook, name: string): Map<number, number> {
  const found = linesOf(lines, `${name}_bucket`, {});
  return new Map(
    found.map(({ labels: { le = '' }, value }) => [le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value]),
  );
}

function linesOf(lines: readonly MetricLine[], name: string, labels: Labels): readonly MetricLine[] {
  const wanted = Object.entries(labels);
  return lines.filter((line) => line.name === name && wanted.every(([key, value]) => line.labels[key] === value));
}
