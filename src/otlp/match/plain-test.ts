/** The tests of a filter on a record that is not OTLP: it has headers and a body, and nothing else. */

import type { FilterTerm, FilterTest } from '../../model/filter.ts';
import type { Block } from '../../storage/block/block.ts';
import { bytesOf, type ValueMatcher, valueMatcher } from './value-test.ts';

export type PlainTest = (block: Block, i: number) => boolean;

/** @throws TailraceError `bad_query` */
export function plainTest(terms: readonly FilterTerm[]): PlainTest {
  const tests = terms.map(({ test, isNegated }) => ({ passes: testFor(test), isNegated }));
  return (block, i) => tests.every(({ passes, isNegated }) => passes(block, i) !== isNegated);
}

function testFor(test: FilterTest): PlainTest {
  switch (test.field) {
    case 'body': {
      const matcher = valueMatcher(test.test);
      return (block, i) => isText(matcher, block.record(i).body);
    }
    case 'text': {
      const matcher = valueMatcher(test.test);
      return (block, i) => {
        const { headers, body } = block.record(i);
        return isText(matcher, body) || headers.some(([, value]) => isText(matcher, value));
      };
    }
    case 'header': {
      const matcher = valueMatcher(test.test);
      const name = Buffer.from(test.key, 'utf8');
      return (block, i) => block.headersOf(i).some((header) => name.equals(header[0]) && isText(matcher, header[1]));
    }
    default:
      return () => false;
  }
}

function isText(matcher: ValueMatcher, bytes: Uint8Array): boolean {
  return matcher.text(bytesOf(bytes), 0, bytes.length);
}
