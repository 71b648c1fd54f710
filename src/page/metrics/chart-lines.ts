/**
 * What the chart draws of a metric: lines over equal steps of time. A cumulative sum becomes a rate, a delta what came in
 * each step, a histogram its quantiles; what is measured at a moment stays as it is until the next measurement.
 */

import { type Cell, cellsOf, type Distribution, quantile, since } from './distribution.ts';
import type { MetricInfo, MetricPoint, MetricSeries } from './series.ts';

export type ChartMode = 'value' | 'rate' | 'delta' | 'quantiles' | 'summary';

export interface ChartLine {
  readonly label: string;
  /** Of which quantile; undefined for others. */
  readonly share: number | undefined;
  /** One for each step; null where nothing is known. */
  readonly values: readonly (number | null)[];
}

export interface ChartLines {
  readonly mode: ChartMode;
  /** The end of each step, in milliseconds. */
  readonly times: readonly number[];
  readonly stepMs: number;
  readonly lines: readonly ChartLine[];
  /** Groups that are not drawn, since there are too many. */
  readonly left: number;
}

export interface ChartRange {
  readonly from: number;
  readonly to: number;
}

export const GROUPS_MAX = 12;
const STEPS_MAX = 240;
/** How long a single point stands: exporters send once a minute. */
const UNKNOWN_MS = 90_000;
const SHARES = [0.5, 0.99];
const NICE_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400];

export function modeOf({ kind, temporality, isMonotonic }: MetricInfo): ChartMode {
  if (kind === 'summary') return 'summary';
  if (kind === 'histogram' || kind === 'exponentialHistogram') return 'quantiles';
  if (kind === 'sum' && temporality === 'delta') return 'delta';
  return kind === 'sum' && isMonotonic ? 'rate' : 'value';
}

/** `by`: the labels that tell groups apart; what is in one group is added up, or of gauges the mean. */
export function chartLines(
  info: MetricInfo,
  series: readonly MetricSeries[],
  by: readonly string[],
  { from, to }: ChartRange,
): ChartLines {
  const mode = modeOf(info);
  const intervalMs = intervalOf(series);
  const stepMs = stepOf(to - from, intervalMs);
  const first = Math.floor(from / stepMs) * stepMs;
  const count = Math.max(1, Math.ceil((to - first) / stepMs));
  const steps: Steps = {
    first,
    stepMs,
    count,
    staleMs: Math.max(stepMs, 2.5 * intervalMs, intervalMs === 0 ? UNKNOWN_MS : 0),
  };
  const groups = groupsOf(series, by);
  const made = [...groups].map(([label, members]) => ({ label, lines: linesOf(mode, info, members, steps) }));
  const known = made.filter(({ lines }) => lines.some(({ values }) => values.some((value) => value !== null)));
  const drawn = known
    .sort((a, b) => weightOf(b.lines) - weightOf(a.lines))
    .slice(0, GROUPS_MAX)
    .sort((a, b) => (a.label < b.label ? -1 : 1));
  return {
    mode,
    times: Array.from({ length: count }, (_, i) => first + (i + 1) * stepMs),
    stepMs,
    lines: drawn.flatMap(({ label, lines }) => lines.map((line) => ({ label, ...line }))),
    left: known.length - drawn.length,
  };
}

interface Steps {
  readonly first: number;
  readonly stepMs: number;
  readonly count: number;
  /** So long a measurement stands for what comes after it. */
  readonly staleMs: number;
}

type BareLine = Omit<ChartLine, 'label'>;

function linesOf(
  mode: ChartMode,
  info: MetricInfo,
  members: readonly MetricSeries[],
  steps: Steps,
): readonly BareLine[] {
  if (mode === 'rate' || mode === 'delta') return [addedLine(mode, members, steps)];
  if (mode === 'quantiles') return quantileLines(info, members, steps);
  if (mode === 'summary') return summaryLines(members, steps);
  return [
    { share: undefined, values: heldValues(members, steps, ({ value }) => value, info.kind === 'gauge' ? mean : sum) },
  ];
}

/** The usual time between two points of a series: the median of some. */
export function intervalOf(series: readonly MetricSeries[]): number {
  const gaps: number[] = [];
  for (const { points } of series) {
    for (let i = Math.max(1, points.length - 50); i < points.length && gaps.length < 500; i++) {
      gaps.push((points[i]?.at ?? 0) - (points[i - 1]?.at ?? 0));
    }
  }
  gaps.sort((a, b) => a - b);
  return gaps[Math.floor(gaps.length / 2)] ?? 0;
}

/** No shorter than the time between points: otherwise most steps would hold nothing. */
function stepOf(rangeMs: number, intervalMs: number): number {
  const wanted = Math.max(rangeMs / STEPS_MAX, Math.min(intervalMs, rangeMs / 4)) * 0.95;
  return 1_000 * (NICE_S.find((seconds) => seconds * 1_000 >= wanted) ?? 86_400);
}

function groupsOf(
  series: readonly MetricSeries[],
  by: readonly string[],
): ReadonlyMap<string, readonly MetricSeries[]> {
  const groups = new Map<string, MetricSeries[]>();
  for (const one of series) {
    const label = by.map((key) => one.labels.get(key) ?? 'none').join(' · ');
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [one]);
    else group.push(one);
  }
  return groups;
}

function weightOf(lines: readonly BareLine[]): number {
  let most = 0;
  for (const { values } of lines) for (const value of values) most = Math.max(most, Math.abs(value ?? 0));
  return most;
}

/** What came in each step; of cumulative sums for each second of it. Steps of which only a part is known show nothing. */
function addedLine(mode: 'rate' | 'delta', members: readonly MetricSeries[], steps: Steps): BareLine {
  const { first, stepMs, count } = steps;
  const added = new Array<number | null>(count).fill(null);
  let [knownFrom, knownTo] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { points } of members) {
    eachIncrease(mode === 'delta', first, points, numberIncrease, (value, from, to) => {
      knownFrom = Math.min(knownFrom, from);
      knownTo = Math.max(knownTo, to);
      spread(steps, from, to, (step, part) => {
        added[step] = (added[step] ?? 0) + value * part;
      });
    });
  }
  // What came less long than two steps is shown as it is.
  if (knownTo - knownFrom > 2 * stepMs) {
    const partFirst = Math.floor((knownFrom - first) / stepMs);
    const partLast = Math.ceil((knownTo - first) / stepMs) - 1;
    if (mode === 'rate' && partFirst >= 0 && first + partFirst * stepMs < knownFrom) added[partFirst] = null;
    if (first + (partLast + 1) * stepMs > knownTo && partLast < count) added[partLast] = null;
  }
  const seconds = mode === 'delta' ? 1 : stepMs / 1_000;
  return { share: undefined, values: added.map((sum) => (sum === null ? null : sum / seconds)) };
}

function quantileLines(info: MetricInfo, members: readonly MetricSeries[], steps: Steps): readonly BareLine[] {
  const cells = Array.from({ length: steps.count }, () => new Map<string, Cell>());
  for (const { points } of members) {
    eachIncrease(
      info.temporality !== 'cumulative',
      steps.first,
      points,
      distributionIncrease,
      (distribution, from, to) => {
        const came = cellsOf(distribution);
        spread(steps, from, to, (step, part) => {
          const into = cells[step];
          if (into !== undefined) for (const cell of came) addCell(into, cell, part);
        });
      },
    );
  }
  return SHARES.map((share) => ({ share, values: cells.map((some) => quantile([...some.values()], share) ?? null) }));
}

function addCell(into: Map<string, Cell>, { low, high, count }: Cell, part: number): void {
  const key = `${low} ${high}`;
  into.set(key, { low, high, count: (into.get(key)?.count ?? 0) + count * part });
}

/** Quantiles of several series cannot be added up: the greatest stands for all. */
function summaryLines(members: readonly MetricSeries[], steps: Steps): readonly BareLine[] {
  const shares = new Set<number>();
  for (const { points } of members) for (const [share] of points.at(-1)?.quantiles ?? []) shares.add(share);
  return [...shares]
    .sort((a, b) => a - b)
    .map((share) => ({
      share,
      values: heldValues(members, steps, ({ quantiles }) => quantiles.find(([one]) => one === share)?.[1], greatest),
    }));
}

/** The last measurement of each series at the end of each step, as long as it is fresh. */
function heldValues(
  members: readonly MetricSeries[],
  { first, stepMs, count, staleMs }: Steps,
  pick: (point: MetricPoint) => number | undefined,
  together: (values: readonly number[]) => number,
): readonly (number | null)[] {
  const next = members.map(() => 0);
  return Array.from({ length: count }, (_, step) => {
    const end = first + (step + 1) * stepMs;
    const values: number[] = [];
    for (const [i, { points }] of members.entries()) {
      let at = next[i] ?? 0;
      while (at < points.length && (points[at]?.at ?? end) <= end) at++;
      next[i] = at;
      const point = points[at - 1];
      const value = point === undefined || end - point.at > staleMs ? undefined : pick(point);
      if (value !== undefined) values.push(value);
    }
    return values.length === 0 ? null : together(values);
  });
}

/**
 * What a series grew by between its points. A cumulative one that began anew counts from its new start; the first point of
 * one that began before all that is shown says nothing about when it grew.
 */
function eachIncrease<T>(
  isDelta: boolean,
  shownFrom: number,
  points: readonly MetricPoint[],
  increase: Increase<T>,
  tell: (value: T, from: number, to: number) => void,
): void {
  for (const [i, point] of points.entries()) {
    const whole = increase.whole(point);
    if (whole === undefined) continue;
    const before = points[i - 1];
    const start = point.start !== undefined && point.start < point.at ? point.start : undefined;
    if (isDelta) {
      tell(whole, start ?? before?.at ?? point.at, point.at);
      continue;
    }
    // Its start says that it is the same count going on.
    const isSame = before !== undefined && before.start === point.start;
    const grown = isSame ? increase.between(before, point) : undefined;
    if (before !== undefined && grown !== undefined) tell(grown, before.at, point.at);
    else if (start !== undefined && start >= (before?.at ?? shownFrom)) tell(whole, start, point.at);
    else if (before !== undefined) tell(whole, before.at, point.at);
  }
}

interface Increase<T> {
  whole(point: MetricPoint): T | undefined;
  /** Undefined when it went back. */
  between(earlier: MetricPoint, later: MetricPoint): T | undefined;
}

const numberIncrease: Increase<number> = {
  whole: ({ value }) => value,
  between: (earlier, later) => {
    const grown = (later.value ?? 0) - (earlier.value ?? 0);
    return grown < 0 ? undefined : grown;
  },
};

const distributionIncrease: Increase<Distribution> = {
  whole: ({ distribution }) => distribution,
  between: ({ distribution: earlier }, { distribution: later }) =>
    earlier === undefined || later === undefined ? undefined : since(earlier, later),
};

/** Evenly over the steps that a length of time touches; all of it into one step when it has none. */
function spread(
  { first, stepMs, count }: Steps,
  from: number,
  to: number,
  add: (step: number, part: number) => void,
): void {
  if (to <= from) {
    const step = Math.ceil((to - first) / stepMs) - 1;
    if (step >= 0 && step < count) add(step, 1);
    return;
  }
  const begin = Math.max(0, Math.floor((from - first) / stepMs));
  for (let step = begin; step < count; step++) {
    const low = first + step * stepMs;
    if (low >= to) break;
    const part = Math.min(to, low + stepMs) - Math.max(from, low);
    if (part > 0) add(step, part / (to - from));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function greatest(values: readonly number[]): number {
  return Math.max(...values);
}
