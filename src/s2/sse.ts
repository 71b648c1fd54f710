/** The events of a read over SSE. Lines end with LF, and every event with an empty line. */

import type { Position } from '../model/position.ts';
import { positionJson } from './batch/json.ts';
import { type Delivered, saturatingSum } from './last-event-id.ts';

export const SSE_CONTENT_TYPE = 'text/event-stream';

/** Follows the last record of a read that reached its end. */
export const DONE_EVENT = 'data: [DONE]\n\n';

/** A ReadBatch, with the id from which a client resumes. */
export function batchEvent(batchJson: string, { lastSeq, records, bytes }: Delivered): string {
  return `event: batch\nid: ${lastSeq},${records},${bytes}\ndata: ${batchJson}\n\n`;
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
