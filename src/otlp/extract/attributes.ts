/**
 * Values of attributes, found in one walk for several keys. Of a key that is there twice the last one counts, as in a
 * decoder's object. Nothing is allocated for an attribute.
 */

import type { Bytes } from '../match/value-test.ts';
import { contentAt } from '../routing/attributes.ts';
import { NEXT, readTag, skipValue } from '../scan/wire.ts';

const KEY = 0x0a;
const VALUE = 0x12;

/** The wanted keys, and where their values (AnyValue messages) are in what was walked last. */
export class FoundAttributes {
  readonly #keys: Uint8Array[] = [];
  readonly #numbers = new Map<string, number>();
  #starts = new Int32Array(0);
  #ends = new Int32Array(0);

  /** Wants a key; returns its number. */
  add(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#keys.push(new Uint8Array(Buffer.from(key, 'utf8'))) - 1;
    this.#numbers.set(key, number);
    this.#starts = new Int32Array(number + 1);
    this.#ends = new Int32Array(number + 1);
    return number;
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /** Forgets what was found. */
  reset(): void {
    for (let n = 0; n < this.#starts.length; n++) this.#starts[n] = -1;
  }

  /** Where the value of a key begins; -1 when there is no such attribute. A value that is not there is empty. */
  start(number: number): number {
    return this.#starts[number] ?? -1;
  }

  end(number: number): number {
    return this.#ends[number] ?? -1;
  }

  /** Looks at one attribute, a KeyValue message. */
  see({ view, bytes }: Bytes, start: number, end: number): void {
    let [keyAt, keyEnd, valueAt, valueEnd] = [start, start, end, end];
    for (let at = start; at < end; ) {
      const tag = readTag(view, at, end);
      const value = NEXT[0] as number;
      at = skipValue(view, value, end, tag);
      if (tag === KEY) {
        keyAt = contentAt(view, value, end);
        keyEnd = at;
      } else if (tag === VALUE) {
        valueAt = contentAt(view, value, end);
        valueEnd = at;
      }
    }
    for (let k = 0; k < this.#keys.length; k++) {
      if (!isKey(this.#keys[k] as Uint8Array, bytes, keyAt, keyEnd)) continue;
      this.#starts[k] = valueAt;
      this.#ends[k] = valueEnd;
      return;
    }
  }

  /** Looks at all attributes of a message, which have that tag. */
  seeAll(source: Bytes, start: number, end: number, tag: number): void {
    const { view } = source;
    for (let at = start; at < end; ) {
      const found = readTag(view, at, end);
      const value = NEXT[0] as number;
      at = skipValue(view, value, end, found);
      if (found === tag) this.see(source, contentAt(view, value, end), at);
    }
  }
}

/** From the end, since keys begin alike. */
function isKey(key: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== key.length) return false;
  for (let i = key.length - 1; i >= 0; i--) if (key[i] !== bytes[start + i]) return false;
  return true;
}
