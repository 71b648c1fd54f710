/** Inputs that wait for memory that all requests share: in the order in which they came, behind others of their holder. */

import type { MemoryBudget } from '../../encoding/memory-budget.ts';
import type { Clock } from '../../model/clock.ts';

/** How often it looks whether requests that don't know the line gave something back. */
const RETRY_MS = 10;

interface QueuedReservation {
  readonly bytes: number;
  readonly holder: string | undefined;
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
  /** How many of each holder wait. */
  readonly #waitingOf = new Map<string | undefined, number>();
  #isRetrying = false;

  constructor(budget: MemoryBudget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  /** Takes so many bytes, unless there are too few or others of the holder wait for them already. */
  tryReserve(bytes: number, holder?: string): boolean {
    return !this.#waitingOf.has(holder) && this.#budget.tryReserve(bytes, holder);
  }

  /** Calls `resolve` once it is its turn and the bytes are taken for it. Returns how to leave the line. */
  join(bytes: number, resolve: () => void, holder?: string): () => void {
    const waiting = { bytes, holder, resolve };
    this.#waiting.add(waiting);
    this.#waitingOf.set(holder, (this.#waitingOf.get(holder) ?? 0) + 1);
    this.#retryLater();
    return () => {
      if (this.#leave(waiting)) this.#serve();
    };
  }

  release(bytes: number, holder?: string): void {
    this.#budget.release(bytes, holder);
    if (this.#waiting.size > 0) this.#serve();
  }

  /** In order; a holder of more than a fair share does not hold up the others. */
  #serve(): void {
    const blocked = new Set<string | undefined>();
    for (const waiting of this.#waiting) {
      if (blocked.has(waiting.holder)) continue;
      if (!this.#budget.tryReserve(waiting.bytes, waiting.holder)) {
        blocked.add(waiting.holder);
        continue;
      }
      this.#leave(waiting);
      waiting.resolve();
    }
  }

  #leave(waiting: QueuedReservation): boolean {
    if (!this.#waiting.delete(waiting)) return false;
    const left = (this.#waitingOf.get(waiting.holder) ?? 0) - 1;
    if (left > 0) this.#waitingOf.set(waiting.holder, left);
    else this.#waitingOf.delete(waiting.holder);
    return true;
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
