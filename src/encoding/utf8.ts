/**
 * Is a stretch of bytes UTF-8? Validation asks this most often. Short texts are checked without allocating. And what becomes
 * of text that is not.
 */

import { isUtf8 } from 'node:buffer';

/** From this many bytes on the native check is faster, although it needs a view: of any text, and of ASCII. */
const NATIVE_BYTES_MIN = 96;
const NATIVE_ASCII_BYTES_MIN = 320;
/** The high bits of four bytes, as a small integer. */
const HIGH_BITS = 0x80808080 | 0;
const QUESTION_MARK = 0x3f;

/**
 * Whether bytes [start, end) are UTF-8. Four bytes before `start` must exist: short strings are read together with
 * the bytes before them.
 */
export function isUtf8At(view: DataView, start: number, end: number): boolean {
  if (end - start >= NATIVE_ASCII_BYTES_MIN) return isText(view, start, end);
  const last = end - 4;
  let at = start;
  for (; at + 12 < last; at += 16) {
    const first = view.getInt32(at, true) | view.getInt32(at + 4, true);
    const second = view.getInt32(at + 8, true) | view.getInt32(at + 12, true);
    if (((first | second) & HIGH_BITS) !== 0) return isText(view, at, end);
  }
  for (; at < last; at += 4) {
    if ((view.getInt32(at, true) & HIGH_BITS) !== 0) return isText(view, at, end);
  }
  if (end === start) return true;
  // The last four bytes; of a string that is shorter, the bytes before it are masked out.
  const mask = last >= start ? HIGH_BITS : HIGH_BITS << ((start - last) << 3);
  return (view.getInt32(last, true) & mask) === 0 || isText(view, at, end);
}

/**
 * Makes [start, end) UTF-8 without a change of length: the half of a surrogate pair that was encoded by itself becomes
 * U+FFFD, any other byte that belongs to no character becomes `?`. Ends at `stop`, or up to three bytes further where that
 * is inside a character; returns where.
 */
export function repairUtf8At(view: DataView, start: number, end: number, stop: number = end): number {
  let at = start;
  while (at < stop) {
    const length = characterBytes(view, at, end);
    if (length > 0) at += length;
    else if (isHalfAt(view, at, end)) {
      view.setUint16(at, 0xefbf, false);
      view.setUint8(at + 2, 0xbd);
      at += 3;
    } else view.setUint8(at++, QUESTION_MARK);
  }
  return at;
}

/** The length of the character at `at`; 0 when there is none. */
export function characterBytes(view: DataView, at: number, end: number): number {
  const lead = view.getUint8(at);
  if (lead < 0x80) return 1;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return at + length <= end && isText(view, at, at + length) ? length : 0;
}

/** Whether there is half of a surrogate pair in three bytes (CESU-8, WTF-8): not UTF-8, but it is known what was meant. */
export function isHalfAt(view: DataView, at: number, end: number): boolean {
  if (at + 3 > end || view.getUint8(at) !== 0xed) return false;
  return view.getUint8(at + 1) >= 0xa0 && view.getUint8(at + 1) < 0xc0 && (view.getUint8(at + 2) & 0xc0) === 0x80;
}

/** Whether [at, end) is UTF-8, where it is not all ASCII or long. `at` is where a character begins. */
function isText(view: DataView, at: number, end: number): boolean {
  if (end - at >= NATIVE_BYTES_MIN) return isUtf8(new Uint8Array(view.buffer, view.byteOffset + at, end - at));
  while (at < end) {
    const lead = view.getUint8(at);
    if (lead < 0x80) at++;
    else if (lead < 0xe0) {
      if (lead < 0xc2 || at + 2 > end || (view.getUint8(at + 1) & 0xc0) !== 0x80) return false;
      at += 2;
    } else if (lead < 0xf0) {
      if (at + 3 > end || !isThree(lead, view.getUint8(at + 1), view.getUint8(at + 2))) return false;
      at += 3;
    } else {
      if (at + 4 > end || !isFour(lead, view.getInt32(at, false))) return false;
      at += 4;
    }
  }
  return true;
}

/** A sequence of three bytes: not overlong (e0 80–9f), no surrogate (ed a0–bf). */
function isThree(lead: number, second: number, third: number): boolean {
  if ((second & 0xc0) !== 0x80 || (third & 0xc0) !== 0x80) return false;
  return lead === 0xe0 ? second >= 0xa0 : lead !== 0xed || second < 0xa0;
}

/** A sequence of four bytes, big endian: not overlong (f0 80–8f), not above U+10FFFF (f4 90 and more). */
function isFour(lead: number, sequence: number): boolean {
  if ((sequence & 0xc0c0c0) !== 0x808080) return false;
  const second = (sequence >> 16) & 0xff;
  if (lead === 0xf0) return second >= 0x90;
  return lead < 0xf4 || (lead === 0xf4 && second < 0x90);
}
