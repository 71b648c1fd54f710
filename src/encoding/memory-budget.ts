/**
 * Bytes in flight in the whole process: what requests hold in memory until their response has left.
 *
 * Each holder has a share of it. While much is free, a share is as large as its holder likes; the less is free, the
 * smaller shares are: no holder has more than `MEMORY_SHARE_PER_FREE` times what is left free after it. So one holder
 * alone gets four fifths, two get four ninths each, and there is always something left for one who holds nothing yet.
 * Who came first and holds more than is fair now gets nothing more until it has given back. That needs no list of who
 * else is there: each decision looks at two numbers. (Choudhury and Hahne, "Dynamic Queue Length Thresholds for
 * Shared-Memory Packet Switches", 1998.)
 */

import { assert } from '../model/error.ts';
import { MEMORY_LIMIT_BYTES, MEMORY_SHARE_PER_FREE } from '../model/limits.ts';

/** Counts what the servers reserve. It never waits: a server that cannot reserve refuses the request at once. */
export class MemoryBudget {
  readonly limitBytes: number;
  readonly #heldBy = new Map<string, number>();
  #usedBytes = 0;

  constructor(limitBytes: number = MEMORY_LIMIT_BYTES) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes this many bytes, or returns false and takes none. Without a holder, only the sum counts. */
  tryReserve(bytes: number, holder?: string): boolean {
    if (!this.wouldFit(bytes, holder)) return false;
    this.take(bytes, holder);
    return true;
  }

  /** Whether this many bytes could be reserved now. */
  wouldFit(bytes: number, holder?: string): boolean {
    const free = this.limitBytes - this.#usedBytes - bytes;
    if (free < 0) return false;
    if (holder === undefined || bytes === 0) return true;
    return (this.#heldBy.get(holder) ?? 0) + bytes <= free * MEMORY_SHARE_PER_FREE;
  }

  /** Counts bytes that are held in any case, also above the limit: others then wait for them. */
  take(bytes: number, holder?: string): void {
    this.#usedBytes += bytes;
    if (holder !== undefined && bytes > 0) this.#heldBy.set(holder, (this.#heldBy.get(holder) ?? 0) + bytes);
  }

  /** Gives back what the same holder had reserved. */
  release(bytes: number, holder?: string): void {
    this.#usedBytes -= bytes;
    assert(this.#usedBytes >= 0, 'no more memory is given back than was reserved');
    if (holder === undefined) return;
    const left = (this.#heldBy.get(holder) ?? 0) - bytes;
    assert(left >= 0, 'no holder gives back more memory than it had reserved');
    if (left === 0) this.#heldBy.delete(holder);
    else this.#heldBy.set(holder, left);
  }
}
