/**
 * One open stream: what is assigned, what is durable, and who follows. It has two states: positions are assigned in the
 * first; readers and acknowledgements see the second.
 */

import { assert, TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { StreamCipher, StreamConfig } from '../model/stream-config.ts';
import type { StreamRow, StreamStateRow } from '../storage/values.ts';
import type { Basin } from './basins.ts';
import type { Follower } from './followers.ts';
import type { BasinPlace } from './move/move-table.ts';

/**
 * A stream as callers of the log hold it. It stays valid while the log is open, also when its state had to be read
 * again.
 */
export interface Stream {
  /** A stream that is deleted and created again gets another id. */
  readonly id: string;
  readonly basin: Basin;
  readonly name: string;
  readonly config: StreamConfig;
  /** What its records are encrypted with, using the key of each append. */
  readonly cipher: StreamCipher | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** The state of a stream, with its bytes counted. */
export interface StreamState extends StreamStateRow {
  readonly meteredBytes: number;
}

/** Where a stream is. */
export interface StreamHome {
  readonly basin: Basin;
  readonly name: string;
  readonly place: BasinPlace;
}

/**
 * What the log knows about a stream. There is only one object per stream at any time. Only `log` and `usage` see it.
 */
export class OpenStream implements Stream {
  readonly id: string;
  readonly basin: Basin;
  readonly name: string;
  readonly number: number;
  /** Whether its basin is here, or in another partition of the cluster. */
  readonly place: BasinPlace;
  readonly followers = new Set<Follower>();
  /** Its row as it was last passed to a commit. */
  row: StreamRow;
  /** Assigned: the next append starts here. */
  assigned: StreamState;
  /** On disk: what readers see. */
  durable: StreamState;
  /** Whether its rows were passed to a commit. Before that, it exists only for the appends that would create it. */
  made: boolean;
  /** Whether its rows are on disk. */
  exists: boolean;
  /** The assigned state is based on a commit that failed: it must be read from disk before it is used again. */
  stale = false;
  /** Appends that have not settled. */
  inFlight = 0;
  /** Readers that hold it. With any, it stays in memory. */
  readers = 0;
  /** It was requested since the last sweep. */
  used = true;
  /** The removal of trimmed blocks that is in progress; never rejects. */
  trimming: Promise<void> | undefined;
  /** Blocks with a summary that came since rows of summaries were made last. */
  rowlessBlocks = 0;
  /** Up to where rows were made, as far as that is known. */
  rowsTo: number | undefined;
  /** The first record that had not expired at the last check; not below the trim point at that time. */
  floor = 0;
  /** Until this moment, in ms of the expiry clock, the floor is right. */
  floorUntil = 0;

  constructor({ basin, name, place }: StreamHome, row: StreamRow, state: StreamState, exists: boolean) {
    this.id = String(row.number);
    this.place = place;
    this.basin = basin;
    this.name = name;
    this.number = row.number;
    this.row = row;
    this.assigned = state;
    this.durable = state;
    this.made = exists;
    this.exists = exists;
  }

  get config(): StreamConfig {
    return this.row.config;
  }

  get cipher(): StreamCipher | undefined {
    return this.row.cipher;
  }

  get createdAt(): number {
    return this.row.createdAt;
  }

  /** Its deletion was accepted: all calls are refused. */
  get deleting(): boolean {
    return this.row.deletedAt !== undefined;
  }

  /** Its basin moves, or has moved, to another partition: nothing is written. */
  get isAway(): boolean {
    return this.place.state !== 'here';
  }

  /** Why those that read it get nothing more from the store; undefined while they do. */
  get readEnd(): TailraceError | undefined {
    if (this.place.state === 'gone') return this.place.refusal;
    return this.deleting ? deletionPending(this.name) : undefined;
  }

  /** The durable tail. */
  get tail(): Position {
    return { seqNum: this.durable.nextSeq, timestamp: this.durable.lastTimestamp };
  }

  /** Whether it is not needed in memory. */
  get idle(): boolean {
    return this.inFlight === 0 && this.readers === 0 && this.followers.size === 0;
  }

  /** Called when a commit with this state became durable. */
  settle(state: StreamState): void {
    assert(state.nextSeq >= this.durable.nextSeq, 'the durable tail never goes back');
    assert(state.nextSeq <= this.assigned.nextSeq || this.stale, 'nothing is durable that was not assigned');
    this.durable = state;
    this.exists = true;
  }

  /** Takes row and state from disk after a failed commit. */
  reload(row: StreamRow, state: StreamState): void {
    assert(state.nextSeq >= this.durable.nextSeq, 'what was durable is still on disk');
    this.row = row;
    this.assigned = state;
    this.durable = state;
    this.made = true;
    this.exists = true;
    this.stale = false;
    this.floorUntil = 0;
  }
}

/** The object behind the handle that callers of the log hold. */
export function opened(stream: Stream): OpenStream {
  assert(stream instanceof OpenStream, 'streams come from openStream');
  return stream;
}

/** The state of a stream without records. */
export const EMPTY_STATE: StreamState = {
  nextSeq: 0,
  lastTimestamp: 0,
  lastArrival: 0,
  fencingToken: undefined,
  trimPoint: 0,
  meteredBytes: 0,
};

/**
 * What is based on a failed commit must not be written.
 * @throws TailraceError `storage`
 */
export function expectFresh(stream: OpenStream): void {
  if (stream.stale) throw new TailraceError('storage', 'a write before this one failed; try again');
}

/** The error for a stream that is being deleted. */
export function deletionPending(name: string): TailraceError {
  return new TailraceError('stream_deletion_pending', `stream deletion pending: \`${name}\` is being deleted`);
}

/** The error for a stream that does not exist. */
export function streamNotFound(basin: string, name: string): TailraceError {
  return new TailraceError('stream_not_found', `stream \`${name}\` in basin \`${basin}\` not found`);
}
