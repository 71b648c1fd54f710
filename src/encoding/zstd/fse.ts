/** The entropy tables of zstd that are called FSE (RFC 8878 §4.1): read from a frame, or given by the format. */

import { damaged } from './fault.ts';

/** What each state stands for, and how the next one is found. */
export interface FseTable {
  /** Bits of a state. */
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  readonly bases: Uint16Array;
}

/** How many states each symbol has; −1 is one at the end of the table. */
type Counts = readonly number[];

/** A table, and where it ended. */
export interface ReadTable {
  readonly table: FseTable;
  readonly end: number;
}

const LOG_MIN = 5;

/** A table in which one symbol is all there is: it takes no bits. */
export function singleSymbolTable(symbol: number): FseTable {
  return { log: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) };
}

/** Reads a table from its description. @throws TailraceError `bad_frame` */
export function readFseTable(
  source: Uint8Array,
  start: number,
  end: number,
  logMax: number,
  symbolMax: number,
): ReadTable {
  const bits = new ForwardBits(source, start, end);
  const log = bits.read(4) + LOG_MIN;
  if (log > logMax) throw damaged('a table is too large');
  const counts: number[] = [];
  let left = 1 << log;
  while (left > 0) {
    const count = readCount(bits, left);
    counts.push(count);
    left -= Math.abs(count);
    if (count === 0) skipZeros(bits, counts);
    if (counts.length > symbolMax + 1) throw damaged('a table has too many symbols');
  }
  if (left < 0) throw damaged('a table has too many states');
  return { table: buildFseTable(counts, log), end: bits.end() };
}

/** @throws TailraceError `bad_frame` when the counts don't fill the table */
export function buildFseTable(counts: Counts, log: number): FseTable {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const next = new Uint16Array(counts.length);
  spread(counts, size, symbols, next);
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] ?? 0;
    const turn = next[symbol] ?? 0;
    next[symbol] = turn + 1;
    const width = log - (31 - Math.clz32(turn));
    bits[state] = width;
    bases[state] = (turn << width) - size;
  }
  return { log, symbols, bits, bases };
}

/** Deals the states out to the symbols. */
function spread(counts: Counts, size: number, symbols: Uint8Array, next: Uint16Array): void {
  let high = size;
  for (const [symbol, count] of counts.entries()) {
    next[symbol] = Math.abs(count);
    if (count < 0) symbols[--high] = symbol;
  }
  const step = (size >> 1) + (size >> 3) + 3;
  const mask = size - 1;
  let at = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      symbols[at] = symbol;
      do at = (at + step) & mask;
      while (at >= high);
    }
  }
  if (at !== 0) throw damaged('a table is not full');
}

/** Numbers that cannot be much are written in fewer bits. */
function readCount(bits: ForwardBits, left: number): number {
  const width = 32 - Math.clz32(left + 1);
  const low = bits.peek(width - 1);
  const short = (1 << width) - 2 - left;
  if (low < short) {
    bits.skip(width - 1);
    return low - 1;
  }
  const value = bits.read(width);
  return (value >= 1 << (width - 1) ? value - short : value) - 1;
}

/** Behind a zero, pairs of bits say how many more of them follow. */
function skipZeros(bits: ForwardBits, counts: number[]): void {
  let more: number;
  do {
    more = bits.read(2);
    for (let i = 0; i < more; i++) counts.push(0);
  } while (more === 3);
}

/** Bits in the order of the bytes, lowest first. */
class ForwardBits {
  readonly #source: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(source: Uint8Array, start: number, end: number) {
    this.#source = source;
    this.#end = end * 8;
    this.#at = start * 8;
  }

  /** Up to 16 bits. */
  peek(width: number): number {
    const at = this.#at >> 3;
    const low = (this.#source[at] ?? 0) | ((this.#source[at + 1] ?? 0) << 8) | ((this.#source[at + 2] ?? 0) << 16);
    return (low >> (this.#at & 7)) & ((1 << width) - 1);
  }

  skip(width: number): void {
    this.#at += width;
    if (this.#at > this.#end) throw damaged('a table ends too early');
  }

  read(width: number): number {
    const value = this.peek(width);
    this.skip(width);
    return value;
  }

  /** The byte behind the last bit. */
  end(): number {
    return (this.#at + 7) >> 3;
  }
}
