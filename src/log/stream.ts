/**
 * One open stream: what is assigned, what is durable, who follows. The state has two frontiers: positions are assigned
 * at the first, readers and answers see the second.
 */

import { assert } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { StreamConfig } from '../model/stream-config.ts';
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
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** What the log knows of a stream that is open. Only the rooms of the log see it. */
export class OpenStream implements Stream {
  readonly id: string;
  readonly basin: Basin;
  readonly name: string;
  readonly number: number;
  readonly config: StreamConfig;
  readonly createdAt: number;
  readonly followers = new Set<Follower>();
  /** Given out: the next append starts here. */
  assigned: StreamStateRow;
  /** On disk: what readers see. */
  durable: StreamStateRow;
  /** Whether its rows are on disk; before, it exists only for the appends that make it. */
  exists: boolean;
  /** The assigned state was built on a commit that failed: it must be read from disk before it is used again. */
  stale = false;
  /** Appends that are not settled. */
  inFlight = 0;
  /** Counts readers that hold it, so that it is not let go under them. */
  readers = 0;

  constructor(basin: Basin, name: string, row: StreamRow, state: StreamStateRow, exists: boolean) {
    this.id = String(row.number);
    this.basin = basin;
    this.name = name;
    this.number = row.number;
    this.config = row.config;
    this.createdAt = row.createdAt;
    this.assigned = state;
    this.durable = state;
    this.exists = exists;
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
  settle(state: StreamStateRow): void {
    assert(state.nextSeq >= this.durable.nextSeq, 'the durable tail never goes back');
    assert(state.nextSeq <= this.assigned.nextSeq || this.stale, 'nothing is durable that was not assigned');
    this.durable = state;
    this.exists = true;
  }

  /** Takes the state from disk after a failed commit. */
  reload(state: StreamStateRow): void {
    assert(state.nextSeq >= this.durable.nextSeq, 'what was durable is still on disk');
    this.assigned = state;
    this.durable = state;
    this.stale = false;
  }
}

/** The state of a stream without records. */
export const EMPTY_STATE: StreamStateRow = {
  nextSeq: 0,
  lastTimestamp: 0,
  lastArrival: 0,
  fencingToken: undefined,
  trimPoint: 0,
};
