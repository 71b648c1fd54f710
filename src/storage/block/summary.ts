/**
 * The summary of an OTLP block, in its header: what its records are about, so that a reader with a filter can leave a block
 * unread that holds nothing of what it wants. It may say that something is there which is not, never the other way round.
 *
 * ```
 *  at   bytes  what
 *  0    1      form, 2; a reader that does not know it takes the block for one without a summary
 *  1    1      what is known, a bit each: 1 levels, 2 services, 4 names, 8 trace ids
 *  2    1      levels that are there, a bit each: 1 debug, 2 info, 4 warn, 8 error, 16 fatal, 32 a record without a level,
 *              64 a level that only its text tells
 *  3    1      the size of both filters, as power of two of their bytes: of words in the low four bits, of ids in the high
 *              four; 15: empty, nothing is there
 *  4    …      the filter of words (services and names), then that of trace ids
 * ```
 *
 * A filter of m bits is a Bloom filter. An entry has a hash h of 32 bits: MurmurHash3 (x86, 32 bits) of its bytes with the
 * seed 2 for a service, 4 for a name, 8 for a trace id. With g, the finalizer of that hash on h xor 9e3779b9, it sets the
 * bits h, h >> 13, g and g >> 13, each modulo m; bit n is bit n mod 8 of byte n / 8.
 */

import { LEVELS } from '../../model/filter.ts';

/** Whose filter a text is looked for in, and what its hash begins with. */
export const SUMMARY_PART = { services: 2, names: 4, traceIds: 8 } as const;
export type SummaryPart = keyof typeof SUMMARY_PART;

/** Bits of levels: of the five by `levelBit`, and of those that are none of them. */
export const NO_LEVEL_BIT = 32;
export const OTHER_LEVEL_BIT = 64;
const ANY_LEVEL = 127;
const WORD_PARTS = SUMMARY_PART.services | SUMMARY_PART.names;
const LEVEL_WORDS: readonly string[] = LEVELS;

const FORM = 2;
const LEVELS_KNOWN = 1;
const FIXED_BYTES = 4;
const NO_FILTER = 15;
/** At their largest: 13 bits of a hash choose one of 8,192 bits. */
const ID_FILTER_BYTES = 1_024;
const WORD_FILTER_BYTES = 512;
/** The most that a summary takes: a header with it stays within the bytes in which readers look for it. */
export const SUMMARY_BYTES_MAX = FIXED_BYTES + WORD_FILTER_BYTES + ID_FILTER_BYTES;
/**
 * A filter is halved while at most this share of its bits is set then: with four bits for each entry, one of a hundred
 * entries that are not there seems to be.
 */
const FILL_MAX = 0.316;
/** With more than this it hides too little to be worth its bytes. */
const FILL_USEFUL_MAX = 0.84;

/** The bit of one of the five levels, or of any other word. */
export function levelBit(level: string): number {
  const index = LEVEL_WORDS.indexOf(level);
  return index < 0 ? OTHER_LEVEL_BIT : 1 << index;
}

/** Collects what is in one block. Reusable: call `begin` for each. */
export class SummaryBuilder {
  readonly #words = new BloomFilter(WORD_FILTER_BYTES);
  readonly #ids = new BloomFilter(ID_FILTER_BYTES);
  #known = 0;
  #levels = 0;

  /** Begins the summary of a block whose levels, services, names and trace ids are all told. */
  begin(hasLevels: boolean): void {
    this.#known = WORD_PARTS | SUMMARY_PART.traceIds | (hasLevels ? LEVELS_KNOWN : 0);
    this.#levels = 0;
    this.#words.clear();
    this.#ids.clear();
  }

  /** Some of the records have such levels. */
  level(bits: number): void {
    this.#levels |= bits;
  }

  /** One of them has this in [start, end). */
  add(part: SummaryPart, view: DataView, start: number, end: number): void {
    const filter = part === 'traceIds' ? this.#ids : this.#words;
    filter.add(hashOf(view, start, end, SUMMARY_PART[part]));
  }

  /** The same for a trace id with that hash, of which each record has one. */
  addTraceId(hash: number): void {
    this.#ids.add(hash);
  }

  /** One of them may have anything there. */
  forget(part: SummaryPart): void {
    this.#known &= ~SUMMARY_PART[part];
  }

  /** Each filter takes at most so many bytes, also where more entries that are not there then seem to be. */
  finish(filterBytesMax: number): Uint8Array {
    const words = this.#words.folded(filterBytesMax);
    const ids = this.#ids.folded(filterBytesMax);
    if (words === undefined) this.#known &= ~WORD_PARTS;
    if (ids === undefined) this.#known &= ~SUMMARY_PART.traceIds;
    const [wordBytes, idBytes] = [words ?? 0, ids ?? 0];
    const summary = new Uint8Array(FIXED_BYTES + wordBytes + idBytes);
    summary[0] = FORM;
    summary[1] = this.#known;
    summary[2] = this.#levels;
    summary[3] = sizeBits(wordBytes) | (sizeBits(idBytes) << 4);
    this.#words.copyTo(summary, FIXED_BYTES, wordBytes);
    this.#ids.copyTo(summary, FIXED_BYTES + wordBytes, idBytes);
    return summary;
  }
}

/** A summary as readers ask it. */
export class Summary {
  readonly #bytes: Uint8Array;
  readonly #known: number;
  readonly #wordsEnd: number;

  private constructor(bytes: Uint8Array, wordsEnd: number) {
    this.#bytes = bytes;
    this.#known = bytes[1] ?? 0;
    this.#wordsEnd = wordsEnd;
  }

  /** Undefined when there is none that this build knows. */
  static of(bytes: Uint8Array): Summary | undefined {
    if (bytes.length < FIXED_BYTES || bytes[0] !== FORM) return undefined;
    const sizes = bytes[3] ?? 0;
    const wordsEnd = FIXED_BYTES + bytesIn(sizes & 15);
    return bytes.length === wordsEnd + bytesIn(sizes >> 4) ? new Summary(bytes, wordsEnd) : undefined;
  }

  /** The bits of the levels that its records may have. */
  get levels(): number {
    return (this.#known & LEVELS_KNOWN) === 0 ? ANY_LEVEL : (this.#bytes[2] ?? ANY_LEVEL);
  }

  /** Whether one of its records may have a text or id with that hash (`summaryHash`) there. */
  mayHold(part: SummaryPart, hash: number): boolean {
    if ((this.#known & SUMMARY_PART[part]) === 0) return true;
    const isId = part === 'traceIds';
    const start = isId ? this.#wordsEnd : FIXED_BYTES;
    const end = isId ? this.#bytes.length : this.#wordsEnd;
    return end > start && hasBits(this.#bytes, start, (end - start) * 8 - 1, hash);
  }
}

/**
 * The same summary with filters of at most so many bytes each (a power of two): it hides less then. Unchanged when they
 * are no larger, or when this build does not know it.
 */
export function foldedSummary(summary: Uint8Array, filterBytesMax: number): Uint8Array {
  const sizes = summary[3] ?? 0;
  const wordsEnd = FIXED_BYTES + bytesIn(sizes & 15);
  if (Summary.of(summary) === undefined) return summary;
  const words = foldedFilter(summary.subarray(FIXED_BYTES, wordsEnd), filterBytesMax);
  const ids = foldedFilter(summary.subarray(wordsEnd), filterBytesMax);
  const [wordBytes, idBytes] = [words?.length ?? 0, ids?.length ?? 0];
  if (wordBytes + idBytes + FIXED_BYTES === summary.length) return summary;
  const short = new Uint8Array(FIXED_BYTES + wordBytes + idBytes);
  short[0] = FORM;
  short[1] =
    (summary[1] ?? 0) & ~(words === undefined ? WORD_PARTS : 0) & ~(ids === undefined ? SUMMARY_PART.traceIds : 0);
  short[2] = summary[2] ?? 0;
  short[3] = sizeBits(wordBytes) | (sizeBits(idBytes) << 4);
  short.set(words ?? [], FIXED_BYTES);
  short.set(ids ?? [], FIXED_BYTES + wordBytes);
  return short;
}

/** What an entry is found by. */
export function summaryHash(part: SummaryPart, entry: Uint8Array): number {
  const view = new DataView(entry.buffer, entry.byteOffset, entry.length);
  return hashOf(view, 0, entry.length, SUMMARY_PART[part]);
}

class BloomFilter {
  readonly #bytes: Uint8Array;
  /** The same memory: four bytes are folded and counted at once. */
  readonly #words: Int32Array;
  readonly #mask: number;
  #last = 0;
  #isEmpty = true;

  constructor(bytes: number) {
    this.#bytes = new Uint8Array(bytes);
    this.#words = new Int32Array(this.#bytes.buffer);
    this.#mask = bytes * 8 - 1;
  }

  clear(): void {
    if (!this.#isEmpty) this.#bytes.fill(0);
    this.#isEmpty = true;
  }

  add(hash: number): void {
    // Neighbours often have the same.
    if (hash === this.#last && !this.#isEmpty) return;
    this.#last = hash;
    this.#isEmpty = false;
    const bytes = this.#bytes;
    const mask = this.#mask;
    const more = secondHash(hash);
    setBit(bytes, hash & mask);
    setBit(bytes, (hash >>> 13) & mask);
    setBit(bytes, more & mask);
    setBit(bytes, (more >>> 13) & mask);
  }

  /**
   * Halves it as often as it can be, or must be; afterwards only its first bytes count. Returns how many: 0 for an empty
   * one; undefined when it is too full to be of use.
   */
  folded(bytesMax: number): number | undefined {
    if (this.#isEmpty) return 0;
    const bytes = this.#bytes;
    const words = this.#words;
    let size = bytes.length;
    while (size >= 8 && (size > bytesMax || fillOfWords(words, size >>> 3) <= FILL_MAX)) {
      halve(bytes, words, size);
      size /= 2;
    }
    while (size > 1 && (size > bytesMax || (size < 8 && fillOf(bytes, size / 2, size / 2) <= FILL_MAX))) {
      halve(bytes, words, size);
      size /= 2;
    }
    return fillOf(bytes, size, 0) > FILL_USEFUL_MAX ? undefined : size;
  }

  copyTo(target: Uint8Array, at: number, bytes: number): void {
    target.set(this.#bytes.subarray(0, bytes), at);
  }
}

/** A filter of at most so many bytes; undefined when it is too full then to be of use. */
function foldedFilter(filter: Uint8Array, bytesMax: number): Uint8Array | undefined {
  if (filter.length <= bytesMax) return filter;
  const bytes = new Uint8Array(filter);
  const words = new Int32Array(bytes.buffer, 0, bytes.length >>> 2);
  let size = bytes.length;
  for (; size > Math.max(1, bytesMax); size /= 2) halve(bytes, words, size);
  return fillOf(bytes, size, 0) > FILL_USEFUL_MAX ? undefined : bytes.subarray(0, size);
}

/** Folds the second half of the first bytes into the first one. `words` are the same memory, four bytes each. */
function halve(bytes: Uint8Array, words: Int32Array, size: number): void {
  if (size >= 8) {
    const half = size >>> 3;
    for (let i = 0; i < half; i++) words[i] = (words[i] as number) | (words[i + half] as number);
  } else {
    const half = size >>> 1;
    for (let i = 0; i < half; i++) bytes[i] = (bytes[i] as number) | (bytes[i + half] as number);
  }
}

/** The share of bits that are set in the first bytes, or in those and the same number at `other`. */
function fillOf(bytes: Uint8Array, length: number, other: number): number {
  let bits = 0;
  for (let i = 0; i < length; i++) bits += BITS[(bytes[i] as number) | (bytes[i + other] as number)] as number;
  return bits / (8 * length);
}

/** The share of bits that are set in the first words, or in as many behind them. */
function fillOfWords(words: Int32Array, length: number): number {
  let bits = 0;
  for (let i = 0; i < length; i++) bits += bitsIn((words[i] as number) | (words[i + length] as number));
  return bits / (32 * length);
}

/** How many bits are set in a word: sums of two bits, of four, of eight, and of all. */
function bitsIn(word: number): number {
  const twos = word - ((word >>> 1) & 0x55555555);
  const fours = (twos & 0x33333333) + ((twos >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** How many bits are set in a byte. */
const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

function setBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >>> 3] = (bytes[bit >>> 3] as number) | (1 << (bit & 7));
}

function hasBits(bytes: Uint8Array, start: number, mask: number, hash: number): boolean {
  const more = secondHash(hash);
  return (
    hasBit(bytes, start, hash & mask) &&
    hasBit(bytes, start, (hash >>> 13) & mask) &&
    hasBit(bytes, start, more & mask) &&
    hasBit(bytes, start, (more >>> 13) & mask)
  );
}

function hasBit(bytes: Uint8Array, start: number, bit: number): boolean {
  return (((bytes[start + (bit >>> 3)] ?? 0) >>> (bit & 7)) & 1) === 1;
}

/** MurmurHash3, 32 bits, by little-endian words. */
function hashOf(view: DataView, start: number, end: number, seed: number): number {
  let hash = seed;
  let at = start;
  for (; at + 4 <= end; at += 4) hash = mixed(hash, view.getUint32(at, true));
  if (at < end) {
    let tail = 0;
    for (let shift = 0; at < end; shift += 8) tail |= view.getUint8(at++) << shift;
    hash ^= Math.imul(rotated(Math.imul(tail, 0xcc9e2d51), 15), 0x1b873593);
  }
  return finished(hash ^ (end - start));
}

/** The same for the 16 bytes of a trace id. */
export function traceIdHash(view: DataView, at: number): number {
  let hash = mixed(SUMMARY_PART.traceIds, view.getInt32(at, true));
  hash = mixed(hash, view.getInt32(at + 4, true));
  hash = mixed(hash, view.getInt32(at + 8, true));
  return finished(mixed(hash, view.getInt32(at + 12, true)) ^ 16);
}

function mixed(hash: number, word: number): number {
  const next = hash ^ Math.imul(rotated(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  return (Math.imul(rotated(next, 13), 5) + 0xe6546b64) | 0;
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function finished(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/** 32 more bits of a hash. */
export function secondHash(hash: number): number {
  return finished(hash ^ 0x9e3779b9);
}

function sizeBits(bytes: number): number {
  return bytes === 0 ? NO_FILTER : 31 - Math.clz32(bytes);
}

function bytesIn(sizeBits: number): number {
  return sizeBits === NO_FILTER ? 0 : 1 << sizeBits;
}
