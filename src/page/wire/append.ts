/** Appends to a stream in S2's form, with its commands: a fence and a trim are records too. */

import { call } from './call.ts';
import { streamPath } from './streams.ts';

export interface AppendedRange {
  readonly start: { readonly seq_num: number; readonly timestamp: number };
  readonly end: { readonly seq_num: number; readonly timestamp: number };
  readonly tail: { readonly seq_num: number; readonly timestamp: number };
}

export interface AppendedText {
  readonly body: string;
  readonly headers?: readonly (readonly [string, string])[];
}

/** What must be in force for an append to be taken. */
export interface AppendConditions {
  readonly fencing_token?: string;
  readonly match_seq_num?: number;
}

/** Durable when it resolves. */
export function appendText(
  basin: string,
  stream: string,
  records: readonly AppendedText[],
  conditions: AppendConditions = {},
): Promise<AppendedRange> {
  return post(basin, stream, { records, ...conditions }, 'raw');
}

/** From now on only those who show the token may append with a condition; the empty one ends it. */
export function fence(basin: string, stream: string, token: string): Promise<AppendedRange> {
  return post(basin, stream, { records: [{ headers: [['', 'fence']], body: token }] }, 'raw');
}

/** Records before the sequence number go for good. */
export function trim(basin: string, stream: string, before: number): Promise<AppendedRange> {
  const point = new DataView(new ArrayBuffer(8));
  point.setBigUint64(0, BigInt(before));
  const body = btoa(String.fromCharCode(...new Uint8Array(point.buffer)));
  return post(basin, stream, { records: [{ headers: [['', btoa('trim')]], body }] }, 'base64');
}

function post(basin: string, stream: string, body: object, format: 'raw' | 'base64'): Promise<AppendedRange> {
  return call(streamPath(stream, 'records'), { method: 'POST', basin, body, headers: { 'S2-Format': format } });
}
