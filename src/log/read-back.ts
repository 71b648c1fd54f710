/**
 * Reads backwards: the last records before a position that are wanted, looked for block by block from there down. It
 * gives the same events as a read that goes forward, in the order of the stream, so whatever writes those writes these.
 */

import { goOnWithWork } from '../encoding/turns.ts';
import type { TailraceError } from '../model/error.ts';
import {
  BACK_HELD_BYTES_MAX,
  SCAN_BYTES_MIN,
  SCAN_BYTES_MIN_EACH,
  SUMMARY_ROWS_DUE_BLOCKS,
  YIELD_BYTES,
} from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import type { Block } from '../storage/block/block.ts';
import { summaryBytesIn } from '../storage/block/format.ts';
import type { Entry } from '../storage/engine.ts';
import { readBlockKey } from '../storage/keys.ts';
import type { SummaryRow } from '../storage/summary-rows.ts';
import { loadBlocksBefore, missing } from './blocks.ts';
import type { RecordsEvent } from './events.ts';
import { refreshFloor } from './expiry.ts';
import { beyond, type ReadContext, type RecordFilter } from './read.ts';
import { blockHeaderOf } from './skip-blocks.ts';
import type { OpenStream } from './stream.ts';
import { RowFinder, SUMMARY_ROWS } from './summaries/row-finder.ts';
import { type TracePasser, tracePasser } from './summaries/trace-passer.ts';

/** Which records, before which position. */
export interface BackRange {
  /** Exclusive; undefined for the durable tail. */
  readonly before: number | undefined;
  /** A position beyond the tail becomes the tail instead of an error. */
  readonly clamp: boolean;
  /** The most records. */
  readonly limit: number;
  /** Metered bytes. Strict, as in a read that goes forward. */
  readonly bytes: number;
}

/** How a caller watches what takes time and memory. */
export interface BackWatch {
  /** Ends the search early: the caller is gone, or has waited long enough. Asked after each block. */
  isOver(): boolean;
  /** Told how many bytes the blocks in the page have, before each one that is added. @throws to refuse it */
  reserve(bytes: number): void;
}

/** The records, and where others are. */
export interface BackPage {
  /** In the order of the stream. */
  readonly parts: readonly RecordsEvent[];
  /** Where the search began: newer records begin there. */
  readonly end: number;
  /** The tail, when the search began there. */
  readonly tail: Position | undefined;
  /** How far it came: older records are before it. */
  readonly start: number;
  /** No older record exists. */
  readonly isAtStart: boolean;
}

/**
 * The last wanted records before a position, up to a bound: there may be fewer, where the search was ended or its blocks
 * are large, and more wanted ones before them.
 * @throws TailraceError `range_not_satisfiable` with the tail; `corrupt` for a damaged or missing block,
 *   `stream_deletion_pending`, and what `reserve` throws
 */
export async function readBack(
  context: ReadContext,
  stream: OpenStream,
  range: BackRange,
  watch: BackWatch,
): Promise<BackPage> {
  await refreshFloor(context.engine, stream, context.expiryNow());
  const { tail } = stream;
  const { before = tail.seqNum, clamp } = range;
  if (before > tail.seqNum && !clamp) throw beyond(stream, tail);
  const end = Math.min(before, tail.seqNum);
  const taking = new Taking(range, watch, stream);
  let start = end;
  let pageBytes = SCAN_BYTES_MIN_EACH;
  const rows = new RowFinder(context.engine, stream, SUMMARY_ROWS, (at) => context.wantRows(stream, at, true));
  const traces = tracePasser(context.engine, stream, context.filter?.traceHash);
  while (start > stream.floor && !taking.isFull && !watch.isOver()) {
    const { start: passedTo, mayHoldFrom } = await passBack(context, rows, traces, start);
    if (passedTo < start) {
      start = Math.max(passedTo, stream.floor);
      await refreshFloor(context.engine, stream, context.expiryNow());
      continue;
    }
    start = await takePage(context, stream, { before: start, from: mayHoldFrom, pageBytes }, taking);
    pageBytes = Math.min(context.pageBytesMax(), Math.max(SCAN_BYTES_MIN, 4 * pageBytes));
    await refreshFloor(context.engine, stream, context.expiryNow());
  }
  if (taking.unwanted >= SUMMARY_ROWS_DUE_BLOCKS) context.wantRows(stream, Math.min(rows.gapFrom, start), false);
  const isAtStart = start <= stream.floor;
  return { parts: taking.parts.reverse(), end, tail: end === tail.seqNum ? tail : undefined, start, isAtStart };
}

/** What rows say of the blocks before a position: where those begin that are passed over, or that may hold something. */
async function passBack(
  { filter }: ReadContext,
  rows: RowFinder<SummaryRow>,
  traces: TracePasser | undefined,
  before: number,
): Promise<{ readonly start: number; readonly mayHoldFrom: number }> {
  const mayWant = filter?.mayWant;
  if (mayWant === undefined) return { start: before, mayHoldFrom: 0 };
  const run = await traces?.below(before);
  if (run !== undefined) return { start: run.firstSeq, mayHoldFrom: 0 };
  const row = await rows.below(before);
  const last = row?.indexOf(before - 1);
  if (row === undefined || last === undefined) return { start: before, mayHoldFrom: rows.gapFrom };
  const isWanted = (i: number): boolean => mayWant(row.kindOf(i), row.summaryOf(i));
  let i = last;
  while (i >= 0 && !isWanted(i)) i--;
  if (i < last) return { start: row.startOf(i + 1), mayHoldFrom: 0 };
  while (i > 0 && isWanted(i - 1)) i--;
  return { start: before, mayHoldFrom: row.startOf(i) };
}

/** Takes what is wanted of a page of blocks before a position. Returns how far down it came. */
async function takePage(
  context: ReadContext,
  stream: OpenStream,
  { before, from, pageBytes }: { readonly before: number; readonly from: number; readonly pageBytes: number },
  taking: Taking,
): Promise<number> {
  const entries = await loadBlocksBefore(context.engine, stream, before, pageBytes, from);
  let expected = before;
  for (const entry of entries) {
    const unwanted = unwantedIn(context.filter, entry);
    if (unwanted !== undefined && (expected === before ? unwanted.end >= expected : unwanted.end === expected)) {
      taking.unwanted += 1;
      expected = Math.max(unwanted.firstSeq, stream.floor);
      if (taking.isOver || expected === stream.floor) return expected;
      continue;
    }
    const block = context.cache.open(entry, stream.readers > 1);
    const end = block.firstSeq + block.header.count;
    if (expected === before ? end < expected : end !== expected) throw missingBefore(stream, expected);
    const start = await taking.take(context, block, expected);
    if (start > block.firstSeq || taking.isOver) return start;
    expected = start;
  }
  // Trimmed while the page was fetched: the loop above looks at the trim point again.
  if (expected === before && before > stream.durable.trimPoint) throw missingBefore(stream, before);
  return expected;
}

/** Which records a block has, when its header alone tells that none of them is wanted. */
function unwantedIn(filter: RecordFilter | undefined, { key, value }: Entry) {
  const header = filter?.mayWant === undefined ? undefined : blockHeaderOf(key, value);
  if (header === undefined || filter?.mayWant?.(header.kind, summaryBytesIn(value)) !== false) return undefined;
  const { firstSeq } = readBlockKey(key);
  return { firstSeq, end: firstSeq + header.count };
}

function missingBefore(stream: OpenStream, seqNum: number): TailraceError {
  return stream.readEnd ?? missing(stream, seqNum - 1);
}

/** What a page has by now. */
class Taking {
  /** The last one first. */
  readonly parts: RecordsEvent[] = [];
  isFull: boolean;
  /** Blocks that were looked at for nothing. */
  unwanted = 0;
  #limit: number;
  #bytes: number;
  #heldBytes = 0;
  #work = 0;
  readonly #watch: BackWatch;
  readonly #stream: OpenStream;

  constructor({ limit, bytes }: BackRange, watch: BackWatch, stream: OpenStream) {
    this.#limit = limit;
    this.#bytes = bytes;
    this.#watch = watch;
    this.#stream = stream;
    this.isFull = limit === 0;
  }

  get isOver(): boolean {
    return this.isFull || this.#watch.isOver();
  }

  /** Takes what is wanted of the records of a block that are before a position. Returns how far down it came. */
  async take({ plain, filter }: ReadContext, stored: Block, before: number): Promise<number> {
    const { firstSeq, header } = stored;
    await this.#yield(header.rawBytes);
    const low = Math.max(0, this.#stream.floor - firstSeq);
    const high = before - firstSeq;
    if (low >= high) return firstSeq;
    const block = plain(stored);
    const runs = filter === undefined ? [low, high] : await filter.runs(block, low, high);
    if (runs.length > 0) this.#watch.reserve(this.#heldBytes + header.rawBytes);
    const count = this.parts.length;
    for (let r = runs.length - 2; r >= 0 && !this.isFull; r -= 2) {
      const [from = 0, to = 0] = [runs[r], runs[r + 1]];
      const start = this.#lastOf(block, from, to);
      if (start < to) this.#add(block, start, to);
      if (this.isFull) return firstSeq + start;
    }
    if (this.parts.length > count) this.#heldBytes += header.rawBytes;
    this.isFull ||= this.#heldBytes >= BACK_HELD_BYTES_MAX;
    return firstSeq + low;
  }

  /** Where the last records of [from, to) begin for which there is space. */
  #lastOf(block: Block, from: number, to: number): number {
    let start = to;
    while (start > from && !this.isFull) {
      const bytes = block.meteredBytesOf(start - 1);
      if (bytes > this.#bytes) {
        this.isFull = true;
        break;
      }
      this.#bytes -= bytes;
      this.#limit--;
      start--;
      this.isFull = this.#limit === 0;
    }
    return start;
  }

  #add(block: Block, from: number, to: number): void {
    const tail = block.firstSeq + to === this.#stream.tail.seqNum ? this.#stream.tail : undefined;
    this.parts.push({ type: 'records', block, from, to, tail, isShared: false, isLive: false, hasMore: false });
  }

  /** Unpacking and decrypting are work too. */
  async #yield(bytes: number): Promise<void> {
    this.#work += bytes;
    if (this.#work < YIELD_BYTES) return;
    await goOnWithWork(this.#work);
    this.#work = 0;
  }
}
