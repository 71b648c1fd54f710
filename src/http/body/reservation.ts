/** The share of one request in the memory that all requests in flight may take. */

import { memoryHolder } from '../../access/memory-holder.ts';
import type { MemoryBudget } from '../../encoding/memory-budget.ts';
import { TailraceError } from '../../model/error.ts';
import { type Exchange, senderOf } from '../exchange.ts';

/** Who pays for what requests hold. */
export interface RequestMemory {
  /** For callers who are known; shared between them. */
  readonly budget: MemoryBudget;
  /** For requests whose caller is not known yet: strangers take nothing from what callers need. */
  readonly strangers: MemoryBudget;
}

/** Grows while a body is read and decompressed, and is given back after the response. */
export class Reservation {
  readonly #budget: MemoryBudget;
  readonly #holder: string | undefined;
  #held = 0;

  constructor(budget: MemoryBudget, holder?: string) {
    this.#budget = budget;
    this.#holder = holder;
  }

  /**
   * Makes sure that at least this many bytes are held.
   * @throws TailraceError `overloaded` when the budget, or the holder's share of it, is used up
   */
  holdAtLeast(bytes: number): void {
    if (bytes <= this.#held) return;
    if (!this.#budget.tryReserve(bytes - this.#held, this.#holder)) throw overloaded();
    this.#held = bytes;
  }

  /** Holds exactly this many bytes, which are there already, also above the limit. */
  holdExactly(bytes: number): void {
    if (bytes > this.#held) this.#budget.take(bytes - this.#held, this.#holder);
    else this.#budget.release(this.#held - bytes, this.#holder);
    this.#held = bytes;
  }

  /** @throws TailraceError `overloaded` when so many bytes could not be held now; none are held by this */
  expectFits(bytes: number): void {
    if (!this.#budget.wouldFit(bytes, this.#holder)) throw overloaded();
  }

  get held(): number {
    return this.#held;
  }

  /** May be called twice. */
  release(): void {
    if (this.#held > 0) this.#budget.release(this.#held, this.#holder);
    this.#held = 0;
  }
}

/** A reservation for a request, paid by its caller as far as that is known now. */
export function reservationFor(exchange: Exchange, { budget, strangers }: RequestMemory): Reservation {
  const isKnown = exchange.auditContext.caller !== undefined;
  return new Reservation(isKnown ? budget : strangers, holderOf(exchange));
}

/** Whose share a request is paid from. */
export function holderOf(exchange: Exchange): string {
  return memoryHolder(exchange.auditContext.caller, senderOf(exchange));
}

function overloaded(): TailraceError {
  return new TailraceError(
    'overloaded',
    'too many bytes of requests are in flight: send again later (--memory-limit sets how many there may be)',
  );
}
