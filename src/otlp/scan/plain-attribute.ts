/**
 * The usual form of what requests consist of for the most part, attributes, recognised and validated at a glance.
 * What does not look like it is neither good nor bad: the walk looks closer.
 */

import { isUtf8At } from '../../encoding/utf8.ts';
import { PLAIN_TAG } from './tables.ts';

// Constants of this module: see scan-walk.ts.
const { key: KEY, value: VALUE, text: TEXT, bool: BOOL, int: INT } = PLAIN_TAG;

/** A key of no bytes and a value of two. */
const PLAIN_ATTRIBUTE_BYTES_MIN = 6;

/** Whether a KeyValue is one key and one plain value and nothing else, as nearly all are, and valid. */
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

/** Whether an AnyValue is one string, boolean or integer and nothing else, and valid. */
export function isPlainValue(view: DataView, at: number, end: number): boolean {
  if (end - at < 2) return false;
  if (view.getUint8(at) !== TEXT) return isPlainNumber(view, at, end);
  const length = view.getUint8(at + 1);
  if (length < 0x80) return at + 2 + length === end && isUtf8At(view, at + 2, end);
  const high = end - at > 2 ? view.getUint8(at + 2) : 0x80;
  return high < 0x80 && at + 3 + (length & 0x7f) + high * 0x80 === end && isUtf8At(view, at + 3, end);
}

/** Whether an AnyValue of two bytes at least is one boolean or integer, and that a small one. */
function isPlainNumber(view: DataView, at: number, end: number): boolean {
  const tag = view.getUint8(at);
  if (tag !== INT && tag !== BOOL) return false;
  if (view.getUint8(at + 1) < 0x80) return at + 2 === end;
  return at + 3 === end && view.getUint8(at + 2) < 0x80;
}
