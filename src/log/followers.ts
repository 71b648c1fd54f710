/** Readers that are level with the tail: each has a short queue, and goes back to scanning when it overflows. */

import type { TailraceError } from '../model/error.ts';
import { FOLLOWER_BLOCKS_MAX, FOLLOWER_BYTES_MAX } from '../model/limits.ts';
import type { Block } from '../storage/block/block.ts';

/** One reader's queue of blocks that became durable. All followers of a stream get the same Block objects. */
export class Follower {
  #queue: Block[] = [];
  #queuedBytes = 0;
  #overflowed = false;
  #woken = false;
  #wake: (() => void) | undefined;
  /** Why nothing more will come, once that is so. */
  ended: TailraceError | undefined;

  /** The blocks of one durable append, in order. */
  push(blocks: readonly Block[]): void {
    for (const block of blocks) this.#add(block);
    this.wake();
  }

  /** What came cannot be given: it must be scanned. */
  miss(): void {
    this.#overflowed = true;
    this.wake();
  }

  /** The stream ends here: thrown at the reader once it has taken what came before. */
  end(error: TailraceError): void {
    this.ended = error;
    this.wake();
  }

  /** Ends a `wait`. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** The next block; undefined when there is none now. */
  take(): Block | undefined {
    const block = this.#queue.shift();
    if (block !== undefined) this.#queuedBytes -= block.header.rawBytes;
    return block;
  }

  /** Whether blocks were dropped: what it has not taken must be scanned. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** Resolves when something was pushed, or it was woken, since the last `wait`. */
  async wait(): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#woken = false;
  }

  #add(block: Block): void {
    if (this.#overflowed) return;
    // A block that is alone always fits: a large append must not send level readers back to the disk.
    const full = this.#queue.length >= FOLLOWER_BLOCKS_MAX || this.#queuedBytes >= FOLLOWER_BYTES_MAX;
    if (full) {
      this.#overflowed = true;
      return;
    }
    this.#queue.push(block);
    this.#queuedBytes += block.header.rawBytes;
  }
}
