/**
 * The texts that groups are named by, each with a number. A text that was seen before is found by its bytes, without being
 * decoded. There are at most `AGGREGATE_GROUPS_MAX`: no more of them can name a group.
 */

import { AGGREGATE_GROUPS_MAX, AGGREGATE_NAME_BYTES_MAX } from '../../model/limits.ts';

/** The number of what has no text, and of a text for which there was no place. */
export const NO_NAME = 0;
export const OTHER_NAME = -1;

/** More than twice as many as there are texts, so that chains are short. */
const SLOTS = 32_768;

export class Names {
  readonly #texts: (string | null)[] = [null];
  readonly #numbers = new Map<string, number>();
  /** Numbers by the hash of their bytes, and these bytes. */
  readonly #slots = new Int32Array(SLOTS);
  readonly #bytes: (Uint8Array | undefined)[] = [];
  #held = 0;

  /** What the texts take in memory, about. */
  get heldBytes(): number {
    return this.#held;
  }

  text(number: number): string | null {
    return this.#texts[number] ?? null;
  }

  /** The number of a text in UTF-8, [start, end) of the bytes. */
  ofBytes(bytes: Buffer, start: number, end: number): number {
    if (end - start > AGGREGATE_NAME_BYTES_MAX) return this.ofText(bytes.toString('utf8', start, end));
    let hash = end - start;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    for (let at = this.#slots[slot] as number; at !== 0; at = this.#slots[slot] as number) {
      if (isSame(this.#bytes[at], bytes, start, end)) return at;
      slot = (slot + 1) & (SLOTS - 1);
    }
    const number = this.ofText(bytes.toString('utf8', start, end));
    if (number === OTHER_NAME || this.#bytes[number] !== undefined) return number;
    this.#slots[slot] = number;
    this.#bytes[number] = bytes.subarray(start, end).slice();
    return number;
  }

  /** Long texts are cut, so that those which begin alike are one. */
  ofText(text: string): number {
    const kept = text.length > AGGREGATE_NAME_BYTES_MAX ? `${text.slice(0, AGGREGATE_NAME_BYTES_MAX)}…` : text;
    const known = this.#numbers.get(kept);
    if (known !== undefined) return known;
    if (this.#texts.length > AGGREGATE_GROUPS_MAX) return OTHER_NAME;
    this.#numbers.set(kept, this.#texts.length);
    this.#held += 2 * kept.length + TEXT_COST_BYTES;
    return this.#texts.push(kept) - 1;
  }
}

/** What a text takes besides its characters. */
const TEXT_COST_BYTES = 256;

function isSame(known: Uint8Array | undefined, bytes: Buffer, start: number, end: number): boolean {
  if (known?.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
