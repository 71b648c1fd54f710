/**
 * Passes over stored blocks in which a filter finds nothing, by rows of trace ids where it looks for one trace, by rows of
 * summaries, and by their headers where there is no row or it says that something may be there: their records are neither
 * fetched from the store nor unpacked.
 */

import { goOnWithWork } from '../encoding/turns.ts';
import { SKIP_BLOCK_BYTES, SKIP_PAGE_BLOCKS_MAX, SUMMARY_ROWS_DUE_BLOCKS, YIELD_BYTES } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import { BLOCK_HEADER_BYTES_MAX, type BlockHeader, readBlockHeader } from '../storage/block/block.ts';
import { summaryBytesIn } from '../storage/block/format.ts';
import type { BlockKind } from '../storage/block/seal.ts';
import type { Engine, Entry } from '../storage/engine.ts';
import { blockRange, readBlockKey } from '../storage/keys.ts';
import type { SummaryRow } from '../storage/summary-rows.ts';
import type { OpenStream } from './stream.ts';
import { RowFinder, SUMMARY_ROWS, type WantRows } from './summaries/row-finder.ts';
import { type TracePasser, tracePasser } from './summaries/trace-passer.ts';

/** What is known of the blocks from a position on. */
export interface Glance {
  /** The end of those that are passed over; undefined when the first one is to be read. */
  readonly passed: Position | undefined;
  /** Those before this sequence number are to be read. */
  readonly readUntil: number;
}

/** Whether a block may hold what is wanted, by its kind and the bytes of its summary. */
export type MayWant = (kind: BlockKind, summary: Uint8Array) => boolean;

/** What a filter says of blocks that it has not seen. */
export interface BlockHints {
  readonly mayWant: MayWant;
  /** The hash of the trace id that all wanted records have. */
  readonly traceHash: number | undefined;
}

/** The first look takes a few blocks, since most reads want little; while it pays, each next one more. */
const FIRST_PAGE_BLOCKS = 4;
/** After a look that was of no use, so many times as many records are read without one. */
const BLIND_FACTOR = 4;
const BLIND_RECORDS_MAX = 65_536;

/** Looks ahead for one read. */
export class BlockSkipper {
  readonly #engine: Engine;
  readonly #stream: OpenStream;
  readonly #mayWant: MayWant;
  readonly #wantRows: WantRows;
  readonly #rows: RowFinder<SummaryRow>;
  readonly #traces: TracePasser | undefined;
  #readUntil = 0;
  #pageBlocks = FIRST_PAGE_BLOCKS;
  #work = 0;
  /** How many headers the last look at some took. */
  #looked = 0;
  /** Blocks that were passed over by their headers since the last row. */
  #rowless = 0;

  constructor(engine: Engine, stream: OpenStream, { mayWant, traceHash }: BlockHints, wantRows: WantRows) {
    this.#engine = engine;
    this.#stream = stream;
    this.#mayWant = mayWant;
    this.#wantRows = wantRows;
    this.#rows = new RowFinder(engine, stream, SUMMARY_ROWS, (at) => wantRows(stream, at, true));
    this.#traces = tracePasser(engine, stream, traceHash);
  }

  /**
   * What to do from a position below the durable tail. Blocks that may not be what they should be (missing, damaged, not
   * durable yet) are to be read, unless a row tells what they hold: the one who reads them says what is wrong. Nothing
   * behind `untilMs` is passed over but one block, which tells that the time is over. It does not take long: where much is
   * passed over, the next look goes on.
   */
  async look(position: number, untilMs: number | undefined): Promise<Glance> {
    if (position < this.#readUntil) return { passed: undefined, readUntil: this.#readUntil };
    let passed: Position | undefined;
    for (let at = position; ; ) {
      const glance = await this.#step(at, untilMs);
      this.#readUntil = glance.readUntil;
      passed = glance.passed ?? passed;
      if (this.#work >= YIELD_BYTES) {
        await goOnWithWork(this.#work);
        this.#work = 0;
        break;
      }
      if (glance.passed === undefined) break;
      at = glance.passed.seqNum;
      if (at >= this.#stream.durable.nextSeq || (untilMs ?? Number.POSITIVE_INFINITY) <= glance.passed.timestamp) break;
    }
    return { passed, readUntil: this.#readUntil };
  }

  async #step(position: number, untilMs: number | undefined): Promise<Glance> {
    const run = await this.#traces?.at(position);
    // A row may show before it is known that the blocks which it is about are durable.
    const isDurable = run !== undefined && run.end <= this.#stream.durable.nextSeq;
    if (isDurable && run.lastTimestamp < (untilMs ?? Number.POSITIVE_INFINITY)) {
      this.#work += SKIP_BLOCK_BYTES + run.filter.length;
      return { passed: { seqNum: run.end, timestamp: run.lastTimestamp }, readUntil: run.end };
    }
    const row = await this.#rows.at(position);
    if (row === undefined) {
      const glance = await this.#lookAtHeaders(position, this.#rows.gapEnd, untilMs);
      if (glance.passed !== undefined) this.#noteRowless();
      return glance;
    }
    this.#rowless = 0;
    this.#work += SKIP_BLOCK_BYTES + row.bytes / row.blocks;
    const { passed, mayHoldTo } = this.#judgeRow(row, position, untilMs);
    if (passed !== undefined) return { passed, readUntil: passed.seqNum };
    return this.#lookAtHeaders(position, mayHoldTo, untilMs);
  }

  /** Many headers in a row are slow to look at: the next read shall have rows. */
  #noteRowless(): void {
    this.#rowless += this.#looked;
    if (this.#rowless < SUMMARY_ROWS_DUE_BLOCKS) return;
    this.#wantRows(this.#stream, this.#rows.gapFrom, false);
    this.#rowless = Number.NEGATIVE_INFINITY;
  }

  /** What a row says of the blocks from a position on: which are passed over, or else how many may hold something. */
  #judgeRow(row: SummaryRow, position: number, untilMs: number | undefined) {
    let passed: Position | undefined;
    let i = row.indexOf(position) ?? row.blocks;
    const isPassed = (at: number): boolean =>
      row.endOf(at) <= this.#stream.durable.nextSeq && !this.#mayWant(row.kindOf(at), row.summaryOf(at));
    for (; i < row.blocks && isPassed(i); i++) {
      passed = { seqNum: row.endOf(i), timestamp: row.lastTimestampOf(i) };
      if (untilMs !== undefined && passed.timestamp >= untilMs) break;
    }
    if (passed !== undefined) return { passed, mayHoldTo: passed.seqNum };
    do i++;
    while (i < row.blocks && this.#mayWant(row.kindOf(i), row.summaryOf(i)));
    return { passed, mayHoldTo: row.endOf(i - 1) };
  }

  /** Looks at the headers of blocks that begin before `end`. */
  async #lookAtHeaders(position: number, end: number, untilMs: number | undefined): Promise<Glance> {
    const range = blockRange(this.#stream.number, position, Math.min(end, this.#stream.durable.nextSeq));
    const entries = await this.#engine.scan({
      ...range,
      limit: this.#pageBlocks,
      valueBytesMax: BLOCK_HEADER_BYTES_MAX,
    });
    this.#looked = entries.length;
    this.#work += entries.length * SKIP_BLOCK_BYTES;
    const glance = this.#judge(entries, position, untilMs);
    if (glance.isOfUse) {
      this.#pageBlocks = Math.min(SKIP_PAGE_BLOCKS_MAX, 4 * this.#pageBlocks);
      return glance;
    }
    this.#pageBlocks = FIRST_PAGE_BLOCKS;
    const blind = Math.min(BLIND_RECORDS_MAX, BLIND_FACTOR * (glance.readUntil - position));
    return { passed: glance.passed, readUntil: Math.max(glance.readUntil, Math.min(glance.readUntil + blind, end)) };
  }

  #judge(
    entries: readonly Entry[],
    position: number,
    untilMs: number | undefined,
  ): Glance & { readonly isOfUse: boolean } {
    let passed: Position | undefined;
    let next = position;
    let isRead = false;
    for (const { key, value } of entries) {
      const { firstSeq } = readBlockKey(key);
      const header = firstSeq === next ? blockHeaderOf(key, value) : undefined;
      if (header === undefined) {
        // The position is inside a block, or a block is missing or damaged.
        return { passed, readUntil: isRead ? next : Math.max(firstSeq, next + 1), isOfUse: true };
      }
      const end = firstSeq + header.count;
      if (this.#mayWant(header.kind, summaryBytesIn(value))) isRead = true;
      else if (isRead) return { passed, readUntil: next, isOfUse: true };
      else passed = { seqNum: end, timestamp: header.lastTimestamp };
      next = end;
      if (!isRead && untilMs !== undefined && header.lastTimestamp >= untilMs) break;
    }
    return { passed, readUntil: Math.max(next, position + 1), isOfUse: passed !== undefined || !isRead };
  }
}

/** The header of a stored block; undefined for a damaged one. */
export function blockHeaderOf(key: Uint8Array, value: Uint8Array): BlockHeader | undefined {
  try {
    return readBlockHeader(key, value);
  } catch {
    return undefined;
  }
}
