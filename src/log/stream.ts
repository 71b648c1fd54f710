/**
 * One open stream: what is assigned, what is durable, who follows. The state has two frontiers: positions are assigned
 * at the first, readers and answers see the second.
 */

import { assert, TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { StreamCipher, StreamConfig } from '../model/stream-config.ts';
import type { StreamRow, StreamStateRow } from '../storage/values.ts';
import type { Basin } from './basins.ts';
import type { Follower } from './followers.ts';

/** A stream as doors hold it. It stays good while the log is open, also when its state had to be read again. */
export interface Stream {
  /** Of this incarnation: a stream that is deleted and made again has another one. */
  readonly id: string;
  readonly basin: Basin;
  readonly name: string;
  readonly config: StreamConfig;
  /** What its records are encrypted with, by the keys of those who append. */
  readonly cipher: StreamCipher | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** A stream's state, with its bytes counted. */
export interface StreamState extends StreamStateRow {
  readonly meteredBytes: number;
}

/** What the log knows of a stream. There is one of them for each stream at any time. Only the rooms of the log see it. */
export class OpenStream implements Stream {
  readonly id: string;
  readonly basin: Basin;
  readonly name: string;
  readonly number: number;
  readonly followers = new Set<Follower>();
  /** Its row as it was last handed to a commit. */
  row: StreamRow;
  /** Given out: the next append starts here. */
  assigned: StreamState;
  /** On disk: what readers see. */
  durable: StreamState;
  /** Whether its rows were handed to a commit; before, it exists only for the appends that would make it. */
  made: boolean;
  /** Whether its rows are on disk. */
  exists: boolean;
  /** The assigned state was built on a commit that failed: it must be read from disk before it is used again. */
  stale = false;
  /** Appends that are not settled. */
  inFlight = 0;
  /** Counts readers that hold it, so that it is not let go under them. */
  readers = 0;
  /** Somebody asked for it since the last sweep. */
  used = true;
  /** The removal of trimmed blocks that is under way; never rejects. */
  trimming: Promise<void> | undefined;
  /** The first record that has not expired, when looked at the last time; never below the trim point then. */
  floor = 0;
  /** Before this moment, in ms of the expiry clock, the floor is right. */
  floorUntil = 0;

  constructor(basin: Basin, name: string, row: StreamRow, state: StreamState, exists: boolean) {
    this.id = String(row.number);
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

  /** Its deletion was accepted: no call is served any more. */
  get deleting(): boolean {
    return this.row.deletedAt !== undefined;
  }

  /** The durable tail. */
  get tail(): Position {
    return { seqNum: this.durable.nextSeq, timestamp: this.durable.lastTimestamp };
  }

  /** Whether nobody needs it in memory. */
  get idle(): boolean {
    return this.inFlight === 0 && this.readers === 0 && this.followers.size === 0;
  }

  /** A commit that holds this state became durable. */
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
 * What was built on a commit that failed must not be written.
 * @throws TailraceError `storage`
 */
export function expectFresh(stream: OpenStream): void {
  if (stream.stale) throw new TailraceError('storage', 'a write before this one failed; try again');
}

/** What a caller is told about a stream that is being deleted (S2 API §3.7). */
export function deletionPending(name: string): TailraceError {
  return new TailraceError('stream_deletion_pending', `stream deletion pending: \`${name}\` is being deleted`);
}

/** What a caller is told about a stream that is not there. */
export function streamNotFound(basin: string, name: string): TailraceError {
  return new TailraceError('stream_not_found', `stream \`${name}\` in basin \`${basin}\` not found`);
}
