/**
 * Lends memory for one unpacked block at a time to readers with a filter, which want little of most blocks: a buffer for
 * each of them costs more than the search in it.
 */

import { Lz4Unpacker } from '../encoding/lz4/unpacker.ts';
import { LENT_BLOCK_BYTES_MAX } from '../model/limits.ts';
import { Block } from '../storage/block/block.ts';
import type { Entry } from '../storage/engine.ts';

export class BlockLender {
  /** Made for the first reader with a filter: most servers never have any. */
  #unpacker: Lz4Unpacker | undefined;
  #lent: Block | undefined;

  /**
   * The block of an entry, good until it is taken back: it may be in this memory, and in that of the entry. While another
   * one is out it has memory of its own.
   * @throws TailraceError `corrupt`
   */
  lend({ key, value }: Entry): Block {
    if (this.#lent !== undefined) return Block.open(key, Buffer.from(value));
    this.#unpacker ??= new Lz4Unpacker(LENT_BLOCK_BYTES_MAX);
    this.#lent = Block.lend(key, value, this.#unpacker);
    return this.#lent;
  }

  /** The block is not looked at any more. Of others, and of one that was taken back, nothing is known here. */
  takeBack(block: Block): void {
    if (this.#lent === block) this.#lent = undefined;
  }
}
