/**
 * Makes a body that is not UTF-8 readable: each stretch of bytes that is no character becomes the half of a surrogate
 * pair, in three bytes. The transcoder lets halves pass, and the scanner turns them into U+FFFD where they are stored,
 * so that there is one place where what is repaired is counted.
 */

import { characterBytes, isHalfAt } from '../../encoding/utf8.ts';
import { YIELD_BYTES } from '../../model/limits.ts';

/** Thrown inside the transcoder where a string is not UTF-8: the body is repaired, and read from its start again. */
export class NotUtf8 extends Error {}

/** What stands for bytes that are no character: U+D800. */
const MARK: Uint8Array = Uint8Array.of(0xed, 0xa0, 0x80);

/** A copy of the body in which every byte belongs to a character or half of one. Yields after each piece of work. */
export function* repairedBody(body: Uint8Array): Generator<void, Uint8Array> {
  // Twice the same walk: to join many pieces of a large body would take as long as a turn may.
  const length = yield* walk(body, undefined);
  const repaired = Buffer.allocUnsafe(length);
  yield* walk(body, repaired);
  return repaired;
}

/** Writes the repaired body to `target`, or only finds its length. */
function* walk(body: Uint8Array, target: Uint8Array | undefined): Generator<void, number> {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let out = 0;
  let kept = 0;
  const keep = (to: number): void => {
    target?.set(body.subarray(kept, to), out);
    out += to - kept;
    kept = to;
  };
  for (let at = 0, pause = YIELD_BYTES; at < body.length; ) {
    const length = wholeBytes(view, at, body.length);
    if (length > 0) at += length;
    else {
      keep(at);
      target?.set(MARK, out);
      out += MARK.length;
      at += brokenBytes(view, at, body.length);
      kept = at;
    }
    if (at < pause) continue;
    keep(at);
    pause = at + YIELD_BYTES;
    yield;
  }
  keep(body.length);
  return out;
}

/** The length of the character, or the half of one, at `at`; 0 when there is none. */
function wholeBytes(view: DataView, at: number, end: number): number {
  if (view.getUint8(at) < 0x80) return 1;
  return isHalfAt(view, at, end) ? 3 : characterBytes(view, at, end);
}

/** How many bytes stand for one broken character: as many as could still have become one (Unicode 16, table 3-11). */
function brokenBytes(view: DataView, at: number, end: number): number {
  const lead = view.getUint8(at);
  if (lead < 0xe0 || lead > 0xf4 || at + 1 >= end) return 1;
  const second = view.getUint8(at + 1);
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 1;
  const isLonger = lead >= 0xf0 && at + 2 < end && (view.getUint8(at + 2) & 0xc0) === 0x80;
  return isLonger ? 3 : 2;
}
