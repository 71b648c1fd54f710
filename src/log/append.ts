/**
 * Assigns positions: the one step of an append that must have no `await`, for the event loop is the sequencer of every
 * stream (architecture.md). Timestamps follow S2 (§4.6): mode, cap, then never below the record before.
 */

import { assert } from '../model/error.ts';
import type { AppendAck, Position } from '../model/position.ts';
import type { StreamConfig } from '../model/stream-config.ts';
import { type BlockDraft, type SealedBlock, sealBlock } from '../storage/block.ts';
import { blockKey } from '../storage/keys.ts';
import type { StreamStateRow } from '../storage/values.ts';
import type { OpenStream } from './stream.ts';

/** Blocks for one stream, in order. */
export interface AssignedAppend {
  readonly stream: OpenStream;
  /** The stream's state behind these records. */
  readonly state: StreamStateRow;
  readonly start: Position;
  readonly sealing: readonly (SealedBlock | Promise<SealedBlock>)[];
  readonly bytes: number;
}

/**
 * Gives the records of all drafts the next positions of the stream and starts to seal the blocks. `now` is the wall
 * clock in ms, read once per request.
 */
export function assignPositions(stream: OpenStream, drafts: readonly BlockDraft[], now: number): AssignedAppend {
  const before = stream.assigned;
  const arrival = Math.max(now, before.lastArrival);
  // Who begins to follow later reads the block back.
  const followed = stream.followers.size > 0;
  const sealing: (SealedBlock | Promise<SealedBlock>)[] = [];
  let nextSeq = before.nextSeq;
  let last = before.lastTimestamp;
  let first: number | undefined;
  let bytes = 0;
  for (const draft of drafts) {
    assert(draft.count > 0 && draft.count === draft.timestamps.length, 'a draft has records, each with a timestamp');
    last = resolveTimestamps(draft.timestamps, stream.config, now, last);
    first ??= draft.timestamps[0];
    sealing.push(sealBlock(blockKey(stream.number, nextSeq), nextSeq, draft, arrival, followed));
    nextSeq += draft.count;
    for (const part of draft.payload) bytes += part.length;
    bytes += draft.layout.length;
  }
  assert(nextSeq > before.nextSeq && Number.isSafeInteger(nextSeq), 'an append moves the tail forward');
  const state = { ...before, nextSeq, lastTimestamp: last, lastArrival: arrival };
  stream.assigned = state;
  return { stream, state, start: { seqNum: before.nextSeq, timestamp: first ?? last }, sealing, bytes };
}

/** The answer to an append, once it is durable. */
export function ackOf(append: AssignedAppend): AppendAck {
  const end = { seqNum: append.state.nextSeq, timestamp: append.state.lastTimestamp };
  return { start: append.start, end, tail: append.stream.tail };
}

/** Overwrites client timestamps (0 for none) with those that records get; answers the last one. */
function resolveTimestamps(timestamps: Float64Array, config: StreamConfig, now: number, before: number): number {
  const arrival = config.timestampingMode === 'arrival';
  const cap = config.timestampingUncapped ? Number.MAX_SAFE_INTEGER : now;
  let last = before;
  for (let i = 0; i < timestamps.length; i++) {
    const given = timestamps[i] ?? 0;
    const base = arrival || given === 0 ? now : Math.min(given, cap);
    if (base > last) last = base;
    timestamps[i] = last;
  }
  return last;
}
