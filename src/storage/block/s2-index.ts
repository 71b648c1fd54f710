/**
 * The index of an S2 block. For each record the payload has the names and values of its headers and its body, back to
 * back, and the index has varints:
 *
 * ```
 *  header count, then for each header: bytes of its name, bytes of its value; bytes of the body
 * ```
 */

import { varintBytes, writeVarint } from '../../encoding/varint.ts';
import type { Header } from '../../model/record.ts';
import { corrupt, VarintReader } from './format.ts';

/** The index of an S2 block, unpacked as far as every reader needs it. */
export interface S2Index {
  /** Offset of record i in the payload; the last element is the end. */
  readonly recordAt: Float64Array;
  /** Offset of its body. */
  readonly bodyAt: Float64Array;
  /** Offset of its header lengths in the index; those are read on demand. */
  readonly lengthsAt: Uint32Array;
  readonly headerCount: Uint32Array;
}

/** The index of these records. */
export function writeS2Index(
  records: readonly { readonly headers: readonly Header[]; readonly body: Uint8Array }[],
): Uint8Array {
  let bytes = 0;
  for (const { headers, body } of records) {
    bytes += varintBytes(headers.length) + varintBytes(body.length);
    for (const header of headers) bytes += varintBytes(header[0].length) + varintBytes(header[1].length);
  }
  const index = new Uint8Array(bytes);
  let at = 0;
  for (const { headers, body } of records) {
    at = writeVarint(index, at, headers.length);
    for (const header of headers) at = writeVarint(index, writeVarint(index, at, header[0].length), header[1].length);
    at = writeVarint(index, at, body.length);
  }
  return index;
}

/**
 * Unpacks an index and checks that it covers the payload exactly.
 * @throws TailraceError `corrupt`
 */
export function readS2Index(bytes: Uint8Array, start: number, payload: Uint8Array, count: number): S2Index {
  const recordAt = new Float64Array(count + 1);
  const bodyAt = new Float64Array(count);
  const lengthsAt = new Uint32Array(count);
  const headerCount = new Uint32Array(count);
  const reader = new VarintReader(bytes, start, bytes.length);
  let at = 0;
  for (let i = 0; i < count; i++) {
    recordAt[i] = at;
    const headers = reader.next();
    // Each header needs two bytes of index: a larger count would only loop for nothing.
    if (headers > bytes.length) throw corrupt('its index does not match its payload');
    headerCount[i] = headers;
    lengthsAt[i] = reader.at;
    for (let h = 0; h < headers; h++) at += reader.next() + reader.next();
    bodyAt[i] = at;
    at += reader.next();
  }
  recordAt[count] = at;
  if (!reader.done || at !== payload.length) throw corrupt('its index does not match its payload');
  return { recordAt, bodyAt, lengthsAt, headerCount };
}

/** The headers of record i, as views of the payload. */
export function s2Headers(index: S2Index, bytes: Uint8Array, payload: Uint8Array, i: number): readonly Header[] {
  const count = index.headerCount[i] ?? 0;
  const headers: Header[] = [];
  const reader = new VarintReader(bytes, index.lengthsAt[i] ?? 0, bytes.length);
  let at = index.recordAt[i] ?? 0;
  for (let h = 0; h < count; h++) {
    const valueAt = at + reader.next();
    const end = valueAt + reader.next();
    headers.push([payload.subarray(at, valueAt), payload.subarray(valueAt, end)]);
    at = end;
  }
  return headers;
}

/** The offsets of a header: its name is from `nameAt` to `valueAt`, its value from there to `end`. */
export type HeaderVisit = (payload: Uint8Array, nameAt: number, valueAt: number, end: number) => void;

/**
 * Visits the headers of record i in order without creating views, which would cost more than what most readers do with
 * them.
 */
export function eachS2Header(
  index: S2Index,
  bytes: Uint8Array,
  payload: Uint8Array,
  i: number,
  visit: HeaderVisit,
): void {
  const count = index.headerCount[i] ?? 0;
  if (count === 0) return;
  const reader = new VarintReader(bytes, index.lengthsAt[i] ?? 0, bytes.length);
  let at = index.recordAt[i] ?? 0;
  for (let h = 0; h < count; h++) {
    const valueAt = at + reader.next();
    const end = valueAt + reader.next();
    visit(payload, at, valueAt, end);
    at = end;
  }
}

/** The body of record i, as a view of the payload. */
export function s2Body(index: S2Index, payload: Uint8Array, i: number): Uint8Array {
  return payload.subarray(index.bodyAt[i] ?? 0, index.recordAt[i + 1] ?? 0);
}

/** Bytes of the body of record i. */
export function s2BodyBytes(index: S2Index, i: number): number {
  return (index.recordAt[i + 1] ?? 0) - (index.bodyAt[i] ?? 0);
}

/** Metered bytes of record i (S2): 8, 2 for each header, and all bytes of names, values and body. */
export function s2MeteredBytes(index: S2Index, i: number): number {
  return 8 + 2 * (index.headerCount[i] ?? 0) + (index.recordAt[i + 1] ?? 0) - (index.recordAt[i] ?? 0);
}
