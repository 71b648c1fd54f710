/** The literals of zstd that are Huffman-coded (RFC 8878 §4.2). */

import { BackwardBits } from './bits.ts';
import { damaged } from './fault.ts';
import { readFseTable } from './fse.ts';

/** Looked up by the next `log` bits. */
export interface HuffmanTable {
  readonly log: number;
  readonly symbols: Uint8Array;
  /** Bits that each symbol takes. */
  readonly bits: Uint8Array;
}

/** A table, and where it ended. */
export interface ReadHuffman {
  readonly table: HuffmanTable;
  readonly end: number;
}

const LOG_MAX = 11;
const WEIGHTS_MAX = 255;
const WEIGHT_LOG_MAX = 6;
const DIRECT = 128;

/** @throws TailraceError `bad_frame` */
export function readHuffmanTable(source: Uint8Array, start: number, end: number): ReadHuffman {
  const head = source[start] ?? 0;
  const tableEnd = start + 1 + (head < DIRECT ? head : (head - DIRECT + 2) >> 1);
  if (start >= end || tableEnd > end) throw damaged('a table ends too early');
  const weights =
    head < DIRECT ? packedWeights(source, start + 1, tableEnd) : directWeights(source, start + 1, head - DIRECT + 1);
  return { table: buildTable(weights), end: tableEnd };
}

/** Fills `target` from one run of bits, all of which must be used. @throws TailraceError `bad_frame` */
export function decodeHuffman(table: HuffmanTable, bits: BackwardBits, target: Uint8Array): void {
  const { log, symbols, bits: widths } = table;
  for (let i = 0; i < target.length; i++) {
    const index = bits.peek(log);
    target[i] = symbols[index] ?? 0;
    bits.left -= widths[index] ?? 0;
    if (bits.left < 0) break;
  }
  if (bits.left !== 0) throw damaged('literals do not end where they should');
}

function directWeights(source: Uint8Array, start: number, count: number): number[] {
  const weights: number[] = [];
  for (let i = 0; i < count; i++) {
    const byte = source[start + (i >> 1)] ?? 0;
    weights.push(i % 2 === 0 ? byte >> 4 : byte & 15);
  }
  return weights;
}

/** Two states take turns until the bits are used up. */
function packedWeights(source: Uint8Array, start: number, end: number): number[] {
  const { table, end: bitsAt } = readFseTable(source, start, end, WEIGHT_LOG_MAX, WEIGHTS_MAX);
  const bits = new BackwardBits(source, bitsAt, end);
  const weights: number[] = [];
  let turn = bits.read(table.log);
  let other = bits.read(table.log);
  if (bits.left < 0) throw damaged('a table ends too early');
  for (;;) {
    weights.push(table.symbols[turn] ?? 0);
    if (weights.length > WEIGHTS_MAX) throw damaged('a table has too many symbols');
    const width = table.bits[turn] ?? 0;
    if (width > bits.left) {
      weights.push(table.symbols[other] ?? 0);
      return weights;
    }
    const next = (table.bases[turn] ?? 0) + bits.read(width);
    turn = other;
    other = next;
  }
}

/** The last weight is not written: it is what fills the table. */
function buildTable(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) {
    if (weight > LOG_MAX) throw damaged('a symbol is too long');
    if (weight > 0) sum += 1 << (weight - 1);
  }
  const log = 32 - Math.clz32(sum);
  const rest = (1 << log) - sum;
  if (sum === 0 || log > LOG_MAX || (rest & (rest - 1)) !== 0 || weights.length > WEIGHTS_MAX) {
    throw damaged('a table is not full');
  }
  weights.push(32 - Math.clz32(rest));
  const symbols = new Uint8Array(1 << log);
  const bits = new Uint8Array(1 << log);
  let at = 0;
  for (let weight = 1; weight <= log; weight++) {
    for (const [symbol, own] of weights.entries()) {
      if (own !== weight) continue;
      const end = at + (1 << (weight - 1));
      symbols.fill(symbol, at, end);
      bits.fill(log + 1 - weight, at, end);
      at = end;
    }
  }
  return { log, symbols, bits };
}
