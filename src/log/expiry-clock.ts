/**
 * The time by which records expire. A wall clock that jumps ahead must not delete young records. So this clock runs
 * with the monotonic one; when the wall clock is far ahead of it, it ignores the wall clock for a day, or until an
 * operator confirms that the wall clock is right.
 */

import type { Clock } from '../model/clock.ts';
import { CLOCK_AHEAD_MS, CLOCK_AHEAD_START_MS, CLOCK_PAUSE_MS } from '../model/limits.ts';

/** Why expiry paused. */
export interface ClockPause {
  /** The time of this clock, and that of the wall clock, in ms. */
  readonly expected: number;
  readonly wall: number;
}

export class ExpiryClock {
  readonly #clock: Clock;
  readonly #onPause: (pause: ClockPause) => void;
  /** The wall time at a moment of the monotonic clock. */
  #wallAt: number;
  #monotonicAt: number;
  #pausedAt: number | undefined;

  /** `lastSeen` is the last wall time that the store saw, in ms; undefined in a new store. */
  constructor(clock: Clock, lastSeen: number | undefined, onPause: (pause: ClockPause) => void) {
    this.#clock = clock;
    this.#onPause = onPause;
    this.#monotonicAt = clock.monotonicMs();
    const wall = clock.now();
    const ahead = lastSeen !== undefined && wall - lastSeen > CLOCK_AHEAD_START_MS;
    this.#wallAt = ahead ? lastSeen : wall;
    if (ahead) this.#pause(wall);
  }

  /** Whole milliseconds since the epoch, as they are stored; never ahead of a time that can be trusted. */
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

  /** Whether expiry waits for an operator to confirm the wall clock. */
  get paused(): boolean {
    return this.#pausedAt !== undefined;
  }

  /** Accepts the wall clock as right. */
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
