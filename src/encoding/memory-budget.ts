/** Bytes in flight in the whole process: what requests hold in memory until they are answered (otlp.md, Limits). */

import { assert } from '../model/error.ts';
import { MEMORY_LIMIT_BYTES } from '../model/limits.ts';

/** Counts what doors reserve. It never waits: who cannot reserve refuses the request at once. */
export class MemoryBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number = MEMORY_LIMIT_BYTES) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes so many bytes, or answers false and takes none. */
  tryReserve(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Gives back what was reserved. */
  release(bytes: number): void {
    this.#usedBytes -= bytes;
    assert(this.#usedBytes >= 0, 'nobody gives back more memory than was reserved');
  }
}
