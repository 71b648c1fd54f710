/**
 * Proof that nothing is missing: sequence numbers have no holes, so what came after a lost connection must begin where the
 * last record before it ended, in every stream.
 */

import { countText } from '../parts/time.ts';
import type { RowBatch } from '../wire/many-socket.ts';

interface SeqRange {
  readonly from: number;
  to: number;
}

export class Continuity {
  /** The next expected number of each stream. */
  readonly #next = new Map<string, number>();
  /** With a filter positions move over records that are not wanted: only their order can be checked. */
  readonly #isFiltered: boolean;
  /** What came since the connection was lost. */
  #since: Map<string, SeqRange> | undefined;
  #trimmed = 0;
  #missing = 0;

  constructor(isFiltered: boolean) {
    this.#isFiltered = isFiltered;
  }

  /** Where a stream begins, or begins again as another one of that name. */
  begin(stream: string, seqNum: number): void {
    const known = this.#next.get(stream);
    // A connection that goes on says where: that must be where the last one ended.
    if (known !== undefined && seqNum > known) this.#missing += seqNum - known;
    this.#next.set(stream, seqNum);
  }

  take({ stream, rows, next }: RowBatch): void {
    const expected = this.#next.get(stream) ?? next - rows.length;
    const first = rows[0]?.seqNum ?? next;
    if (!this.#isFiltered && (first !== expected || next - expected !== rows.length)) {
      this.#missing += Math.max(0, next - expected - rows.length);
    }
    this.#move(stream, expected, next);
  }

  pass(stream: string, next: number): void {
    this.#move(stream, this.#next.get(stream) ?? next, next);
  }

  gap(stream: string, from: number, to: number): void {
    this.#trimmed += to - from;
    this.#next.set(stream, to);
  }

  leave(stream: string): void {
    this.#next.delete(stream);
  }

  lost(): void {
    this.#since ??= new Map();
  }

  /** Everything that came meanwhile is there: what to say of it. */
  reconnected(): string {
    const ranges = [...(this.#since ?? [])].filter(([, { from, to }]) => to > from);
    const records = ranges.reduce((sum, [, { from, to }]) => sum + to - from, 0);
    this.#since = undefined;
    const places = ranges.map(
      ([stream, { from, to }]) => `${ranges.length > 1 ? `${stream} ` : ''}${rangeText(from, to)}`,
    );
    const few = places.length > 3 ? `${countText(records)} records of ${places.length} streams` : places.join(', ');
    const where = records === 0 ? 'no record came meanwhile' : few;
    if (this.#missing > 0)
      return `reconnected, ${countText(this.#missing)} records are missing (${where}): load the page again`;
    if (this.#trimmed > 0) {
      const trimmed = this.#trimmed;
      this.#trimmed = 0;
      return `reconnected; ${countText(trimmed)} records were trimmed away before they were read (${where})`;
    }
    return `reconnected, nothing missing (${where})`;
  }

  #move(stream: string, from: number, next: number): void {
    this.#next.set(stream, next);
    if (this.#since === undefined) return;
    const range = this.#since.get(stream);
    if (range === undefined) this.#since.set(stream, { from, to: next });
    else range.to = next;
  }
}

function rangeText(from: number, to: number): string {
  return to - from === 1 ? `#${from}` : `#${from}–#${to - 1}`;
}
