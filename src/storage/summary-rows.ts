/**
 * Rows that hold the summaries of many blocks side by side, so that a reader with a filter passes over them without
 * looking at each. They repeat what the headers of blocks say: one that is missing or damaged costs time and nothing else.
 *
 * ```
 *  at   bytes  what
 *  0    1      version, 1
 *  1    4      CRC-32 of the key and of all bytes from 5 on, little endian
 *  5    …      varints: the number of blocks, then for each of them: kind (0 s2, 1 logs, 2 traces, 3 metrics), records,
 *              last timestamp in ms (as difference to that of the block before), bytes of its summary, 0 for none
 *  …    …      the summaries (`block/summary.ts`), back to back; their filters may be folded
 * ```
 *
 * The key says where the first block begins; each other one begins where the one before it ends.
 */

import { varint } from '../encoding/varint.ts';
import { TailraceError } from '../model/error.ts';
import { SUMMARY_ROW_BLOCK_BYTES, SUMMARY_ROW_SHARE } from '../model/limits.ts';
import { type BlockKind, VarintReader } from './block/format.ts';
import { foldedSummary } from './block/summary.ts';
import { checkedRow, FIELDS_AT, faultOfRow } from './checked-row.ts';
import type { Entry } from './engine.ts';
import { readSummaryRowKey, summaryRowKey } from './keys.ts';

const VERSION = 1;
/** On disk: the number of a kind is its place. */
const KINDS: readonly BlockKind[] = ['s2', 'logs', 'traces', 'metrics'];
const BLOCKS_MAX = 1_024;
const FILTER_BYTES_MAX = 1_024;

/** What a row says of a block. */
export interface SummarizedBlock {
  readonly kind: BlockKind;
  readonly count: number;
  readonly lastTimestamp: number;
  /** Empty for none. */
  readonly summary: Uint8Array;
  /** Bytes of the block as it is stored. */
  readonly storedBytes: number;
  /** As in `BlockDraft`; of what is read from the store undefined. */
  readonly traceHashes?: Int32Array | undefined;
}

/** The row about blocks that follow each other. Its filters are folded until it takes a small share of their bytes. */
export function encodeSummaryRow(stream: number, firstSeq: number, blocks: readonly SummarizedBlock[]): Entry {
  const summaries = fitting(blocks);
  const fields: Uint8Array[] = [varint(blocks.length)];
  let before = 0;
  for (const [i, { kind, count, lastTimestamp }] of blocks.entries()) {
    const numbers = [KINDS.indexOf(kind), count, lastTimestamp - before, summaries[i]?.length ?? 0];
    for (const number of numbers) fields.push(varint(number));
    before = lastTimestamp;
  }
  const key = summaryRowKey(stream, firstSeq);
  return checkedRow(key, VERSION, [...fields, ...summaries]);
}

/** A row as readers ask it. */
export class SummaryRow {
  readonly stream: number;
  readonly firstSeq: number;
  /** The sequence number after the last record of its last block. */
  readonly end: number;
  readonly blocks: number;
  readonly #kinds: BlockKind[] = [];
  readonly #ends: number[] = [];
  readonly #times: number[] = [];
  /** Where each summary ends in the value. */
  readonly #summaryEnds: number[] = [];
  readonly #value: Uint8Array;
  readonly #summariesAt: number;

  /** @throws TailraceError `corrupt` */
  constructor({ key, value }: Entry) {
    const { stream, firstSeq } = readSummaryRowKey(key);
    const fault = faultOfRow({ key, value }, VERSION);
    if (fault !== undefined) throw corruptRow(fault);
    const cursor = new VarintReader(value, FIELDS_AT, value.length);
    const blocks = cursor.next();
    if (blocks === 0 || blocks > BLOCKS_MAX) throw corruptRow('its number of blocks makes no sense');
    let [end, time, bytes] = [firstSeq, 0, 0];
    for (let i = 0; i < blocks; i++) {
      const kind = KINDS[cursor.next()];
      if (kind === undefined) throw corruptRow('the kind of a block is unknown');
      this.#kinds.push(kind);
      end += cursor.next();
      this.#ends.push(end);
      time += cursor.next();
      this.#times.push(time);
      bytes += cursor.next();
      this.#summaryEnds.push(bytes);
    }
    if (cursor.at + bytes !== value.length) throw corruptRow('its length makes no sense');
    this.stream = stream;
    this.firstSeq = firstSeq;
    this.end = end;
    this.blocks = blocks;
    // Parts of a plain array cost less than those of a Buffer.
    this.#value = new Uint8Array(value.buffer, value.byteOffset, value.length);
    this.#summariesAt = cursor.at;
  }

  /** Its size, for those who count what they did. */
  get bytes(): number {
    return this.#value.length;
  }

  /** The number of the block that holds a record; undefined when none does. */
  indexOf(seqNum: number): number | undefined {
    if (seqNum < this.firstSeq || seqNum >= this.end) return undefined;
    let [low, high] = [0, this.blocks - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.endOf(middle) <= seqNum) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  startOf(i: number): number {
    return i === 0 ? this.firstSeq : this.endOf(i - 1);
  }

  endOf(i: number): number {
    return this.#ends[i] ?? this.end;
  }

  lastTimestampOf(i: number): number {
    return this.#times[i] ?? 0;
  }

  kindOf(i: number): BlockKind {
    return this.#kinds[i] ?? 's2';
  }

  summaryOf(i: number): Uint8Array {
    const start = this.#summariesAt + (i === 0 ? 0 : (this.#summaryEnds[i - 1] ?? 0));
    return this.#value.subarray(start, this.#summariesAt + (this.#summaryEnds[i] ?? 0));
  }
}

/** The row in an entry; undefined for a damaged one: then the headers of the blocks say the same. */
export function summaryRowIn(entry: Entry): SummaryRow | undefined {
  try {
    return new SummaryRow(entry);
  } catch {
    return undefined;
  }
}

/** The summaries of blocks, folded alike until they take their share. */
function fitting(blocks: readonly SummarizedBlock[]): readonly Uint8Array[] {
  const stored = blocks.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const most = Math.max(stored * SUMMARY_ROW_SHARE, blocks.length * SUMMARY_ROW_BLOCK_BYTES);
  let summaries = blocks.map(({ summary }) => summary);
  for (let filterBytes = FILTER_BYTES_MAX; filterBytes > 1 && bytesOf(summaries) > most; filterBytes /= 2) {
    summaries = summaries.map((summary) => foldedSummary(summary, filterBytes / 2));
  }
  return summaries;
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function corruptRow(why: string): TailraceError {
  return new TailraceError('corrupt', `a row of summaries is damaged: ${why}`);
}
