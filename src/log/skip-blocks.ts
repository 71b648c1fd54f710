/**
 * Passes over stored blocks in which a filter finds nothing, by their headers alone: their records are neither fetched from
 * the store nor unpacked.
 */

import { goOnWithWork } from '../encoding/turns.ts';
import { SKIP_BLOCK_BYTES, SKIP_PAGE_BLOCKS_MAX, YIELD_BYTES } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import { BLOCK_HEADER_BYTES_MAX, type BlockHeader, readBlockHeader } from '../storage/block/block.ts';
import type { Engine, Entry } from '../storage/engine.ts';
import { blockRange, readBlockKey } from '../storage/keys.ts';
import type { OpenStream } from './stream.ts';

/** What is known of the blocks from a position on. */
export interface Glance {
  /** The end of those that are passed over; undefined when the first one is to be read. */
  readonly passed: Position | undefined;
  /** Those before this sequence number are to be read. */
  readonly readUntil: number;
}

/** Whether a block may hold what is wanted, by its header and the beginning of its value. */
export type MayWant = (header: BlockHeader, value: Uint8Array) => boolean;

/** The first look takes a few blocks, since most reads want little; while it pays, each next one more. */
const FIRST_PAGE_BLOCKS = 4;
/** After a look that was of no use, so many times as many records are read without one. */
const BLIND_FACTOR = 4;
const BLIND_RECORDS_MAX = 65_536;

/** Looks ahead for one read. */
export class BlockSkipper {
  readonly #engine: Engine;
  readonly #stream: OpenStream;
  readonly #mayWant: MayWant;
  #readUntil = 0;
  #pageBlocks = FIRST_PAGE_BLOCKS;
  #work = 0;

  constructor(engine: Engine, stream: OpenStream, mayWant: MayWant) {
    this.#engine = engine;
    this.#stream = stream;
    this.#mayWant = mayWant;
  }

  /**
   * What to do from a position below the durable tail. Blocks that may not be what they should be (missing, damaged, not
   * durable yet) are to be read: the one who reads them says what is wrong. Nothing behind `untilMs` is passed over but
   * one block, which tells that the time is over.
   */
  async look(position: number, untilMs: number | undefined): Promise<Glance> {
    if (position < this.#readUntil) return { passed: undefined, readUntil: this.#readUntil };
    const range = blockRange(this.#stream.number, position, this.#stream.durable.nextSeq);
    const entries = await this.#engine.scan({
      ...range,
      limit: this.#pageBlocks,
      valueBytesMax: BLOCK_HEADER_BYTES_MAX,
    });
    this.#work += entries.length * SKIP_BLOCK_BYTES;
    if (this.#work >= YIELD_BYTES) {
      await goOnWithWork(this.#work);
      this.#work = 0;
    }
    const glance = this.#judge(entries, position, untilMs);
    this.#readUntil = glance.readUntil;
    if (glance.isOfUse) {
      this.#pageBlocks = Math.min(SKIP_PAGE_BLOCKS_MAX, 4 * this.#pageBlocks);
    } else {
      this.#pageBlocks = FIRST_PAGE_BLOCKS;
      this.#readUntil += Math.min(BLIND_RECORDS_MAX, BLIND_FACTOR * (glance.readUntil - position));
    }
    return { passed: glance.passed, readUntil: this.#readUntil };
  }

  #judge(
    entries: readonly Entry[],
    position: number,
    untilMs: number | undefined,
  ): Glance & { readonly isOfUse: boolean } {
    let passed: Position | undefined;
    let next = position;
    let isRead = false;
    for (const { key, value } of entries) {
      const { firstSeq } = readBlockKey(key);
      const header = firstSeq === next ? blockHeaderOf(key, value) : undefined;
      if (header === undefined) {
        // The position is inside a block, or a block is missing or damaged.
        return { passed, readUntil: isRead ? next : Math.max(firstSeq, next + 1), isOfUse: true };
      }
      const end = firstSeq + header.count;
      if (this.#mayWant(header, value)) isRead = true;
      else if (isRead) return { passed, readUntil: next, isOfUse: true };
      else passed = { seqNum: end, timestamp: header.lastTimestamp };
      next = end;
      if (!isRead && untilMs !== undefined && header.lastTimestamp >= untilMs) break;
    }
    return { passed, readUntil: Math.max(next, position + 1), isOfUse: passed !== undefined || !isRead };
  }
}

/** The header of a stored block; undefined for a damaged one. */
export function blockHeaderOf(key: Uint8Array, value: Uint8Array): BlockHeader | undefined {
  try {
    return readBlockHeader(key, value);
  } catch {
    return undefined;
  }
}
