/**
 * A token bucket that may go into debt: while it is not empty it takes a request of any size, and what that takes too
 * much is paid back before the next one. So a request that is larger than the burst is taken, and no retry waits for ever.
 */

/** How fast a bucket fills, and how much it holds. Both may change at any time. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export class TokenBucket {
  #level: number;
  #atMs: number;

  /** Full at first. */
  constructor({ burst }: Rate, nowMs: number) {
    this.#level = burst;
    this.#atMs = nowMs;
  }

  /** Milliseconds until it is not empty; 0 when it takes a request now. */
  waitMs(rate: Rate, nowMs: number): number {
    this.#fill(rate, nowMs);
    return this.#level >= 1 ? 0 : ((1 - this.#level) / rate.perSecond) * 1_000;
  }

  take(rate: Rate, nowMs: number, amount: number): void {
    this.#fill(rate, nowMs);
    this.#level -= amount;
  }

  isFull(rate: Rate, nowMs: number): boolean {
    this.#fill(rate, nowMs);
    return this.#level >= rate.burst;
  }

  #fill({ perSecond, burst }: Rate, nowMs: number): void {
    const passed = Math.max(0, nowMs - this.#atMs);
    this.#level = Math.min(burst, this.#level + (passed / 1_000) * perSecond);
    this.#atMs += passed;
  }
}
