/** Where the wanted fields of a message are, found in one walk; of a field that is there twice the last one counts. */

import type { Bytes } from '../match/value-test.ts';
import { contentAt } from '../routing/attributes.ts';
import { NEXT, readTag, skipValue } from '../scan/wire.ts';
import type { FoundAttributes } from './attributes.ts';

/** Tags of the fields that columns ask for have one byte. */
const TAGS = 0x80;
const NONE = -1;

/** Fields by tag. `start` and `end` of each are those of its content, without tag and length. */
export class FoundFields {
  readonly #numbers = new Int8Array(TAGS).fill(NONE);
  #starts = new Int32Array(0);
  #ends = new Int32Array(0);
  /** The tag of attributes, and what is wanted of them. */
  readonly #attributes: FoundAttributes;
  readonly #attributesTag: number;

  /** With `attributesTag` 0 there are no attributes. */
  constructor(attributesTag: number, attributes: FoundAttributes) {
    this.#attributes = attributes;
    this.#attributesTag = attributesTag;
  }

  /** Wants a field; returns its number. A signal without such a field has the tag 0, which is never found. */
  add(tag: number): number {
    const known = this.#numbers[tag] ?? NONE;
    if (known !== NONE) return known;
    const number = this.#starts.length;
    this.#numbers[tag] = number;
    this.#starts = new Int32Array(number + 1);
    this.#ends = new Int32Array(number + 1);
    return number;
  }

  /** -1 when it is not there. */
  start(number: number): number {
    return this.#starts[number] as number;
  }

  end(number: number): number {
    return this.#ends[number] as number;
  }

  walk(source: Bytes, start: number, end: number): void {
    const { view } = source;
    // A loop over so few takes a fraction of the time of a call.
    for (let n = 0; n < this.#starts.length; n++) this.#starts[n] = this.#ends[n] = NONE;
    this.#attributes.reset();
    // Where no key is wanted, attributes are passed over.
    const attributesTag = this.#attributes.isEmpty ? 0 : this.#attributesTag;
    for (let at = start; at < end; ) {
      const tag = readTag(view, at, end);
      const value = NEXT[0] as number;
      at = skipValue(view, value, end, tag);
      if (tag === attributesTag) {
        this.#attributes.see(source, contentAt(view, value, end), at);
        continue;
      }
      const number = tag < TAGS ? (this.#numbers[tag] as number) : NONE;
      if (number === NONE) continue;
      this.#starts[number] = (tag & 7) === 2 ? contentAt(view, value, end) : value;
      this.#ends[number] = at;
    }
  }
}
