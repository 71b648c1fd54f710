/** The batch that a reader is about to get: one block, or neighbours that are too small to go out each by itself. */

import type { Position } from '../model/position.ts';
import type { BatchLimits } from '../s2/batch/batch-end.ts';
import type { BatchPart } from '../s2/batch/batch-part.ts';
import type { Batch } from './wire.ts';

export class Gathering {
  #parts: BatchPart[] = [];
  #records = 0;
  #bytes = 0;
  #isShared = false;

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  get first(): BatchPart | undefined {
    return this.#parts[0];
  }

  /** Whether a part may join. The first one always may. */
  fits({ from, to }: BatchPart, meteredBytes: number, limits: BatchLimits): boolean {
    if (this.isEmpty) return true;
    return this.#records + to - from <= limits.records && this.#bytes + meteredBytes <= limits.bytes;
  }

  /** `part` comes after those that are there. */
  add(part: BatchPart, meteredBytes: number, isShared: boolean): void {
    this.#parts.push(part);
    this.#records += part.to - part.from;
    this.#bytes += meteredBytes;
    this.#isShared ||= isShared;
  }

  /** Nothing is worth waiting for. A block that makes half of a batch goes out by itself: others get it like that too. */
  isFull(limits: BatchLimits): boolean {
    const share = this.#parts.length === 1 ? 2 : 1;
    return this.#records * share >= limits.records || this.#bytes * share >= limits.bytes;
  }

  /** The batch, which ends at `tail` when there is one. Begins a new one. */
  take(tail: Position | undefined): Batch {
    const batch: Batch = { parts: this.#parts, tail, isShared: this.#isShared };
    this.clear();
    return batch;
  }

  clear(): void {
    this.#parts = [];
    this.#records = 0;
    this.#bytes = 0;
    this.#isShared = false;
  }
}
