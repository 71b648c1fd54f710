/**
 * Checks that rows of summaries are about blocks that are there, and say of them what their headers say, and that rows of
 * trace ids begin and end where blocks do. Rows come after all blocks, so of each block a few bytes are noted.
 */

import { TailraceError } from '../../model/error.ts';
import type { BlockKind } from '../block/format.ts';
import type { Entry } from '../engine.ts';
import { readSummaryRowKey, readTraceRowKey } from '../keys.ts';
import { SummaryRow } from '../summary-rows.ts';
import { TraceRow } from '../trace-rows.ts';
import type { FaultLog } from './fault-log.ts';

/** The blocks of a stream in their order. */
interface NotedBlocks {
  readonly name: string;
  /** Some of its blocks may be missing, or more be there. */
  readonly isPartial: boolean;
  readonly firstSeqs: number[];
  /** What their headers say, in short; undefined for a damaged one. */
  readonly marks: (number | undefined)[];
  /** Where the last one ends; not known of a damaged one. */
  end: number | undefined;
}

/** Used for one verification: call `note` for each block, then `row` for each row. */
export class SummaryVerifier {
  readonly #log: FaultLog;
  readonly #streams = new Map<number, NotedBlocks>();
  readonly #ignored = new Set<number>();

  constructor(log: FaultLog) {
    this.#log = log;
  }

  /** A stream that should have blocks. */
  noteStream(number: number, name: string, isPartial: boolean): void {
    this.#streams.set(number, { name, isPartial, firstSeqs: [], marks: [], end: undefined });
  }

  /** What is left of a stream is being removed. */
  ignore(number: number): void {
    this.#ignored.add(number);
  }

  note(stream: number, firstSeq: number, header: MarkedHeader | undefined): void {
    const noted = this.#streams.get(stream);
    if (noted === undefined) return;
    noted.firstSeqs.push(firstSeq);
    noted.marks.push(header === undefined ? undefined : markOf(header));
    noted.end = header === undefined ? undefined : firstSeq + header.count;
  }

  row(entry: Entry): void {
    const { stream, firstSeq } = readSummaryRowKey(entry.key);
    this.#check(stream, 'row of summaries', (noted) => {
      const what = wrongIn(entry, noted);
      return what && `from record ${firstSeq} on: ${what}; readers do without it, and it is made again`;
    });
  }

  traceRow(entry: Entry): void {
    const { stream, firstSeq } = readTraceRowKey(entry.key);
    this.#check(stream, 'row of trace ids', (noted) => {
      const what = wrongInTraces(entry, noted);
      return what && `from record ${firstSeq} on: ${what}; readers do without a damaged one`;
    });
  }

  #check(stream: number, row: string, wrong: (noted: NotedBlocks) => string | undefined): void {
    const noted = this.#streams.get(stream);
    if (this.#ignored.has(stream)) return;
    if (noted === undefined) {
      this.#log.fault(`stream number ${stream}`, `it has a ${row}, but no row or no state`);
      return;
    }
    const what = wrong(noted);
    if (what !== undefined) this.#log.fault(noted.name, `the ${row} ${what}`);
  }
}

type MarkedHeader = { readonly kind: BlockKind; readonly count: number; readonly lastTimestamp: number };

function wrongIn(entry: Entry, { firstSeqs, marks, isPartial }: NotedBlocks): string | undefined {
  let row: SummaryRow;
  try {
    row = new SummaryRow(entry);
  } catch (error) {
    return error instanceof TailraceError ? error.message : String(error);
  }
  if (isPartial) return undefined;
  // Blocks before the first one have been trimmed away.
  const first = firstSeqs[0] ?? row.end;
  for (let i = 0; i < row.blocks; i++) {
    const start = row.startOf(i);
    if (start < first) continue;
    const at = placeOf(firstSeqs, start);
    if (at === undefined) return `no block begins at record ${start}`;
    const said = { kind: row.kindOf(i), count: row.endOf(i) - start, lastTimestamp: row.lastTimestampOf(i) };
    if (marks[at] !== undefined && marks[at] !== markOf(said)) return `the block of record ${start} is another one`;
  }
  return undefined;
}

function wrongInTraces(entry: Entry, { firstSeqs, end, isPartial }: NotedBlocks): string | undefined {
  let row: TraceRow;
  try {
    row = new TraceRow(entry);
  } catch (error) {
    return error instanceof TailraceError ? error.message : String(error);
  }
  if (isPartial) return undefined;
  // Blocks before the first one have been trimmed away.
  const first = firstSeqs[0] ?? row.end;
  const last = end ?? row.end;
  for (const run of row.runs) {
    for (const seqNum of [run.firstSeq, run.end]) {
      if (seqNum <= first || seqNum === last) continue;
      if (placeOf(firstSeqs, seqNum) === undefined) return `no block begins at record ${seqNum}`;
    }
  }
  return undefined;
}

/** Few numbers for many: blocks that differ rarely have the same. */
function markOf({ kind, count, lastTimestamp }: MarkedHeader): number {
  return (lastTimestamp * 31 + count) * 31 + kind.length;
}

function placeOf(firstSeqs: readonly number[], firstSeq: number): number | undefined {
  let [low, high] = [0, firstSeqs.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((firstSeqs[middle] ?? 0) < firstSeq) low = middle + 1;
    else high = middle;
  }
  return firstSeqs[low] === firstSeq ? low : undefined;
}
