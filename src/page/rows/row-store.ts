/** Rows of many streams in the order of the list, packed, between two ends that may grow and be let go. */

import type { Row } from '../wire/rows.ts';
import type { ListedRow } from './list-source.ts';
import { PackedRows, type RowsText, timeOf } from './packed-rows.ts';
import { ParsedRows } from './parse-rows.ts';

/** Rows of one part: what is let go, goes in parts. */
const PART_ROWS = 2_000;

interface Part {
  /** The id of its first row. */
  readonly first: number;
  readonly packed: PackedRows;
}

/** Rows of one stream that were read, in its order. */
export interface ReadRows extends RowsText {
  readonly rows: readonly Row[];
  /** So many rows of the text are before them. */
  readonly skip: number;
}

/** The first sequence number of each stream among rows, and the one behind the last. */
export type SeqRanges = ReadonlyMap<string, { readonly from: number; readonly to: number }>;

export class RowStore {
  readonly #parsed = new ParsedRows();
  #parts: Part[] = [];
  #rows = 0;
  #bytes = 0;

  get start(): number {
    return this.#parts[0]?.first ?? 0;
  }

  get end(): number {
    const last = this.#parts.at(-1);
    return last === undefined ? 0 : last.first + last.packed.count;
  }

  get count(): number {
    return this.#rows;
  }

  /** What the texts take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** At the new end, in the order in which they came. */
  append(source: RowsText, rows: readonly Row[], skip = 0): void {
    if (rows.length === 0) return;
    let last = this.#parts.at(-1);
    if (last === undefined || last.packed.count + rows.length > PART_ROWS) {
      last = { first: this.end, packed: new PackedRows() };
      this.#parts.push(last);
    }
    const before = last.packed.bytes;
    last.packed.append(source, rows, skip);
    this.#bytes += last.packed.bytes - before;
    this.#rows += rows.length;
  }

  /** At the new end, merged by time. */
  appendMerged(pages: readonly ReadRows[]): void {
    const packed = merged(pages);
    if (packed.count > 0) this.#add({ first: this.end, packed }, this.#parts.length);
  }

  /** At the old end, merged by time. */
  prependMerged(pages: readonly ReadRows[]): void {
    const packed = merged(pages);
    if (packed.count > 0) this.#add({ first: this.start - packed.count, packed }, 0);
  }

  #add(part: Part, at: number): void {
    this.#parts.splice(at, 0, part);
    this.#rows += part.packed.count;
    this.#bytes += part.packed.bytes;
  }

  /** Lets the rows at one end go; undefined where it is the only part. */
  dropPart(isOld: boolean): SeqRanges | undefined {
    if (this.#parts.length < 2) return undefined;
    const part = isOld ? this.#parts.shift() : this.#parts.pop();
    if (part === undefined) return undefined;
    this.#rows -= part.packed.count;
    this.#bytes -= part.packed.bytes;
    const ranges = new Map<string, { from: number; to: number }>();
    for (let i = 0; i < part.packed.count; i++) {
      const seqNum = part.packed.seqNum(i);
      const range = ranges.get(part.packed.stream(i));
      if (range === undefined) ranges.set(part.packed.stream(i), { from: seqNum, to: seqNum + 1 });
      else {
        range.from = Math.min(range.from, seqNum);
        range.to = Math.max(range.to, seqNum + 1);
      }
    }
    return ranges;
  }

  rowAt(id: number): ListedRow | undefined {
    const part = this.#parts[this.#partOf(id)];
    const packed = part?.packed.row(id - part.first);
    const row = packed === undefined ? undefined : this.#parsed.row(packed);
    return packed === undefined || row === undefined ? undefined : { stream: packed.source.stream, row };
  }

  findError(id: number, step: 1 | -1): number | undefined {
    for (let p = this.#partOf(id + step); p >= 0 && p < this.#parts.length; p += step) {
      const part = this.#parts[p];
      if (part === undefined) return undefined;
      const { first, packed } = part;
      const from = step === 1 ? Math.max(0, id + 1 - first) : Math.min(packed.count - 1, id - 1 - first);
      for (let i = from; i >= 0 && i < packed.count; i += step) if (packed.isError(i)) return first + i;
    }
    return undefined;
  }

  idOf(stream: string, seqNum: number): number | undefined {
    for (const { first, packed } of this.#parts.toReversed()) {
      for (let i = packed.count - 1; i >= 0; i--) {
        if (packed.seqNum(i) === seqNum && packed.stream(i) === stream) return first + i;
      }
    }
    return undefined;
  }

  /** The milliseconds of a row, without parsing it. */
  timeAt(id: number): number | undefined {
    const part = this.#parts[this.#partOf(id)];
    return part?.packed.row(id - part.first)?.time;
  }

  /** Which part has an id; the nearest for one beyond an end. */
  #partOf(id: number): number {
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#parts[middle]?.first ?? 0) <= id) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** By time; within a stream its order stays, also where its times go back. */
function merged(pages: readonly ReadRows[]): PackedRows {
  const packed = new PackedRows();
  const heads = pages
    .filter(({ rows }) => rows.length > 0)
    .map((page) => ({ page, text: packed.addText({ stream: page.stream, text: page.text }), at: 0 }));
  for (;;) {
    let next: (typeof heads)[number] | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const head of heads) {
      const row = head.page.rows[head.at];
      const time = row === undefined ? Number.POSITIVE_INFINITY : timeOf(row);
      if (row !== undefined && (next === undefined || time < least)) {
        next = head;
        least = time;
      }
    }
    const row = next?.page.rows[next.at];
    if (next === undefined || row === undefined) return packed;
    packed.addRow(next.text, next.page.skip + next.at++, row);
  }
}
