/**
 * Finds the frames in the chunks of a request as they come. A frame within one chunk is a view of it; one that is spread
 * over several is put together once, so every byte is copied once at most.
 */

import { badFrame, FRAME_HEAD_BYTES, type S2sFrame } from './frame.ts';

const LENGTH_BYTES = 3;
const LENGTH_MAX = 2 * 1024 * 1024;

/** A frame of which a part has come. */
interface Part {
  readonly flag: number;
  readonly body: Buffer;
  filled: number;
}

/** Give it chunks with `push`, take frames with `next` until there is none. */
export class FrameReader {
  /** What was pushed and not read yet. */
  readonly #chunks: Buffer[] = [];
  /** In the first chunk. */
  #at = 0;
  /** The beginning of a head that is spread over several chunks. */
  readonly #head = Buffer.alloc(FRAME_HEAD_BYTES);
  #headFilled = 0;
  #part: Part | undefined;

  /** Whether it waits for the rest of a frame. Valid after `next` returned undefined. */
  get isWithinFrame(): boolean {
    return this.#part !== undefined || this.#headFilled > 0;
  }

  /** The bytes must not change while frames are in use. */
  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  /**
   * The next frame that is complete.
   * @throws TailraceError `bad_frame` for an impossible length, as soon as it is read
   */
  next(): S2sFrame | undefined {
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const frame = this.#part === undefined ? this.#begin(chunk) : this.#goOn(chunk, this.#part);
      if (this.#at === chunk.length) {
        this.#chunks.shift();
        this.#at = 0;
      }
      if (frame !== undefined) return frame;
    }
    return undefined;
  }

  /** To be called after the last chunk. @throws TailraceError `bad_frame` when a frame is not complete */
  end(): void {
    if (this.isWithinFrame) throw badFrame('the last one is truncated');
  }

  /** Reads a head, and the body as well if all of it is in the chunk. */
  #begin(chunk: Buffer): S2sFrame | undefined {
    const inPlace = this.#headFilled === 0 && chunk.length - this.#at >= FRAME_HEAD_BYTES;
    if (!inPlace && !this.#fillHead(chunk)) return undefined;
    const head = inPlace ? chunk : this.#head;
    const at = inPlace ? this.#at : 0;
    const length = lengthAt(head, at);
    const flag = head[at + LENGTH_BYTES] ?? 0;
    this.#headFilled = 0;
    const start = inPlace ? at + FRAME_HEAD_BYTES : this.#at;
    const end = start + length - 1;
    if (end <= chunk.length) {
      this.#at = end;
      return { flag, body: chunk.subarray(start, end) };
    }
    const body = Buffer.allocUnsafe(length - 1);
    this.#part = { flag, body, filled: chunk.copy(body, 0, start) };
    this.#at = chunk.length;
    return undefined;
  }

  /** Returns whether the head is complete with this. */
  #fillHead(chunk: Buffer): boolean {
    const copied = chunk.copy(this.#head, this.#headFilled, this.#at);
    this.#headFilled += copied;
    this.#at += copied;
    if (this.#headFilled >= LENGTH_BYTES) lengthAt(this.#head, 0);
    return this.#headFilled === FRAME_HEAD_BYTES;
  }

  #goOn(chunk: Buffer, part: Part): S2sFrame | undefined {
    const { flag, body } = part;
    const copied = chunk.copy(body, part.filled, this.#at);
    part.filled += copied;
    this.#at += copied;
    if (part.filled < body.length) return undefined;
    this.#part = undefined;
    return { flag, body };
  }
}

/** @throws TailraceError `bad_frame` */
function lengthAt(head: Buffer, at: number): number {
  const length = head.readUIntBE(at, LENGTH_BYTES);
  if (length === 0 || length > LENGTH_MAX) throw badFrame(`the length is ${length}, not from 1 to ${LENGTH_MAX}`);
  return length;
}
