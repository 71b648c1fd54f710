/** The tests of a filter for the records of one signal, sorted by what they are about. */

import type { FilterTerm } from '../../model/filter.ts';
import type { Signal } from '../../model/record.ts';
import { resourceTest, scopeTest } from './container-test.ts';
import { itemTest } from './item-test.ts';
import { bytesOf } from './value-test.ts';
import { anyField, type FieldTest } from './walk-fields.ts';

/** From a LogsData, TracesData or MetricsData message down to its items; the same tags for all signals. */
const RESOURCES_TAG = 0x0a;
const SCOPES_TAG = 0x12;
const ITEMS_TAG = 0x12;

/** Each is asked about the content of a container, or of an item. */
export interface SignalTests {
  readonly resource: FieldTest;
  readonly scope: FieldTest;
  readonly item: FieldTest;
}

const ALWAYS: FieldTest = () => true;

/**
 * Undefined when no record of the signal can be wanted.
 * @throws TailraceError `bad_query`
 */
export function signalTests(signal: Signal, terms: readonly FilterTerm[]): SignalTests | undefined {
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

/** Whether a message with one item is wanted. */
export function isMessageWanted({ resource, scope, item }: SignalTests, message: Uint8Array): boolean {
  const source = bytesOf(message);
  return anyField(source, 0, message.length, RESOURCES_TAG, (_, start, end) => {
    return anyField(source, start, end, SCOPES_TAG, (_same, from, to) => {
      const isItemWanted = anyField(source, from, to, ITEMS_TAG, item);
      return isItemWanted && resource(source, start, end) && scope(source, from, to);
    });
  });
}

/** Whether the bytes, all of them, pass. */
export function passes(test: FieldTest, bytes: Uint8Array): boolean {
  return test === ALWAYS || test(bytesOf(bytes), 0, bytes.length);
}

function signed(test: FieldTest, isNegated: boolean): FieldTest {
  return isNegated ? (source, start, end) => !test(source, start, end) : test;
}

function all(tests: readonly FieldTest[]): FieldTest {
  const [only, ...more] = tests;
  if (only === undefined) return ALWAYS;
  return more.length === 0 ? only : (source, start, end) => tests.every((test) => test(source, start, end));
}
