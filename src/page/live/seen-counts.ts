/** What came lately of each stream and service: rates for sparklines, errors, totals. Counted as it comes, never parsed again. */

import { isErrorRow } from '../rows/packed-rows.ts';
import { pairsOf } from '../rows/summary.ts';
import type { RowBatch } from '../wire/many-socket.ts';
import type { Row } from '../wire/rows.ts';

/** One bar of a sparkline. */
const BIN_MS = 3_000;
export const BINS = 20;
/** Names beyond are not counted one by one. */
const NAMES_MAX = 2_000;
/** Of each batch, for suggestions. */
const ROWS_LOOKED_AT = 2;
const KEYS_MAX = 300;
const VALUES_MAX = 40;
const VALUE_CHARS_MAX = 80;

export class NameCount {
  total = 0;
  errors = 0;
  readonly #bins = new Float64Array(BINS);
  #bin = 0;

  add(now: number, isError: boolean): void {
    this.total++;
    if (isError) this.errors++;
    this.#turn(now);
    const at = this.#bin % BINS;
    this.#bins[at] = (this.#bins[at] ?? 0) + 1;
  }

  /** The oldest first. */
  bins(now: number): readonly number[] {
    this.#turn(now);
    return Array.from({ length: BINS }, (_, i) => this.#bins[(this.#bin + 1 + i) % BINS] ?? 0);
  }

  /** Of the last half minute, without the bar that grows. */
  perSecond(now: number): number {
    const bins = this.bins(now).slice(BINS - 11, BINS - 1);
    return bins.reduce((sum, each) => sum + each, 0) / ((bins.length * BIN_MS) / 1_000);
  }

  #turn(now: number): void {
    const bin = Math.floor(now / BIN_MS);
    if (bin - this.#bin >= BINS) this.#bins.fill(0);
    else for (let each = this.#bin + 1; each <= bin; each++) this.#bins[each % BINS] = 0;
    this.#bin = Math.max(bin, this.#bin);
  }
}

export class SeenCounts {
  readonly streams = new Map<string, NameCount>();
  readonly services = new Map<string, NameCount>();
  /** Values by the field of a filter, in the order in which they were seen. */
  readonly values = new Map<string, Set<string>>();

  /** Makes a stream known that has sent nothing yet. */
  know(stream: string): void {
    countOf(this.streams, stream);
  }

  take({ stream, rows }: RowBatch, now: number): void {
    const ofStream = countOf(this.streams, stream);
    for (const row of rows) {
      const isError = isErrorRow(row);
      ofStream?.add(now, isError);
      if (row.serviceName !== undefined) countOf(this.services, row.serviceName)?.add(now, isError);
    }
    for (const row of rows.slice(-ROWS_LOOKED_AT)) this.learn(row);
  }

  /** Keys and values to suggest. */
  learn(row: Row): void {
    this.#see('service', row.serviceName);
    this.#see('name', row.type);
    for (const { field, value } of pairsOf(row.metadata ?? {}, 'attr')) this.#see(field, value);
    for (const { field, value } of pairsOf(row.resource ?? {}, 'resource')) this.#see(field, value);
    for (const [name, value] of row.headers ?? []) this.#see(`header.${name}`, value);
  }

  #see(field: string, value: string | undefined): void {
    if (value === undefined || value.length > VALUE_CHARS_MAX) return;
    const known = this.values.get(field);
    if (known !== undefined) {
      if (known.size < VALUES_MAX) known.add(value);
    } else if (this.values.size < KEYS_MAX) this.values.set(field, new Set([value]));
  }
}

function countOf(counts: Map<string, NameCount>, name: string): NameCount | undefined {
  const known = counts.get(name);
  if (known !== undefined || counts.size >= NAMES_MAX) return known;
  const made = new NameCount();
  counts.set(name, made);
  return made;
}
