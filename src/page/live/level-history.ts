/** Records by level and service over a span of time: what the server counts, and what came since then. */

import { signal } from '@preact/signals';
import { levelsOf, servicesOf, withoutFields } from '../filter/conditions.ts';
import { isLevel } from '../parts/level-names.ts';
import { timeOf } from '../rows/packed-rows.ts';
import { countLevels } from '../wire/level-counts.ts';
import type { RowBatch } from '../wire/many-socket.ts';
import type { Row } from '../wire/rows.ts';
import { listStreams } from '../wire/streams.ts';
import { inTurns } from './page-reads.ts';

export const SPANS = { '5m': 300_000, '15m': 900_000, '1h': 3_600_000, '6h': 21_600_000, '24h': 86_400_000 } as const;
export type SpanName = keyof typeof SPANS;

export const HISTORY_BARS = 60;
/** Counts of more streams at a time would be too much work for the server; what comes live of others counts. */
const STREAMS_COUNTED_MAX = 500;
/** Of so few streams it is no work to ask each, also those without a record in the span. */
const FEW_STREAMS = 8;
const REFRESH_MS = 30_000;
/** Counting takes at most such a part of the time. */
const REFRESH_SHARE = 10;

/** One bar: records by level; `other` has what is no log, or has no level. */
export interface HistoryBar {
  readonly from: number;
  readonly to: number;
  readonly error: number;
  readonly warn: number;
  readonly other: number;
}

type Cells = Map<string, number>;

export class LevelHistory {
  readonly version = signal(0);
  readonly spanMs: number;
  readonly bucketMs: number;
  /** Why the server counted nothing. */
  error: unknown;
  /** So many streams are not counted, or not all of their records are. */
  uncounted = 0;
  readonly #basin: string;
  readonly #filter: string;
  readonly #abort = new AbortController();
  /** By bucket, then by level and service. */
  #buckets = new Map<number, Cells>();
  #streams: () => readonly string[];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStale = false;
  #tick: ReturnType<typeof setTimeout> | undefined;

  constructor(basin: string, filter: string, span: SpanName, streams: () => readonly string[]) {
    this.#basin = basin;
    this.#filter = filter;
    this.#streams = streams;
    this.spanMs = SPANS[span];
    this.bucketMs = this.spanMs / HISTORY_BARS;
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#tick);
  }

  /** Counts now and again and again. Conditions on level and service are left out, so that what they leave out can be chosen. */
  async refresh(): Promise<void> {
    const began = Date.now();
    const buckets = new Map<number, Cells>();
    try {
      await this.#count(this.#bucketOf(began - this.spanMs), buckets);
      this.#buckets = buckets;
      this.error = undefined;
    } catch (thrown) {
      if (this.#abort.signal.aborted) return;
      this.error = thrown;
    }
    this.version.value++;
    clearTimeout(this.#timer);
    const pause = Math.max(REFRESH_MS, (Date.now() - began) * REFRESH_SHARE);
    this.#timer = setTimeout(() => void this.refresh(), pause);
  }

  async #count(since: number, buckets: Map<number, Cells>): Promise<void> {
    const signal = this.#abort.signal;
    const names = await this.#recent(since);
    const counted = names.slice(0, STREAMS_COUNTED_MAX);
    const filter = withoutFields(this.#filter, ['level', 'service']);
    const range = { since, bucketMs: this.bucketMs, filter };
    let uncounted = names.length - counted.length;
    await inTurns(counted, async (stream) => {
      const { counts, isWhole } = await countLevels(this.#basin, stream, range, signal);
      if (!isWhole) uncounted++;
      for (const { time, level, service, count } of counts) addTo(buckets, time, level, service ?? '', count);
    });
    this.uncounted = uncounted;
  }

  /** The streams with records in the span, those with the newest first. */
  async #recent(since: number): Promise<readonly string[]> {
    const names = this.#streams();
    if (names.length <= FEW_STREAMS) return names;
    const listed = await listStreams(this.#basin, '', this.#abort.signal).catch(() => []);
    const times = new Map(listed.map(({ name, figures }) => [name, figures?.last_timestamp]));
    // Where a token may not see the list or the figures nothing is known of a stream: it is counted.
    const timeIn = (name: string): number => {
      const time = times.get(name);
      return time === undefined ? Number.POSITIVE_INFINITY : (time ?? 0);
    };
    return names.filter((name) => timeIn(name) >= since).toSorted((a, b) => timeIn(b) - timeIn(a));
  }

  take({ rows }: RowBatch): void {
    for (const row of rows) this.#add(row);
    if (this.#isStale) return;
    this.#isStale = true;
    this.#tick = setTimeout(() => {
      this.#isStale = false;
      this.version.value++;
    }, 1_000);
  }

  #add(row: Row): void {
    addTo(this.#buckets, this.#bucketOf(timeOf(row)), row.level ?? null, row.serviceName ?? '', 1);
  }

  /** What the filter wants, the oldest first. */
  bars(now: number): readonly HistoryBar[] {
    const levels = levelsOf(this.#filter);
    const services = servicesOf(this.#filter);
    const first = this.#bucketOf(now - this.spanMs + this.bucketMs);
    return Array.from({ length: HISTORY_BARS }, (_, i) => {
      const from = first + i * this.bucketMs;
      const bar = { from, to: from + this.bucketMs, error: 0, warn: 0, other: 0 };
      for (const [cell, count] of this.#buckets.get(from) ?? []) {
        const [level, service] = partsOf(cell);
        if (services.length > 0 && !services.includes(service)) continue;
        if (levels !== undefined && !(isLevel(level) && levels.has(level))) continue;
        if (level === 'error' || level === 'fatal') bar.error += count;
        else if (level === 'warn') bar.warn += count;
        else bar.other += count;
      }
      return bar;
    });
  }

  /** Records of each level, of the services that the filter wants. */
  byLevel(): ReadonlyMap<string, number> {
    const services = servicesOf(this.#filter);
    return this.#sum((level, service) => (services.length === 0 || services.includes(service) ? level : undefined));
  }

  /** Records of each service, and how many of them are errors. */
  byService(): ReadonlyMap<string, number> {
    return this.#sum((_level, service) => (service === '' ? undefined : service));
  }

  errorsByService(): ReadonlyMap<string, number> {
    return this.#sum((level, service) =>
      service !== '' && (level === 'error' || level === 'fatal') ? service : undefined,
    );
  }

  #sum(nameOf: (level: string, service: string) => string | undefined): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    const first = Date.now() - this.spanMs - this.bucketMs;
    for (const [time, cells] of this.#buckets) {
      if (time < first) this.#buckets.delete(time);
      for (const [cell, count] of cells) {
        const name = nameOf(...partsOf(cell));
        if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + count);
      }
    }
    return sums;
  }

  #bucketOf(time: number): number {
    return Math.floor(time / this.bucketMs) * this.bucketMs;
  }
}

function addTo(buckets: Map<number, Cells>, time: number, level: string | null, service: string, count: number): void {
  const cells = buckets.get(time) ?? new Map<string, number>();
  buckets.set(time, cells);
  const cell = `${level ?? ''}\n${service}`;
  cells.set(cell, (cells.get(cell) ?? 0) + count);
}

function partsOf(cell: string): readonly [level: string, service: string] {
  const at = cell.indexOf('\n');
  return [cell.slice(0, at), cell.slice(at + 1)];
}
