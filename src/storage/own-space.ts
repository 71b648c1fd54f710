/**
 * Space on the disk that is the store's own, whoever fills the rest: space behind the last page of its file, and a file
 * that is given up when the disk is full.
 *
 * LMDB must not run into the end of the disk, because its binding then overruns one of its own buffers while it reports
 * the error, which can end the process. So a transaction that may find no space gets it here first, where a refusal of
 * the disk does no harm. LMDB neither reads nor cares about what is behind its last page.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';

/** Written at once. Random, because zeros take no space on a file system that compresses. */
const FILLER_BYTES = 256 * 1024;
/** What a disk, a quota or a size limit answers when there is no more. */
const NO_SPACE: ReadonlySet<string | number> = new Set([
  ...(['ENOSPC', 'EDQUOT', 'EFBIG'] as const).flatMap((name) => [name, constants.errno[name]]),
]);

/** Whether an error of the system, or of LMDB, says that there is no space. */
export function isNoSpace(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  return (typeof error.code === 'string' || typeof error.code === 'number') && NO_SPACE.has(error.code);
}

/** The name of the file that is given up. */
export function reserveFile(file: string): string {
  return `${file}.reserve`;
}

/** Use it only while no transaction is being written. */
export class OwnSpace {
  readonly #name: string;
  readonly #file: number;
  /** Where the file ended when it was last asked; LMDB adds pages meanwhile, which count as its own. */
  #end: number;
  /** Undefined before the first time, and when the disk has no space for even a name. */
  #held: number | undefined;
  readonly #heldBytesMax: number;
  #heldBytes = 0;
  #filler: Buffer | undefined;

  constructor(file: string, heldBytesMax: number) {
    this.#file = openSync(file, 'r+');
    this.#end = fstatSync(this.#file).size;
    this.#name = reserveFile(file);
    this.#heldBytesMax = heldBytesMax;
    if (existsSync(this.#name)) this.#open();
    if (this.#heldBytes > heldBytesMax) this.#giveUp(this.#heldBytes - heldBytesMax);
  }

  /** Bytes that no other program can take, when LMDB's pages end at `pageBytes`. */
  ownBytes(pageBytes: number): number {
    return this.#heldBytes + Math.max(0, this.#end - pageBytes);
  }

  /**
   * Makes space for this many bytes behind LMDB's pages. When the disk has none, it takes that of the other file, of
   * which it leaves `leftBytes`. Returns whether there is as much now. What is not lack of space shows when the
   * transaction is written.
   */
  extend(pageBytes: number, bytes: number, leftBytes: number): boolean {
    const end = pageBytes + bytes;
    // Asked again: what is counted of the pages may be old, and nothing may be written over one.
    this.#end = Math.max(fstatSync(this.#file).size, pageBytes);
    while (this.#end < end) {
      try {
        this.#end += this.#fill(this.#file, end - this.#end, this.#end);
      } catch (error) {
        if (!isNoSpace(error)) return true;
        // Little at a time, so that another program that waits for space gets at most that.
        const given = Math.min(FILLER_BYTES, this.#heldBytes - leftBytes);
        if (given <= 0) return false;
        this.#giveUp(given);
      }
    }
    return true;
  }

  /** Fills the other file again, as far as the disk allows. Without it, a full store has less reserve, no more. */
  replenish(): void {
    try {
      const held = this.#held ?? this.#open();
      while (this.#heldBytes < this.#heldBytesMax) {
        this.#heldBytes += this.#fill(held, this.#heldBytesMax - this.#heldBytes, null);
      }
    } catch {
      return;
    }
  }

  /** What was taken stays. */
  close(): void {
    closeSync(this.#file);
    if (this.#held !== undefined) closeSync(this.#held);
  }

  #open(): number {
    this.#held = openSync(this.#name, 'a', 0o600);
    this.#heldBytes = fstatSync(this.#held).size;
    return this.#held;
  }

  #fill(to: number, bytesMax: number, at: number | null): number {
    this.#filler ??= randomBytes(FILLER_BYTES);
    return writeSync(to, this.#filler, 0, Math.min(FILLER_BYTES, bytesMax), at);
  }

  #giveUp(bytes: number): void {
    if (this.#held !== undefined) ftruncateSync(this.#held, this.#heldBytes - bytes);
    this.#heldBytes -= bytes;
  }
}
