/**
 * Looks up an attribute of a resource in bytes that the scanner has validated. The result is that of a decoder: the
 * fields of a message that is there twice are merged, and the last of repeated keys and of a oneof counts. To allocate
 * nothing, the result is put into `FOUND`.
 */

import { cell, type ScannedRequest } from '../scan/columns.ts';
import { NEXT, readLength, readTag, skipValue } from '../scan/wire.ts';

/** The members of the oneof in AnyValue, by tag. */
export const STRING_VALUE = 0x0a;
export const BOOL_VALUE = 0x10;
export const INT_VALUE = 0x18;
export const DOUBLE_VALUE = 0x21;
/** Members without a text form: lists, lists of key and value, bytes, and the index of a string. */
const OTHER_VALUES: readonly number[] = [0x2a, 0x32, 0x3a, 0x40];
/** The attribute has a value without a member. */
const NO_VALUE = 0;

/**
 * The value that was found: the tag says what it is; its bytes in `headView`, without tag and length, are [start, end).
 */
export const FOUND = { tag: NO_VALUE, start: 0, end: 0 };

/** Tags in KeyValue; and INNER, the tag of Resource in its container and of attributes in the Resource. */
const KEY = 0x0a;
const VALUE = 0x12;
const INNER = 0x0a;

/** Puts the last attribute with that key of resource number `row` into `FOUND`; false when there is none. */
export function findAttribute(scanned: ScannedRequest, row: number, key: Uint8Array): boolean {
  const { view, resourcePieces: pieces, changedHeads: heads } = scanned;
  if (heads !== undefined) return findInPiece(heads.view, cell(heads.starts, row), cell(heads.ends, row), key);
  const last = cell(scanned.resourcePiecesFrom, row + 1);
  let found = false;
  for (let piece = cell(scanned.resourcePiecesFrom, row); piece < last; piece += 2) {
    if (findInPiece(view, cell(pieces, piece), cell(pieces, piece + 1), key)) found = true;
  }
  return found;
}

/** The bytes that hold the heads of the resources: positions in `FOUND` refer to them. */
export function headView(scanned: ScannedRequest): DataView {
  return scanned.changedHeads?.view ?? scanned.view;
}

/** The boolean or number in `FOUND` as text; undefined for a value without a text form. */
export function numberText(view: DataView): string | undefined {
  const { tag, start, end } = FOUND;
  if (tag === BOOL_VALUE) return varintAt(view, start, end) === 0n ? 'false' : 'true';
  if (tag === INT_VALUE) return BigInt.asIntN(64, varintAt(view, start, end)).toString();
  if (tag === DOUBLE_VALUE) return String(view.getFloat64(start, true));
  return undefined;
}

/** Valid UTF-8 as a string. */
export function utf8Text(view: DataView, start: number, end: number): string {
  return Buffer.from(view.buffer, view.byteOffset + start, end - start).toString('utf8');
}

/** Finds the attribute in a run of fields of the container, of which several may be its Resource. */
function findInPiece(view: DataView, start: number, end: number, key: Uint8Array): boolean {
  let found = false;
  for (let at = start; at < end; ) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    if (tag === INNER && findIn(view, contentAt(view, value, end), at, key)) found = true;
  }
  return found;
}

/** Finds the attribute in one Resource message. */
function findIn(view: DataView, at: number, end: number, key: Uint8Array): boolean {
  let found = false;
  while (at < end) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    if (tag !== INNER) continue;
    const content = contentAt(view, value, end);
    if (!hasKey(view, content, at, key)) continue;
    found = true;
    readValue(view, content, at);
  }
  return found;
}

/** Whether a KeyValue has that key. If it has several key fields, the last one counts. */
function hasKey(view: DataView, at: number, end: number, key: Uint8Array): boolean {
  let found = false;
  while (at < end) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    if (tag === KEY) found = isEqual(view, contentAt(view, value, end), at, key);
  }
  return found;
}

/** Whether [start, end) holds exactly those bytes. */
export function isEqual(view: DataView, start: number, end: number, bytes: Uint8Array): boolean {
  if (end - start !== bytes.length) return false;
  for (let i = 0; i < bytes.length; i++) if (view.getUint8(start + i) !== bytes[i]) return false;
  return true;
}

/** Puts the value of a KeyValue into `FOUND`: the last member of the oneof over all its value fields. */
function readValue(view: DataView, at: number, end: number): void {
  FOUND.tag = NO_VALUE;
  while (at < end) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    if (tag === VALUE) readMember(view, contentAt(view, value, end), at);
  }
}

/** Puts the member that is set of an AnyValue into `FOUND`. */
export function findMember(view: DataView, start: number, end: number): void {
  FOUND.tag = NO_VALUE;
  readMember(view, start, end);
}

function readMember(view: DataView, at: number, end: number): void {
  while (at < end) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    const isText = tag === STRING_VALUE || tag === BOOL_VALUE || tag === INT_VALUE || tag === DOUBLE_VALUE;
    if (!isText && !OTHER_VALUES.includes(tag)) continue;
    FOUND.tag = tag;
    FOUND.start = (tag & 7) === 2 ? contentAt(view, value, end) : value;
    FOUND.end = at;
  }
}

/** Where the content of a field begins whose length is at `at`. */
export function contentAt(view: DataView, at: number, end: number): number {
  readLength(view, at, end);
  return NEXT[0] as number;
}

/** The varint of a validated field, as 64 bits without a sign. */
export function varintAt(view: DataView, start: number, end: number): bigint {
  let value = 0n;
  for (let at = start; at < end; at++) value |= BigInt(view.getUint8(at) & 0x7f) << BigInt((at - start) * 7);
  return BigInt.asUintN(64, value);
}
