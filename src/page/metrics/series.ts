/** Data points of one metric, by series: one for each resource, scope and set of attributes. */

import type { Attributes, Row } from '../wire/rows.ts';
import { type Distribution, distributionOf, numberOf } from './distribution.ts';

export interface MetricInfo {
  readonly name: string;
  readonly kind: string;
  readonly unit: string;
  readonly description: string;
  readonly temporality: string | undefined;
  readonly isMonotonic: boolean;
}

/** Times in milliseconds. */
export interface MetricPoint {
  readonly at: number;
  readonly start: number | undefined;
  readonly value: number | undefined;
  readonly distribution: Distribution | undefined;
  readonly quantiles: readonly (readonly [number, number])[];
}

export interface MetricSeries {
  /** Attributes of the points, and of the resource with `resource.` before them. */
  readonly labels: ReadonlyMap<string, string>;
  /** In the order of time. */
  readonly points: MetricPoint[];
}

/** Beyond it the oldest records are left out, and the screen says so. */
export const POINTS_MAX = 60_000;

/** What is known of one metric; records may come in any order, and twice. */
export class SeriesStore {
  readonly #series = new Map<string, MetricSeries>();
  readonly #seen = new Set<number>();
  #points = 0;
  info: MetricInfo | undefined;
  #infoSeq = -1;

  get points(): number {
    return this.#points;
  }

  series(): readonly MetricSeries[] {
    return [...this.#series.values()];
  }

  add(row: Row): void {
    if (this.#seen.has(row.seqNum)) return;
    this.#seen.add(row.seqNum);
    if (row.seqNum > this.#infoSeq) {
      this.#infoSeq = row.seqNum;
      this.info = infoOf(row);
    }
    const prefix = `${JSON.stringify(row.resource ?? {})}\n${JSON.stringify(row.scope ?? {})}`;
    for (const point of row.dataPoints ?? []) this.#addPoint(row, prefix, point);
  }

  /** Lets go of what is before a time, but for one point of each series: differences begin there. */
  forgetBefore(at: number): void {
    for (const { points } of this.#series.values()) {
      let first = 0;
      while (first + 1 < points.length && (points[first + 1]?.at ?? at) < at) first++;
      points.splice(0, first);
      this.#points -= first;
    }
  }

  #addPoint(row: Row, prefix: string, point: Attributes): void {
    const attributes = attributesOf(point);
    const made = pointOf(point, row);
    if (made === undefined) return;
    const key = `${prefix}\n${JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels: labelsOf(row, attributes), points: [] };
      this.#series.set(key, series);
    }
    insert(series.points, made);
    this.#points++;
  }
}

export function infoOf(row: Row): MetricInfo {
  return {
    name: row.type ?? '',
    kind: row.kind ?? 'unknown',
    unit: row.unit ?? '',
    description: row.description ?? '',
    temporality: row.temporality,
    isMonotonic: row.monotonic === true,
  };
}

/** Of a record with several points: the newest value of its first series; of histograms how many there were. */
export function lastValue(row: Row): number | undefined {
  const point = row.dataPoints?.[0];
  if (point === undefined) return undefined;
  return numberOf(point.value) ?? numberOf(point.count);
}

function pointOf(point: Attributes, row: Row): MetricPoint | undefined {
  if (point.noRecordedValue === true) return undefined;
  const at = timeOf(point.timestamp) ?? Date.parse(row.timestamp);
  if (Number.isNaN(at)) return undefined;
  const value = numberOf(point.value);
  return {
    at,
    start: timeOf(point.startTimestamp),
    value: value === undefined || !Number.isFinite(value) ? undefined : value,
    distribution: distributionOf(point),
    quantiles: quantilesOf(point),
  };
}

function quantilesOf({ quantiles }: Attributes): readonly (readonly [number, number])[] {
  if (!Array.isArray(quantiles)) return [];
  return quantiles.flatMap((one) => {
    const { quantile, value } = one as Attributes;
    const [share, at] = [numberOf(quantile), numberOf(value)];
    return share === undefined || at === undefined ? [] : [[share, at] as const];
  });
}

/** The start of the epoch stands for a time that was not set. */
function timeOf(text: unknown): number | undefined {
  const millis = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  return Number.isNaN(millis) || millis <= 0 ? undefined : millis;
}

function attributesOf(point: Attributes): Attributes {
  const { attributes } = point;
  return typeof attributes === 'object' && attributes !== null && !Array.isArray(attributes)
    ? (attributes as Attributes)
    : {};
}

function labelsOf(row: Row, attributes: Attributes): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [key, value] of Object.entries(attributes)) labels.set(key, textOf(value));
  for (const [key, value] of Object.entries(row.resource ?? {})) labels.set(`resource.${key}`, textOf(value));
  return labels;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Nearly always at the end. */
function insert(points: MetricPoint[], point: MetricPoint): void {
  let at = points.length;
  while (at > 0 && (points[at - 1]?.at ?? 0) > point.at) at--;
  points.splice(at, 0, point);
}
