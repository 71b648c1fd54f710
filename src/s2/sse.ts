/** The events of a read over SSE (S2 API §5.7). Lines end with LF, and every event with an empty line. */

import type { Position } from '../model/position.ts';
import { positionJson } from './batch/json.ts';
import { type Delivered, saturatingSum } from './last-event-id.ts';

export const SSE_CONTENT_TYPE = 'text/event-stream';

/** Stands behind the last record of a read that came to its end. */
export const DONE_EVENT = 'data: [DONE]\n\n';

/** A ReadBatch, under the id that a client resumes with. */
export function batchEvent(batchJson: string, { lastSeq, records, bytes }: Delivered): string {
  return `event: batch\nid: ${lastSeq},${records},${bytes}\ndata: ${batchJson}\n\n`;
}

/** A sign of life of a reader that has everything up to `tail`. */
export function pingEvent(nowMs: number, tail: Position): string {
  return `event: ping\ndata: {"timestamp":${nowMs},"tail":${positionJson(tail)}}\n\n`;
}

/** The last word of a read that failed: nothing comes behind it. */
export function errorEvent(errorJson: string): string {
  return `event: error\ndata: ${errorJson}\n\n`;
}

/** What was delivered before, and a batch. */
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
