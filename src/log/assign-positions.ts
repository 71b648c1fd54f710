/**
 * Assigns positions: the one step of an append that must have no `await`, because the event loop is the sequencer of
 * every stream. Timestamps follow S2: mode, then cap, then never below the record before.
 */

import { assert } from '../model/error.ts';
import type { AppendAck, Position } from '../model/position.ts';
import type { StreamConfig } from '../model/stream-config.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import { blockKey } from '../storage/keys.ts';
import type { Command } from './check-batch.ts';
import type { Cipher, Sealed, Sealing } from './sealing.ts';
import type { OpenStream, StreamState } from './stream.ts';

/** Blocks for one stream, in order. */
export interface AssignedAppend {
  readonly stream: OpenStream;
  /** The state of the stream after these records. */
  readonly state: StreamState;
  readonly start: Position;
  readonly sealing: readonly Sealed[];
  readonly bytes: number;
}

/** What an append is assigned with. */
export interface Assigning {
  /** The wall clock in ms, read once per request. */
  readonly now: number;
  readonly blocks: Sealing;
  /** Readers wait for its blocks; one that comes later reads them back. */
  readonly isFollowed: boolean;
}

/**
 * Gives the records of all drafts the next positions of the stream and starts to seal the blocks. Commands take effect
 * in their order and apply to every later append. `cipher` encrypts OTLP items; drafts of S2 records come encrypted.
 */
export function assignPositions(
  stream: OpenStream,
  drafts: readonly BlockDraft[],
  { now, blocks, isFollowed }: Assigning,
  { commands, cipher }: { readonly commands: readonly Command[]; readonly cipher?: Cipher | undefined },
): AssignedAppend {
  const before = stream.assigned;
  const arrival = Math.max(now, before.lastArrival);
  const sealing: Sealed[] = [];
  let nextSeq = before.nextSeq;
  let last = before.lastTimestamp;
  let first: number | undefined;
  let bytes = 0;
  let { meteredBytes } = before;
  for (const draft of drafts) {
    assert(draft.count > 0 && draft.count === draft.timestamps.length, 'a draft has records, each with a timestamp');
    last = resolveTimestamps(draft, stream.config, now, last);
    first ??= draft.timestamps[0];
    sealing.push(blocks.seal(blockKey(stream.number, nextSeq), nextSeq, draft, arrival, isFollowed, cipher));
    nextSeq += draft.count;
    meteredBytes += draft.meteredBytes;
    bytes += cipher === undefined ? storedBytes(draft) : draft.meteredBytes;
  }
  assert(nextSeq > before.nextSeq && Number.isSafeInteger(nextSeq), 'an append moves the tail forward');
  const positions = { nextSeq, lastTimestamp: last, lastArrival: arrival, meteredBytes };
  const state = { ...before, ...positions, ...effectOf(commands, before) };
  stream.assigned = state;
  return { stream, state, start: { seqNum: before.nextSeq, timestamp: first ?? last }, sealing, bytes };
}

function storedBytes({ payload, layout }: BlockDraft): number {
  let bytes = layout.length;
  for (const part of payload) bytes += part.length;
  return bytes;
}

/** The acknowledgement of an append, once it is durable. */
export function ackOf(append: AssignedAppend): AppendAck {
  const end = { seqNum: append.state.nextSeq, timestamp: append.state.lastTimestamp };
  return { start: append.start, end, tail: append.stream.tail };
}

/** The fencing token and trim point after the commands (S2): a trim never moves back, nor beyond its own record. */
function effectOf(commands: readonly Command[], before: StreamState): Pick<StreamState, 'fencingToken' | 'trimPoint'> {
  let { fencingToken, trimPoint } = before;
  for (const command of commands) {
    if (command.type === 'fence') fencingToken = command.token === '' ? undefined : command.token;
    else trimPoint = Math.max(trimPoint, Math.min(command.seqNum, before.nextSeq + command.index + 1));
  }
  return { fencingToken, trimPoint };
}

/** Overwrites client timestamps with the ones that the records get. Returns the last one. */
function resolveTimestamps(draft: BlockDraft, config: StreamConfig, now: number, before: number): number {
  const { timestamps } = draft;
  // In OTLP, 0 means that there is no timestamp.
  const least = draft.kind === 's2' ? 0 : 1;
  const arrival = config.timestampingMode === 'arrival';
  const cap = config.timestampingUncapped ? Number.MAX_SAFE_INTEGER : now;
  let last = before;
  for (let i = 0; i < timestamps.length; i++) {
    const given = timestamps[i] ?? -1;
    const base = arrival || given < least ? now : Math.min(given, cap);
    if (base > last) last = base;
    timestamps[i] = last;
  }
  return last;
}
