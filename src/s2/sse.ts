/** The events of a read over SSE. Lines end with LF, and every event with an empty line. */

import type { Position } from '../model/position.ts';
import { positionJson } from './batch/json.ts';
import { type Delivered, saturatingSum } from './last-event-id.ts';

export const SSE_CONTENT_TYPE = 'text/event-stream';

/** Comes after the last record of a read that came to its end. */
export const DONE_EVENT = 'data: [DONE]\n\n';

/** What goes before a ReadBatch in JSON, and after it: an event under the id that a client resumes with. */
export function batchEvent({ lastSeq, records, bytes }: Delivered): { readonly head: string; readonly end: string } {
  return { head: `event: batch\nid: ${lastSeq},${records},${bytes}\ndata: `, end: '\n\n' };
}

/** Tells a client that has everything up to `tail` that the connection is alive. */
export function pingEvent(nowMs: number, tail: Position): string {
  return `event: ping\ndata: {"timestamp":${nowMs},"tail":${positionJson(tail)}}\n\n`;
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
