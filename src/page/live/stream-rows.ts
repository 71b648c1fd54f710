/**
 * All rows of one stream by sequence number: its list stands for the whole stream, since positions have no holes. Pages are
 * loaded where one looks, and let go far from there.
 */

import { type ListedRow, type ListSource, type SourceEvents, trimmedText } from '../rows/list-source.ts';
import { PackedRows } from '../rows/packed-rows.ts';
import { ParsedRows } from '../rows/parse-rows.ts';
import type { RowBatch } from '../wire/many-socket.ts';
import type { Row } from '../wire/rows.ts';
import { type ReadScope, readPage } from './page-reads.ts';

const BYTES_MAX = 64_000_000;
const PAGE_ROWS = 300;
/** Rows of one part; a live one grows to it. */
const PART_ROWS = 1_000;

interface StreamPart {
  /** Rows have consecutive numbers from there. */
  readonly first: number;
  readonly packed: PackedRows;
}

export class StreamRows implements ListSource {
  readonly #scope: ReadScope;
  readonly #stream: string;
  readonly #events: SourceEvents;
  readonly #parsed = new ParsedRows();
  readonly #rules = new Map<number, string>();
  /** By their first number, without overlaps. */
  #parts: StreamPart[] = [];
  #bytes = 0;
  #start = 0;
  #end = 0;
  /** What was asked for last, and whether a read is under way. */
  #wanted: { readonly from: number; readonly to: number } = { from: 0, to: 0 };
  #isLoading = false;
  #isBegun = false;

  constructor(scope: ReadScope, stream: string, events: SourceEvents) {
    this.#scope = scope;
    this.#stream = stream;
    this.#events = events;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  get isLoading(): boolean {
    return !this.#isBegun || this.#isLoading;
  }

  get isAtStart(): boolean {
    return true;
  }

  /** The position that a time has: of the first record at or after it. */
  async seqNumAt(time: number): Promise<number> {
    const page = await readPage(this.#scope, this.#stream, { timestamp: time, count: 1, clamp: true });
    return page.rows[0]?.seqNum ?? page.nextSeqNum ?? this.#end;
  }

  /** `tail` is where the socket begins. The last rows come first. */
  async begin(tail: number): Promise<void> {
    this.#end = Math.max(this.#end, tail);
    this.#start = this.#end;
    if (tail > 0) {
      const [oldest] = (await readPage(this.#scope, this.#stream, { seq_num: 0, count: 1 })).rows;
      this.#start = oldest?.seqNum ?? tail;
      if (this.#start > 0) this.#rules.set(this.#start, trimmedText(0, this.#start));
    }
    this.#isBegun = true;
    this.#events.changed();
  }

  rowAt(id: number): ListedRow | undefined {
    const part = this.#parts[this.#partOf(id)];
    const packed = part?.packed.row(id - part.first);
    const row = packed === undefined ? undefined : this.#parsed.row(packed);
    return row === undefined ? undefined : { stream: this.#stream, row };
  }

  ruleAt(id: number): string | undefined {
    return this.#rules.get(id);
  }

  findError(id: number, step: 1 | -1): number | undefined {
    const edge = this.#edgeFrom(id, step);
    for (let each = id + step; step === 1 ? each < edge : each >= edge; each += step) {
      const part = this.#parts[this.#partOf(each)];
      if (part?.packed.isError(each - part.first) === true) return each;
    }
    return undefined;
  }

  positionsBeyond(id: number, step: 1 | -1): ReadonlyMap<string, number> {
    const edge = this.#edgeFrom(id, step);
    const hasMore = step === 1 ? edge < this.#end : edge > this.#start;
    return hasMore ? new Map([[this.#stream, edge]]) : new Map();
  }

  /** Where loaded rows end that follow (1) or precede (-1) an id without a hole. */
  #edgeFrom(id: number, step: 1 | -1): number {
    let edge = step === 1 ? id + 1 : id;
    for (;;) {
      const seqNum = step === 1 ? edge : edge - 1;
      const part = this.#parts[this.#partOf(seqNum)];
      if (part === undefined || seqNum < part.first || seqNum >= part.first + part.packed.count) return edge;
      edge = step === 1 ? part.first + part.packed.count : part.first;
    }
  }

  idOf(_stream: string, seqNum: number): number | undefined {
    return seqNum >= this.#start && seqNum < this.#end ? seqNum : undefined;
  }

  timeAt(id: number): number | undefined {
    const part = this.#parts[this.#partOf(id)];
    return part?.packed.row(id - part.first)?.time;
  }

  take(batch: RowBatch): void {
    this.#end = batch.next;
    this.#add(batch.text, batch.rows);
  }

  gap(from: number, to: number): void {
    this.#start = to;
    this.#end = Math.max(this.#end, to);
    this.#rules.set(to, trimmedText(from, to));
  }

  want(from: number, to: number): void {
    this.#wanted = { from: Math.max(this.#start, from), to: Math.min(this.#end, to) };
    if (this.#isBegun && !this.#isLoading && this.#missing() !== undefined) void this.#load();
  }

  async #load(): Promise<void> {
    this.#isLoading = true;
    try {
      for (let missing = this.#missing(); missing !== undefined; missing = this.#missing()) {
        const from = { seq_num: missing.from, count: missing.to - missing.from };
        const { rows, text } = await readPage(this.#scope, this.#stream, from);
        const [first] = rows;
        if (first === undefined || first.seqNum > missing.from) this.#moveStart(first?.seqNum ?? missing.to);
        if (rows.length > 0) this.#add(text, rows);
        this.#events.changed();
      }
    } catch (thrown) {
      if (!this.#scope.signal.aborted) this.#events.failed(thrown);
    }
    this.#isLoading = false;
  }

  /** Records before it were trimmed since the list began. */
  #moveStart(start: number): void {
    if (start <= this.#start) return;
    this.#rules.set(start, trimmedText(this.#start, start));
    this.#start = start;
  }

  /** The first hole in what is wanted, with a page of what is around it. */
  #missing(): { readonly from: number; readonly to: number } | undefined {
    const { from, to } = this.#wanted;
    for (let seqNum = Math.max(from, this.#start); seqNum < to; ) {
      const part = this.#parts[this.#partOf(seqNum)];
      if (part === undefined || seqNum < part.first || seqNum >= part.first + part.packed.count) {
        const before = part === undefined || part.first > seqNum ? this.#start : part.first + part.packed.count;
        const after = this.#parts.find(({ first }) => first > seqNum)?.first ?? this.#end;
        const start = Math.max(before, Math.min(seqNum, to - PAGE_ROWS));
        return { from: start, to: Math.min(after, start + PAGE_ROWS) };
      }
      seqNum = part.first + part.packed.count;
    }
    return undefined;
  }

  /** Rows that are there already are left out. */
  #add(text: string, rows: readonly Row[]): void {
    const [row] = rows;
    if (row === undefined) return;
    const at = this.#partOf(row.seqNum);
    const before = this.#parts[at];
    const end = before === undefined || before.first > row.seqNum ? row.seqNum : before.first + before.packed.count;
    const skip = Math.max(0, end - row.seqNum);
    const after = this.#parts.find(({ first }) => first > row.seqNum)?.first ?? Number.POSITIVE_INFINITY;
    const kept = rows.slice(skip, after === Number.POSITIVE_INFINITY ? undefined : after - row.seqNum);
    if (kept.length === 0) return;
    const source = { stream: this.#stream, text };
    const isNext = before !== undefined && before.first + before.packed.count === row.seqNum + skip;
    const part =
      isNext && before.packed.count + kept.length <= PART_ROWS
        ? before
        : { first: row.seqNum + skip, packed: new PackedRows() };
    const bytes = part.packed.bytes;
    part.packed.append(source, kept, skip);
    this.#bytes += part.packed.bytes - bytes;
    if (part !== before) {
      this.#parts.push(part);
      this.#parts.sort((a, b) => a.first - b.first);
    }
    this.#letGo();
  }

  /** The part that is farthest from what is looked at. */
  #letGo(): void {
    const middle = (this.#wanted.from + this.#wanted.to) / 2;
    while (this.#bytes > BYTES_MAX && this.#parts.length > 1) {
      const [first, last] = [this.#parts[0], this.#parts.at(-1)];
      const isFirst = middle - (first?.first ?? 0) > (last?.first ?? 0) - middle;
      const gone = isFirst ? this.#parts.shift() : this.#parts.pop();
      this.#bytes -= gone?.packed.bytes ?? 0;
    }
  }

  /** The last part that begins at or before a number, else the first. */
  #partOf(seqNum: number): number {
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#parts[middle]?.first ?? 0) <= seqNum) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
