/** Resuming a read over SSE: the ids that events carry, and what the last one that a client saw says (S2 API §5.7). */

import { TailraceError } from '../model/error.ts';
import type { ReadRange } from '../model/read-range.ts';

const U64_MAX = 2n ** 64n - 1n;
const ID = /^(\d{1,20}),(\d{1,20}),(\d{1,20})$/;

/** Where a client stands: what it got in all its connections together. Each number has up to 64 bits. */
export interface Delivered {
  readonly lastSeq: bigint;
  readonly records: bigint;
  /** Metered. */
  readonly bytes: bigint;
}

/** @throws TailraceError `bad_header` */
export function parseLastEventId(header: string): Delivered {
  const [, seq = '', records = '', bytes = ''] = ID.exec(header.trim()) ?? [];
  const id = seq === '' ? undefined : { lastSeq: BigInt(seq), records: BigInt(records), bytes: BigInt(bytes) };
  if (id === undefined || id.lastSeq > U64_MAX || id.records > U64_MAX || id.bytes > U64_MAX) {
    throw new TailraceError('bad_header', 'last-event-id must be "<seq_num>,<records>,<bytes>" as an event carried it');
  }
  return id;
}

/** What is left of a range: it starts behind the last record, and its bounds are smaller by what was delivered. */
export function rangeBehind(range: ReadRange, { lastSeq, records, bytes }: Delivered): ReadRange {
  return {
    ...range,
    start: { seqNum: safe(lastSeq + 1n) },
    count: range.count === undefined ? undefined : Math.max(0, range.count - safe(records)),
    bytes: range.bytes === undefined ? undefined : Math.max(0, range.bytes - safe(bytes)),
  };
}

/** A running total: ids stop at 2^64 − 1. */
export function saturatingSum(total: bigint, more: number): bigint {
  const sum = total + BigInt(more);
  return sum > U64_MAX ? U64_MAX : sum;
}

function safe(value: bigint): number {
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
}
