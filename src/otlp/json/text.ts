/** Strings, the ends of numbers, and the white space between tokens. */

import { BACKSLASH, COLON, QUOTE, SPACE } from '../../encoding/json-characters.ts';
import { characterBytes, isHalfAt, isUtf8At } from '../../encoding/utf8.ts';
import { syntaxFault } from './fault.ts';
import { NotUtf8 } from './repair-utf8.ts';
import { MOVED_BITS, type TranscodeBuffer } from './transcode-buffer.ts';

const LOWER_U = 0x75;

/** Four of the same byte in one word. */
const QUOTES = 0x22222222;
const BACKSLASHES = 0x5c5c5c5c;
const SPACES = 0x20202020;
const ONES = 0x01010101;
const HIGH_BITS = 0x80808080 | 0;

/** So much of a text is checked at once. */
const CHECKED_BYTES = 4_096;

const CLOSING = 'the rest of a string (a control character is written as \\n, \\t or \\u00…)';

/** The character that a letter after a backslash means; 0 for letters that mean none. */
const ESCAPED = new Uint8Array(256);
for (const [letter, meaning] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t']) {
  ESCAPED[(letter as string).charCodeAt(0)] = (meaning as string).charCodeAt(0);
}

/** Returns the position after the JSON white space at `at`, if there is any. */
export function skipSpace(buffer: TranscodeBuffer, at: number): number {
  return buffer.view.getUint8(at) > SPACE ? at : skipSpaces(buffer, at);
}

function skipSpaces(buffer: TranscodeBuffer, at: number): number {
  const { view } = buffer;
  for (;;) {
    const byte = view.getUint8(at);
    if (byte > SPACE) return at;
    if (byte === SPACE) {
      // Indented JSON is mostly this.
      at++;
      while (view.getInt32(at, true) === SPACES) at += 4;
    } else if (byte === 0x0a || byte === 0x0d || byte === 0x09) {
      at++;
    } else {
      return at;
    }
  }
}

/** Returns the position after the colon at `at` and the white space around it. */
export function skipColon(buffer: TranscodeBuffer, at: number): number {
  const { view } = buffer;
  if (view.getUint8(at) !== COLON) {
    at = skipSpace(buffer, at);
    if (view.getUint8(at) !== COLON) throw syntaxFault(buffer, at, "':'");
  }
  return view.getUint8(at + 1) > SPACE ? at + 1 : skipSpace(buffer, at + 1);
}

/**
 * Writes the string whose first character is at `at`, with a length before it; returns the position after its closing
 * quote. Half of a surrogate pair is written in three bytes, as in CESU-8: the scanner repairs it.
 * @throws TailraceError `bad_json` when it is not a JSON string; `NotUtf8` when its bytes are no characters.
 */
export function readString(buffer: TranscodeBuffer, at: number): number {
  const start = buffer.out + 1;
  const after = copyText(buffer, at, start);
  writeLength(buffer, start);
  return after;
}

/** Fills in the length of what was written from `start` on. One byte was kept for it; for more the text is moved. */
export function writeLength(buffer: TranscodeBuffer, start: number): void {
  const length = buffer.out - start;
  if (length < 0x80) buffer.view.setUint8(start - 1, length);
  else writeLongLength(buffer, start, length);
}

/**
 * Writes the characters of the string at `at` from `start` on, unescaped, and sets `buffer.out` after them. Returns the
 * position after the closing quote.
 * @throws TailraceError `bad_json`.
 */
export function copyText(buffer: TranscodeBuffer, at: number, start: number): number {
  const { view } = buffer;
  let out = start;
  let high = 0;
  for (;;) {
    const word = view.getInt32(at, true);
    view.setInt32(out, word, true);
    const quotes = word ^ QUOTES;
    const backslashes = word ^ BACKSLASHES;
    // A bit for each byte that is a quote, a backslash or below the space. The lowest one is exact.
    const stops =
      (((quotes - ONES) & ~quotes) | ((backslashes - ONES) & ~backslashes) | ((word - SPACES) & ~word)) & HIGH_BITS;
    if (stops === 0) {
      high |= word;
      at += 4;
      out += 4;
      continue;
    }
    const plain = (31 - Math.clz32(stops & -stops)) >> 3;
    high |= word & ((1 << (plain << 3)) - 1);
    at += plain;
    out += plain;
    const byte = view.getUint8(at);
    if (byte === QUOTE) break;
    if (byte !== BACKSLASH) throw syntaxFault(buffer, at, CLOSING);
    buffer.out = out;
    at = readEscape(buffer, at);
    out = buffer.out;
  }
  buffer.out = out;
  if ((high & HIGH_BITS) !== 0 && !isUtf8At(view, start, out)) expectHalves(view, start, out);
  return at + 1;
}

/** @throws NotUtf8 when it is something else than halves of surrogate pairs that makes [start, end) no UTF-8 */
function expectHalves(view: DataView, start: number, end: number): void {
  let checked = start;
  for (let at = start; at < end; ) {
    if (at >= checked) {
      checked = Math.min(end, at + CHECKED_BYTES);
      // Most of a long text is UTF-8: only what is not is looked at byte by byte.
      if (isUtf8At(view, at, checked)) at = checked;
      if (at === checked) continue;
    }
    const length = isHalfAt(view, at, end) ? 3 : characterBytes(view, at, end);
    if (length === 0) throw new NotUtf8();
    at += length;
  }
}

/** Fills in the length before `start`; returns the position of the input at `at`, which may have moved. */
export function endLength(buffer: TranscodeBuffer, at: number, start: number): number {
  const length = buffer.out - start;
  if (length < 0x80) {
    writeLength(buffer, start);
    return at;
  }
  const moved = buffer.ensure(at);
  // Moving what was written is work too, and each level of nesting moves it again.
  buffer.pauseAt -= length >> MOVED_BITS;
  writeLength(buffer, start);
  return moved;
}

/** A length of two bytes or more. */
function writeLongLength(buffer: TranscodeBuffer, start: number, length: number): void {
  const extra = length < 1 << 14 ? 1 : length < 1 << 21 ? 2 : length < 1 << 28 ? 3 : 4;
  buffer.bytes.copyWithin(start + extra, start, start + length);
  let at = start - 1;
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) buffer.view.setUint8(at++, (rest & 0x7f) | 0x80);
  buffer.view.setUint8(at, rest);
  buffer.out = start + length + extra;
}

/** Writes the character that the escape at `at` means; returns the position after it. */
function readEscape(buffer: TranscodeBuffer, at: number): number {
  const { view } = buffer;
  const letter = view.getUint8(at + 1);
  const meaning = ESCAPED[letter] as number;
  if (meaning !== 0) {
    view.setUint8(buffer.out++, meaning);
    return at + 2;
  }
  if (letter !== LOWER_U) throw syntaxFault(buffer, at + 1, 'one of "\\/bfnrtu after a backslash');
  const unit = readUnit(buffer, at + 2);
  if (unit < 0xd800 || unit > 0xdfff) {
    writeCharacter(buffer, unit);
    return at + 6;
  }
  const pair = unit < 0xdc00 && view.getUint8(at + 6) === BACKSLASH && view.getUint8(at + 7) === LOWER_U;
  const low = pair ? readUnit(buffer, at + 8) : 0;
  if (low < 0xdc00 || low > 0xdfff) {
    writeCharacter(buffer, unit);
    return at + 6;
  }
  writeCharacter(buffer, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
  return at + 12;
}

/** The four hex digits at `at`. */
function readUnit(buffer: TranscodeBuffer, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = buffer.view.getUint8(i);
    const lower = byte | 0x20;
    if (byte >= 0x30 && byte <= 0x39) unit = (unit << 4) | (byte - 0x30);
    else if (lower >= 0x61 && lower <= 0x66) unit = (unit << 4) | (lower - 0x57);
    else throw syntaxFault(buffer, i, 'four hex digits after \\u');
  }
  return unit;
}

function writeCharacter(buffer: TranscodeBuffer, code: number): void {
  const { view } = buffer;
  let out = buffer.out;
  if (code < 0x80) {
    view.setUint8(out++, code);
  } else if (code < 0x800) {
    view.setUint8(out++, 0xc0 | (code >> 6));
    view.setUint8(out++, 0x80 | (code & 0x3f));
  } else {
    if (code < 0x10000) {
      view.setUint8(out++, 0xe0 | (code >> 12));
    } else {
      view.setUint8(out++, 0xf0 | (code >> 18));
      view.setUint8(out++, 0x80 | ((code >> 12) & 0x3f));
    }
    view.setUint8(out++, 0x80 | ((code >> 6) & 0x3f));
    view.setUint8(out++, 0x80 | (code & 0x3f));
  }
  buffer.out = out;
}

/** The end of the bytes from `at` on that numbers are made of. */
export function numberEnd(view: DataView, at: number): number {
  while (isNumberByte(view.getUint8(at))) at++;
  return at;
}

/** Digits, signs, points and exponents. */
export function isNumberByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2e || byte === 0x2d || byte === 0x2b || (byte | 0x20) === 0x65;
}
