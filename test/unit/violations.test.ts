/** The checker of the crash tests must itself find every kind of fault. */

import { describe, expect, test } from '@jest/globals';
import { type ReadBack, violations, type WrittenRequest } from '../support/writers.ts';

const request = (id: string, outcome: WrittenRequest['outcome'], names: readonly string[]): WrittenRequest => ({
  id,
  outcome,
  streams: new Map([['alpha', names]]),
});
const read = (...names: string[]): Map<string, ReadBack> =>
  new Map([['alpha', { names, seqNums: names.map((_, i) => i) }]]);

describe('the checker', () => {
  const history = [
    request('r1', 'acked', ['a', 'b']),
    request('r2', 'indefinite', ['c', 'd']),
    request('r3', 'refused', ['e']),
  ];

  test('finds no fault when everything is there, or only the indefinite request is missing', () => {
    expect(violations(history, read('a', 'b', 'c', 'd'))).toEqual([]);
    expect(violations(history, read('a', 'b'))).toEqual([]);
  });

  test.each([
    ['a lost record', read('a'), 'lost'],
    ['half a request', read('a', 'b', 'c'), 'half'],
    ['a refused one that is there', read('a', 'b', 'e'), 'refused'],
    ['a duplicate', read('a', 'b', 'a'), 'duplicate'],
    ['a record of no request', read('a', 'b', 'x'), 'no request wrote'],
    ['a wrong order', read('b', 'a'), 'out of order'],
    ['a gap', new Map([['alpha', { names: ['a', 'b'], seqNums: [0, 2] }]]), 'gap'],
  ])('finds %s', (_, back, word) => {
    expect(violations(history, back).join('\n')).toContain(word);
  });
});
