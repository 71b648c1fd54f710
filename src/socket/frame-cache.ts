/**
 * What many readers get is encoded once: all followers of a stream get the same block, and the frames that the first
 * one had made of it are kept for the others, within a limit.
 */

import { FRAME_CACHE_BYTES_MAX } from '../model/limits.ts';
import type { Block } from '../storage/block/block.ts';
import type { Encoder, Frame, Piece } from './encoders.ts';

interface Entry {
  readonly frames: readonly Frame[];
  readonly bytes: number;
  readonly home: Map<string, Entry>;
  readonly key: string;
}

export class FrameCache {
  readonly #byBlock = new WeakMap<Block, Map<string, Entry>>();
  /** In order of age. */
  readonly #entries = new Set<Entry>();
  #bytes = 0;

  /** The frames of a piece, made now unless another reader had the same. */
  framesOf(encoder: Encoder, piece: Piece): readonly Frame[] {
    const home = this.#homeOf(piece.block);
    const key = `${encoder.name} ${piece.from} ${piece.to} ${piece.tail?.seqNum ?? ''}`;
    const known = home.get(key);
    if (known !== undefined) return known.frames;
    const frames = encoder.encode(piece);
    const bytes = frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
    this.#keep({ frames, bytes, home, key });
    return frames;
  }

  #homeOf(block: Block): Map<string, Entry> {
    const known = this.#byBlock.get(block);
    if (known !== undefined) return known;
    const home = new Map<string, Entry>();
    this.#byBlock.set(block, home);
    return home;
  }

  #keep(entry: Entry): void {
    entry.home.set(entry.key, entry);
    this.#entries.add(entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#entries) {
      if (this.#bytes <= FRAME_CACHE_BYTES_MAX) return;
      this.#entries.delete(oldest);
      oldest.home.delete(oldest.key);
      this.#bytes -= oldest.bytes;
    }
  }
}
