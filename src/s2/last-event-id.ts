/** Resuming a read over SSE: the ids of events, and what the id in a client's `Last-Event-ID` header means. */

import { TailraceError } from '../model/error.ts';
import type { ReadRange } from '../model/read-range.ts';

const U64_MAX = 2n ** 64n - 1n;
const ID = /^(\d{1,20}),(\d{1,20}),(\d{1,20})$/;

/** What a client has received over all its connections. Each number has up to 64 bits. */
export interface Delivered {
  readonly lastSeq: bigint;
  readonly records: bigint;
  /** Metered bytes. */
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

/** What is left of a range: it starts after the last record, and its bounds are reduced by what was delivered. */
export function rangeBehind(range: ReadRange, { lastSeq, records, bytes }: Delivered): ReadRange {
  return {
    ...range,
    start: { seqNum: safe(lastSeq + 1n) },
    count: range.count === undefined ? undefined : Math.max(0, range.count - safe(records)),
    bytes: range.bytes === undefined ? undefined : Math.max(0, range.bytes - safe(bytes)),
  };
}

/** The sum, at most 2^64 − 1, the largest number in an id. */
export function saturatingSum(total: bigint, more: number): bigint {
  const sum = total + BigInt(more);
  return sum > U64_MAX ? U64_MAX : sum;
}

function safe(value: bigint): number {
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
}
