/**
 * Unpacks the compressed blocks of a zstd frame (RFC 8878 §3.1.1.3): sequences of literals and of copies of what is there
 * already. Every step is bounded by what a block may hold, so the work is too.
 */

import { BackwardBits } from './bits.ts';
import { damaged } from './fault.ts';
import { buildFseTable, type FseTable, readFseTable, singleSymbolTable } from './fse.ts';
import { BLOCK_BYTES_MAX, LiteralsReader } from './literals.ts';

/** One of the three numbers of a sequence: its codes, and its table for who brings none. */
interface Field {
  readonly logMax: number;
  readonly codeMax: number;
  readonly standard: FseTable;
}

/** Extra bits by code, and the least value of each. */
interface Codes {
  readonly bits: Uint8Array;
  readonly bases: Uint32Array;
}

const PREDEFINED = 0;
const SINGLE = 1;
const DESCRIBED = 2;

const LITERAL_CODES = codes(0, [
  ...Array<number>(16).fill(0),
  1,
  1,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  6,
  7,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
  16,
]);
const MATCH_CODES = codes(3, [
  ...Array<number>(32).fill(0),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
]);

const LITERAL_LENGTHS: Field = {
  logMax: 9,
  codeMax: 35,
  standard: buildFseTable(
    [4, 3, ...Array<number>(11).fill(2), 1, 1, 1, ...Array<number>(9).fill(2), 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
    6,
  ),
};
const OFFSETS: Field = {
  logMax: 8,
  // Larger ones reach further back than anything that fits into memory.
  codeMax: 30,
  standard: buildFseTable([1, 1, 1, 1, 1, 1, 2, 2, 2, ...Array<number>(15).fill(1), -1, -1, -1, -1, -1], 5),
};
const MATCH_LENGTHS: Field = {
  logMax: 9,
  codeMax: 52,
  standard: buildFseTable(
    [1, 4, 3, ...Array<number>(6).fill(2), ...Array<number>(37).fill(1), ...Array<number>(7).fill(-1)],
    6,
  ),
};

/** The tables of a block, in the order in which they stand there. */
interface SequenceTables {
  literals: FseTable | undefined;
  offsets: FseTable | undefined;
  matches: FseTable | undefined;
}

/** How many sequences there are, and where what follows begins. */
interface SequenceHead {
  readonly count: number;
  readonly at: number;
}

/** Unpacks the blocks of one frame into one buffer, one behind the other. */
export class BlockDecoder {
  readonly #target: Uint8Array;
  readonly #onFull: () => Error;
  readonly #literals = new LiteralsReader();
  readonly #tables: SequenceTables = { literals: undefined, offsets: undefined, matches: undefined };
  /** The last three distances, the newest first. */
  #newest = 1;
  #second = 4;
  #third = 8;
  /** Bytes that are there. */
  filled = 0;

  /** `onFull` says what it means when there is more than the target holds. */
  constructor(target: Uint8Array, onFull: () => Error) {
    this.#target = target;
    this.#onFull = onFull;
  }

  copy(bytes: Uint8Array): void {
    this.#reach(bytes.length);
    this.#target.set(bytes, this.filled);
    this.filled += bytes.length;
  }

  repeat(byte: number, count: number): void {
    this.#reach(count);
    this.#target.fill(byte, this.filled, this.filled + count);
    this.filled += count;
  }

  /** A compressed block. @throws TailraceError `bad_frame`, and what `onFull` makes */
  unpack(source: Uint8Array, start: number, end: number): void {
    const before = this.filled;
    const { bytes, end: sequencesAt } = this.#literals.read(source, start, end);
    const { count, at } = sequenceHead(source, sequencesAt, end);
    const used = count === 0 ? 0 : this.#sequences(source, at, end, count, bytes);
    if (count === 0 && at !== end) throw damaged('something follows the literals');
    this.copy(used === 0 ? bytes : bytes.subarray(used));
    if (this.filled - before > BLOCK_BYTES_MAX) throw damaged('a block holds too much');
  }

  /** Answers how many of the literals were used. */
  #sequences(source: Uint8Array, start: number, end: number, count: number, literals: Uint8Array): number {
    const bits = new BackwardBits(source, this.#readTables(source, start, end), end);
    const { literals: ll, offsets: of, matches: ml } = this.#tables as Required<SequenceTables>;
    if (ll === undefined || of === undefined || ml === undefined) throw damaged('there are no tables to repeat');
    const limit = this.filled + BLOCK_BYTES_MAX;
    let llState = bits.read(ll.log);
    let ofState = bits.read(of.log);
    let mlState = bits.read(ml.log);
    let used = 0;
    for (let left = count; left > 0; left--) {
      const ofCode = of.symbols[ofState] ?? 0;
      const mlCode = ml.symbols[mlState] ?? 0;
      const llCode = ll.symbols[llState] ?? 0;
      const distance = (1 << ofCode) + bits.readWide(ofCode);
      const length = (MATCH_CODES.bases[mlCode] ?? 0) + bits.read(MATCH_CODES.bits[mlCode] ?? 0);
      const literalBytes = (LITERAL_CODES.bases[llCode] ?? 0) + bits.read(LITERAL_CODES.bits[llCode] ?? 0);
      if (left > 1) {
        llState = (ll.bases[llState] ?? 0) + bits.read(ll.bits[llState] ?? 0);
        mlState = (ml.bases[mlState] ?? 0) + bits.read(ml.bits[mlState] ?? 0);
        ofState = (of.bases[ofState] ?? 0) + bits.read(of.bits[ofState] ?? 0);
      }
      if (bits.left < 0) throw damaged('sequences end too early');
      if (this.filled + literalBytes + length > limit) throw damaged('a block holds too much');
      if (used + literalBytes > literals.length) throw damaged('there are too few literals');
      this.#literalRun(literals, used, literalBytes);
      used += literalBytes;
      this.#match(this.#distance(distance, literalBytes), length);
    }
    if (bits.left !== 0) throw damaged('sequences do not end where they should');
    return used;
  }

  #readTables(source: Uint8Array, start: number, end: number): number {
    const modes = source[start] ?? 0;
    if (start >= end || (modes & 3) !== 0) throw damaged('sequences have no such tables');
    const tables = this.#tables;
    let at = start + 1;
    const next = (mode: number, field: Field, before: FseTable | undefined): FseTable | undefined => {
      if (mode === PREDEFINED) return field.standard;
      if (mode === SINGLE) return single(source, at++, end, field);
      if (mode !== DESCRIBED) return before;
      const read = readFseTable(source, at, end, field.logMax, field.codeMax);
      at = read.end;
      return read.table;
    };
    tables.literals = next(modes >> 6, LITERAL_LENGTHS, tables.literals);
    tables.offsets = next((modes >> 4) & 3, OFFSETS, tables.offsets);
    tables.matches = next((modes >> 2) & 3, MATCH_LENGTHS, tables.matches);
    return at;
  }

  /** Small numbers mean distances that were used before. */
  #distance(value: number, literalBytes: number): number {
    if (value > 3) return this.#remember(value - 3);
    const which = literalBytes === 0 ? value : value - 1;
    if (which === 0) return this.#newest;
    if (which === 2) return this.#remember(this.#third);
    if (which === 3) return this.#remember(this.#newest - 1);
    const distance = this.#second;
    this.#second = this.#newest;
    this.#newest = distance;
    return distance;
  }

  #remember(distance: number): number {
    this.#third = this.#second;
    this.#second = this.#newest;
    this.#newest = distance;
    return distance;
  }

  #literalRun(literals: Uint8Array, from: number, count: number): void {
    this.#reach(count);
    const target = this.#target;
    const at = this.filled;
    if (count > 16) target.set(literals.subarray(from, from + count), at);
    else for (let i = 0; i < count; i++) target[at + i] = literals[from + i] ?? 0;
    this.filled = at + count;
  }

  /** Copies may overlap what they make: it repeats then. */
  #match(distance: number, length: number): void {
    this.#reach(length);
    const target = this.#target;
    const at = this.filled;
    const from = at - distance;
    if (from < 0 || distance === 0) throw damaged('a copy reaches back too far');
    if (distance >= length && length > 16) target.copyWithin(at, from, from + length);
    else for (let i = 0; i < length; i++) target[at + i] = target[from + i] ?? 0;
    this.filled = at + length;
  }

  #reach(bytes: number): void {
    if (this.filled + bytes > this.#target.length) throw this.#onFull();
  }
}

function sequenceHead(source: Uint8Array, at: number, end: number): SequenceHead {
  const first = source[at] ?? 0;
  const bytes = first < 128 ? 1 : first < 255 ? 2 : 3;
  if (at + bytes > end) throw damaged('sequences end too early');
  if (first < 128) return { count: first, at: at + bytes };
  const second = source[at + 1] ?? 0;
  if (first < 255) return { count: ((first - 128) << 8) + second, at: at + bytes };
  return { count: second + ((source[at + 2] ?? 0) << 8) + 0x7f00, at: at + bytes };
}

function single(source: Uint8Array, at: number, end: number, { codeMax }: Field): FseTable {
  const code = source[at] ?? 0;
  if (at >= end || code > codeMax) throw damaged('there is no such code');
  return singleSymbolTable(code);
}

function codes(base: number, bits: readonly number[]): Codes {
  const bases = new Uint32Array(bits.length);
  let next = base;
  for (const [code, width] of bits.entries()) {
    bases[code] = next;
    next += 2 ** width;
  }
  return { bits: Uint8Array.from(bits), bases };
}
