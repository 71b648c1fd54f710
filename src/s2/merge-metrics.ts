/** Answers of several partitions about the whole account, as one answer. */

import type { UsagePoint } from '../model/usage.ts';
import type { MetricJson } from './metrics-query.ts';

/**
 * Names of all of them, and the sums by name and time. Those of one kind are in the order of their names.
 */
export function mergeMetrics(answers: readonly (readonly MetricJson[])[]): readonly MetricJson[] {
  const merged = new Map<string, MetricJson>();
  for (const metric of answers.flat()) {
    const id = idOf(metric);
    const known = merged.get(id);
    merged.set(id, known === undefined ? metric : together(known, metric));
  }
  return [...merged].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, metric]) => metric);
}

function idOf(metric: MetricJson): string {
  if ('label' in metric) return `label ${metric.label.name}`;
  if ('gauge' in metric) return `gauge ${metric.gauge.name}`;
  return `accumulation ${metric.accumulation.name}`;
}

function together(one: MetricJson, other: MetricJson): MetricJson {
  if ('label' in one && 'label' in other) {
    const values = new Set([...one.label.values, ...other.label.values]);
    return { label: { ...one.label, values: [...values].sort() } };
  }
  if ('gauge' in one && 'gauge' in other) {
    return { gauge: { ...one.gauge, values: sums(one.gauge.values, other.gauge.values) } };
  }
  if ('accumulation' in one && 'accumulation' in other) {
    const { accumulation } = one;
    return { accumulation: { ...accumulation, values: sums(accumulation.values, other.accumulation.values) } };
  }
  return one;
}

/** In the order of their times. */
function sums(one: readonly UsagePoint[], other: readonly UsagePoint[]): readonly UsagePoint[] {
  const sum = new Map(one);
  for (const [second, value] of other) sum.set(second, value + (sum.get(second) ?? 0));
  return [...sum].sort(([a], [b]) => a - b);
}
