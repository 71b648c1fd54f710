/**
 * Shortens the content of a message by cutting its longest strings to one length, and writes down how: every other byte
 * stays, but for the lengths of the messages around what was cut. Walks validated bytes, and yields after each piece of
 * work, because a record may have half a million strings.
 */

import { varint, varintBytes } from '../../encoding/varint.ts';
import { CUT_EDITS_BYTES_MAX, CUT_STRING_BYTES_MIN, YIELD_BYTES } from '../../model/limits.ts';
import { type Cut, CutEdits } from '../../storage/block/seal.ts';
import { FIELD_BYTES, FieldCursor } from '../message-edit.ts';
import type { StringPlan } from './string-plans.ts';

/** What one look at a length costs, in bytes of work. */
const LENGTH_BYTES = 4;
/** Entries that are not strings, and strings, by what `#kinds` says. */
const [MESSAGE, BYTES, TEXT] = [0, 1, 2];
const NO_PARENT = -1;

/** What fits once strings are cut: undefined for `cut` when it fits as it is. */
export type Shortened = { readonly cut: Cut | undefined; readonly length: number } | 'too_large';

/**
 * Cuts the strings of a content so that `bytesMax` bytes are enough for it. None gets shorter than `CUT_STRING_BYTES_MIN`; where
 * that is not enough and `asFarAs` says so, it is shortened as far as it goes.
 */
export function* shorten(
  content: Uint8Array,
  plan: StringPlan,
  bytesMax: number,
  asFarAs = false,
): Generator<void, Shortened> {
  if (content.length <= bytesMax) return { cut: undefined, length: content.length };
  const strings = new Strings(content);
  yield* strings.find(plan, asFarAs ? Number.POSITIVE_INFINITY : bytesMax);
  if (strings.leastBytes > bytesMax && !asFarAs) return 'too_large';
  const length = yield* strings.longestWithin(bytesMax);
  return yield* strings.cutTo(length);
}

/** The strings of a content and the messages that they are in, in the order of the bytes: each before what is in it. */
class Strings {
  /** Bytes that are left when each string is cut as far as allowed. */
  leastBytes = 0;
  readonly #content: Uint8Array;
  readonly #view: DataView;
  #capacity = 1_024;
  #count = 0;
  /** Where the length of an entry is, where its content begins, and where that ends. */
  #lengthAt = new Uint32Array(this.#capacity);
  #from = new Uint32Array(this.#capacity);
  #to = new Uint32Array(this.#capacity);
  #parents = new Int32Array(this.#capacity);
  #kinds = new Uint8Array(this.#capacity);
  #work = 0;

  constructor(content: Uint8Array) {
    this.#content = content;
    this.#view = new DataView(content.buffer, content.byteOffset, content.length);
  }

  /** Finds all strings, unless it is clear before that more than `leastBytesMax` are left. */
  *find(plan: StringPlan, leastBytesMax: number): Generator<void, void> {
    const levels = [{ fields: new FieldCursor(this.#view, 0), end: this.#content.length, plan, entry: NO_PARENT }];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const { fields, end, entry: parent } = level;
      if (!fields.next(end)) {
        levels.pop();
        continue;
      }
      if (this.leastBytes > leastBytesMax) return;
      const mayShrink = fields.end - fields.content > CUT_STRING_BYTES_MIN;
      const found = mayShrink ? level.plan.get(fields.tag) : undefined;
      if (found === undefined) {
        this.leastBytes += fields.end - fields.start;
      } else if (typeof found === 'string') {
        this.#add(fields, parent, found === 'text' ? TEXT : BYTES);
        this.leastBytes += fields.content - fields.start + CUT_STRING_BYTES_MIN;
      } else {
        const entry = this.#add(fields, parent, MESSAGE);
        this.leastBytes += fields.content - fields.start;
        levels.push({ fields: new FieldCursor(this.#view, fields.content), end: fields.end, plan: found, entry });
      }
      if (this.#isTurnDone(FIELD_BYTES)) yield;
    }
  }

  /** The greatest length to which all longer strings may be cut, so that so many bytes are enough. */
  *longestWithin(bytesMax: number): Generator<void, number> {
    let low = CUT_STRING_BYTES_MIN;
    let high = this.#content.length;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#content.length - this.#bytesBeyond(middle) <= bytesMax) low = middle;
      else high = middle - 1;
      if (this.#isTurnDone(this.#count * LENGTH_BYTES)) yield;
    }
    return low;
  }

  #bytesBeyond(length: number): number {
    let bytes = 0;
    for (let i = 0; i < this.#count; i++) {
      const own = (this.#to[i] as number) - (this.#from[i] as number);
      if (own > length && this.#kinds[i] !== MESSAGE) bytes += own - length;
    }
    return bytes;
  }

  *cutTo(length: number): Generator<void, Shortened> {
    const lengths = yield* this.#lengthsWith(length);
    const edits = new CutEdits();
    let truncatedBytes = 0;
    for (let i = 0; i < this.#count; i++) {
      const from = this.#from[i] as number;
      const to = this.#to[i] as number;
      const left = lengths[i] as number;
      if (left < to - from) {
        edits.replace(this.#lengthAt[i] as number, from, varint(left));
        if (this.#kinds[i] !== MESSAGE) {
          edits.replace(from + left, to, NOTHING);
          truncatedBytes += to - from - left;
        }
      }
      if (this.#isTurnDone(FIELD_BYTES)) yield;
    }
    const left = lengths[this.#count] as number;
    if (truncatedBytes === 0) return { cut: undefined, length: left };
    if (edits.length > CUT_EDITS_BYTES_MAX) return 'too_large';
    return { cut: { truncatedBytes, length: left, edits: edits.finish() }, length: left };
  }

  /** What is left of each entry; at the end, of the content. What is in a message comes behind it, so it goes backwards. */
  *#lengthsWith(length: number): Generator<void, Float64Array> {
    const lengths = new Float64Array(this.#count + 1);
    /** How much each loses by what is in it. */
    const lost = new Float64Array(this.#count + 1);
    for (let i = this.#count - 1; i >= 0; i--) {
      const from = this.#from[i] as number;
      const own = (this.#to[i] as number) - from;
      const left = this.#kinds[i] === MESSAGE ? own - (lost[i] as number) : this.#leftOf(i, length);
      lengths[i] = left;
      if (left < own) {
        const parent = this.#parents[i] as number;
        const lengthBytes = from - (this.#lengthAt[i] as number) - varintBytes(left);
        const into = parent === NO_PARENT ? this.#count : parent;
        lost[into] = (lost[into] as number) + own - left + lengthBytes;
      }
      if (this.#isTurnDone(FIELD_BYTES)) yield;
    }
    lengths[this.#count] = this.#content.length - (lost[this.#count] as number);
    return lengths;
  }

  #leftOf(i: number, length: number): number {
    const from = this.#from[i] as number;
    const own = (this.#to[i] as number) - from;
    if (own <= length) return own;
    let end = from + length;
    // A character has three bytes at most behind its first.
    const least = Math.max(from, end - 3);
    while (this.#kinds[i] === TEXT && end > least && ((this.#content[end] as number) & 0xc0) === 0x80) end--;
    return end - from;
  }

  #add(fields: FieldCursor, parent: number, kind: number): number {
    if (this.#count === this.#capacity) this.#grow();
    const entry = this.#count++;
    let at = fields.start;
    while ((this.#content[at] as number) >= 0x80) at++;
    this.#lengthAt[entry] = at + 1;
    this.#from[entry] = fields.content;
    this.#to[entry] = fields.end;
    this.#parents[entry] = parent;
    this.#kinds[entry] = kind;
    return entry;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#lengthAt = into(new Uint32Array(this.#capacity), this.#lengthAt);
    this.#from = into(new Uint32Array(this.#capacity), this.#from);
    this.#to = into(new Uint32Array(this.#capacity), this.#to);
    this.#parents = into(new Int32Array(this.#capacity), this.#parents);
    this.#kinds = into(new Uint8Array(this.#capacity), this.#kinds);
  }

  #isTurnDone(work: number): boolean {
    this.#work += work;
    if (this.#work < YIELD_BYTES) return false;
    this.#work = 0;
    return true;
  }
}

const NOTHING = new Uint8Array(0);

function into<A extends Uint32Array | Int32Array | Uint8Array>(larger: A, column: A): A {
  larger.set(column);
  return larger;
}
