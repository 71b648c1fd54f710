/** Inputs that wait for memory that all requests share, in the order in which they came. */

import type { MemoryBudget } from '../../encoding/memory-budget.ts';
import type { Clock } from '../../model/clock.ts';

/** How often it looks whether requests that don't know the line gave something back. */
const RETRY_MS = 10;

interface QueuedReservation {
  readonly bytes: number;
  readonly resolve: () => void;
}

const lines = new WeakMap<MemoryBudget, BudgetQueue>();

/** The line before a budget; there is one. */
export function queueBefore(budget: MemoryBudget, clock: Clock): BudgetQueue {
  const known = lines.get(budget);
  if (known !== undefined) return known;
  const line = new BudgetQueue(budget, clock);
  lines.set(budget, line);
  return line;
}

export class BudgetQueue {
  readonly #budget: MemoryBudget;
  readonly #clock: Clock;
  readonly #waiting = new Set<QueuedReservation>();
  #isRetrying = false;

  constructor(budget: MemoryBudget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  /** Takes so many bytes, unless there are too few or others wait for them already. */
  tryReserve(bytes: number): boolean {
    return this.#waiting.size === 0 && this.#budget.tryReserve(bytes);
  }

  /** Calls `resolve` once it is its turn and the bytes are taken for it. Returns how to leave the line. */
  join(bytes: number, resolve: () => void): () => void {
    const waiting = { bytes, resolve };
    this.#waiting.add(waiting);
    this.#retryLater();
    return () => {
      if (this.#waiting.delete(waiting)) this.#serve();
    };
  }

  release(bytes: number): void {
    this.#budget.release(bytes);
    if (this.#waiting.size > 0) this.#serve();
  }

  #serve(): void {
    for (const waiting of this.#waiting) {
      if (!this.#budget.tryReserve(waiting.bytes)) return;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  #retryLater(): void {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    this.#clock.timer(RETRY_MS, () => {
      this.#isRetrying = false;
      this.#serve();
      if (this.#waiting.size > 0) this.#retryLater();
    });
  }
}
