/** The batch that a reader is about to get: one block, or neighbours that are too small to go out each by itself. */

import type { Member } from '../log/events.ts';
import type { Position } from '../model/position.ts';
import type { BatchLimits } from '../s2/batch/batch-end.ts';
import type { BatchPart } from '../s2/batch/batch-part.ts';
import type { Batch } from './wire.ts';

/** A part, and of which stream it is where many are read together. */
type PartOf = BatchPart & { readonly of: Member | undefined };

export class Gathering {
  #parts: PartOf[] = [];
  #records = 0;
  #bytes = 0;
  #isShared = false;

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  get first(): PartOf | undefined {
    return this.#parts[0];
  }

  /** Whether a part may join. The first one always may; others must be of the same stream. */
  fits({ from, to, of }: PartOf, meteredBytes: number, limits: BatchLimits): boolean {
    if (this.first === undefined) return true;
    if (this.first.of?.id !== of?.id) return false;
    return this.#records + to - from <= limits.records && this.#bytes + meteredBytes <= limits.bytes;
  }

  /** `part` comes after those that are there. */
  add(part: PartOf, meteredBytes: number, isShared: boolean): void {
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
    const batch: Batch = { parts: this.#parts, tail, isShared: this.#isShared, of: this.first?.of };
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
