/** The literals of a zstd block: bytes that its sequences put between their copies (RFC 8878 §3.1.1.3.1). */

import { BackwardBits } from './bits.ts';
import { damaged } from './fault.ts';
import { decodeHuffman, type HuffmanTable, readHuffmanTable } from './huffman.ts';

/** What a block may hold at most. */
export const BLOCK_BYTES_MAX = 128 * 1024;

const RAW = 0;
const RLE = 1;
const PACKED = 2;
const JUMP_BYTES = 6;

/** What the head of a literals section says. */
interface LiteralsHead {
  readonly type: number;
  /** Where what follows begins. */
  readonly start: number;
  readonly bytes: number;
  readonly packedBytes: number;
  readonly isSplit: boolean;
}

/** Literals, and where they ended. The bytes are good until the next call. */
export interface Literals {
  readonly bytes: Uint8Array;
  readonly end: number;
}

/** Reads literals of one frame: a block may use the table of the one before. */
export class LiteralsReader {
  #table: HuffmanTable | undefined;

  /** @throws TailraceError `bad_frame` */
  read(source: Uint8Array, start: number, blockEnd: number): Literals {
    const head = headOf(source, start, blockEnd);
    if (head.type === RAW) {
      const end = head.start + head.bytes;
      if (end > blockEnd) throw damaged('literals end too early');
      return { bytes: source.subarray(head.start, end), end };
    }
    if (head.type === RLE) {
      if (head.start >= blockEnd) throw damaged('literals end too early');
      return { bytes: SCRATCH.subarray(0, head.bytes).fill(source[head.start] ?? 0), end: head.start + 1 };
    }
    const end = head.start + head.packedBytes;
    if (end > blockEnd) throw damaged('literals end too early');
    return { bytes: this.#unpack(source, head, end), end };
  }

  #unpack(source: Uint8Array, { type, start, bytes, isSplit }: LiteralsHead, end: number): Uint8Array {
    let at = start;
    if (type === PACKED) {
      const read = readHuffmanTable(source, at, end);
      this.#table = read.table;
      at = read.end;
    }
    const table = this.#table;
    if (table === undefined) throw damaged('there is no table before the first block');
    const target = SCRATCH.subarray(0, bytes);
    if (isSplit) decodeSplit(table, source, at, end, target);
    else decodeHuffman(table, new BackwardBits(source, at, end), target);
    return target;
  }
}

/** No two blocks are read at the same time. */
const SCRATCH = new Uint8Array(BLOCK_BYTES_MAX);

/** Four runs of bits, each for a quarter. */
function decodeSplit(table: HuffmanTable, source: Uint8Array, start: number, end: number, target: Uint8Array): void {
  if (start + JUMP_BYTES > end) throw damaged('literals end too early');
  const quarter = (target.length + 3) >> 2;
  if (3 * quarter > target.length) throw damaged('there are too few literals for four runs');
  let at = start + JUMP_BYTES;
  for (let run = 0; run < 4; run++) {
    const jump = start + 2 * run;
    const next = run === 3 ? end : at + (source[jump] ?? 0) + ((source[jump + 1] ?? 0) << 8);
    if (next > end) throw damaged('literals end too early');
    const part = target.subarray(run * quarter, run === 3 ? target.length : (run + 1) * quarter);
    decodeHuffman(table, new BackwardBits(source, at, next), part);
    at = next;
  }
}

function headOf(source: Uint8Array, at: number, end: number): LiteralsHead {
  const byte = (i: number): number => source[at + i] ?? 0;
  const type = byte(0) & 3;
  const format = (byte(0) >> 2) & 3;
  const head = type === RAW || type === RLE ? plainHead(type, format, at, byte) : packedHead(type, format, at, byte);
  if (head.start > end || head.bytes > BLOCK_BYTES_MAX) throw damaged('literals have no such size');
  return head;
}

function plainHead(type: number, format: number, at: number, byte: (i: number) => number): LiteralsHead {
  const rest = { type, packedBytes: 0, isSplit: false };
  if (format === 1) return { ...rest, start: at + 2, bytes: (byte(0) >> 4) | (byte(1) << 4) };
  if (format === 3) return { ...rest, start: at + 3, bytes: (byte(0) >> 4) | (byte(1) << 4) | (byte(2) << 12) };
  return { ...rest, start: at + 1, bytes: byte(0) >> 3 };
}

function packedHead(type: number, format: number, at: number, byte: (i: number) => number): LiteralsHead {
  const width = [10, 10, 14, 18][format] ?? 18;
  const headBytes = [3, 3, 4, 5][format] ?? 5;
  let value = 0;
  for (let i = 0; i < headBytes; i++) value += byte(i) * 256 ** i;
  const sizes = Math.floor(value / 16);
  const unit = 1 << width;
  return {
    type,
    start: at + headBytes,
    bytes: sizes % unit,
    packedBytes: Math.floor(sizes / unit),
    isSplit: format > 0,
  };
}
