/** The bounds of a read: how much of what it comes to its reader gets. */

import type { Clock } from '../model/clock.ts';
import type { Position } from '../model/position.ts';
import type { ReadRange } from '../model/read-range.ts';
import type { Block } from '../storage/block/block.ts';
import type { ReadEvent } from './events.ts';
import type { OpenStream } from './stream.ts';

/**
 * What is left of the bounds of a read: count, bytes and until over the whole session, wait at the tail. What was counted
 * once is free when it is read again.
 */
export class Bounds {
  reached = false;
  readonly mayFollow: boolean;
  readonly until: number | undefined;
  readonly #waitMs: number | undefined;
  #count: number;
  #bytes: number;
  #deadlineMs: number | undefined;
  /** After the last record that was counted. */
  #counted = 0;

  constructor({ count, bytes, until, waitMs }: ReadRange) {
    const bounded = count !== undefined || bytes !== undefined || until !== undefined;
    this.#waitMs = waitMs ?? (bounded ? 0 : undefined);
    this.mayFollow = this.#waitMs === undefined || this.#waitMs > 0;
    this.#count = count ?? Number.POSITIVE_INFINITY;
    this.#bytes = bytes ?? Number.POSITIVE_INFINITY;
    this.until = until;
  }

  /** The records of a block from `position` on that the bounds allow; undefined when there is no such record. */
  cut(block: Block, position: number, stream: OpenStream, isLive: boolean): ReadEvent | undefined {
    const from = position - block.firstSeq;
    const whole =
      this.#count === Number.POSITIVE_INFINITY && this.#bytes === Number.POSITIVE_INFINITY && this.until === undefined;
    const { count } = block.header;
    const to = whole ? count : this.#take(block, from, count);
    if (to === from) return undefined;
    const tail = tailAt(block, to, stream);
    return { type: 'records', block, from, to, tail, isShared: stream.readers > 1, isLive, hasMore: false };
  }

  /** The records of some runs of a block that the bounds allow, and how far the block was passed over after them. */
  *cutRuns(block: Block, runs: readonly number[], stream: OpenStream, isLive: boolean): Generator<ReadEvent> {
    const { count, lastTimestamp } = block.header;
    let end = 0;
    for (let r = 0; r < runs.length && !this.reached; r += 2) {
      const from = runs[r] ?? 0;
      end = runs[r + 1] ?? 0;
      const to = this.#take(block, from, end);
      if (to === from) break;
      const hasMore = r + 2 < runs.length && !this.reached;
      yield { type: 'records', block, from, to, tail: tailAt(block, to, stream), isShared: false, isLive, hasMore };
    }
    const passed = this.pass({ seqNum: block.firstSeq + count, timestamp: lastTimestamp }, stream, isLive);
    if (passed !== undefined && end !== count) yield passed;
  }

  /** That all records up to a position were passed over; undefined when a bound is reached. */
  pass(to: Position, stream: OpenStream, isLive = false): ReadEvent | undefined {
    // Times never decrease, so what is not wanted can tell as well that the time is over.
    if (this.until !== undefined && to.timestamp >= this.until) this.reached = true;
    if (this.reached) return undefined;
    const tail = to.seqNum === stream.tail.seqNum ? stream.tail : undefined;
    return { type: 'passed', to, tail, isLive };
  }

  /** Data came: the wait starts anew the next time that there is none. */
  delivered(): void {
    this.#deadlineMs = undefined;
  }

  /** Whether the wait is over. The first look at an empty queue starts it. */
  expired(clock: Clock): boolean {
    if (this.#waitMs === undefined) return false;
    this.#deadlineMs ??= clock.monotonicMs() + this.#waitMs;
    return clock.monotonicMs() >= this.#deadlineMs;
  }

  /** Calls `wake` when the wait is over; returns how to cancel that. */
  arm(clock: Clock, wake: () => void): () => void {
    if (this.#deadlineMs === undefined) return () => {};
    return clock.timer(Math.max(0, this.#deadlineMs - clock.monotonicMs()), wake);
  }

  /** Counts the records [from, end) as far as the bounds allow, and returns where that ends. */
  #take(block: Block, from: number, end: number): number {
    const to = this.#last(block, from, end);
    const next = block.firstSeq + to;
    const isUsedUp = (this.#count === 0 || this.#bytes === 0) && next >= this.#counted;
    this.reached = to < end || isUsedUp;
    this.#counted = Math.max(this.#counted, next);
    return to;
  }

  #last(block: Block, from: number, end: number): number {
    let to = from;
    while (to < end && block.firstSeq + to < this.#counted) to++;
    while (to < end && this.#count > 0) {
      const bytes = block.meteredBytesOf(to);
      if (bytes > this.#bytes) break;
      if (this.until !== undefined && block.timestamp(to) >= this.until) break;
      this.#count--;
      this.#bytes -= bytes;
      to++;
    }
    return to;
  }
}

/** The tail, where record `to` of a block is it. */
function tailAt(block: Block, to: number, stream: OpenStream): Position | undefined {
  return block.firstSeq + to === stream.tail.seqNum ? stream.tail : undefined;
}
