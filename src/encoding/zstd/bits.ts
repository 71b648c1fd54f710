/** The bits of zstd that are read from their end: entropy coders write them in the opposite order (RFC 8878 §4.1). */

import { damaged } from './fault.ts';

/** A run of bits, from a mark at the top of the last byte down to the first one. */
export class BackwardBits {
  readonly #source: Uint8Array;
  readonly #start: number;
  /** Bits that are left; below zero when more were asked for than there are. */
  left: number;

  /** @throws TailraceError `bad_frame` when there is no mark */
  constructor(source: Uint8Array, start: number, end: number) {
    const last = end > start ? (source[end - 1] ?? 0) : 0;
    if (last === 0) throw damaged('bits have no end');
    this.#source = source;
    this.#start = start;
    this.left = (end - start) * 8 - 1 - Math.clz32(last) + 24;
  }

  /** The next bits, 25 at most. Behind the end they are zero. */
  peek(width: number): number {
    const low = this.left - width;
    if (low < 0) return this.#peekEnd(width);
    const source = this.#source;
    const at = this.#start + (low >> 3);
    // What is read beyond the run does not get through the mask.
    const four =
      (source[at] ?? 0) | ((source[at + 1] ?? 0) << 8) | ((source[at + 2] ?? 0) << 16) | ((source[at + 3] ?? 0) << 24);
    return (four >>> (low & 7)) & ((1 << width) - 1);
  }

  /** Up to 25 bits. */
  read(width: number): number {
    if (width === 0) return 0;
    const value = this.peek(width);
    this.left -= width;
    return value;
  }

  /** Up to 31 bits. */
  readWide(width: number): number {
    if (width <= 25) return this.read(width);
    const high = this.read(width - 16);
    return high * 65_536 + this.read(16);
  }

  /** As if there were zeros before the first byte. */
  #peekEnd(width: number): number {
    const { left } = this;
    return left <= 0 ? 0 : this.peek(left) << (width - left);
  }
}
