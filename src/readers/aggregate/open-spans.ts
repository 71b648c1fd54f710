/**
 * Spans that are stored twice, first open (without an end), then closed: each counts once, as it was closed. An open one is
 * kept until its closed record comes, or the end. What is kept is bounded: of too many open ones the oldest is counted, and
 * an open record counts that comes when many others were closed after its own.
 */

import type { FilterNumber } from '../../model/filter.ts';
import { AGGREGATE_CLOSED_SPANS, AGGREGATE_OPEN_SPANS_MAX } from '../../model/limits.ts';
import type { Extracted } from '../../otlp/extract/item-reader.ts';

const KEPT_BYTES = 256;

/** Takes what counts. */
type CountRow = (timestamp: number, names: ArrayLike<number>, value: FilterNumber | undefined) => void;

interface KeptSpan {
  readonly timestamp: number;
  readonly names: readonly number[];
  readonly value: FilterNumber | undefined;
}

export class OpenSpans {
  readonly #count: CountRow;
  readonly #open = new Map<string, KeptSpan>();
  /** The ids of spans that were closed lately, each at one place only: a later one takes it over. */
  #closed: Int32Array | undefined;

  constructor(count: CountRow) {
    this.#count = count;
  }

  get heldBytes(): number {
    return this.#open.size * KEPT_BYTES + (this.#closed?.byteLength ?? 0);
  }

  /** Counts a row, now or later. */
  see(timestamp: number, row: Extracted): void {
    if (row.span === 'open') {
      this.#keep(timestamp, row);
      return;
    }
    if (row.span === 'closed') this.#close(row);
    this.#count(timestamp, row.names, row.value);
  }

  /** Counts all that were never closed. */
  end(): void {
    for (const { timestamp, names, value } of this.#open.values()) this.#count(timestamp, names, value);
    this.#open.clear();
  }

  /** The last open record of a span counts. */
  #keep(timestamp: number, row: Extracted): void {
    const { spanHigh, spanLow } = row;
    const place = placeOf(spanHigh, spanLow);
    if (this.#closed?.[place] === spanHigh && this.#closed[place + 1] === spanLow) return;
    const key = `${spanHigh} ${spanLow}`;
    this.#open.delete(key);
    this.#open.set(key, { timestamp, names: Array.from(row.names), value: row.value });
    if (this.#open.size <= AGGREGATE_OPEN_SPANS_MAX) return;
    for (const [oldest, kept] of this.#open) {
      this.#open.delete(oldest);
      this.#count(kept.timestamp, kept.names, kept.value);
      return;
    }
  }

  #close({ spanHigh, spanLow }: Extracted): void {
    this.#closed ??= new Int32Array(2 * AGGREGATE_CLOSED_SPANS);
    const place = placeOf(spanHigh, spanLow);
    this.#closed[place] = spanHigh;
    this.#closed[place + 1] = spanLow;
    if (this.#open.size > 0) this.#open.delete(`${spanHigh} ${spanLow}`);
  }
}

/** Ids that senders count up are spread too. */
function placeOf(high: number, low: number): number {
  const mixed = Math.imul(high ^ Math.imul(low, 0x9e3779b1), 0x85ebca6b);
  return 2 * ((mixed >>> 12) & (AGGREGATE_CLOSED_SPANS - 1));
}
