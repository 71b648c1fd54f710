/** The share of one request in the memory that all requests in flight may take. */

import type { MemoryBudget } from '../../encoding/memory-budget.ts';
import { TailraceError } from '../../model/error.ts';

/** Grows while a body is read and decompressed, and is given back after the response. */
export class Reservation {
  readonly #budget: MemoryBudget;
  #held = 0;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /**
   * Makes sure that at least this many bytes are held.
   * @throws TailraceError `overloaded` when the budget is used up
   */
  holdAtLeast(bytes: number): void {
    if (bytes <= this.#held) return;
    if (!this.#budget.tryReserve(bytes - this.#held)) {
      throw new TailraceError(
        'overloaded',
        'too many bytes of requests are in flight: send again later (--memory-limit sets how many there may be)',
      );
    }
    this.#held = bytes;
  }

  get held(): number {
    return this.#held;
  }

  /** May be called twice. */
  release(): void {
    if (this.#held > 0) this.#budget.release(this.#held);
    this.#held = 0;
  }
}
