/** One batch of an append as a client sent it, whatever the encoding (S2 API §4.4). */

import { TailraceError } from '../../model/error.ts';
import type { Header, RecordInput } from '../../model/record.ts';

/** Conditions are absent when the client set none: 0 and the empty token are conditions like any other. */
export interface AppendInput {
  readonly records: readonly RecordInput[];
  /** Never a number that a record could get when the client's is above 2^53 − 1. */
  readonly matchSeqNum?: number;
  readonly fencingToken?: string;
}

export const NO_BYTES: Uint8Array = new Uint8Array(0);
export const NO_HEADERS: readonly Header[] = [];

/** A `match_seq_num` of up to 64 bits: beyond 2^53 − 1 no stream ever gets, so it mismatches as it should (S2 API §12). */
export function matchable(value: number | bigint): number {
  return Number(value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value);
}

/** A client's timestamp that our clients could not read back (S2 API §12). */
export function timestampTooLarge(): TailraceError {
  return new TailraceError('invalid', 'record timestamp must not exceed 9007199254740991 (2^53 - 1)');
}
