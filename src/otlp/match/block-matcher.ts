/**
 * Which records of a block a filter wants. What items share is tested once for all of them, and nothing is decoded that no
 * test asks for.
 */

import type { Filter, FilterTerm } from '../../model/filter.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { signalOf } from '../views/otlp.ts';
import { resourceTest, scopeTest } from './container-test.ts';
import { itemTest } from './item-test.ts';
import { type PlainTest, plainTest } from './plain-test.ts';
import { type Bytes, bytesOf } from './value-test.ts';
import { anyField, type FieldTest } from './walk-fields.ts';

/** What looking at a record costs besides its bytes. */
const RECORD_BYTES = 256;
const SCOPES_TAG = 0x12;
const ITEMS_TAG = 0x12;
const RESOURCES_TAG = 0x0a;

/** The tests of a filter for the records of one signal. */
interface SignalTests {
  readonly resource: FieldTest;
  readonly scope: FieldTest;
  readonly item: FieldTest;
}

export class BlockMatcher {
  readonly #bySignal: ReadonlyMap<Signal, SignalTests | undefined>;
  readonly #plain: PlainTest;

  /** @throws TailraceError `bad_query` */
  constructor({ terms }: Filter) {
    this.#bySignal = new Map(SIGNALS.map((signal) => [signal, testsFor(signal, terms)]));
    this.#plain = plainTest(terms);
  }

  /** The wanted records among [from, to), as runs: from and to of each. Yields after each piece of work. */
  *runs(block: Block, from: number, to: number): Generator<void, readonly number[]> {
    const { kind } = block.header;
    const wants = kind === 's2' ? this.#s2Test(block) : this.#otlpTest(block, kind);
    const runs: number[] = [];
    if (wants === undefined) return runs;
    let start = -1;
    let work = 0;
    for (let i = from; i < to; i++) {
      if (wants(i)) {
        if (start < 0) start = i;
      } else if (start >= 0) {
        runs.push(start, i);
        start = -1;
      }
      work += RECORD_BYTES + block.meteredBytesOf(i);
      if (work < YIELD_BYTES) continue;
      work = 0;
      yield;
    }
    if (start >= 0) runs.push(start, to);
    return runs;
  }

  #otlpTest(block: Block, signal: Signal): ((i: number) => boolean) | undefined {
    const tests = this.#bySignal.get(signal);
    if (tests === undefined) return undefined;
    const { index, payload } = block.otlpParts();
    const source = bytesOf(payload);
    const verdicts = new Map<number, boolean>();
    return (i) => {
      const scope = index.scopeOf[i] ?? 0;
      let isWanted = verdicts.get(scope);
      if (isWanted === undefined) {
        const heads = index.scopes[scope];
        isWanted = heads !== undefined && passes(tests.resource, heads.resourceHead) && passes(tests.scope, heads.head);
        verdicts.set(scope, isWanted);
      }
      const at = index.itemAt[i] ?? 0;
      return isWanted && tests.item(source, at, at + (index.itemBytes[i] ?? 0));
    };
  }

  #s2Test(block: Block): (i: number) => boolean {
    return (i) => {
      const signal = signalOf(block, i);
      if (signal === undefined) return this.#plain(block, i);
      const tests = this.#bySignal.get(signal);
      return tests !== undefined && isMessageWanted(tests, bytesOf(block.record(i).body));
    };
  }
}

/** A message with one item. */
function isMessageWanted({ resource, scope, item }: SignalTests, source: Bytes): boolean {
  return anyField(source, 0, source.bytes.length, RESOURCES_TAG, (_, start, end) => {
    return anyField(source, start, end, SCOPES_TAG, (_same, from, to) => {
      const isItemWanted = anyField(source, from, to, ITEMS_TAG, item);
      return isItemWanted && resource(source, start, end) && scope(source, from, to);
    });
  });
}

function passes(test: FieldTest, bytes: Uint8Array): boolean {
  return test === ALWAYS || test(bytesOf(bytes), 0, bytes.length);
}

const ALWAYS: FieldTest = () => true;

/** Undefined when no record of the signal can be wanted. */
function testsFor(signal: Signal, terms: readonly FilterTerm[]): SignalTests | undefined {
  const tests = { resource: [] as FieldTest[], scope: [] as FieldTest[], item: [] as FieldTest[] };
  for (const { test, isNegated } of terms) {
    if (test.field === 'signal') {
      if ((test.signal === signal) === isNegated) return undefined;
      continue;
    }
    const ofResource = resourceTest(test);
    const ofScope = scopeTest(test);
    const list = ofResource !== undefined ? tests.resource : ofScope !== undefined ? tests.scope : tests.item;
    list.push(signed(ofResource ?? ofScope ?? itemTest(signal, test), isNegated));
  }
  return { resource: all(tests.resource), scope: all(tests.scope), item: all(tests.item) };
}

function signed(test: FieldTest, isNegated: boolean): FieldTest {
  return isNegated ? (source, start, end) => !test(source, start, end) : test;
}

function all(tests: readonly FieldTest[]): FieldTest {
  const [only, ...more] = tests;
  if (only === undefined) return ALWAYS;
  return more.length === 0 ? only : (source, start, end) => tests.every((test) => test(source, start, end));
}
