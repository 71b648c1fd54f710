/** Which records a filter wants, one record at a time. */

import type { FilterTerm, FilterTest } from '../../model/filter.ts';
import { type Header, SIGNALS, type Signal, type StreamRecord } from '../../model/record.ts';
import { isMessageWanted, type SignalTests, signalTests } from './signal-tests.ts';
import { bytesOf, type ValueMatcher, valueMatcher } from './value-test.ts';

/** A record with its headers, or the message of an OTLP item. */
export interface MatchedRecord {
  /** Undefined for a record that is not OTLP. */
  readonly signal: Signal | undefined;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

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

type PlainTest = (record: Pick<StreamRecord, 'headers' | 'body'>) => boolean;

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
      return ({ body }) => isText(matcher, body);
    }
    case 'text': {
      const matcher = valueMatcher(test.test);
      return ({ headers, body }) => isText(matcher, body) || headers.some(([, value]) => isText(matcher, value));
    }
    case 'header': {
      const matcher = valueMatcher(test.test);
      const name = Buffer.from(test.key, 'utf8');
      return ({ headers }) => headers.some(([key, value]) => name.equals(key) && isText(matcher, value));
    }
    default:
      return () => false;
  }
}

function isText(matcher: ValueMatcher, bytes: Uint8Array): boolean {
  return matcher.text(bytesOf(bytes), 0, bytes.length);
}
