/** Values that are neither objects nor strings, the tags of all fields, and the error for a value of the wrong kind. */

import { QUOTE } from '../../encoding/json-characters.ts';
import { readBase64 } from './bytes.ts';
import { readDouble } from './doubles.ts';
import { valueFault } from './fault.ts';
import { readInteger, TOO_LARGE } from './integers.ts';
import { expectValue, skipBoolean } from './skip.ts';
import {
  BASE64,
  BOOL,
  DOUBLE,
  FIELDS,
  FIXED32,
  FIXED64,
  KIND,
  keyOf,
  MESSAGE,
  REPEATED,
  SFIXED64,
  STRING,
  TAG,
  TAG_BYTES,
  TARGET,
  typeNameOf,
} from './tables.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

const LOWER_T = 0x74;

/** By message type: an example for error messages. */
const EXAMPLES: Readonly<Record<string, string>> = {
  AnyValue: '{"stringValue":"…"}',
  KeyValue: '{"key":"…","value":{"stringValue":"…"}}',
  ArrayValue: '{"values":[{"stringValue":"…"}]}',
  KeyValueList: '{"values":[{"key":"…","value":{"stringValue":"…"}}]}',
};

const fields = FIELDS;

/** Writes the tag of a field. */
export function writeTag(buffer: TranscodeBuffer, field: number): void {
  buffer.view.setUint16(buffer.out, fields[field + TAG] as number, true);
  buffer.out += fields[field + TAG_BYTES] as number;
}

/**
 * Writes the number, boolean or base64 at `at` behind its tag; returns the position after it.
 * @throws TailraceError `bad_json`.
 */
export function readScalar(buffer: TranscodeBuffer, at: number, field: number, kind: number): number {
  if (kind === DOUBLE) return readDouble(buffer, at, field);
  if (kind === BASE64) {
    if (buffer.view.getUint8(at) !== QUOTE) throw wrongKind(buffer, at, field);
    return readBase64(buffer, at, field);
  }
  if (kind !== BOOL) {
    const after = readInteger(buffer, at, field, kind);
    return after === TOO_LARGE ? readInDouble(buffer, at, field) : after;
  }
  const after = skipBoolean(buffer, at);
  if (after === 0) throw wrongKind(buffer, at, field);
  buffer.view.setUint8(buffer.out++, buffer.view.getUint8(at) === LOWER_T ? 1 : 0);
  return after;
}

/**
 * Writes the number at `at` as the double in the oneof of an integer, whose tag is written already. SDKs of JavaScript
 * take every number without a fraction for an integer, `Number.MAX_VALUE` too.
 */
function readInDouble(buffer: TranscodeBuffer, at: number, field: number): number {
  const double = fields[field + TARGET] as number;
  buffer.out -= fields[field + TAG_BYTES] as number;
  buffer.doublesForIntegers++;
  writeTag(buffer, double);
  return readDouble(buffer, at, double);
}

/** Writes the default of a number or boolean, without a tag. */
export function writeZero(buffer: TranscodeBuffer, kind: number): void {
  const is64 = kind === DOUBLE || kind === FIXED64 || kind === SFIXED64;
  const bytes = is64 ? 8 : kind === FIXED32 ? 4 : 1;
  buffer.bytes.fill(0, buffer.out, buffer.out + bytes);
  buffer.out += bytes;
}

/**
 * The error for a JSON value of a kind that the key does not take. Throws instead when it is not a JSON value at all.
 */
export function wrongKind(buffer: TranscodeBuffer, at: number, field: number): Error {
  expectValue(buffer, at);
  return valueFault(buffer, at, keyOf(field), wantedOf(field));
}

/** What the key takes, in words with an example. */
function wantedOf(field: number): string {
  const kind = FIELDS[field + KIND] as number;
  const one = wantedOfOne(field, kind & ~REPEATED);
  return kind & REPEATED ? `must be an array, and in it each must be ${one}` : `must be ${one}`;
}

function wantedOfOne(field: number, kind: number): string {
  if (kind === MESSAGE) {
    const example = EXAMPLES[typeNameOf(field)];
    return example === undefined ? 'an object {…}' : `an object like ${example}`;
  }
  if (kind === STRING) return 'a string in double quotes';
  if (kind === BASE64) return 'a string of base64 in double quotes';
  return kind === BOOL ? 'true or false, without quotes' : 'a number';
}
