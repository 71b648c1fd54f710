/**
 * Looks an attribute of a resource up in bytes that the scanner has validated. Means what a decoder would mean: fields
 * of a message that stands there twice are merged, the last of repeated keys and of a oneof counts.
 */

import { cell, type ScannedRequest } from './scan-columns.ts';
import { NEXT, readLength, readTag, skipValue } from './scan-wire.ts';

/** An attribute's value where it stands in the body. `type` is `none` for an AnyValue that holds nothing. */
export interface AttributeValue {
  readonly type: 'string' | 'bool' | 'int' | 'double' | 'other' | 'none';
  readonly view: DataView;
  /** The value itself, without tag and length. */
  readonly start: number;
  readonly end: number;
}

const LENGTH_FIELD_1 = 0x0a;
const LENGTH_FIELD_2 = 0x12;

/** The members of the oneof in AnyValue, by tag. */
const VALUE_TYPES: Readonly<Record<number, AttributeValue['type']>> = {
  10: 'string',
  16: 'bool',
  24: 'int',
  33: 'double',
  42: 'other', // array
  50: 'other', // list of key and value
  58: 'other', // bytes
  64: 'other', // index of a string
};

/** The last attribute of that key in resource number `row`. */
export function lastAttribute(scanned: ScannedRequest, row: number, key: Uint8Array): AttributeValue | undefined {
  const { view, resourcePieces: pieces } = scanned;
  let start = -1;
  let end = -1;
  const last = cell(scanned.resourcePiecesFrom, row + 1);
  for (let piece = cell(scanned.resourcePiecesFrom, row); piece < last; piece += 2) {
    eachMessage(view, cell(pieces, piece), cell(pieces, piece + 1), LENGTH_FIELD_1, (from, to) => {
      eachMessage(view, from, to, LENGTH_FIELD_1, (attributeFrom, attributeTo) => {
        if (!hasKey(view, attributeFrom, attributeTo, key)) return;
        start = attributeFrom;
        end = attributeTo;
      });
    });
  }
  return start < 0 ? undefined : readValue(view, start, end);
}

/** A string, boolean or number as text; undefined for what has no text of its own. */
export function valueText(value: AttributeValue): string | undefined {
  const { view, start, end } = value;
  if (value.type === 'string') return Buffer.from(view.buffer, view.byteOffset + start, end - start).toString('utf8');
  if (value.type === 'bool') return integer(view, start, end) === 0n ? 'false' : 'true';
  if (value.type === 'int') return BigInt.asIntN(64, integer(view, start, end)).toString();
  if (value.type === 'double') return String(view.getFloat64(start, true));
  return undefined;
}

/** Calls for the content of each field with that tag of a length. */
function eachMessage(
  view: DataView,
  at: number,
  end: number,
  wanted: number,
  call: (start: number, end: number) => void,
): void {
  while (at < end) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag, 1);
    if (tag !== wanted) continue;
    const length = readLength(view, value, end);
    call(at - length, at);
  }
}

/** Whether a KeyValue has that key: the last field counts. */
function hasKey(view: DataView, start: number, end: number, key: Uint8Array): boolean {
  let found = false;
  eachMessage(view, start, end, LENGTH_FIELD_1, (from, to) => {
    found = to - from === key.length && key.every((byte, index) => view.getUint8(from + index) === byte);
  });
  return found;
}

/** The value of a KeyValue: the last member of the oneof over all its value fields. */
function readValue(view: DataView, start: number, end: number): AttributeValue {
  let value: AttributeValue = { type: 'none', view, start, end: start };
  eachMessage(view, start, end, LENGTH_FIELD_2, (from, to) => {
    let at = from;
    while (at < to) {
      const tag = readTag(view, at, to);
      const content = NEXT[0] as number;
      at = skipValue(view, content, to, tag, 1);
      const type = VALUE_TYPES[tag];
      if (type === undefined) continue;
      const first = (tag & 7) === 2 ? at - readLength(view, content, to) : content;
      value = { type, view, start: first, end: at };
    }
  });
  return value;
}

function integer(view: DataView, start: number, end: number): bigint {
  let value = 0n;
  for (let at = start; at < end; at++) value |= BigInt(view.getUint8(at) & 0x7f) << BigInt((at - start) * 7);
  return BigInt.asUintN(64, value);
}
