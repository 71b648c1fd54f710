/** Which records a filter wants, one record at a time. */

import type { FilterTerm } from '../../model/filter.ts';
import { type Header, SIGNALS, type Signal } from '../../model/record.ts';
import { type PlainTest, plainTest } from './plain-test.ts';
import { isMessageWanted, type SignalTests, signalTests } from './signal-tests.ts';

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
