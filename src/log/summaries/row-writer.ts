/**
 * Makes rows of summaries from what is remembered of new blocks, and else from the headers of stored ones, in background
 * work: an append waits for none of it. Where they were made to is seen by the last row, so it goes on after a restart
 * with the next blocks that come in, or with the next reader that would need a row.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import {
  SUMMARY_ROW_BLOCKS,
  SUMMARY_ROWS_DUE_BLOCKS,
  SUMMARY_ROWS_PER_STEP,
  SUMMARY_ROWS_SCAN_BYTES,
  YIELD_BYTES,
} from '../../model/limits.ts';
import { BLOCK_HEADER_BYTES_MAX, summaryBytesIn } from '../../storage/block/format.ts';
import type { BlockDraft, SealedBlock } from '../../storage/block/seal.ts';
import type { Engine, Entry, Write } from '../../storage/engine.ts';
import { blockRange, readBlockKey, readSummaryRowKey, summaryRowKey, summaryRowRange } from '../../storage/keys.ts';
import { encodeSummaryRow, type SummarizedBlock, summaryRowIn } from '../../storage/summary-rows.ts';
import { commitRows } from '../commit-rows.ts';
import { blockHeaderOf } from '../skip-blocks.ts';
import type { OpenStream } from '../stream.ts';
import { RecentSummaries } from './recent-summaries.ts';
import { type BlocksRowKind, SUMMARY_ROWS, TRACE_ROWS } from './row-finder.ts';
import { joinTraceRows, type TraceJoinerDeps, traceRowOf } from './trace-joiner.ts';

export interface RowWriterDeps extends TraceJoinerDeps {
  /** Called when there is work. */
  nudge(): void;
}

/** With fewer blocks in a hundred that have a summary, a row hides nothing. */
const WORTH_PERCENT = 25;
/** Rows of a stream that a trim looks at in one step. */
const TRIM_ROWS = 64;

/** Blocks that follow each other. */
interface RowBlocks {
  readonly blocks: readonly SummarizedBlock[];
  readonly firstSeq: number;
  /** Where the next run may begin. */
  readonly end: number;
}

export class RowWriter {
  readonly #deps: RowWriterDeps;
  /** Streams with work, and where it begins where that is known. */
  readonly #due = new Map<OpenStream, number | undefined>();
  readonly #recent = new RecentSummaries();

  constructor(deps: RowWriterDeps) {
    this.#deps = deps;
  }

  /** These drafts are durable from a sequence number on, as the blocks from `at` on. */
  appended(
    stream: OpenStream,
    firstSeq: number,
    drafts: readonly BlockDraft[],
    sealed: readonly SealedBlock[],
    at: number,
  ): void {
    this.#recent.add(stream, firstSeq, drafts, sealed, at);
    for (const { summary } of drafts) if (summary !== undefined) stream.rowlessBlocks += 1;
    if (stream.rowlessBlocks < SUMMARY_ROWS_DUE_BLOCKS || this.#due.has(stream)) return;
    this.#due.set(stream, undefined);
    this.#deps.nudge();
  }

  /** A reader would need a row from a position on, or found a damaged one there. */
  wanted(stream: OpenStream, from: number, isDamaged: boolean): void {
    if (!isDamaged && stream.rowsTo !== undefined && from < stream.rowsTo) return;
    if (this.#due.has(stream)) return;
    this.#due.set(stream, from);
    this.#deps.nudge();
  }

  /** Makes some of the rows that are due, until it is to end. Returns whether there are more. */
  async work(isOver: () => boolean): Promise<boolean> {
    const due = [...this.#due];
    this.#due.clear();
    if (!this.#deps.isWritable()) return false;
    for (const [stream, from] of due) {
      if (isOver()) return false;
      stream.rowlessBlocks = 0;
      const next = await this.#makeSome(stream, from);
      if (next !== undefined && !this.#due.has(stream)) this.#due.set(stream, next);
    }
    return this.#due.size > 0;
  }

  /** Returns where to go on, undefined when there are no more whole runs. */
  async #makeSome(stream: OpenStream, from: number | undefined): Promise<number | undefined> {
    const { engine, commits } = this.#deps;
    const rows: { readonly end: number; readonly row: Write }[] = [];
    let at = from ?? stream.rowsTo ?? (await lastRowEnd(engine, stream));
    let isDone = false;
    for (let made = 0; made < SUMMARY_ROWS_PER_STEP && !isDone; made++) {
      at = Math.max(at, stream.durable.trimPoint);
      const key = summaryRowKey(stream.number, at);
      const value = await engine.get(key);
      const known = value === undefined ? undefined : summaryRowIn({ key, value });
      if (known !== undefined) {
        // What was missing before it has been made.
        at = Math.max(known.end, await lastRowEnd(engine, stream));
        continue;
      }
      const run = await this.#runFrom(stream, at);
      isDone = run === undefined;
      if (run === undefined) break;
      if (isWorth(run))
        rows.push({ end: run.end, row: put(encodeSummaryRow(stream.number, run.firstSeq, run.blocks)) });
      else if (value !== undefined) rows.push({ end: run.end, row: { type: 'delete', key } });
      const traces = traceRowOf(stream.number, run);
      if (traces !== undefined) rows.push({ end: run.end, row: traces });
      at = run.end;
    }
    // Nothing is awaited from here to the commit: the rows of a stream that is deleted or trimmed go with it.
    if (stream.deleting || stream.stale || stream.isAway || !this.#deps.isWritable()) return undefined;
    const living = rows.filter(({ end }) => end > stream.assigned.trimPoint).map(({ row }) => row);
    if (living.length > 0) await commitRows(commits, living, {});
    stream.rowsTo = at;
    this.#recent.forgetBefore(stream, at);
    await joinTraceRows(this.#deps, stream);
    return isDone ? undefined : at;
  }

  /** As many blocks as a row is about; fewer before one that is missing or damaged; undefined when there are not so many yet. */
  async #runFrom(stream: OpenStream, position: number): Promise<RowBlocks | undefined> {
    const blocks: SummarizedBlock[] = [];
    let [firstSeq, next] = [position, position];
    while (blocks.length < SUMMARY_ROW_BLOCKS) {
      const recent = this.#recent.from(stream, next, SUMMARY_ROW_BLOCKS - blocks.length);
      if (recent.length > 0) {
        blocks.push(...recent);
        for (const { count } of recent) next += count;
        await goOnWithWork(YIELD_BYTES);
        continue;
      }
      const entries = await this.#deps.engine.scan({
        ...blockRange(stream.number, next, stream.durable.nextSeq),
        limit: SUMMARY_ROW_BLOCKS - blocks.length,
        bytesMax: SUMMARY_ROWS_SCAN_BYTES,
        // Of large blocks the copy took several times as long as the summaries.
        valueBytesMax: BLOCK_HEADER_BYTES_MAX,
      });
      if (entries.length === 0) return undefined;
      for (const entry of entries) {
        const { firstSeq: start } = readBlockKey(entry.key);
        const block = summarized(entry);
        if (blocks.length === 0) firstSeq = start;
        else if (start !== next) return { blocks, firstSeq, end: start };
        if (block === undefined) return { blocks, firstSeq, end: start + 1 };
        blocks.push(block);
        next = start + block.count;
      }
      await goOnWithWork(SUMMARY_ROWS_SCAN_BYTES);
    }
    return { blocks, firstSeq, end: next };
  }
}

/** What deletes rows about records below a trim point, some of them; `isAll` when no more are known. */
export async function rowsBelow(
  engine: Engine,
  stream: OpenStream,
  trimPoint: number,
): Promise<{ readonly writes: readonly Write[]; readonly isAll: boolean }> {
  const summaries = await keysBelow(engine, stream, SUMMARY_ROWS, trimPoint);
  const traces = await keysBelow(engine, stream, TRACE_ROWS, trimPoint);
  const keys = [...summaries.keys, ...traces.keys];
  return { writes: keys.map((key) => ({ type: 'delete', key })), isAll: summaries.isAll && traces.isAll };
}

async function keysBelow<Row extends { readonly firstSeq: number; readonly end: number }>(
  engine: Engine,
  stream: OpenStream,
  kind: BlocksRowKind<Row>,
  trimPoint: number,
): Promise<{ readonly keys: readonly Uint8Array[]; readonly isAll: boolean }> {
  const range = kind.range(stream.number, 0, trimPoint);
  const page = await engine.scan({ ...range, limit: TRIM_ROWS, valueBytesMax: 1 });
  const keys = page.map(({ key }) => key);
  const last = keys.at(-1);
  // Each row but the last ends where the next one begins, or before.
  if (last !== undefined) {
    const value = await engine.get(last);
    const row = value === undefined ? undefined : kind.read({ key: last, value });
    // A damaged one may go.
    if (row !== undefined && row.end > trimPoint) keys.pop();
  }
  return { keys, isAll: page.length < TRIM_ROWS };
}

async function lastRowEnd(engine: Engine, { number }: OpenStream): Promise<number> {
  const [entry] = await engine.scan({ ...summaryRowRange(number), limit: 1, reverse: true });
  if (entry === undefined) return 0;
  return summaryRowIn(entry)?.end ?? readSummaryRowKey(entry.key).firstSeq;
}

/** Undefined for a damaged block. */
function summarized({ key, value, valueBytes }: Entry): SummarizedBlock | undefined {
  const header = blockHeaderOf(key, value);
  if (header === undefined) return undefined;
  const { kind, count, lastTimestamp } = header;
  return { kind, count, lastTimestamp, summary: summaryBytesIn(value), storedBytes: valueBytes ?? value.length };
}

function isWorth({ blocks }: RowBlocks): boolean {
  const withSummary = blocks.filter(({ summary }) => summary.length > 0).length;
  return withSummary > 0 && withSummary * 100 >= blocks.length * WORTH_PERCENT;
}

function put({ key, value }: Entry): Write {
  return { type: 'put', key, value };
}
