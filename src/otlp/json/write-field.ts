/** What is the same for fields of many kinds: their tags, and their defaults. */

import { DOUBLE, FIELDS, FIXED32, FIXED64, SFIXED64, TAG, TAG_BYTES } from './tables.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

const fields = FIELDS;

/** Writes the tag of a field. */
export function writeTag(buffer: TranscodeBuffer, field: number): void {
  buffer.view.setUint16(buffer.out, fields[field + TAG] as number, true);
  buffer.out += fields[field + TAG_BYTES] as number;
}

/** Writes the default of a number or boolean, without a tag; of strings and bytes it is that too. */
export function writeZero(buffer: TranscodeBuffer, kind: number): void {
  const is64 = kind === DOUBLE || kind === FIXED64 || kind === SFIXED64;
  const bytes = is64 ? 8 : kind === FIXED32 ? 4 : 1;
  buffer.bytes.fill(0, buffer.out, buffer.out + bytes);
  buffer.out += bytes;
}
