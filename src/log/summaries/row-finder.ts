/** Finds the rows of one stream about its blocks, for one read, which goes forwards or backwards. */

import type { Engine, Entry } from '../../storage/engine.ts';
import {
  type KeyRange,
  readSummaryRowKey,
  readTraceRowKey,
  summaryRowRange,
  traceRowRange,
} from '../../storage/keys.ts';
import { type SummaryRow, summaryRowIn } from '../../storage/summary-rows.ts';
import { type TraceRow, traceRowIn } from '../../storage/trace-rows.ts';
import type { OpenStream } from '../stream.ts';

/** Asks that rows be made of the blocks from a position on, or that a damaged one be made anew. */
export type WantRows = (stream: OpenStream, from: number, isDamaged: boolean) => void;

/** A row about the blocks of some records. */
interface BlocksRow {
  readonly firstSeq: number;
  /** The sequence number after the last of them. */
  readonly end: number;
}

/** Where rows are, and how they are read. */
export interface BlocksRowKind<Row extends BlocksRow> {
  range(stream: number, fromSeq?: number, toSeq?: number): KeyRange;
  firstSeqOf(key: Uint8Array): number;
  /** Undefined for a damaged one. */
  read(entry: Entry): Row | undefined;
}

export const SUMMARY_ROWS: BlocksRowKind<SummaryRow> = {
  range: summaryRowRange,
  firstSeqOf: (key) => readSummaryRowKey(key).firstSeq,
  read: summaryRowIn,
};

export const TRACE_ROWS: BlocksRowKind<TraceRow> = {
  range: traceRowRange,
  firstSeqOf: (key) => readTraceRowKey(key).firstSeq,
  read: traceRowIn,
};

export class RowFinder<Row extends BlocksRow> {
  readonly #engine: Engine;
  readonly #stream: OpenStream;
  readonly #kind: BlocksRowKind<Row>;
  /** Told where a row begins that is damaged. */
  readonly #damagedAt: (firstSeq: number) => void;
  #row: Row | undefined;
  /** Where a look found none: no row is about a block in between. */
  gapFrom = Number.POSITIVE_INFINITY;
  gapEnd = 0;

  constructor(
    engine: Engine,
    stream: OpenStream,
    kind: BlocksRowKind<Row>,
    damagedAt: (firstSeq: number) => void = () => {},
  ) {
    this.#engine = engine;
    this.#stream = stream;
    this.#kind = kind;
    this.#damagedAt = damagedAt;
  }

  /** The row about the block that holds a record; undefined when there is none that is intact, up to `gapEnd`. */
  async at(seqNum: number): Promise<Row | undefined> {
    if (isAbout(this.#row, seqNum)) return this.#row;
    if (seqNum < this.gapEnd) return undefined;
    const { number, durable } = this.#stream;
    const [next] = await this.#engine.scan({ ...this.#kind.range(number, seqNum, durable.nextSeq), limit: 1 });
    const nextSeq = next === undefined ? durable.nextSeq : this.#kind.firstSeqOf(next.key);
    if (next !== undefined && nextSeq === seqNum) {
      this.#row = this.#kind.read(next);
      this.gapEnd = seqNum + 1;
      if (this.#row === undefined) this.#damagedAt(seqNum);
      return this.#row;
    }
    this.gapFrom = await this.#look(seqNum);
    this.gapEnd = nextSeq;
    return this.#row;
  }

  /** As `at`, for a read that goes backwards; when there is none, down to `gapFrom`. */
  async below(seqNum: number): Promise<Row | undefined> {
    if (isAbout(this.#row, seqNum - 1)) return this.#row;
    if (seqNum > this.gapFrom) return undefined;
    this.gapFrom = await this.#look(seqNum - 1);
    return this.#row;
  }

  /** Takes the row that begins at or before a record, if it is about that. Returns where it ends, or would begin. */
  async #look(seqNum: number): Promise<number> {
    const range = this.#kind.range(this.#stream.number, 0, seqNum + 1);
    const [entry] = await this.#engine.scan({ ...range, limit: 1, reverse: true });
    const found = entry === undefined ? undefined : this.#kind.read(entry);
    this.#row = isAbout(found, seqNum) ? found : undefined;
    if (entry === undefined || found !== undefined) return found?.end ?? 0;
    const firstSeq = this.#kind.firstSeqOf(entry.key);
    this.#damagedAt(firstSeq);
    return firstSeq;
  }
}

function isAbout(row: BlocksRow | undefined, seqNum: number): boolean {
  return row !== undefined && row.firstSeq <= seqNum && seqNum < row.end;
}
