/**
 * Tests on texts and on values of OTLP, in bytes that were validated before: nothing is decoded that the test does not
 * ask for.
 */

import { RE2JS } from 're2js';
import { TailraceError } from '../../model/error.ts';
import { type Comparison, type FilterNumber, isOrdered, type TextTest, type ValueTest } from '../../model/filter.ts';
import { contentAt, varintAt } from '../routing/attributes.ts';
import { NEXT, readTag, skipValue } from '../scan/wire.ts';

/** AnyValue, KeyValue and lists of them, by tag (OTLP, common.proto). */
const STRING_VALUE = 0x0a;
const BOOL_VALUE = 0x10;
const INT_VALUE = 0x18;
const DOUBLE_VALUE = 0x21;
const ARRAY_VALUE = 0x2a;
const KVLIST_VALUE = 0x32;
const BYTES_VALUE = 0x3a;
const LIST_ENTRY = 0x0a;
const PAIR_VALUE = 0x12;

/** A number in a text, as a comparison takes it. */
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i;

/** Bytes with two ways to look at them. */
export interface Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function bytesOf(array: Uint8Array): Bytes {
  const { buffer, byteOffset, length } = array;
  return { bytes: Buffer.from(buffer, byteOffset, length), view: new DataView(buffer, byteOffset, length) };
}

/** A test that is ready to run. */
export interface ValueMatcher {
  /** Of UTF-8 text. */
  text(source: Bytes, start: number, end: number): boolean;
  /** Of an AnyValue message. */
  value(source: Bytes, start: number, end: number): boolean;
}

/** @throws TailraceError `bad_query` for a regular expression that RE2 does not know */
export function valueMatcher(test: ValueTest): ValueMatcher {
  return test.type === 'compares' ? new ComparingMatcher(test.by, test.to) : new TextMatcher(test);
}

abstract class AnyMatcher implements ValueMatcher {
  abstract text(source: Bytes, start: number, end: number): boolean;
  /** Of a boolean, a number, or bytes in base64, as text; `value` is the number. */
  protected abstract plain(text: string, value: FilterNumber | undefined): boolean;
  /** Whether it looks into lists of keys and values too. */
  protected abstract readonly isDeep: boolean;

  /** The last member of the oneof counts. */
  value(source: Bytes, start: number, end: number): boolean {
    const { view } = source;
    let last = 0;
    let from = 0;
    let to = 0;
    for (let at = start; at < end; ) {
      const tag = readTag(view, at, end);
      const value = NEXT[0] as number;
      at = skipValue(view, value, end, tag);
      if (!MEMBERS.has(tag)) continue;
      last = tag;
      to = at;
      from = (tag & 7) === 2 ? contentAt(view, value, end) : value;
    }
    return last !== 0 && this.#member(source, last, from, to);
  }

  #member(source: Bytes, tag: number, from: number, to: number): boolean {
    switch (tag) {
      case STRING_VALUE:
        return this.text(source, from, to);
      case ARRAY_VALUE:
        return this.#anyEntry(source, from, to, false);
      case KVLIST_VALUE:
        return this.isDeep && this.#anyEntry(source, from, to, true);
      case BYTES_VALUE:
        return this.plain(source.bytes.toString('base64', from, to), undefined);
      case BOOL_VALUE:
        return this.plain(varintAt(source.view, from, to) === 0n ? 'false' : 'true', undefined);
      case DOUBLE_VALUE: {
        const number = source.view.getFloat64(from, true);
        return this.plain(String(number), number);
      }
      default: {
        const number = BigInt.asIntN(64, varintAt(source.view, from, to));
        return this.plain(String(number), number);
      }
    }
  }

  #anyEntry(source: Bytes, start: number, end: number, isPair: boolean): boolean {
    const { view } = source;
    for (let at = start; at < end; ) {
      const tag = readTag(view, at, end);
      const value = NEXT[0] as number;
      at = skipValue(view, value, end, tag);
      if (tag !== LIST_ENTRY) continue;
      const from = contentAt(view, value, end);
      if (isPair ? this.#pair(source, from, at) : this.value(source, from, at)) return true;
    }
    return false;
  }

  #pair(source: Bytes, start: number, end: number): boolean {
    const { view } = source;
    let found = false;
    for (let at = start; at < end; ) {
      const tag = readTag(view, at, end);
      const value = NEXT[0] as number;
      at = skipValue(view, value, end, tag);
      if (tag === PAIR_VALUE) found = this.value(source, contentAt(view, value, end), at);
    }
    return found;
  }
}

class TextMatcher extends AnyMatcher {
  protected readonly isDeep: boolean;
  readonly #needle: Buffer | undefined;
  readonly #isWhole: boolean;
  readonly #word: string;
  readonly #number: FilterNumber | undefined;
  readonly #pattern: RE2JS | undefined;

  constructor(test: TextTest) {
    super();
    this.isDeep = test.type !== 'equals';
    this.#isWhole = test.type === 'equals';
    this.#word = test.type === 'matches' ? '' : test.text;
    this.#number = test.type === 'equals' ? numberIn(test.text) : undefined;
    this.#needle = test.type === 'matches' ? undefined : Buffer.from(test.text, 'utf8');
    this.#pattern = test.type === 'matches' ? compiled(test) : undefined;
  }

  text({ bytes }: Bytes, start: number, end: number): boolean {
    if (this.#pattern !== undefined) return this.#pattern.test(bytes.toString('utf8', start, end));
    const needle = this.#needle ?? NOTHING;
    if (this.#isWhole)
      return end - start === needle.length && bytes.compare(needle, 0, needle.length, start, end) === 0;
    if (end - start < needle.length) return false;
    return bytes.subarray(start, end).includes(needle);
  }

  protected plain(text: string, value: FilterNumber | undefined): boolean {
    if (this.#pattern !== undefined) return this.#pattern.test(text);
    if (!this.#isWhole) return text.includes(this.#word);
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number that are the same number
    return text === this.#word || (value !== undefined && this.#number !== undefined && value == this.#number);
  }
}

class ComparingMatcher extends AnyMatcher {
  protected readonly isDeep = false;
  readonly #by: Comparison;
  readonly #to: FilterNumber;

  constructor(by: Comparison, to: FilterNumber) {
    super();
    this.#by = by;
    this.#to = to;
  }

  /** A text that is a number counts as one: many senders write all attributes as texts. */
  text({ bytes }: Bytes, start: number, end: number): boolean {
    if (end - start > 64) return false;
    const number = numberIn(bytes.toString('latin1', start, end));
    return number !== undefined && isOrdered(number, this.#by, this.#to);
  }

  protected plain(_text: string, value: FilterNumber | undefined): boolean {
    return value !== undefined && isOrdered(value, this.#by, this.#to);
  }
}

const MEMBERS: ReadonlySet<number> = new Set([
  STRING_VALUE,
  BOOL_VALUE,
  INT_VALUE,
  DOUBLE_VALUE,
  ARRAY_VALUE,
  KVLIST_VALUE,
  BYTES_VALUE,
]);
const NOTHING = Buffer.alloc(0);

/** The number that a text is. */
export function numberIn(text: string): FilterNumber | undefined {
  if (/^[-+]?\d+$/.test(text)) return BigInt(text);
  return NUMBER.test(text) ? Number(text) : undefined;
}

/** How many instructions a regular expression has: what a character costs. */
export function patternSize(test: PatternTest): number {
  return compiled(test).programSize();
}

type PatternTest = TextTest & { readonly type: 'matches' };

/** Each is compiled once, though it has a matcher for each signal. */
const patterns = new WeakMap<PatternTest, RE2JS>();

function compiled(test: PatternTest): RE2JS {
  const known = patterns.get(test);
  if (known !== undefined) return known;
  const { pattern, ignoresCase } = test;
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(pattern, ignoresCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TailraceError('bad_query', `filter: /${pattern}/ is not a regular expression of RE2: ${why}`);
  }
  patterns.set(test, regex);
  return regex;
}
