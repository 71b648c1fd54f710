/**
 * Makes rows of trace ids. Each is first about one run of blocks; when there are some of equal size at the end of a stream,
 * they become one, so that a long stream has few of them, each in one place of the disk. A row is written again a few times
 * at most.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import { TRACE_ROW_BYTES_MAX, TRACE_ROW_SHARE, TRACE_ROWS_JOINED } from '../../model/limits.ts';
import type { Engine, Entry, Write } from '../../storage/engine.ts';
import { traceRowRange } from '../../storage/keys.ts';
import type { SummarizedBlock } from '../../storage/summary-rows.ts';
import {
  encodeTraceRow,
  runsInTraceRow,
  TRACE_ROW_HEAD_BYTES,
  type TraceRow,
  traceFilter,
  traceRowIn,
} from '../../storage/trace-rows.ts';
import type { CommitQueue } from '../commit-queue.ts';
import { commitRows } from '../commit-rows.ts';
import type { OpenStream } from '../stream.ts';

export interface TraceJoinerDeps {
  readonly engine: Engine;
  readonly commits: CommitQueue;
  /** Whether the store takes rows now. */
  isWritable(): boolean;
}

/** The row about one run of blocks; undefined when not all of their trace ids are known, or too many to hide much. */
export function traceRowOf(
  stream: number,
  { blocks, firstSeq }: { readonly blocks: readonly SummarizedBlock[]; readonly firstSeq: number },
): Write | undefined {
  const hashes: Int32Array[] = [];
  let [end, storedBytes] = [firstSeq, 0];
  for (const block of blocks) {
    if (block.traceHashes === undefined) return undefined;
    hashes.push(block.traceHashes);
    end += block.count;
    storedBytes += block.storedBytes;
  }
  const filter = traceFilter(hashes, storedBytes * TRACE_ROW_SHARE);
  const lastTimestamp = blocks.at(-1)?.lastTimestamp ?? 0;
  return filter === undefined ? undefined : put(encodeTraceRow(stream, [{ firstSeq, end, lastTimestamp, filter }]));
}

/** Joins rows at the end of a stream for as long as there are enough of equal size. */
export async function joinTraceRows(deps: TraceJoinerDeps, stream: OpenStream): Promise<void> {
  for (;;) {
    const rows = await joinable(deps.engine, stream);
    const [first] = rows;
    // Nothing is awaited from here to the commit: the rows of a stream that is deleted or trimmed go with it.
    if (first === undefined || stream.deleting || stream.stale || stream.isAway || !deps.isWritable()) return;
    if (first.row.end <= stream.assigned.trimPoint) return;
    const joined = encodeTraceRow(
      stream.number,
      rows.flatMap(({ row }) => row.runs),
    );
    const gone = rows.slice(1).map(({ key }): Write => ({ type: 'delete', key }));
    await commitRows(deps.commits, [put(joined), ...gone], {});
    await goOnWithWork(joined.value.length);
  }
}

/** The last rows of a stream, in their order, when they shall become one; else none. */
async function joinable(
  engine: Engine,
  stream: OpenStream,
): Promise<readonly { readonly key: Uint8Array; readonly row: TraceRow }[]> {
  const range = traceRowRange(stream.number);
  const page = { limit: TRACE_ROWS_JOINED, valueBytesMax: TRACE_ROW_HEAD_BYTES };
  const heads = await engine.scan({ ...range, ...page, reverse: true });
  const bytes = heads.reduce((sum, { value, valueBytes }) => sum + (valueBytes ?? value.length), 0);
  const oldest = heads.at(-1);
  if (oldest === undefined || heads.length < TRACE_ROWS_JOINED || bytes > TRACE_ROW_BYTES_MAX) return [];
  if (new Set(heads.map(({ value }) => runsInTraceRow(value))).size > 1) return [];
  const entries = await engine.scan({ from: oldest.key, to: range.to, limit: TRACE_ROWS_JOINED });
  const rows: { readonly key: Uint8Array; readonly row: TraceRow }[] = [];
  for (const entry of entries) {
    const row = traceRowIn(entry);
    // Of a damaged one nothing is known: it stays what it is, and those behind it are joined when they are enough.
    if (row === undefined) return [];
    rows.push({ key: entry.key, row });
  }
  return rows;
}

function put({ key, value }: Entry): Write {
  return { type: 'put', key, value };
}
