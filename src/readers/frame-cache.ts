/**
 * What many readers get is encoded once: all followers of a stream get the same blocks, and the frames that the first
 * one had made of them are kept for the others, within a limit. One cache for all protocols.
 */

import type { BufferPool } from '../encoding/buffer-pool.ts';
import { FRAME_CACHE_BYTES_MAX, FRAME_CACHE_ENTRY_BYTES } from '../model/limits.ts';
import { endOf } from '../s2/batch/batch-part.ts';
import type { Block } from '../storage/block/block.ts';
import type { Batch, Encoded, Encoder } from './wire.ts';

interface CachedFrames {
  readonly encoded: Encoded | Promise<Encoded>;
  readonly bytes: number;
  readonly siblings: Map<string, CachedFrames>;
  readonly key: string;
}

export class FrameCache {
  readonly #pool: BufferPool;
  readonly #bytesMax: number;
  /** By the first block of the batch: no other block begins a batch with the same records. */
  readonly #byBlock = new WeakMap<Block, Map<string, CachedFrames>>();
  /** In order of age. */
  readonly #entries = new Set<CachedFrames>();
  #bytes = 0;

  /** `pool` is for frames that are not kept. */
  constructor(pool: BufferPool, bytesMax: number = FRAME_CACHE_BYTES_MAX) {
    this.#pool = pool;
    this.#bytesMax = bytesMax;
  }

  /** What is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The frames of a batch, made now unless another reader had the same. What no other reader gets is not kept: it would only
   * crowd out what others wait for.
   */
  encoded(encoder: Encoder, batch: Batch): Encoded | Promise<Encoded> {
    const [first] = batch.parts;
    if (!batch.isShared || first === undefined) return encoder.encode(batch, this.#pool);
    const siblings = this.#siblingsOf(first.block);
    const key = `${encoder.name} ${first.from} ${endOf(batch.parts)} ${batch.tail?.seqNum ?? ''}${batch.of === undefined ? '' : ` ${batch.of.name}`}`;
    const known = siblings.get(key);
    if (known !== undefined) return known.encoded;
    const encoded = encoder.encode(batch);
    this.#keep({ encoded, bytes: bytesOf(encoded, batch) + FRAME_CACHE_ENTRY_BYTES, siblings, key });
    return encoded;
  }

  #siblingsOf(block: Block): Map<string, CachedFrames> {
    const known = this.#byBlock.get(block);
    if (known !== undefined) return known;
    const siblings = new Map<string, CachedFrames>();
    this.#byBlock.set(block, siblings);
    return siblings;
  }

  #keep(entry: CachedFrames): void {
    entry.siblings.set(entry.key, entry);
    this.#entries.add(entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#entries) {
      // The last one stays, however large it is: to make it again for each follower would cost more.
      if (this.#bytes <= this.#bytesMax || oldest === entry) return;
      this.#entries.delete(oldest);
      oldest.siblings.delete(oldest.key);
      this.#bytes -= oldest.bytes;
    }
  }
}

/** What is still being made is hardly larger than its records. */
function bytesOf(encoded: Encoded | Promise<Encoded>, { parts }: Batch): number {
  if (encoded instanceof Promise)
    return parts.reduce((sum, { block, from, to }) => sum + block.wholeBytesWithin(from, to), 0);
  return encoded.frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
}
