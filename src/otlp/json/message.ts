/** One JSON object → the fields of one protobuf message: the main loop of the transcoder. */

import { NESTING_MAX } from '../../model/limits.ts';
import { readId } from './bytes.ts';
import { syntaxFault, tooDeep, valueFault } from './fault.ts';
import { readPlainAttribute, readPlainValue } from './plain-attribute.ts';
import { readScalar, writeTag, wrongKind } from './scalar.ts';
import { skipNull, skipValue } from './skip.ts';
import {
  ANY_VALUE,
  FIELDS,
  findField,
  HEX,
  KEY_BYTES,
  KEY_VALUE,
  KIND,
  keyOf,
  MASK,
  MESSAGE,
  NONE,
  OWN,
  REPEATED,
  STRING,
  TARGET,
} from './tables.ts';
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  copyText,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  readString,
  SPACE,
  skipColon,
  skipSpace,
  writeLength,
} from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

const LOWER_N = 0x6e;
const A_KEY = 'a key in double quotes';

const fields = FIELDS;

/**
 * Writes the fields of the object at level `depth` whose first byte after the brace is at `at`; returns the position
 * after its closing brace.
 * @throws TailraceError `bad_json`.
 */
export function readMessage(buffer: TranscodeBuffer, at: number, type: number, depth: number): number {
  let seen = 0;
  let byte = buffer.view.getUint8(at);
  if (byte <= SPACE) {
    at = skipSpace(buffer, at);
    byte = buffer.view.getUint8(at);
  }
  if (byte === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (byte !== QUOTE) throw syntaxFault(buffer, at, A_KEY);
    at = buffer.ensure(at + 1);
    let field = findField(buffer.view, at, type);
    if (field !== NONE) {
      at = skipColon(buffer, at + (fields[field + KEY_BYTES] as number));
    } else {
      field = findOddField(buffer, at, type);
      at = skipColon(buffer, buffer.afterKey);
    }
    if (field === NONE) {
      at = skipValue(buffer, at, depth);
    } else {
      const mask = fields[field + MASK] as number;
      const isNull = buffer.view.getUint8(at) === LOWER_N;
      if ((seen & mask) !== 0) checkRepeat(buffer, at, field, seen, isNull);
      if (isNull) {
        // Null means the default value, and does not set a member of a oneof. The key still may not come again.
        at = skipNull(buffer, at);
        seen |= fields[field + OWN] as number;
      } else {
        at = readField(buffer, at, field, depth);
        seen |= mask;
      }
    }
    byte = buffer.view.getUint8(at);
    if (byte <= SPACE) {
      at = skipSpace(buffer, at);
      byte = buffer.view.getUint8(at);
    }
    if (byte === CLOSE_BRACE) return at + 1;
    if (byte !== COMMA) throw syntaxFault(buffer, at, "',' or '}'");
    byte = buffer.view.getUint8(++at);
    if (byte <= SPACE) {
      at = skipSpace(buffer, at);
      byte = buffer.view.getUint8(at);
    }
  }
}

/**
 * The field of a key that no field matches byte by byte: with escapes it may still be known. Sets `buffer.afterKey`.
 */
function findOddField(buffer: TranscodeBuffer, at: number, type: number): number {
  const out = buffer.out;
  buffer.afterKey = copyText(buffer, at, out);
  const length = buffer.out - out;
  buffer.out = out;
  if (length === buffer.afterKey - 1 - at) return NONE;
  buffer.view.setUint8(out + length, QUOTE);
  const field = findField(buffer.view, out, type);
  // The unescaped key may hold a quote; then it only starts with a known key.
  return fields[field + KEY_BYTES] === length + 1 ? field : NONE;
}

/** @throws TailraceError `bad_json` when the key was there already, or another member of its oneof was. */
function checkRepeat(buffer: TranscodeBuffer, at: number, field: number, seen: number, isNull: boolean): void {
  const key = keyOf(field);
  if ((seen & (fields[field + OWN] as number)) !== 0) {
    throw valueFault(buffer, at, key, 'is there twice in one object: send it once');
  }
  if (!isNull) throw valueFault(buffer, at, key, 'stands beside another value of its kind: send only one of them');
}

function readField(buffer: TranscodeBuffer, at: number, field: number, depth: number): number {
  const kind = fields[field + KIND] as number;
  const byte = buffer.view.getUint8(at);
  if (kind === MESSAGE) {
    if (byte !== OPEN_BRACE) throw wrongKind(buffer, at, field);
    return readChild(buffer, at + 1, field, depth);
  }
  if (kind >= REPEATED) {
    if (byte !== OPEN_BRACKET) throw wrongKind(buffer, at, field);
    return readArray(buffer, at + 1, field, kind - REPEATED, depth);
  }
  if (kind === STRING) {
    if (byte !== QUOTE) throw wrongKind(buffer, at, field);
    writeTag(buffer, field);
    return readString(buffer, at + 1);
  }
  if (kind === HEX) {
    if (byte !== QUOTE) throw wrongKind(buffer, at, field);
    return readId(buffer, at, field);
  }
  writeTag(buffer, field);
  return readScalar(buffer, at, field, kind);
}

/** A message inside a message, whose first byte after the brace is at `at`: tag, length, fields. */
function readChild(buffer: TranscodeBuffer, at: number, field: number, depth: number): number {
  if (depth >= NESTING_MAX) throw tooDeep(buffer, at - 1);
  const type = fields[field + TARGET] as number;
  if (type === KEY_VALUE && depth < NESTING_MAX - 1) {
    const after = readPlainAttribute(buffer, at, field);
    if (after > 0) return after;
  }
  writeTag(buffer, field);
  const start = ++buffer.out;
  if (type === ANY_VALUE) {
    const after = readPlainValue(buffer, at);
    if (after > 0) {
      writeLength(buffer, start);
      return after;
    }
    buffer.out = start;
  }
  return endLength(buffer, readMessage(buffer, at, type, depth + 1), start);
}

/** Fills in the length before `start`; returns the position of the input at `at`, which may have moved. */
function endLength(buffer: TranscodeBuffer, at: number, start: number): number {
  const moved = buffer.out - start < 0x80 ? at : buffer.ensure(at);
  writeLength(buffer, start);
  return moved;
}

function readArray(buffer: TranscodeBuffer, at: number, field: number, kind: number, depth: number): number {
  at = skipSpace(buffer, at);
  if (buffer.view.getUint8(at) === CLOSE_BRACKET) return at + 1;
  const packed = kind !== MESSAGE && kind !== STRING;
  if (packed) writeTag(buffer, field);
  const start = packed ? ++buffer.out : 0;
  for (;;) {
    at = buffer.ensure(at);
    const byte = buffer.view.getUint8(at);
    if (kind === MESSAGE) {
      if (byte !== OPEN_BRACE) throw wrongKind(buffer, at, field);
      at = readChild(buffer, at + 1, field, depth);
    } else if (kind === STRING) {
      if (byte !== QUOTE) throw wrongKind(buffer, at, field);
      writeTag(buffer, field);
      at = readString(buffer, at + 1);
    } else {
      at = readScalar(buffer, at, field, kind);
    }
    at = skipSpace(buffer, at);
    const next = buffer.view.getUint8(at);
    if (next === CLOSE_BRACKET) break;
    if (next !== COMMA) throw syntaxFault(buffer, at, "',' or ']'");
    at = skipSpace(buffer, at + 1);
  }
  return packed ? endLength(buffer, at + 1, start) : at + 1;
}
