/** Bytes in flight in the whole process: what requests hold in memory until their response is sent. */

import { assert } from '../model/error.ts';
import { MEMORY_LIMIT_BYTES } from '../model/limits.ts';

/** Counts what the servers reserve. It never waits: a server that cannot reserve refuses the request at once. */
export class MemoryBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number = MEMORY_LIMIT_BYTES) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes this many bytes, or returns false and takes none. */
  tryReserve(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Gives back what was reserved. */
  release(bytes: number): void {
    this.#usedBytes -= bytes;
    assert(this.#usedBytes >= 0, 'no more memory is given back than was reserved');
  }
}
