/**
 * The frame of rows that repeat what blocks say, `summary-rows.ts` and `trace-rows.ts`: a byte with the version of their form,
 * and a CRC-32 of the key and of all bytes behind it, little endian. The fields begin at {@link FIELDS_AT}.
 */

import { crc32 } from 'node:zlib';
import { readU32 } from './block/format.ts';
import type { Entry } from './engine.ts';

export const FIELDS_AT = 5;

export function checkedRow(key: Uint8Array, version: number, parts: readonly Uint8Array[]): Entry {
  const value = Buffer.concat([Buffer.alloc(FIELDS_AT), ...parts]);
  value[0] = version;
  value.writeUInt32LE(crc32(value.subarray(FIELDS_AT), crc32(key)), 1);
  return { key, value };
}

/** Returns what is wrong with the frame of a row; undefined for a whole one. */
export function faultOfRow({ key, value }: Entry, version: number): string | undefined {
  if (value[0] !== version) return `its version ${value[0]} is unknown`;
  return readU32(value, 1) === crc32(value.subarray(FIELDS_AT), crc32(key)) ? undefined : 'its checksum does not match';
}
