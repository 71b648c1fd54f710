/** Which records a filter wants, one record at a time. */

import type { FilterTerm, FilterTest } from '../../model/filter.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import { isEqual } from '../routing/attributes.ts';
import { isMessageWanted, type SignalTests, signalTests } from './signal-tests.ts';
import { bytesOf, type ValueMatcher, valueMatcher } from './value-test.ts';

/** A record that is not OTLP, or the message of an OTLP item. */
export interface MatchedRecord {
  /** Undefined for a record that is not OTLP. */
  readonly signal: Signal | undefined;
  readonly headers: HeaderBytes;
  readonly body: Uint8Array;
}

/** Headers one behind the other, without a view of each: name and value in turn, and where each of them ends. */
export interface HeaderBytes {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
}

export const NO_HEADERS: HeaderBytes = { bytes: new Uint8Array(0), ends: new Uint32Array(0) };

export class RecordMatcher {
  readonly #bySignal: ReadonlyMap<Signal, SignalTests | undefined>;
  readonly #plain: PlainTest;

  /** @throws TailraceError `bad_query` */
  constructor(terms: readonly FilterTerm[]) {
    this.#bySignal = new Map(SIGNALS.map((signal) => [signal, signalTests(signal, terms)]));
    this.#plain = plainTest(terms);
  }

  /** Undefined when no record of the signal can be wanted. */
  testsOf(signal: Signal): SignalTests | undefined {
    return this.#bySignal.get(signal);
  }

  wants(record: MatchedRecord): boolean {
    if (record.signal === undefined) return this.#plain(record);
    const tests = this.#bySignal.get(record.signal);
    return tests !== undefined && isMessageWanted(tests, record.body);
  }
}

type PlainTest = (record: MatchedRecord) => boolean;

/**
 * The tests on a record that is not OTLP: it has headers and a body, and nothing else.
 * @throws TailraceError `bad_query`
 */
function plainTest(terms: readonly FilterTerm[]): PlainTest {
  const tests = terms.map(({ test, isNegated }) => ({ passes: testFor(test), isNegated }));
  return (record) => tests.every(({ passes, isNegated }) => passes(record) !== isNegated);
}

function testFor(test: FilterTest): PlainTest {
  switch (test.field) {
    case 'body': {
      const matcher = valueMatcher(test.test);
      return ({ body }) => matcher.text(bytesOf(body), 0, body.length);
    }
    case 'text': {
      const matcher = valueMatcher(test.test);
      return ({ headers, body }) => matcher.text(bytesOf(body), 0, body.length) || anyHeader(headers, matcher);
    }
    case 'header': {
      const matcher = valueMatcher(test.test);
      const name = Buffer.from(test.key, 'utf8');
      return ({ headers }) => anyHeader(headers, matcher, name);
    }
    default:
      return () => false;
  }
}

/** Whether the value of one of the headers passes, or of one with that name. */
function anyHeader({ bytes, ends }: HeaderBytes, matcher: ValueMatcher, name?: Buffer): boolean {
  const source = bytesOf(bytes);
  let start = 0;
  for (let h = 0; h < ends.length; h += 2) {
    const [valueAt, end] = [ends[h] ?? 0, ends[h + 1] ?? 0];
    const isNamed = name === undefined || isEqual(source.view, start, valueAt, name);
    if (isNamed && matcher.text(source, valueAt, end)) return true;
    start = end;
  }
  return false;
}
