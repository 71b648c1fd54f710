/**
 * A fast path for attributes: most of a request consists of objects like `{"key":"…","value":{"stringValue":"…"}}`,
 * without spaces. Any other form is left to the general path, which starts over.
 */

import { CLOSE_BRACE, COLON, OPEN_BRACE, OPEN_BRACKET, QUOTE, SPACE } from '../../encoding/json-characters.ts';
import { readScalar } from './scalar.ts';
import {
  ANY_VALUE,
  BOOL,
  DOUBLE,
  FIELDS,
  fieldOf,
  findField,
  INT64,
  KEY_BYTES,
  KEY_VALUE,
  KIND,
  STRING,
  TAG,
  TAG_BYTES,
} from './tables.ts';
import { copyText, readString, writeLength } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';
import { writeTag } from './write-field.ts';

const LOWER_N = 0x6e;

/** The bytes before the key, and between key and value, as words at these offsets. */
const BEFORE_KEY = Buffer.from('"key":"');
const KEY_0 = BEFORE_KEY.readInt32LE(0);
const KEY_3 = BEFORE_KEY.readInt32LE(3);
const BEFORE_VALUE = Buffer.from(',"value":{');
const VALUE_0 = BEFORE_VALUE.readInt32LE(0);
const VALUE_4 = BEFORE_VALUE.readInt32LE(4);
const VALUE_6 = BEFORE_VALUE.readInt32LE(6);

const KEY_TAG = FIELDS[fieldOf(KEY_VALUE, 'key') + TAG] as number;
const VALUE_TAG = FIELDS[fieldOf(KEY_VALUE, 'value') + TAG] as number;

const fields = FIELDS;

/**
 * Writes a KeyValue as that field, its first byte after the brace at `at`. Returns the position after its closing
 * brace, or 0 when it does not have the plain form; then nothing is written.
 * @throws TailraceError `bad_json`.
 */
export function readPlainAttribute(buffer: TranscodeBuffer, at: number, field: number): number {
  const { view } = buffer;
  if (view.getInt32(at, true) !== KEY_0 || view.getInt32(at + 3, true) !== KEY_3) return 0;
  const before = buffer.out;
  const start = before + (fields[field + TAG_BYTES] as number) + 1;
  const key = start + 2;
  let after = copyText(buffer, at + BEFORE_KEY.length, key);
  const keyEnd = buffer.out;
  const value = keyEnd + 2;
  if (
    keyEnd - key < 0x80 &&
    view.getInt32(after, true) === VALUE_0 &&
    view.getInt32(after + 4, true) === VALUE_4 &&
    view.getInt32(after + 6, true) === VALUE_6
  ) {
    buffer.out = value;
    after = readPlainValue(buffer, after + BEFORE_VALUE.length);
    if (after > 0 && view.getUint8(after) === CLOSE_BRACE) {
      view.setUint16(before, fields[field + TAG] as number, true);
      view.setUint8(start, KEY_TAG);
      view.setUint8(start + 1, keyEnd - key);
      view.setUint8(keyEnd, VALUE_TAG);
      writeLength(buffer, value);
      writeLength(buffer, start);
      return after + 1;
    }
  }
  buffer.out = before;
  return 0;
}

/**
 * Writes the one field of an AnyValue, its first byte after the brace at `at`. Returns the position after its closing
 * brace, or 0 when it does not have the plain form; then what was written must not be used.
 * @throws TailraceError `bad_json`.
 */
export function readPlainValue(buffer: TranscodeBuffer, at: number): number {
  const { view } = buffer;
  if (view.getUint8(at) !== QUOTE) return 0;
  const field = findField(view, at + 1, ANY_VALUE);
  const kind = fields[field + KIND] as number;
  const colon = at + 1 + (fields[field + KEY_BYTES] as number);
  if (view.getUint8(colon) !== COLON) return 0;
  const byte = view.getUint8(colon + 1);
  let after = 0;
  if (kind === STRING) {
    if (byte !== QUOTE) return 0;
    writeTag(buffer, field);
    after = readString(buffer, colon + 2);
  } else if (kind === INT64 || kind === BOOL || kind === DOUBLE) {
    // What is no scalar may take several turns to pass over.
    if (byte <= SPACE || byte === LOWER_N || byte === OPEN_BRACE || byte === OPEN_BRACKET) return 0;
    writeTag(buffer, field);
    after = readScalar(buffer, colon + 1, field, kind);
  } else {
    return 0;
  }
  return view.getUint8(after) === CLOSE_BRACE ? after + 1 : 0;
}
