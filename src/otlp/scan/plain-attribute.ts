/**
 * A fast path for attributes, of which requests mostly consist: recognises their usual form and validates it in one go.
 * Any other form is neither valid nor invalid yet: the walk checks it field by field.
 */

import { isUtf8At } from '../../encoding/utf8.ts';
import { PLAIN_TAG } from './tables.ts';

// Copied into constants of this module for speed: see `walk.ts`.
const { key: KEY, value: VALUE, text: TEXT, bool: BOOL, int: INT } = PLAIN_TAG;

/** An empty key and a value of two bytes. */
const PLAIN_ATTRIBUTE_BYTES_MIN = 6;

/** Whether a KeyValue is valid and holds one key and one plain value and nothing else, as nearly all do. */
export function isPlainAttribute(view: DataView, at: number, end: number): boolean {
  if (end - at < PLAIN_ATTRIBUTE_BYTES_MIN || view.getUint8(at) !== KEY) return false;
  const keyLength = view.getUint8(at + 1);
  const keyEnd = at + 2 + keyLength;
  if (keyLength > 0x7f || keyEnd > end - 4 || view.getUint8(keyEnd) !== VALUE) return false;
  const value = keyEnd + 2;
  const valueLength = view.getUint8(keyEnd + 1);
  if (valueLength > 0x7f || value + valueLength !== end) return false;
  if (view.getUint8(value) !== TEXT) return isUtf8At(view, at + 2, keyEnd) && isPlainNumber(view, value, end);
  // The tags and lengths between key and text are ASCII, so both are UTF-8 when all of it is.
  return view.getUint8(value + 1) === valueLength - 2 && isUtf8At(view, at + 2, end);
}

/** Whether an AnyValue is valid and holds one string, boolean or integer and nothing else. */
export function isPlainValue(view: DataView, at: number, end: number): boolean {
  if (end - at < 2) return false;
  if (view.getUint8(at) !== TEXT) return isPlainNumber(view, at, end);
  const length = view.getUint8(at + 1);
  if (length < 0x80) return at + 2 + length === end && isUtf8At(view, at + 2, end);
  const high = end - at > 2 ? view.getUint8(at + 2) : 0x80;
  return high < 0x80 && at + 3 + (length & 0x7f) + high * 0x80 === end && isUtf8At(view, at + 3, end);
}

/** Whether an AnyValue of at least two bytes holds one boolean or one small integer. */
function isPlainNumber(view: DataView, at: number, end: number): boolean {
  const tag = view.getUint8(at);
  if (tag !== INT && tag !== BOOL) return false;
  if (view.getUint8(at + 1) < 0x80) return at + 2 === end;
  return at + 3 === end && view.getUint8(at + 2) < 0x80;
}
