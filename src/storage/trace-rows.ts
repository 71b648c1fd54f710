/**
 * Rows that tell of long runs of blocks which trace ids they may have, so that a reader who looks for one trace passes over
 * thousands of blocks by one value that lies in one place of the disk. They repeat what the blocks say: one that is missing
 * or damaged costs time and nothing else.
 *
 * ```
 *  at   bytes  what
 *  0    1      version, 1
 *  1    4      CRC-32 of the key and of all bytes from 5 on, little endian
 *  5    …      varints: the number of runs, then for each of them: records between the run before and it, records, last
 *              timestamp in ms (as difference to that of the run before), lines of its filter (at least 1)
 *  …    …      the filters, back to back, 64 bytes for each line
 * ```
 *
 * The key says where the first run begins. A filter of n lines is a Bloom filter in lines of 512 bits. A trace id has the
 * hash h that it has in summaries (`block/summary.ts`). Its line is the number h × n / 2^32, rounded down. With g, the
 * finalizer of that hash on h xor 9e3779b9, and with f, the same of g, it sets in that line the bits g, g >> 9, g >> 18, f,
 * f >> 9 and f >> 18, each modulo 512; bit n is bit n mod 8 of byte n / 8.
 */

import { varint } from '../encoding/varint.ts';
import { TailraceError } from '../model/error.ts';
import { VarintReader } from './block/format.ts';
import { secondHash } from './block/summary.ts';
import { checkedRow, FIELDS_AT, faultOfRow } from './checked-row.ts';
import type { Entry } from './engine.ts';
import { readTraceRowKey, traceRowKey } from './keys.ts';

const VERSION = 1;
/** Bytes of a value in which its number of runs is. */
export const TRACE_ROW_HEAD_BYTES = 16;
const LINE_BYTES = 64;
const LINE_MASK = 8 * LINE_BYTES - 1;
const TWO_32 = 2 ** 32;
/** With these, five runs of a thousand that do not have an id seem to have it; with the least, one of five. */
const BITS_OF_ID = 12;
const BITS_OF_ID_MIN = 4;

/** Blocks that follow each other, and which trace ids they may have. */
export interface TraceRun {
  readonly firstSeq: number;
  /** The sequence number after its last record. */
  readonly end: number;
  readonly lastTimestamp: number;
  readonly filter: Uint8Array;
}

/** The row about runs in their order. */
export function encodeTraceRow(stream: number, runs: readonly TraceRun[]): Entry {
  const fields: Uint8Array[] = [varint(runs.length)];
  let end = runs[0]?.firstSeq ?? 0;
  let before = 0;
  const key = traceRowKey(stream, end);
  for (const run of runs) {
    const numbers = [run.firstSeq - end, run.end - run.firstSeq, run.lastTimestamp - before];
    for (const number of [...numbers, run.filter.length / LINE_BYTES]) fields.push(varint(number));
    end = run.end;
    before = run.lastTimestamp;
  }
  return checkedRow(key, VERSION, [...fields, ...runs.map(({ filter }) => filter)]);
}

/** A row as readers ask it. */
export class TraceRow {
  readonly stream: number;
  readonly firstSeq: number;
  /** The sequence number after the last record of its last run. */
  readonly end: number;
  readonly runs: readonly TraceRun[];
  #last = 0;

  /** @throws TailraceError `corrupt` */
  constructor({ key, value }: Entry) {
    const { stream, firstSeq } = readTraceRowKey(key);
    const fault = faultOfRow({ key, value }, VERSION);
    if (fault !== undefined) throw corruptRow(fault);
    // Parts of a plain array cost less than those of a Buffer.
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.length);
    this.stream = stream;
    this.firstSeq = firstSeq;
    this.runs = readRuns(bytes, firstSeq);
    this.end = this.runs.at(-1)?.end ?? firstSeq;
  }

  /** The run about the block that holds a record; undefined when nothing is known of that. */
  runAt(seqNum: number): TraceRun | undefined {
    // Readers go from one to the next.
    for (const i of [this.#last, this.#last + 1, this.#last - 1]) {
      if (isIn(this.runs[i], seqNum)) {
        this.#last = i;
        return this.runs[i];
      }
    }
    const found = this.runs.findIndex((run) => isIn(run, seqNum));
    this.#last = Math.max(0, found);
    return this.runs[found];
  }
}

/** The row in an entry; undefined for a damaged one: then rows of summaries and blocks say the same. */
export function traceRowIn(entry: Entry): TraceRow | undefined {
  try {
    return new TraceRow(entry);
  } catch {
    return undefined;
  }
}

/** How many runs a row is about, by the first bytes of its value; undefined for one that is no row. */
export function runsInTraceRow(head: Uint8Array): number | undefined {
  try {
    return new VarintReader(head, FIELDS_AT, head.length).next();
  } catch {
    return undefined;
  }
}

/** A filter of all these hashes, of so many bytes at most; undefined when that is too little to hide much. */
export function traceFilter(hashes: readonly Int32Array[], bytesMax: number): Uint8Array | undefined {
  const ids = distinct(hashes);
  const linesMax = Math.max(1, Math.floor(bytesMax / LINE_BYTES));
  const lines = Math.min(linesMax, Math.ceil((ids.length * BITS_OF_ID) / (8 * LINE_BYTES)) || 1);
  if (lines * 8 * LINE_BYTES < ids.length * BITS_OF_ID_MIN) return undefined;
  const filter = new Uint8Array(lines * LINE_BYTES);
  for (const hash of ids) {
    const line = lineOf(hash, lines);
    const second = secondHash(hash);
    const third = secondHash(second);
    for (let shift = 0; shift <= 18; shift += 9) {
      setBit(filter, line, second >>> shift);
      setBit(filter, line, third >>> shift);
    }
  }
  return filter;
}

/** Whether a trace id with that hash (`summaryHash`) may be in a filter. */
export function mayHoldTrace(filter: Uint8Array, hash: number): boolean {
  const line = lineOf(hash, filter.length / LINE_BYTES);
  const second = secondHash(hash);
  const third = secondHash(second);
  for (let shift = 0; shift <= 18; shift += 9) {
    if (!hasBit(filter, line, second >>> shift) || !hasBit(filter, line, third >>> shift)) return false;
  }
  return true;
}

function readRuns(value: Uint8Array, firstSeq: number): readonly TraceRun[] {
  const cursor = new VarintReader(value, FIELDS_AT, value.length);
  const count = cursor.next();
  // Each takes a line at least.
  if (count === 0 || count * LINE_BYTES > value.length) throw corruptRow('its number of runs makes no sense');
  const fields: (Omit<TraceRun, 'filter'> & { readonly filterEnd: number })[] = [];
  let [end, lastTimestamp, bytes] = [firstSeq, 0, 0];
  for (let i = 0; i < count; i++) {
    const first = end + cursor.next();
    end = first + cursor.next();
    lastTimestamp += cursor.next();
    bytes += cursor.next() * LINE_BYTES;
    fields.push({ firstSeq: first, end, lastTimestamp, filterEnd: bytes });
  }
  if (cursor.at + bytes !== value.length) throw corruptRow('its length makes no sense');
  let at = cursor.at;
  return fields.map(({ filterEnd, ...run }) => {
    const filter = value.subarray(at, cursor.at + filterEnd);
    at = cursor.at + filterEnd;
    if (filter.length === 0) throw corruptRow('a run has no filter');
    return { ...run, filter };
  });
}

function isIn(run: TraceRun | undefined, seqNum: number): boolean {
  return run !== undefined && run.firstSeq <= seqNum && seqNum < run.end;
}

/** Each of them once: spans of one trace come with many requests. */
function distinct(hashes: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(hashes.reduce((sum, { length }) => sum + length, 0));
  let count = 0;
  for (const some of hashes) {
    all.set(some, count);
    count += some.length;
  }
  all.sort();
  let kept = 0;
  for (let i = 0; i < count; i++) if (i === 0 || all[i] !== all[i - 1]) all[kept++] = all[i] as number;
  return all.subarray(0, kept);
}

/** Where the line of a hash begins. */
function lineOf(hash: number, lines: number): number {
  return Math.floor(((hash >>> 0) * lines) / TWO_32) * LINE_BYTES;
}

function setBit(filter: Uint8Array, line: number, bits: number): void {
  const at = line + ((bits & LINE_MASK) >>> 3);
  filter[at] = (filter[at] as number) | (1 << (bits & 7));
}

function hasBit(filter: Uint8Array, line: number, bits: number): boolean {
  return (((filter[line + ((bits & LINE_MASK) >>> 3)] as number) >>> (bits & 7)) & 1) === 1;
}

function corruptRow(why: string): TailraceError {
  return new TailraceError('corrupt', `a row of trace ids is damaged: ${why}`);
}
