/** One batch of an append as a client sent it, the same for all encodings. */

import { TailraceError } from '../../model/error.ts';
import type { Header, RecordInput } from '../../model/record.ts';

/** A condition is absent when the client did not set it: 0 and the empty token are conditions too. */
export interface AppendInput {
  readonly records: readonly RecordInput[];
  /** When the client's number is above 2^53 − 1, this is a number that no record gets. */
  readonly matchSeqNum?: number;
  readonly fencingToken?: string;
}

export const NO_BYTES: Uint8Array = new Uint8Array(0);
export const NO_HEADERS: readonly Header[] = [];

/** A `match_seq_num` of up to 64 bits. No stream ever gets beyond 2^53 − 1, so a larger one mismatches as it should. */
export function matchable(value: number | bigint): number {
  return Number(value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value);
}

/** The error for a timestamp that clients could not read back exactly (`src/http/s2/README.md`). */
export function timestampTooLarge(): TailraceError {
  return new TailraceError('invalid', 'record timestamp must not exceed 9007199254740991 (2^53 - 1)');
}
