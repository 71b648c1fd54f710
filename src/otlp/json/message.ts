/** One JSON object → the fields of one protobuf message. The loop that everything else serves. */

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
import type { Tape } from './transcode-buffer.ts';

const LOWER_N = 0x6e;
const A_KEY = 'a key in double quotes';

const fields = FIELDS;

/**
 * Writes the fields of the object at level `depth` whose first byte behind the brace is at `at`; returns what is
 * behind its closing brace.
 * @throws TailraceError `bad_json`.
 */
export function readMessage(tape: Tape, at: number, type: number, depth: number): number {
  let seen = 0;
  let byte = tape.view.getUint8(at);
  if (byte <= SPACE) {
    at = skipSpace(tape, at);
    byte = tape.view.getUint8(at);
  }
  if (byte === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (byte !== QUOTE) throw syntaxFault(tape, at, A_KEY);
    at = tape.room(at + 1);
    let field = findField(tape.view, at, type);
    if (field !== NONE) {
      at = skipColon(tape, at + (fields[field + KEY_BYTES] as number));
    } else {
      field = findOddField(tape, at, type);
      at = skipColon(tape, tape.behindKey);
    }
    if (field === NONE) {
      at = skipValue(tape, at, depth);
    } else {
      const mask = fields[field + MASK] as number;
      const isNull = tape.view.getUint8(at) === LOWER_N;
      if ((seen & mask) !== 0) checkRepeat(tape, at, field, seen, isNull);
      if (isNull) {
        // Null is the default: not even a member of a oneof. Its key counts as given.
        at = skipNull(tape, at);
        seen |= fields[field + OWN] as number;
      } else {
        at = readField(tape, at, field, depth);
        seen |= mask;
      }
    }
    byte = tape.view.getUint8(at);
    if (byte <= SPACE) {
      at = skipSpace(tape, at);
      byte = tape.view.getUint8(at);
    }
    if (byte === CLOSE_BRACE) return at + 1;
    if (byte !== COMMA) throw syntaxFault(tape, at, "',' or '}'");
    byte = tape.view.getUint8(++at);
    if (byte <= SPACE) {
      at = skipSpace(tape, at);
      byte = tape.view.getUint8(at);
    }
  }
}

/** The field of a key that is unknown as it stands: with escapes it may be a known one all the same. `tape.behindKey` is behind it. */
function findOddField(tape: Tape, at: number, type: number): number {
  const out = tape.out;
  tape.behindKey = copyText(tape, at, out);
  const length = tape.out - out;
  tape.out = out;
  if (length === tape.behindKey - 1 - at) return NONE;
  tape.view.setUint8(out + length, QUOTE);
  const field = findField(tape.view, out, type);
  // The unescaped key may hold a quote; then it only begins like a known one.
  return fields[field + KEY_BYTES] === length + 1 ? field : NONE;
}

/** A key that was there already, or another member of its oneof. */
function checkRepeat(tape: Tape, at: number, field: number, seen: number, isNull: boolean): void {
  const key = keyOf(field);
  if ((seen & (fields[field + OWN] as number)) !== 0) {
    throw valueFault(tape, at, key, 'is there twice in one object: send it once');
  }
  if (!isNull) throw valueFault(tape, at, key, 'stands beside another value of its kind: send only one of them');
}

function readField(tape: Tape, at: number, field: number, depth: number): number {
  const kind = fields[field + KIND] as number;
  const byte = tape.view.getUint8(at);
  if (kind === MESSAGE) {
    if (byte !== OPEN_BRACE) throw wrongKind(tape, at, field);
    return readChild(tape, at + 1, field, depth);
  }
  if (kind >= REPEATED) {
    if (byte !== OPEN_BRACKET) throw wrongKind(tape, at, field);
    return readArray(tape, at + 1, field, kind - REPEATED, depth);
  }
  if (kind === STRING) {
    if (byte !== QUOTE) throw wrongKind(tape, at, field);
    writeTag(tape, field);
    return readString(tape, at + 1);
  }
  if (kind === HEX) {
    if (byte !== QUOTE) throw wrongKind(tape, at, field);
    return readId(tape, at, field);
  }
  writeTag(tape, field);
  return readScalar(tape, at, field, kind);
}

/** A message inside a message, whose first byte behind the brace is at `at`: tag, length, fields. */
function readChild(tape: Tape, at: number, field: number, depth: number): number {
  if (depth >= NESTING_MAX) throw tooDeep(tape, at - 1);
  const type = fields[field + TARGET] as number;
  if (type === KEY_VALUE && depth < NESTING_MAX - 1) {
    const behind = readPlainAttribute(tape, at, field);
    if (behind > 0) return behind;
  }
  writeTag(tape, field);
  const start = ++tape.out;
  if (type === ANY_VALUE) {
    const behind = readPlainValue(tape, at);
    if (behind > 0) {
      writeLength(tape, start);
      return behind;
    }
    tape.out = start;
  }
  return endLength(tape, readMessage(tape, at, type, depth + 1), start);
}

/** Fills in the length before `start`; returns where the input at `at` is then. */
function endLength(tape: Tape, at: number, start: number): number {
  const moved = tape.out - start < 0x80 ? at : tape.room(at);
  writeLength(tape, start);
  return moved;
}

function readArray(tape: Tape, at: number, field: number, kind: number, depth: number): number {
  at = skipSpace(tape, at);
  if (tape.view.getUint8(at) === CLOSE_BRACKET) return at + 1;
  const packed = kind !== MESSAGE && kind !== STRING;
  if (packed) writeTag(tape, field);
  const start = packed ? ++tape.out : 0;
  for (;;) {
    at = tape.room(at);
    const byte = tape.view.getUint8(at);
    if (kind === MESSAGE) {
      if (byte !== OPEN_BRACE) throw wrongKind(tape, at, field);
      at = readChild(tape, at + 1, field, depth);
    } else if (kind === STRING) {
      if (byte !== QUOTE) throw wrongKind(tape, at, field);
      writeTag(tape, field);
      at = readString(tape, at + 1);
    } else {
      at = readScalar(tape, at, field, kind);
    }
    at = skipSpace(tape, at);
    const next = tape.view.getUint8(at);
    if (next === CLOSE_BRACKET) break;
    if (next !== COMMA) throw syntaxFault(tape, at, "',' or ']'");
    at = skipSpace(tape, at + 1);
  }
  return packed ? endLength(tape, at + 1, start) : at + 1;
}
