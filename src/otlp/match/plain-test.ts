/** The tests of a filter on a record that is not OTLP: it has headers and a body, and nothing else. */

import type { FilterTerm, FilterTest } from '../../model/filter.ts';
import type { StreamRecord } from '../../model/record.ts';
import { bytesOf, type ValueMatcher, valueMatcher } from './value-test.ts';

export type PlainTest = (record: Pick<StreamRecord, 'headers' | 'body'>) => boolean;

/** @throws TailraceError `bad_query` */
export function plainTest(terms: readonly FilterTerm[]): PlainTest {
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
