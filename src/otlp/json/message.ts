/** One JSON object → the fields of one protobuf message: the main loop of the transcoder. */

import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
} from '../../encoding/json-characters.ts';
import { NESTING_MAX } from '../../model/limits.ts';
import { isByteList, readByteList, readBytes } from './byte-lists.ts';
import { readId } from './bytes.ts';
import { syntaxFault, valueFault } from './fault.ts';
import { readIdValue } from './id-value.ts';
import { readPlainAttribute, readPlainValue } from './plain-attribute.ts';
import { noList, readScalar, wrongKind } from './scalar.ts';
import { skipNull, skipRest, skipValue } from './skip.ts';
import { writeMark } from './spoiled.ts';
import {
  ANY_VALUE,
  BASE64,
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
import { copyText, endLength, readString, skipColon, skipSpace, writeLength } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';
import { writeTag, writeZero } from './write-field.ts';

const LOWER_I = 0x69;
const LOWER_N = 0x6e;
const A_KEY = 'a key in double quotes';
/** So many keys of a request are kept for messages of errors, and so many bytes of each. */
const TOP_KEYS_MAX = 32;
const TOP_KEY_BYTES_MAX = 200;

const UNDERSCORE = 0x5f;
const CASE_BIT = 0x20;

/** What was renamed in OTLP 0.15. Their content has another shape, so it is not read. */
const OLD_KEYS: ReadonlySet<string> = new Set([
  'instrumentationLibraryLogs',
  'instrumentationLibrarySpans',
  'instrumentationLibraryMetrics',
]);
const OLD_KEY_BYTES_MAX = 32;

/** The request itself is level 1. */
const DEPTH_MAX = NESTING_MAX + 1;

const fields = FIELDS;

/**
 * Writes the fields of the object at level `depth` whose first byte after the brace is at `at`; returns the position
 * after its closing brace, or `PAUSED`: then `resume` goes on.
 * @throws TailraceError `bad_json`.
 */
export function readMessage(buffer: TranscodeBuffer, at: number, type: number, depth: number): number {
  at = skipSpace(buffer, at);
  if (buffer.view.getUint8(at) === CLOSE_BRACE) return at + 1;
  return readFields(buffer, at, type, depth, 0, false);
}

/**
 * Goes on where `readMessage` paused; returns what it would have returned.
 * @throws TailraceError `bad_json`.
 */
export function resume(buffer: TranscodeBuffer): number {
  const frame = buffer.frames.pop();
  if (frame === undefined) return buffer.pausedAt;
  const at = resume(buffer);
  if (at < 0) return buffer.keep(frame);
  if (frame.kind === 'fields') return readFields(buffer, at, frame.type, frame.depth, frame.seen, true);
  if (frame.kind === 'length') return endLength(buffer, at, frame.start);
  if (frame.kind === 'skip') return skipRest(buffer, at, frame.level);
  if (frame.kind === 'bytes') return readBytes(buffer, at, frame, true);
  return readElements(buffer, at, frame, true);
}

/** Begins at the first key, or goes on after a value. */
function readFields(
  buffer: TranscodeBuffer,
  at: number,
  type: number,
  depth: number,
  seen: number,
  isAfterValue: boolean,
): number {
  let byte = QUOTE;
  if (!isAfterValue) byte = buffer.view.getUint8(at);
  for (;;) {
    if (isAfterValue) isAfterValue = false;
    else {
      if (byte !== QUOTE) throw syntaxFault(buffer, at, A_KEY);
      at = buffer.ensure(at + 1);
      let field = findField(buffer.view, at, type);
      if (field !== NONE) {
        at = skipColon(buffer, at + (fields[field + KEY_BYTES] as number));
        if (depth === 1) noteKey(buffer, keyOf(field));
      } else {
        field = findOddField(buffer, at, type, depth);
        at = skipColon(buffer, buffer.afterKey);
      }
      if (field === NONE) {
        at = skipValue(buffer, at);
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
      if (at < 0) return buffer.keep({ kind: 'fields', type, depth, seen });
      if (at >= buffer.pauseAt) return buffer.pause(at, { kind: 'fields', type, depth, seen });
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

/** The first keys of a request are kept for the message of an error. */
function noteKey({ topKeys }: TranscodeBuffer, key: string): void {
  if (topKeys.length < TOP_KEYS_MAX) topKeys.push(key);
}

/**
 * The field of a key that no field matches byte by byte: with escapes, or in snake_case, it may still be known. Sets
 * `buffer.afterKey`.
 */
function findOddField(buffer: TranscodeBuffer, at: number, type: number, depth: number): number {
  const out = buffer.out;
  buffer.afterKey = copyText(buffer, at, out);
  const end = buffer.out;
  buffer.out = out;
  const snakeEnd = toCamelCase(buffer.bytes, out, end);
  const keyEnd = snakeEnd > 0 ? snakeEnd : end;
  buffer.view.setUint8(keyEnd, QUOTE);
  let field = snakeEnd > 0 || end - out < buffer.afterKey - 1 - at ? findField(buffer.view, out, type) : NONE;
  // The unescaped key may hold a quote; then it only starts with a known key.
  if (field !== NONE && fields[field + KEY_BYTES] !== keyEnd - out + 1) field = NONE;
  if (field === NONE) noteUnknown(buffer, out, keyEnd, at, depth);
  else {
    if (snakeEnd > 0) buffer.snakeCaseKeys++;
    if (depth === 1) noteKey(buffer, keyOf(field));
  }
  return field;
}

/** Turns snake_case in [start, end) into lowerCamelCase; returns where it ends now, or 0 for what is not snake_case. */
function toCamelCase(bytes: Uint8Array, start: number, end: number): number {
  let marks = 0;
  for (let at = start; at < end; at++) {
    if (isLower(bytes[at])) continue;
    if (bytes[at] !== UNDERSCORE || at === start || !isLower(bytes[at + 1])) return 0;
    marks++;
  }
  if (marks === 0 || bytes[end - 1] === UNDERSCORE) return 0;
  let out = start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    bytes[out++] = byte === UNDERSCORE ? (bytes[++at] as number) & ~CASE_BIT : byte;
  }
  return out;
}

function isLower(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x61 && byte <= 0x7a;
}

/** For messages: keys of the request itself as they are written, and those that OTLP once had. */
function noteUnknown(buffer: TranscodeBuffer, start: number, end: number, at: number, depth: number): void {
  if (depth === 1) {
    const written = Math.min(buffer.afterKey - 1, at + TOP_KEY_BYTES_MAX);
    noteKey(buffer, buffer.text(at, written));
  }
  if (end - start > OLD_KEY_BYTES_MAX || buffer.view.getUint8(start) !== LOWER_I) return;
  const key = buffer.text(start, end);
  if (OLD_KEYS.has(key)) buffer.oldKeys.add(key);
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
    if (byte !== OPEN_BRACE) return wrongKind(buffer, at, field);
    return readChild(buffer, at + 1, field, depth);
  }
  if (kind >= REPEATED) {
    // Without the list of resources it is no request.
    if (byte !== OPEN_BRACKET) {
      if (depth === 1) throw noList(buffer, at, field);
      return wrongKind(buffer, at, field);
    }
    return readArray(buffer, at + 1, field, kind - REPEATED, depth);
  }
  if (kind === STRING) {
    if (byte !== QUOTE) return wrongKind(buffer, at, field);
    writeTag(buffer, field);
    return readString(buffer, at + 1);
  }
  if (kind === HEX) return byte === QUOTE ? readId(buffer, at, field) : readIdValue(buffer, at, field);
  writeTag(buffer, field);
  return kind === BASE64 && isByteList(byte) ? readByteList(buffer, at, field) : readScalar(buffer, at, field, kind);
}

/** A message inside a message, whose first byte after the brace is at `at`: tag, length, fields. */
function readChild(buffer: TranscodeBuffer, at: number, field: number, depth: number): number {
  if (depth >= DEPTH_MAX) {
    // One level more than the scanner allows: it rejects the item.
    writeTag(buffer, field);
    buffer.view.setUint8(buffer.out++, 0);
    return skipValue(buffer, at - 1);
  }
  const type = fields[field + TARGET] as number;
  if (type === KEY_VALUE && depth < DEPTH_MAX - 1) {
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
  const after = readMessage(buffer, at, type, depth + 1);
  return after < 0 ? buffer.keep({ kind: 'length', start }) : endLength(buffer, after, start);
}

function readArray(buffer: TranscodeBuffer, at: number, field: number, element: number, depth: number): number {
  at = skipSpace(buffer, at);
  if (buffer.view.getUint8(at) === CLOSE_BRACKET) return at + 1;
  const packed = element !== MESSAGE && element !== STRING;
  if (packed) writeTag(buffer, field);
  return readElements(buffer, at, { field, element, depth, start: packed ? ++buffer.out : 0 }, false);
}

/** Begins at the first element, or goes on after one. `start` is where packed elements begin; 0 for others. */
function readElements(
  buffer: TranscodeBuffer,
  at: number,
  { field, element, depth, start }: { field: number; element: number; depth: number; start: number },
  isAfterValue: boolean,
): number {
  for (;;) {
    if (isAfterValue) isAfterValue = false;
    else {
      at = readElement(buffer, buffer.ensure(at), field, element, depth);
      if (at < 0) return buffer.keep({ kind: 'elements', field, element, depth, start });
      if (at >= buffer.pauseAt) return buffer.pause(at, { kind: 'elements', field, element, depth, start });
    }
    at = skipSpace(buffer, at);
    const next = buffer.view.getUint8(at);
    if (next === CLOSE_BRACKET) break;
    if (next !== COMMA) throw syntaxFault(buffer, at, "',' or ']'");
    at = skipSpace(buffer, at + 1);
  }
  return start > 0 ? endPacked(buffer, at + 1, start) : at + 1;
}

function endPacked(buffer: TranscodeBuffer, at: number, start: number): number {
  const after = endLength(buffer, at, start);
  if (buffer.pendingMark !== 0) {
    writeMark(buffer, buffer.pendingMark);
    buffer.pendingMark = 0;
  }
  return after;
}

/** In a list of values null is a value, in a list of messages it is nothing, elsewhere the default. */
function readNullElement(buffer: TranscodeBuffer, at: number, field: number, element: number): number {
  const after = skipNull(buffer, at);
  if (element !== MESSAGE && element !== STRING) writeZero(buffer, element);
  else if (element === STRING || fields[field + TARGET] === ANY_VALUE) {
    writeTag(buffer, field);
    buffer.view.setUint8(buffer.out++, 0);
  }
  return after;
}

function readElement(buffer: TranscodeBuffer, at: number, field: number, element: number, depth: number): number {
  const byte = buffer.view.getUint8(at);
  if (byte === LOWER_N) return readNullElement(buffer, at, field, element);
  if (element === MESSAGE) {
    if (byte !== OPEN_BRACE) return wrongKind(buffer, at, field);
    return readChild(buffer, at + 1, field, depth);
  }
  if (element !== STRING) return readScalar(buffer, at, field, element);
  if (byte !== QUOTE) return wrongKind(buffer, at, field);
  writeTag(buffer, field);
  return readString(buffer, at + 1);
}
