/** Is a stretch of bytes UTF-8? The question that validation asks most often, answered without allocating. */

import { isUtf8 } from 'node:buffer';

/** From this many bytes on the native check is faster, in spite of the view that it needs. */
const NATIVE_BYTES_MIN = 512;
/** The high bits of four bytes, as a small integer. */
const HIGH_BITS = 0x80808080 | 0;

/**
 * Whether bytes [start, end) are UTF-8. Four bytes before `start` must exist: short strings are read together with
 * what stands before them.
 */
export function isUtf8At(view: DataView, start: number, end: number): boolean {
  const last = end - 4;
  let at = start;
  for (; at < last; at += 4) {
    if ((view.getInt32(at, true) & HIGH_BITS) !== 0) return isText(view, at, end);
  }
  if (end === start) return true;
  // The last four bytes; of a string that is shorter, the bytes before it are masked out.
  const mask = last >= start ? HIGH_BITS : HIGH_BITS << ((start - last) << 3);
  return (view.getInt32(last, true) & mask) === 0 || isText(view, at, end);
}

/** Whether [at, end) is UTF-8, where it is known not to be all ASCII. */
function isText(view: DataView, at: number, end: number): boolean {
  if (end - at >= NATIVE_BYTES_MIN) return isUtf8(new Uint8Array(view.buffer, view.byteOffset + at, end - at));
  while (at < end) {
    const byte = view.getUint8(at);
    if (byte < 0x80) at++;
    else {
      const size = sequenceBytes(view, at, end, byte);
      if (size === 0) return false;
      at += size;
    }
  }
  return true;
}

/** Length of the sequence that starts with `lead`, or 0 when it is none: cut, overlong, a surrogate, beyond U+10FFFF. */
function sequenceBytes(view: DataView, at: number, end: number, lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + size > end) return 0;
  const second = view.getUint8(at + 1);
  if ((second & 0xc0) !== 0x80) return 0;
  if (size === 2) return 2;
  if (lead === 0xe0 && second < 0xa0) return 0;
  if (lead === 0xed && second > 0x9f) return 0;
  if (lead === 0xf0 && second < 0x90) return 0;
  if (lead === 0xf4 && second > 0x8f) return 0;
  if ((view.getUint8(at + 2) & 0xc0) !== 0x80) return 0;
  if (size === 3) return 3;
  return (view.getUint8(at + 3) & 0xc0) === 0x80 ? 4 : 0;
}
