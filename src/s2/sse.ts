/**
 * Reads over SSE: the events, and how a client resumes with the id of the last one. Lines end with LF, and every event with
 * an empty line.
 */

import { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { ReadRange } from '../model/read-range.ts';
import { positionJson } from './batch/json.ts';

const U64_MAX = 2n ** 64n - 1n;
const ID = /^(\d{1,20}),(\d{1,20}),(\d{1,20})$/;

export const SSE_CONTENT_TYPE = 'text/event-stream';

/** Comes after the last record of a read that came to its end. */
export const DONE_EVENT = 'data: [DONE]\n\n';

/** What goes before a ReadBatch in JSON, and after it: an event under the id that a client resumes with. */
export function batchEvent({ lastSeq, records, bytes }: Delivered): { readonly head: string; readonly end: string } {
  return { head: `event: batch\nid: ${lastSeq},${records},${bytes}\ndata: `, end: '\n\n' };
}

/** Tells a client that has everything up to `tail` that the connection is alive. `write` is how positions are spelt. */
export function pingEvent(nowMs: number, tail: Position, write: (position: Position) => string = positionJson): string {
  return `event: ping\ndata: {"timestamp":${nowMs},"tail":${write(tail)}}\n\n`;
}

/** The same, for records that a filter passed over: its id is what a client resumes with. */
export function passedEvent(nowMs: number, { lastSeq, records, bytes }: Delivered): string {
  return `event: ping\nid: ${lastSeq},${records},${bytes}\ndata: {"timestamp":${nowMs}}\n\n`;
}

/** An event by any name. Without an id, the one before stays what a client resumes with. */
export function namedEvent(name: string, json: string, id?: string): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${json}\n\n`;
}

/** The last event of a read that failed. */
export function errorEvent(errorJson: string): string {
  return `event: error\ndata: ${errorJson}\n\n`;
}

/** The sum of what was delivered before and a batch. */
export function deliveredWith(
  before: Delivered,
  batch: { lastSeq: number; records: number; bytes: number },
): Delivered {
  return {
    lastSeq: BigInt(batch.lastSeq),
    records: saturatingSum(before.records, batch.records),
    bytes: saturatingSum(before.bytes, batch.bytes),
  };
}

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
export function rangeAfter(range: ReadRange, { lastSeq, records, bytes }: Delivered): ReadRange {
  return {
    ...range,
    start: { seqNum: safe(lastSeq + 1n) },
    count: range.count === undefined ? undefined : Math.max(0, range.count - safe(records)),
    bytes: range.bytes === undefined ? undefined : Math.max(0, range.bytes - safe(bytes)),
  };
}

/** The sum, at most 2^64 − 1, the largest number in an id. */
function saturatingSum(total: bigint, more: number): bigint {
  const sum = total + BigInt(more);
  return sum > U64_MAX ? U64_MAX : sum;
}

function safe(value: bigint): number {
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
}
