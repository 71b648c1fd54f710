/** Finds the rows of summaries of one stream for one read, which goes forwards or backwards. */

import type { Engine } from '../../storage/engine.ts';
import { readSummaryRowKey, summaryRowRange } from '../../storage/keys.ts';
import { type SummaryRow, summaryRowIn } from '../../storage/summary-rows.ts';
import type { OpenStream } from '../stream.ts';

/** Asks that rows be made of the blocks from a position on, or that a damaged one be made anew. */
export type WantRows = (stream: OpenStream, from: number, isDamaged: boolean) => void;

export class RowFinder {
  readonly #engine: Engine;
  readonly #stream: OpenStream;
  readonly #wantRows: WantRows;
  #row: SummaryRow | undefined;
  /** Where a look found none: no row is about a block in between. */
  gapFrom = Number.POSITIVE_INFINITY;
  gapEnd = 0;

  constructor(engine: Engine, stream: OpenStream, wantRows: WantRows) {
    this.#engine = engine;
    this.#stream = stream;
    this.#wantRows = wantRows;
  }

  /** The row about the block that holds a record; undefined when there is none that is intact, up to `gapEnd`. */
  async at(seqNum: number): Promise<SummaryRow | undefined> {
    if (this.#row?.indexOf(seqNum) !== undefined) return this.#row;
    if (seqNum < this.gapEnd) return undefined;
    const { number, durable } = this.#stream;
    const [next] = await this.#engine.scan({ ...summaryRowRange(number, seqNum, durable.nextSeq), limit: 1 });
    const nextSeq = next === undefined ? durable.nextSeq : readSummaryRowKey(next.key).firstSeq;
    if (next !== undefined && nextSeq === seqNum) {
      this.#row = summaryRowIn(next);
      this.gapEnd = seqNum + 1;
      if (this.#row === undefined) this.#wantRows(this.#stream, seqNum, true);
      return this.#row;
    }
    this.gapFrom = await this.#look(seqNum);
    this.gapEnd = nextSeq;
    return this.#row;
  }

  /** As `at`, for a read that goes backwards; when there is none, down to `gapFrom`. */
  async below(seqNum: number): Promise<SummaryRow | undefined> {
    if (this.#row?.indexOf(seqNum - 1) !== undefined) return this.#row;
    if (seqNum > this.gapFrom) return undefined;
    this.gapFrom = await this.#look(seqNum - 1);
    return this.#row;
  }

  /** Takes the row that begins at or before a record, if it is about that. Returns where it ends, or would begin. */
  async #look(seqNum: number): Promise<number> {
    const range = summaryRowRange(this.#stream.number, 0, seqNum + 1);
    const [entry] = await this.#engine.scan({ ...range, limit: 1, reverse: true });
    const found = entry === undefined ? undefined : summaryRowIn(entry);
    this.#row = found?.indexOf(seqNum) === undefined ? undefined : found;
    if (entry === undefined || found !== undefined) return found?.end ?? 0;
    const { firstSeq } = readSummaryRowKey(entry.key);
    this.#wantRows(this.#stream, firstSeq, true);
    return firstSeq;
  }
}
