/**
 * Writes a message again as the policy of a basin wants it: without attributes that must not be stored, with long values
 * cut, with no more attributes, events and links than allowed. Walks validated bytes. A message in which nothing changes is
 * not copied.
 */

import { readVarint, varint } from '../../encoding/varint.ts';
import { TRIMMING_LIMITS, type TrimmingLimit } from '../../model/limit-profiles.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import { limitOf, type OtlpPolicy } from '../../model/otlp-policy.ts';
import { FIELD_BYTES, FieldCursor, type MessageContent, MessageEdit } from '../message-edit.ts';
import { isEqual } from '../routing/attributes.ts';
import type { Bound, Field, Shape } from './item-shapes.ts';

/** What was changed, by what asked for it: counts of attributes, values, events and links. */
export type Change = 'drop_attributes' | TrimmingLimit;

/** The tags of key and value in KeyValue. */
const KEY_TAG = 0x0a;
const VALUE_TAG = 0x12;

/** What may be inside a value: for each kind of message the tags of those inside it. A text is what is cut. */
type Inside = 'any' | 'array' | 'list' | 'pair' | 'text';
const INSIDE: Readonly<Record<Exclude<Inside, 'text'>, ReadonlyMap<number, Inside>>> = {
  any: new Map([
    [0x0a, 'text'],
    [0x3a, 'text'],
    [0x2a, 'array'],
    [0x32, 'list'],
  ]),
  array: new Map([[0x0a, 'any']]),
  list: new Map([[0x0a, 'pair']]),
  pair: new Map([[VALUE_TAG, 'any']]),
};

/** What of a policy concerns the content of messages. */
export interface ContentRules {
  readonly exact: readonly Uint8Array[];
  readonly prefixes: readonly Uint8Array[];
  readonly limit: (name: Parameters<typeof limitOf>[1]) => number;
}

const known = new WeakMap<OtlpPolicy, ContentRules | 'none'>();

/** Undefined for a policy that leaves messages as they are. */
export function contentRules(policy: OtlpPolicy | undefined): ContentRules | undefined {
  if (policy === undefined) return undefined;
  let rules = known.get(policy);
  if (rules === undefined) {
    rules = rulesOf(policy) ?? 'none';
    known.set(policy, rules);
  }
  return rules === 'none' ? undefined : rules;
}

function rulesOf(policy: OtlpPolicy): ContentRules | undefined {
  const names = [...TRIMMING_LIMITS, 'attribute_key_bytes_max'] as const;
  const limits = new Map<string, number | undefined>(names.map((name) => [name, limitOf(policy, name)]));
  const hasLimit = [...limits.values()].some((limit) => limit !== undefined);
  if (!hasLimit && policy.dropAttributes.length === 0) return undefined;
  const isPrefix = (key: string): boolean => key.endsWith('*');
  return {
    exact: policy.dropAttributes.filter((key) => !isPrefix(key)).map((key) => Buffer.from(key)),
    prefixes: policy.dropAttributes.filter(isPrefix).map((key) => Buffer.from(key.slice(0, -1))),
    limit: (name) => limits.get(name) ?? Number.POSITIVE_INFINITY,
  };
}

/** A field that is left out. */
const OUT = 'out';
type Written = MessageContent | typeof OUT | undefined;

interface Tally {
  kept: number;
  dropped: number;
}

/** Yields where others may have a turn of the event loop. */
export type InTurns<T> = Generator<void, T>;

export class Rewriter {
  readonly counts = new Map<Change, number>();
  /** Set when a message has a key that is too long: then it must be rejected. */
  hasLongKey = false;
  readonly #rules: ContentRules;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #work = 0;

  constructor(rules: ContentRules, bytes: Uint8Array, view: DataView) {
    this.#rules = rules;
    this.#bytes = bytes;
    this.#view = view;
  }

  /** The content of the message [start, end) as it is to be stored; undefined when nothing changes. */
  *message(start: number, end: number, shape: Shape): InTurns<MessageContent | undefined> {
    const edit = new MessageEdit(this.#bytes, start);
    const tallies = new Map<Bound, Tally>();
    for (const fields = new FieldCursor(this.#view, start); fields.next(end); ) {
      if (this.#isTurnDone(fields.end - fields.start)) yield;
      const field = shape.get(fields.tag);
      if (field === undefined) continue;
      const written: Written = yield* this.#field(fields.content, fields.end, field, tallies);
      if (written === OUT) edit.leaveOut(fields);
      else if (written !== undefined) edit.replace(fields, written);
    }
    for (const [{ limit, droppedTag }, { dropped }] of tallies) {
      if (dropped === 0) continue;
      this.#count(limit, dropped);
      const count = this.#lastCount(start, end, droppedTag) + dropped;
      edit.append(end, varint(droppedTag), varint(count));
    }
    return edit.finish(end);
  }

  *#field(start: number, end: number, field: Field, tallies: Map<Bound, Tally>): InTurns<Written> {
    if (field.kind === 'body') {
      const max = this.#rules.limit('log_body_bytes_max');
      return end - start > max ? yield* this.#cut(start, end, 'any', max, 'log_body_bytes_max') : undefined;
    }
    if (field.kind === 'attribute' && this.#isUnwanted(start, end)) return OUT;
    if (field.bound !== undefined && this.#isBeyond(field.bound, tallies)) return OUT;
    if (field.kind === 'message') return yield* this.message(start, end, field.shape);
    const max = this.#rules.limit('attribute_value_bytes_max');
    return end - start > max ? yield* this.#cut(start, end, 'pair', max, 'attribute_value_bytes_max') : undefined;
  }

  /** Whether an attribute must not be stored. Notes a key that is too long. */
  #isUnwanted(start: number, end: number): boolean {
    let [from, to] = [end, end];
    for (const fields = new FieldCursor(this.#view, start); fields.next(end); ) {
      if (fields.tag === KEY_TAG) [from, to] = [fields.content, fields.end];
    }
    const { exact, prefixes, limit } = this.#rules;
    const isUnwanted =
      exact.some((key) => isEqual(this.#view, from, to, key)) ||
      prefixes.some((key) => to - from >= key.length && isEqual(this.#view, from, from + key.length, key));
    if (isUnwanted) this.#count('drop_attributes', 1);
    else if (to - from > limit('attribute_key_bytes_max')) this.hasLongKey = true;
    return isUnwanted;
  }

  #isBeyond(bound: Bound, tallies: Map<Bound, Tally>): boolean {
    const tally = tallies.get(bound) ?? { kept: 0, dropped: 0 };
    tallies.set(bound, tally);
    const isBeyond = tally.kept >= this.#rules.limit(bound.limit);
    if (isBeyond) tally.dropped++;
    else tally.kept++;
    return isBeyond;
  }

  /** A value with its texts cut, each by itself. */
  *#cut(
    start: number,
    end: number,
    inside: Exclude<Inside, 'text'>,
    max: number,
    change: Change,
  ): InTurns<MessageContent | undefined> {
    const edit = new MessageEdit(this.#bytes, start);
    for (const fields = new FieldCursor(this.#view, start); fields.next(end); ) {
      if (this.#isTurnDone(fields.end - fields.start)) yield;
      const next = INSIDE[inside].get(fields.tag);
      if (next === undefined || fields.end - fields.content <= max) continue;
      const written: MessageContent | undefined =
        next === 'text'
          ? this.#shortened(fields.content, max, change)
          : yield* this.#cut(fields.content, fields.end, next, max, change);
      if (written !== undefined) edit.replace(fields, written);
    }
    return edit.finish(end);
  }

  /** Ends between two characters; in bytes that are no text at most three more are left out. */
  #shortened(start: number, max: number, change: Change): MessageContent {
    this.#count(change, 1);
    let end = start + max;
    while (end > start && end > start + max - 4 && ((this.#bytes[end] ?? 0) & 0xc0) === 0x80) end--;
    return { parts: [this.#bytes.subarray(start, end)], length: end - start };
  }

  /** The last value of a field that counts what the sender has left out itself. */
  #lastCount(start: number, end: number, wanted: number): number {
    let last = 0;
    for (const fields = new FieldCursor(this.#view, start); fields.next(end); ) {
      if (fields.tag === wanted) last = readVarint(this.#bytes, fields.content)?.value ?? 0;
    }
    return Math.min(last, COUNT_MAX);
  }

  /** Counts what was looked at; true once a turn of the event loop is used up. */
  #isTurnDone(bytes: number): boolean {
    this.#work += bytes + FIELD_BYTES;
    if (this.#work < YIELD_BYTES) return false;
    this.#work = 0;
    return true;
  }

  #count(change: Change, by: number): void {
    this.counts.set(change, (this.counts.get(change) ?? 0) + by);
  }
}

/** Counts in OTLP have 32 bits; what is added to one fits too. */
const COUNT_MAX = 0x7fff_ffff;
