/**
 * Protobuf's wire format (protobuf.dev/programming-guides/encoding), field by field. Functions take and return
 * positions; they allocate nothing except errors.
 */

import { TailraceError } from '../../model/error.ts';
import { NESTING_MAX } from '../../model/limits.ts';
import { MESSAGE_TYPES } from '../message-types.ts';

/** The position after the varint that `readTag` or `readLength` last read: valid until their next call. */
export const NEXT = new Int32Array(1);

/**
 * Reads the tag at `at` and sets `NEXT` after it. A tag has at most 32 bits and five bytes.
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
 * Reads the length at `at` and sets `NEXT` after it. A length has at most 31 bits and five bytes.
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

/**
 * The end of a field's value, by its wire type alone. A group is skipped with all that is in it.
 * @throws TailraceError `bad_proto`.
 */
export function skipValue(view: DataView, at: number, end: number, tag: number): number {
  if ((tag & 7) === 3) return skipGroup(view, at, end, tag);
  return skipPlainValue(view, at, end, tag);
}

/** The same for a field that is not a group. */
export function skipPlainValue(view: DataView, at: number, end: number, tag: number): number {
  if (tag < 8) throw fault(at, 'field number 0 does not exist');
  const wireType = tag & 7;
  if (wireType === 0) return skipVarint(view, at, end);
  if (wireType === 1) return within(at + 8, at, end);
  if (wireType === 2) {
    const length = readLength(view, at, end);
    return within((NEXT[0] as number) + length, at, end);
  }
  if (wireType === 5) return within(at + 4, at, end);
  throw fault(at, wireType === 4 ? 'a group ends that did not start' : `wire type ${wireType} does not exist`);
}

/**
 * The end of a varint, which has at most 64 bits and ten bytes.
 * @throws TailraceError `bad_proto`.
 */
export function skipVarint(view: DataView, at: number, end: number): number {
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

/** The error for a body that no decoder takes. `at` counts from the first byte of the body. */
export function fault(at: number, what: string): TailraceError {
  return new TailraceError('bad_proto', `the body is not a valid OTLP protobuf message: ${what} (at byte ${at})`);
}

/** The error for a field whose number is known in that type, with a wire type that it cannot have. */
export function wrongWireType(type: number, tag: number, at: number): TailraceError {
  const message = MESSAGE_TYPES[type];
  const field = message?.fieldsById[tag >> 3];
  return fault(at, `${field?.name} of ${message?.name} (field ${tag >> 3}) has wire type ${tag & 7}`);
}

export function tooDeep(at: number): TailraceError {
  return fault(at, `messages are nested more than ${NESTING_MAX} levels deep`);
}

function skipGroup(view: DataView, at: number, end: number, tag: number): number {
  const open = [tag];
  while (open.length > 0) {
    if (open.length > NESTING_MAX) throw tooDeep(at);
    const inner = readTag(view, at, end);
    at = NEXT[0] as number;
    const wireType = inner & 7;
    if (wireType === 3) open.push(inner);
    else if (wireType !== 4) at = skipPlainValue(view, at, end, inner);
    else if (open.pop() !== inner - 1) throw fault(at, 'a group ends that did not start');
  }
  return at;
}

function within(stop: number, at: number, end: number): number {
  if (stop > end) throw fault(at, 'a field is longer than the message that holds it');
  return stop;
}
