/** What an AnyValue, in bytes that were validated before, is as a number, as the name of a group, and in a row. */

import type { FilterNumber } from '../../model/filter.ts';
import { type Bytes, numberIn } from '../match/value-test.ts';
import {
  BOOL_VALUE,
  DOUBLE_VALUE,
  FOUND,
  findMember,
  INT_VALUE,
  numberText,
  STRING_VALUE,
  varintAt,
} from '../routing/attributes.ts';
import type { JsonValue } from '../views/values.ts';
import { type Names, NO_NAME } from './names.ts';

const BYTES_VALUE = 0x3a;
/** A number is not written with more characters. */
const NUMERAL_BYTES_MAX = 64;
/** Varints up to this length are safe integers. */
const SAFE_VARINT_BYTES = 7;

/** An integer or a double, also where the sender wrote it as a text, as filters compare it; undefined for anything else. */
export function numberOf({ view, bytes }: Bytes, start: number, end: number): FilterNumber | undefined {
  findMember(view, start, end);
  const { tag, start: from, end: to } = FOUND;
  if (tag === INT_VALUE) return integerAt(view, from, to);
  if (tag === DOUBLE_VALUE) return view.getFloat64(from, true);
  if (tag !== STRING_VALUE || to - from > NUMERAL_BYTES_MAX) return undefined;
  const number = numberIn(bytes.toString('latin1', from, to));
  return typeof number === 'bigint' ? smallest(number) : number;
}

/** The number of its text; of lists, which have none, that of no name. */
export function nameOf({ view, bytes }: Bytes, start: number, end: number, names: Names): number {
  findMember(view, start, end);
  const { tag, start: from, end: to } = FOUND;
  if (tag === STRING_VALUE) return names.ofBytes(bytes, from, to);
  if (tag === BYTES_VALUE) return names.ofText(bytes.toString('base64', from, to));
  const text = numberText(view);
  return text === undefined ? NO_NAME : names.ofText(text);
}

/** As the `message` view shows it; null for lists too. */
export function plainValue({ view, bytes }: Bytes, start: number, end: number): JsonValue {
  findMember(view, start, end);
  const { tag, start: from, end: to } = FOUND;
  if (tag === STRING_VALUE) return bytes.toString('utf8', from, to);
  if (tag === BOOL_VALUE) return varintAt(view, from, to) !== 0n;
  if (tag !== INT_VALUE && tag !== DOUBLE_VALUE) return null;
  const number = tag === INT_VALUE ? integerAt(view, from, to) : view.getFloat64(from, true);
  return typeof number === 'number' && Number.isFinite(number) ? number : String(number);
}

/** The varint of a 64-bit integer with a sign. */
function integerAt(view: DataView, start: number, end: number): FilterNumber {
  if (end - start > SAFE_VARINT_BYTES) return smallest(BigInt.asIntN(64, varintAt(view, start, end)));
  let value = 0;
  let scale = 1;
  for (let at = start; at < end; at++) {
    value += (view.getUint8(at) & 0x7f) * scale;
    scale *= 128;
  }
  return value;
}

/** A number where that is exact: to add these costs little. */
export function smallest(value: bigint): FilterNumber {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
