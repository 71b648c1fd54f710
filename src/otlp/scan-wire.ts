/**
 * Protobuf's wire format, validated to the bottom (otlp.md, Encodings): what passes here, every standard decoder
 * decodes. Functions take positions and hand positions on; nothing is allocated but errors.
 *
 * Scanning is synchronous, so what a call has to tell beside its answer stands in small arrays of this module.
 */

import { TailraceError } from '../model/error.ts';
import { NESTING_MAX } from '../model/limits.ts';
import {
  ACTION_BITS,
  ACTION_MASK,
  ACTIONS,
  ATTRIBUTE,
  BOOL_VALUE_TAG,
  BYTES,
  FIRST_WITH_LENGTH,
  FIXED32,
  FIXED64,
  INT_VALUE_TAG,
  KEY_TAG,
  MESSAGE,
  PACKED_FIXED64,
  PACKED_VARINT,
  POINT,
  POINT_TIME_SLOT,
  STRING,
  STRING_VALUE_TAG,
  TAGS,
  TIME,
  UNKNOWN,
  VALUE,
  VALUE_TAG,
  VARINT,
} from './scan-tables.ts';
import { isUtf8At } from './scan-utf8.ts';

/** A key of no bytes and a value of two. */
const PLAIN_ATTRIBUTE_BYTES_MIN = 6;
/** At this depth an attribute and its value still fit. */
const PLAIN_DEPTH_MAX = NESTING_MAX - 2;

/** Behind the varint that `readTag` or `readLength` read last. */
export const NEXT = new Int32Array(1);
/** By slot: where the item at hand has its times; 0 where it has none. Cleared by the caller. */
export const TIME_AT = new Int32Array(4);
/** Latest time of the data points seen, in ms. Cleared by the caller. */
export const LATEST_MS = new Float64Array(1);
/** Data points seen. Cleared by the caller. */
export const POINTS = new Int32Array(1);

/**
 * Validates the fields in [at, end) as fields of a message of that type.
 * @throws TailraceError `bad_proto`.
 */
export function validate(view: DataView, at: number, end: number, type: number, depth: number): void {
  const base = type * TAGS;
  while (at < end) {
    const start = at;
    let tag = view.getUint8(at++);
    if (tag > 0x7f) {
      tag = readTag(view, start, end);
      at = NEXT[0] as number;
    }
    const entry = tag < TAGS ? (ACTIONS[base + tag] as number) : UNKNOWN;
    const action = entry & ACTION_MASK;
    if (action >= FIRST_WITH_LENGTH) {
      if (at >= end) throw fault(at, 'a length is missing');
      let length = view.getUint8(at++);
      if (length > 0x7f) {
        length = readLength(view, at - 1, end);
        at = NEXT[0] as number;
      }
      const stop = at + length;
      if (stop > end) throw fault(start, 'a field is longer than the message that holds it');
      if (action === STRING) {
        if (!isUtf8At(view, at, stop)) throw fault(at, 'a string is not UTF-8');
      } else if (action === ATTRIBUTE) {
        if (depth >= PLAIN_DEPTH_MAX || !isPlainAttribute(view, at, stop)) {
          validateMessage(view, at, stop, entry >> ACTION_BITS, depth);
        }
      } else if (action !== BYTES) {
        validateOther(view, at, stop, entry, depth);
      }
      at = stop;
    } else if (action === TIME) {
      TIME_AT[entry >> ACTION_BITS] = at;
      at += 8;
    } else if (action === VARINT) {
      if (at < end && view.getUint8(at) < 0x80) at++;
      else at = skipVarint(view, at, end);
    } else if (action === FIXED64) {
      at += 8;
    } else if (action === FIXED32) {
      at += 4;
    } else {
      at = skipValue(view, at, end, tag, depth);
    }
  }
  if (at > end) throw fault(end, 'a number is cut off');
}

/**
 * The value of a field that the table does not know, by its wire type alone: its end.
 * @throws TailraceError `bad_proto`.
 */
export function skipValue(view: DataView, at: number, end: number, tag: number, depth: number): number {
  if (tag < 8) throw fault(at, 'field number 0 does not exist');
  const wireType = tag & 7;
  if (wireType === 0) return skipVarint(view, at, end);
  if (wireType === 1) return within(at + 8, at, end);
  if (wireType === 2) {
    const length = readLength(view, at, end);
    return within((NEXT[0] as number) + length, at, end);
  }
  if (wireType === 3) return skipGroup(view, at, end, tag, depth);
  if (wireType === 5) return within(at + 4, at, end);
  throw fault(at, wireType === 4 ? 'a group ends that did not start' : `wire type ${wireType} does not exist`);
}

/**
 * A tag at `at`; `NEXT` is behind it. A tag has 32 bits and five bytes at most.
 * @throws TailraceError `bad_proto`.
 */
export function readTag(view: DataView, at: number, end: number): number {
  if (at < end && view.getUint8(at) < 0x80) {
    NEXT[0] = at + 1;
    return view.getUint8(at);
  }
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    if (at >= end) throw fault(at, 'a tag is cut off');
    const byte = view.getUint8(at++);
    if (shift === 28 && byte > 0x0f) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      NEXT[0] = at;
      return value >>> 0;
    }
  }
  throw fault(at, 'a tag is longer than 32 bits');
}

/**
 * A length at `at`; `NEXT` is behind it. A length has 31 bits and five bytes at most.
 * @throws TailraceError `bad_proto`.
 */
export function readLength(view: DataView, at: number, end: number): number {
  if (at < end && view.getUint8(at) < 0x80) {
    NEXT[0] = at + 1;
    return view.getUint8(at);
  }
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    if (at >= end) throw fault(at, 'a length is cut off');
    const byte = view.getUint8(at++);
    if (shift === 28 && byte > 0x07) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      NEXT[0] = at;
      return value;
    }
  }
  throw fault(at, 'a length is longer than 31 bits');
}

/** Something in the body that no decoder takes. `at` counts from the first byte of the body. */
export function fault(at: number, what: string): TailraceError {
  return new TailraceError('bad_proto', `the body is not a valid OTLP protobuf message: ${what} (at byte ${at})`);
}

/** The other fields with a length. */
function validateOther(view: DataView, at: number, stop: number, entry: number, depth: number): void {
  const action = entry & ACTION_MASK;
  if (action === VALUE && depth < PLAIN_DEPTH_MAX && isPlainValue(view, at, stop)) return;
  if (action === VALUE || action === MESSAGE) {
    validateMessage(view, at, stop, entry >> ACTION_BITS, depth);
  } else if (action === POINT) {
    TIME_AT[POINT_TIME_SLOT] = 0;
    validateMessage(view, at, stop, entry >> ACTION_BITS, depth);
    notePoint(view);
  } else if (action === PACKED_VARINT) {
    while (at < stop) at = skipVarint(view, at, stop);
  } else {
    const size = action === PACKED_FIXED64 ? 8 : 4;
    if ((stop - at) % size !== 0) throw fault(at, 'packed numbers are cut off');
  }
}

function validateMessage(view: DataView, at: number, stop: number, type: number, depth: number): void {
  if (depth >= NESTING_MAX) throw tooDeep(at);
  validate(view, at, stop, type, depth + 1);
}

/**
 * Whether a KeyValue is one key and one plain value and nothing else, as nearly all are, and valid. If not, the long
 * way decides.
 */
function isPlainAttribute(view: DataView, at: number, end: number): boolean {
  if (end - at < PLAIN_ATTRIBUTE_BYTES_MIN || view.getUint8(at) !== KEY_TAG) return false;
  const key = at + 2;
  const length = view.getUint8(at + 1);
  const keyEnd = key + length;
  if (length > 0x7f || keyEnd > end - 4 || view.getUint8(keyEnd) !== VALUE_TAG) return false;
  const value = keyEnd + 2;
  const valueLength = view.getUint8(keyEnd + 1);
  if (valueLength > 0x7f || value + valueLength !== end) return false;
  return isUtf8At(view, key, keyEnd) && isPlainValue(view, value, end);
}

/** Whether an AnyValue is one string, boolean or integer and nothing else, and valid. */
function isPlainValue(view: DataView, at: number, end: number): boolean {
  if (end - at < 2) return false;
  const tag = view.getUint8(at);
  const next = view.getUint8(at + 1);
  if (tag === STRING_VALUE_TAG) {
    if (next < 0x80) return at + 2 + next === end && isUtf8At(view, at + 2, end);
    const third = end - at > 2 ? view.getUint8(at + 2) : 0x80;
    return third < 0x80 && at + 3 + (next & 0x7f) + third * 0x80 === end && isUtf8At(view, at + 3, end);
  }
  if (tag !== BOOL_VALUE_TAG && tag !== INT_VALUE_TAG) return false;
  if (next < 0x80) return at + 2 === end;
  return at + 3 === end && view.getUint8(at + 2) < 0x80;
}

function notePoint(view: DataView): void {
  POINTS[0] = (POINTS[0] as number) + 1;
  const at = TIME_AT[POINT_TIME_SLOT] as number;
  if (at === 0) return;
  const ms = msFromNanos(view.getUint32(at + 4, true), view.getUint32(at, true));
  if (ms > (LATEST_MS[0] as number)) LATEST_MS[0] = ms;
}

/**
 * Nanoseconds, as two unsigned halves of 64 bits, in whole milliseconds, rounded down. Exact: 2^32 is
 * 4294 · 10^6 + 967296, and no step exceeds 2^53.
 */
export function msFromNanos(high: number, low: number): number {
  return high * 4_294 + Math.floor((high * 967_296 + low) / 1_000_000);
}

/** The end of a varint: ten bytes and 64 bits at most. */
function skipVarint(view: DataView, at: number, end: number): number {
  for (let count = 1; count <= 10; count++) {
    if (at >= end) throw fault(at, 'a number is cut off');
    const byte = view.getUint8(at++);
    if (byte < 0x80) {
      if (count === 10 && byte > 1) break;
      return at;
    }
  }
  throw fault(at, 'a number is longer than 64 bits');
}

/** The end of a group: balanced, its fields well-formed. Groups count as levels of nesting; no recursion. */
function skipGroup(view: DataView, at: number, end: number, tag: number, depth: number): number {
  const open = [tag];
  while (open.length > 0) {
    if (depth + open.length > NESTING_MAX) throw tooDeep(at);
    const inner = readTag(view, at, end);
    at = NEXT[0] as number;
    const wireType = inner & 7;
    if (inner >= 8 && wireType === 3) open.push(inner);
    else if (wireType !== 4) at = skipValue(view, at, end, inner, depth);
    else if (open.pop() !== inner - 1) throw fault(at, 'a group ends that did not start');
  }
  return at;
}

function within(stop: number, at: number, end: number): number {
  if (stop > end) throw fault(at, 'a field is longer than the message that holds it');
  return stop;
}

function tooDeep(at: number): TailraceError {
  return fault(at, `messages are nested more than ${NESTING_MAX} levels deep`);
}
