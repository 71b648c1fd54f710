/**
 * Integers of all widths, as JSON numbers or as strings, exact to the last digit: they never become floats. In
 * OTLP/JSON 64-bit integers are decimal strings (OTLP specification, JSON Protobuf Encoding); some exporters send
 * numbers.
 */

import { OPEN_BRACE, QUOTE, ZERO } from '../../encoding/json-characters.ts';
import { spoilScalar } from './spoiled.ts';
import {
  ENUM,
  ENUMS,
  FIELDS,
  FIXED32,
  FIXED64,
  INT32,
  INT64,
  KIND,
  NONE,
  REPEATED,
  SFIXED64,
  SINT32,
  TARGET,
  UINT32,
  UINT64,
} from './tables.ts';
import { copyText, isNumberByte, numberEnd } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

const MINUS = 0x2d;

/** A number of at most this many digits is below 2^31. */
const SHORT_DIGITS = 9;
const BILLION = 1_000_000_000;
/** 2^64 has 20 digits. */
const DIGITS_MAX = 20;

const TIME_DIGITS = 19;
const ZEROS = 0x30303030;
/** The digits 000 and a quote. */
const LAST_ZEROS = 0x22303030;
/** Added to a byte, it sets the high bit from 10 on. */
const NINES = 0x76767676;
const HIGH_BITS = 0x80808080 | 0;
const FIVE_11 = 48_828_125;
const TWO_11 = 0x800;
const TWO_21 = 0x20_0000;
const BITS_21 = TWO_21 - 1;
const TWO_32 = 0x1_0000_0000;

const NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** What JavaScript keeps integers of 64 bits in: an object of `long.js`, or of two halves alone. */
const TWO_HALVES =
  /^\{\s*"low"\s*:\s*(-?\d{1,10})\s*,\s*"high"\s*:\s*(-?\d{1,10})\s*(?:,\s*"unsigned"\s*:\s*(?:true|false)\s*)?\}/;
/** With white space between its parts. */
const TWO_HALVES_BYTES_MAX = 256;

/** Lowest and highest value of each kind. */
const RANGES: Readonly<Record<number, readonly [bigint, bigint]>> = {
  [INT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [SINT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ENUM]: [-(2n ** 31n), 2n ** 31n - 1n],
  [UINT32]: [0n, 2n ** 32n - 1n],
  [FIXED32]: [0n, 2n ** 32n - 1n],
  [INT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [SFIXED64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [UINT64]: [0n, 2n ** 64n - 1n],
  [FIXED64]: [0n, 2n ** 64n - 1n],
};

/** The current number, low half first: its magnitude while it is read, two's complement when it is written. */
const halves = new Uint32Array(2);

/** In place of a position: the number is too large, and the oneof of its field has a double. */
export const TOO_LARGE = 0;

/**
 * Writes the integer at `at` as a value of that kind; returns the position after it, or `TOO_LARGE`: then nothing is
 * written.
 * @throws TailraceError `bad_json` when it is not an integer, has a fraction, or is out of range.
 */
export function readInteger(buffer: TranscodeBuffer, at: number, field: number, kind: number): number {
  const { view } = buffer;
  const quoted = view.getUint8(at) === QUOTE;
  if (quoted && kind === FIXED64 && readTime(view, at + 1, buffer.out)) {
    buffer.out += 8;
    return at + 1 + TIME_DIGITS + 1;
  }
  const from = quoted ? at + 1 : at;
  const negative = view.getUint8(from) === MINUS;
  const first = negative ? from + 1 : from;
  let after = first;
  let digit = view.getUint8(after) - ZERO;
  let value = 0;
  while (digit >>> 0 <= 9 && after < first + SHORT_DIGITS) {
    value = value * 10 + digit;
    digit = view.getUint8(++after) - ZERO;
  }
  if (digit >>> 0 <= 9) {
    after = readHalves(buffer, first);
  } else if (negative) {
    halves[0] = value;
    halves[1] = 0;
  } else if (isPlain(view, first, after, quoted)) {
    writeShort(buffer, value, kind);
    return quoted ? after + 1 : after;
  }
  if (!isPlain(view, first, after, quoted) || (negative && !negate(kind)) || !isInRange(kind, negative)) {
    return readOddInteger(buffer, at, field, kind);
  }
  writeHalves(buffer, kind);
  return quoted ? after + 1 : after;
}

/**
 * Writes a time of 19 digits in nanoseconds, which all times from 2001 to 2286 have. Returns false and writes nothing
 * when there are not 19 digits. With A the first 8 digits, the number is A · 10^11 + rest, and 10^11 is 5^11 · 2^11, so
 * all products are exact.
 */
function readTime(view: DataView, at: number, out: number): boolean {
  const first = view.getInt32(at, true) ^ ZEROS;
  const second = view.getInt32(at + 4, true) ^ ZEROS;
  const third = view.getInt32(at + 8, true) ^ ZEROS;
  const fourth = view.getInt32(at + 12, true) ^ ZEROS;
  // The last three digits and the quote, which is turned into a digit.
  const last = view.getInt32(at + 16, true) ^ LAST_ZEROS;
  const odd =
    first |
    (first + NINES) |
    second |
    (second + NINES) |
    third |
    (third + NINES) |
    fourth |
    (fourth + NINES) |
    last |
    (last + NINES);
  if ((odd & HIGH_BITS) !== 0 || last >>> 24 !== 0 || (first & 0xff) === 0) return false;
  const rest = (fourDigits(third) * 10_000 + fourDigits(fourth)) * 1_000 + fourDigits(last) / 10;
  const product = (fourDigits(first) * 10_000 + fourDigits(second)) * FIVE_11;
  const low = (product & BITS_21) * TWO_11 + rest;
  view.setUint32(out, low, true);
  view.setUint32(out + 4, Math.floor(product / TWO_21) + Math.floor(low / TWO_32), true);
  return true;
}

/** The number of four decimal digits, each of which is one byte of the word. */
function fourDigits(word: number): number {
  const pairs = Math.imul(word, 10) + (word >>> 8);
  return (pairs & 0xff) * 100 + ((pairs >>> 16) & 0xff);
}

/** Whether [first, after) holds the digits of an integer that ends there, written as JSON writes numbers. */
function isPlain(view: DataView, first: number, after: number, quoted: boolean): boolean {
  if (after === first) return false;
  if (after > first + 1 && view.getUint8(first) === ZERO) return false;
  return quoted ? view.getUint8(after) === QUOTE : !isNumberByte(view.getUint8(after));
}

/** Reads up to 20 digits into `halves`; returns where they end, or `first` when the number needs more than 64 bits. */
function readHalves(buffer: TranscodeBuffer, first: number): number {
  const { view } = buffer;
  halves.fill(0);
  let after = first;
  let chunk = 0;
  let scale = 1;
  for (;;) {
    const digit = view.getUint8(after) - ZERO;
    const ends = digit >>> 0 > 9;
    if (ends || scale === BILLION) {
      if (!multiplyAndAdd(scale, chunk)) return first;
      if (ends) return after;
      chunk = 0;
      scale = 1;
    }
    if (after - first === DIGITS_MAX) return first;
    chunk = chunk * 10 + digit;
    scale *= 10;
    after++;
  }
}

/**
 * Sets `halves` to halves · factor + addend, both at most 10^9; returns false when that has more than 64 bits. Exact:
 * the low half is multiplied in two parts of 16 bits, so no product exceeds 2^47.
 */
function multiplyAndAdd(factor: number, addend: number): boolean {
  const low = halves[0] as number;
  const bottom = (low & 0xffff) * factor + addend;
  const middle = (low >>> 16) * factor + Math.floor(bottom / 0x1_0000);
  const top = (halves[1] as number) * factor + Math.floor(middle / 0x1_0000);
  halves[0] = (middle << 16) | (bottom & 0xffff);
  halves[1] = top;
  return top < 0x1_0000_0000;
}

/** Makes the magnitude its two's complement; returns false for kinds without a sign, unless it is 0. */
function negate(kind: number): boolean {
  const low = halves[0] as number;
  const high = halves[1] as number;
  if (low === 0 && high === 0) return true;
  halves[0] = -low;
  halves[1] = ~high + (low === 0 ? 1 : 0);
  return kind !== UINT32 && kind !== FIXED32 && kind !== UINT64 && kind !== FIXED64;
}

/** Whether the sign bit is what it should be, and 32-bit kinds have 32 bits. */
function isInRange(kind: number, negative: boolean): boolean {
  const low = halves[0] as number;
  const high = halves[1] as number;
  switch (kind) {
    case UINT64:
    case FIXED64:
      return true;
    case UINT32:
    case FIXED32:
      return high === 0;
    case INT64:
    case SFIXED64:
      return negative ? high > 0x7fffffff || (low === 0 && high === 0) : high <= 0x7fffffff;
    default:
      return negative && low !== 0 ? high === 0xffffffff && low > 0x7fffffff : high === 0 && low <= 0x7fffffff;
  }
}

/** Any value below 2^31 fits all kinds. */
function writeShort(buffer: TranscodeBuffer, value: number, kind: number): void {
  if (kind === FIXED64 || kind === SFIXED64 || kind === FIXED32) {
    halves[0] = value;
    halves[1] = 0;
    writeHalves(buffer, kind);
    return;
  }
  const { view } = buffer;
  let out = buffer.out;
  // Zigzag doubles the value, which still fits into 32 bits.
  let rest = kind === SINT32 ? 2 * value : value;
  for (; rest > 0x7f; rest >>>= 7) view.setUint8(out++, (rest & 0x7f) | 0x80);
  view.setUint8(out, rest);
  buffer.out = out + 1;
}

function writeHalves(buffer: TranscodeBuffer, kind: number): void {
  const { view } = buffer;
  const low = halves[0] as number;
  const high = halves[1] as number;
  switch (kind) {
    case FIXED64:
    case SFIXED64:
      view.setInt32(buffer.out, low, true);
      view.setInt32(buffer.out + 4, high, true);
      buffer.out += 8;
      return;
    case FIXED32:
      view.setInt32(buffer.out, low, true);
      buffer.out += 4;
      return;
    case SINT32:
      writeVarint(buffer, ((low << 1) ^ (low >> 31)) >>> 0, 0);
      return;
    default:
      writeVarint(buffer, low, high);
  }
}

/** Negative 32-bit numbers take ten bytes too: their halves are those of the 64-bit number. */
function writeVarint(buffer: TranscodeBuffer, low: number, high: number): void {
  const { view } = buffer;
  let out = buffer.out;
  while (high !== 0 || low > 0x7f) {
    view.setUint8(out++, low | 0x80);
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  view.setUint8(out, low);
  buffer.out = out + 1;
}

/** Everything that is not a sign and digits: `1.0`, `1e3`, escapes, names of enums, and what is not an integer. */
function readOddInteger(buffer: TranscodeBuffer, at: number, field: number, kind: number): number {
  if (buffer.view.getUint8(at) === OPEN_BRACE) {
    const end = readTwoHalves(buffer, at, kind);
    if (end > 0) return end;
  }
  const quoted = buffer.view.getUint8(at) === QUOTE;
  const out = buffer.out;
  const after = quoted ? copyText(buffer, at + 1, out) : numberEnd(buffer.view, at);
  const text = quoted ? buffer.text(out, buffer.out) : buffer.text(at, after);
  buffer.out = out;
  const value = integerOf(text) ?? (quoted && kind === ENUM ? enumValue(buffer, text, field) : undefined);
  if (value === undefined) return spoilScalar(buffer, at, field, fixOf(field, kind), quoted ? after : 0);
  const [least, most] = RANGES[kind] as readonly [bigint, bigint];
  if (value < least || value > most) {
    // In quotes an integer is exact, which a double is not.
    if (!quoted && hasDouble(field, kind)) return TOO_LARGE;
    return spoilScalar(buffer, at, field, `is out of range: send a number from ${least} to ${most}`, after);
  }
  const bits = BigInt.asUintN(64, value);
  halves[0] = Number(bits & 0xffffffffn);
  halves[1] = Number(bits >> 32n);
  writeHalves(buffer, kind);
  return after;
}

/**
 * Writes an integer of 64 bits from its two halves, as the exporters of HTTP/JSON of OpenTelemetry for JavaScript 0.44
 * send all times. Returns the position after the object, or 0 when it is none of these; then nothing is written.
 */
function readTwoHalves(buffer: TranscodeBuffer, at: number, kind: number): number {
  const is64 = kind === FIXED64 || kind === SFIXED64 || kind === INT64 || kind === UINT64;
  const match = is64 ? TWO_HALVES.exec(buffer.text(at, Math.min(at + TWO_HALVES_BYTES_MAX, buffer.end))) : null;
  if (match === null) return 0;
  const [text, low, high] = match;
  if (!isHalf(Number(low)) || !isHalf(Number(high))) return 0;
  halves[0] = Number(low);
  halves[1] = Number(high);
  writeHalves(buffer, kind);
  buffer.integerHalves++;
  return at + text.length;
}

/** With a sign or without. */
function isHalf(value: number): boolean {
  return value >= -TWO_32 / 2 && value < TWO_32;
}

function hasDouble(field: number, kind: number): boolean {
  return (kind === INT64 || kind === SFIXED64) && FIELDS[field + TARGET] !== NONE;
}

/** The value of a JSON number without a fraction, in any form; undefined for anything else. */
function integerOf(text: string): bigint | undefined {
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return 0n;
  const zeros = Number(exponent) - fraction.length + digits.length - significant.length;
  if (zeros < 0) return undefined;
  // More digits than any kind has are out of range for all of them.
  const value =
    significant.length + zeros > DIGITS_MAX ? 10n ** BigInt(DIGITS_MAX) : BigInt(significant) * 10n ** BigInt(zeros);
  return sign === '-' ? -value : value;
}

/** OTLP has integers here; names come from protobuf's own JSON mapping and are tolerated. */
function enumValue(buffer: TranscodeBuffer, name: string, field: number): bigint | undefined {
  const value = ENUMS[FIELDS[field + TARGET] as number]?.get(name);
  if (value === undefined) return undefined;
  buffer.enumNames++;
  return BigInt(value);
}

function fixOf(field: number, kind: number): string {
  if (kind === ENUM) return 'must be an integer, the number of the enum value';
  const each = (FIELDS[field + KIND] as number) & REPEATED ? 'must hold integers' : 'must be an integer';
  return `${each}, as a number or as a string of decimal digits`;
}
