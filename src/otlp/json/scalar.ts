/** Values that are no objects and no strings, and the tags before all of them. */

import { readBase64 } from './bytes.ts';
import { readDouble } from './doubles.ts';
import { valueFault } from './fault.ts';
import { readInteger } from './integers.ts';
import { skipBoolean, skipValue } from './skip.ts';
import { BASE64, BOOL, DOUBLE, FIELDS, keyOf, TAG, TAG_BYTES } from './tables.ts';
import { QUOTE } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';
import { wantedOf } from './wanted.ts';

const LOWER_T = 0x74;

const fields = FIELDS;

/** Writes the tag of a field. */
export function writeTag(buffer: TranscodeBuffer, field: number): void {
  buffer.view.setUint16(buffer.out, fields[field + TAG] as number, true);
  buffer.out += fields[field + TAG_BYTES] as number;
}

/**
 * Writes the number, boolean or base64 at `at` without a tag; returns what is behind it.
 * @throws TailraceError `bad_json`.
 */
export function readScalar(buffer: TranscodeBuffer, at: number, field: number, kind: number): number {
  if (kind === DOUBLE) return readDouble(buffer, at, field);
  if (kind === BASE64) {
    if (buffer.view.getUint8(at) !== QUOTE) throw wrongKind(buffer, at, field);
    return readBase64(buffer, at, field);
  }
  if (kind !== BOOL) return readInteger(buffer, at, field, kind);
  const behind = skipBoolean(buffer, at);
  if (behind === 0) throw wrongKind(buffer, at, field);
  buffer.view.setUint8(buffer.out++, buffer.view.getUint8(at) === LOWER_T ? 1 : 0);
  return behind;
}

/** Another kind of JSON value than the key takes; or no JSON value at all, then that is thrown. */
export function wrongKind(buffer: TranscodeBuffer, at: number, field: number): Error {
  skipValue(buffer, at, 0);
  return valueFault(buffer, at, keyOf(field), wantedOf(field));
}
