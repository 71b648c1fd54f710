/** Values that are neither objects nor strings, and what is said of a value of the wrong kind. */

import { QUOTE } from '../../encoding/json-characters.ts';
import { readBase64 } from './bytes.ts';
import { readDouble } from './doubles.ts';
import { valueFault } from './fault.ts';
import { readInteger, TOO_LARGE } from './integers.ts';
import { expectValue, skipBoolean } from './skip.ts';
import { spoilField, spoilScalar } from './spoiled.ts';
import {
  BASE64,
  BOOL,
  DOUBLE,
  FIELDS,
  KIND,
  keyOf,
  MESSAGE,
  REPEATED,
  STRING,
  TAG_BYTES,
  TARGET,
  typeNameOf,
} from './tables.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';
import { writeTag } from './write-field.ts';

const LOWER_T = 0x74;

/** By message type: an example for error messages. */
const EXAMPLES: Readonly<Record<string, string>> = {
  AnyValue: '{"stringValue":"…"}',
  KeyValue: '{"key":"…","value":{"stringValue":"…"}}',
  ArrayValue: '{"values":[{"stringValue":"…"}]}',
  KeyValueList: '{"values":[{"key":"…","value":{"stringValue":"…"}}]}',
};

const fields = FIELDS;

/**
 * Writes the number, boolean or base64 at `at` behind its tag; returns the position after it.
 * @throws TailraceError `bad_json`.
 */
export function readScalar(buffer: TranscodeBuffer, at: number, field: number, kind: number): number {
  if (kind === DOUBLE) return readDouble(buffer, at, field);
  if (kind === BASE64) {
    if (buffer.view.getUint8(at) !== QUOTE) return wrongScalar(buffer, at, field);
    return readBase64(buffer, at, field);
  }
  if (kind !== BOOL) {
    const after = readInteger(buffer, at, field, kind);
    return after === TOO_LARGE ? readInDouble(buffer, at, field) : after;
  }
  const after = skipBoolean(buffer, at);
  if (after === 0) return wrongScalar(buffer, at, field);
  buffer.view.setUint8(buffer.out++, buffer.view.getUint8(at) === LOWER_T ? 1 : 0);
  return after;
}

function wrongScalar(buffer: TranscodeBuffer, at: number, field: number): number {
  if (buffer.faults === undefined) expectValue(buffer, at);
  return spoilScalar(buffer, at, field, wantedOf(field));
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

/** The error for what is in place of the list of resources. Throws instead when it is not a JSON value at all. */
export function noList(buffer: TranscodeBuffer, at: number, field: number): Error {
  expectValue(buffer, at);
  return valueFault(buffer, at, keyOf(field), wantedOf(field));
}

/** Passes over a JSON value of a kind that the field does not take; see `spoilField`. */
export function wrongKind(buffer: TranscodeBuffer, at: number, field: number): number {
  return spoilField(buffer, at, field, wantedOf(field));
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
