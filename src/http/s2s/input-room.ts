/**
 * How much of an append session may be under way: it waits for room instead of being refused, and meanwhile nothing
 * more of it is read (S2 API §4.8).
 */

import type { Clock } from '../../model/clock.ts';
import { SESSION_IN_FLIGHT_BYTES_MAX, SESSION_IN_FLIGHT_INPUTS_MAX } from '../../model/limits.ts';
import type { MemoryBudget } from '../reservation.ts';

/** How often it looks whether others gave memory back. */
const RETRY_MS = 10;

interface Waiting {
  readonly bytes: number;
  readonly resolve: () => void;
}

/** The inputs of one session, from being read until their acks are sent. One waits at a time. */
export class InputRoom {
  readonly #budget: MemoryBudget;
  readonly #clock: Clock;
  #bytes = 0;
  #inputs = 0;
  #waiting: Waiting | undefined;
  #cancelRetry = (): void => {};

  constructor(budget: MemoryBudget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  /** Makes room for an input. Answers nothing when there is some at once; otherwise it is there when this resolves. */
  enter(bytes: number): Promise<void> | undefined {
    if (this.#tryEnter(bytes)) return undefined;
    return new Promise((resolve) => {
      this.#waiting = { bytes, resolve };
      this.#retryLater();
    });
  }

  /** The log is done with the bytes of an input. */
  settle(bytes: number): void {
    this.#bytes -= bytes;
    this.#budget.release(bytes);
    this.#retry();
  }

  /** So many inputs were answered. */
  leave(inputs: number): void {
    this.#inputs -= inputs;
    this.#retry();
  }

  /** Nobody waits any more. */
  close(): void {
    this.#cancelRetry();
    this.#waiting = undefined;
  }

  #tryEnter(bytes: number): boolean {
    if (this.#inputs >= SESSION_IN_FLIGHT_INPUTS_MAX) return false;
    // One that is alone always may, as far as the session is concerned.
    if (this.#bytes > 0 && this.#bytes + bytes > SESSION_IN_FLIGHT_BYTES_MAX) return false;
    if (!this.#budget.tryReserve(bytes)) return false;
    this.#bytes += bytes;
    this.#inputs++;
    return true;
  }

  #retry(): void {
    if (this.#waiting === undefined || !this.#tryEnter(this.#waiting.bytes)) return;
    const { resolve } = this.#waiting;
    this.close();
    resolve();
  }

  #retryLater(): void {
    this.#cancelRetry = this.#clock.timer(RETRY_MS, () => {
      this.#retry();
      if (this.#waiting !== undefined) this.#retryLater();
    });
  }
}
