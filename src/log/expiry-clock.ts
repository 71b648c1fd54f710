/**
 * The time that records expire by (storage.md, Retention). A wall clock that jumps ahead must not delete what is young:
 * this one runs with the monotonic clock, and where the wall clock is far ahead of it, it goes on by itself for a day,
 * or until an operator says that the wall clock is right.
 */

import type { Clock } from '../model/clock.ts';
import { CLOCK_AHEAD_MS, CLOCK_AHEAD_START_MS, CLOCK_PAUSE_MS } from '../model/limits.ts';

/** What made expiry pause. */
export interface ClockPause {
  /** What this clock says, and what the wall clock says, in ms. */
  readonly expected: number;
  readonly wall: number;
}

export class ExpiryClock {
  readonly #clock: Clock;
  readonly #onPause: (pause: ClockPause) => void;
  /** Wall time that belongs to a moment of the monotonic clock. */
  #wallAt: number;
  #monotonicAt: number;
  #pausedAt: number | undefined;

  /** `lastSeen` is the wall clock as the store saw it last, in ms; undefined in a new store. */
  constructor(clock: Clock, lastSeen: number | undefined, onPause: (pause: ClockPause) => void) {
    this.#clock = clock;
    this.#onPause = onPause;
    this.#monotonicAt = clock.monotonicMs();
    const wall = clock.now();
    const ahead = lastSeen !== undefined && wall - lastSeen > CLOCK_AHEAD_START_MS;
    this.#wallAt = ahead ? lastSeen : wall;
    if (ahead) this.#pause(wall);
  }

  /** Whole milliseconds since the epoch, as they are stored; never ahead of what can be believed. */
  now(): number {
    return Math.floor(this.#believed());
  }

  #believed(): number {
    const wall = this.#clock.now();
    const monotonic = this.#clock.monotonicMs();
    const expected = this.#wallAt + (monotonic - this.#monotonicAt);
    if (this.#pausedAt !== undefined) {
      if (monotonic - this.#pausedAt >= CLOCK_PAUSE_MS || wall - expected <= 0) this.confirm();
      return Math.min(wall, this.#wallAt + (monotonic - this.#monotonicAt));
    }
    if (wall - expected > CLOCK_AHEAD_MS) {
      this.#pause(wall);
      return expected;
    }
    this.#wallAt = wall;
    this.#monotonicAt = monotonic;
    return wall;
  }

  /** Whether expiry waits for somebody to say that the wall clock is right. */
  get paused(): boolean {
    return this.#pausedAt !== undefined;
  }

  /** The wall clock is right. */
  confirm(): void {
    this.#pausedAt = undefined;
    this.#wallAt = this.#clock.now();
    this.#monotonicAt = this.#clock.monotonicMs();
  }

  #pause(wall: number): void {
    this.#pausedAt = this.#clock.monotonicMs();
    this.#onPause({ expected: this.#wallAt + (this.#pausedAt - this.#monotonicAt), wall });
  }
}
