/** The history checker: a correct history passes, and each rule finds the history that breaks it. */

import { describe, expect, test } from '@jest/globals';
import { type Append, judge, type Observation, type Operation } from '../support/history.ts';

function append(began: number, ended: number, bodies: readonly string[], more: Partial<Append> = {}): Append {
  return { kind: 'append', client: 'c', began, ended, outcome: 'ok', bodies, fence: false, ...more };
}

function acked(
  began: number,
  ended: number,
  start: number,
  bodies: readonly string[],
  more: Partial<Append> = {},
): Append {
  const end = start + bodies.length;
  return append(began, ended, bodies, { ack: { start, end, tail: end }, ...more });
}

function seen(began: number, ended: number, tail: number, more: Partial<Observation> = {}): Observation {
  return { kind: 'observation', client: 'o', began, ended, tail, ...more };
}

const LOG = ['a', 'b', 't', 'c', 'd', 'e'];

const GOOD: readonly Operation[] = [
  acked(1, 2, 0, ['a', 'b'], { matchSeqNum: 0 }),
  acked(3, 8, 2, ['t'], { fence: true, fencingToken: '' }),
  // These are concurrent: either order is valid.
  acked(4, 7, 3, ['c'], { ack: { start: 3, end: 4, tail: 6 } }),
  append(5, Number.POSITIVE_INFINITY, ['d', 'e'], { outcome: 'indefinite', fencingToken: 't' }),
  append(6, Number.POSITIVE_INFINITY, ['x'], { outcome: 'indefinite' }),
  append(4, 9, ['y'], { outcome: 'failed', matchSeqNum: 2, seenSeqNum: 3 }),
  append(10, 11, ['z'], { outcome: 'failed', fencingToken: '', seenToken: 't' }),
  seen(3, 4, 2),
  seen(9, 12, 6, { from: 1, bodies: ['b', 't', 'c', 'd', 'e'] }),
];

/** The correct history with one operation replaced or added. */
function but(index: number, operation: Operation): Operation[] {
  return GOOD.toSpliced(index, index === GOOD.length ? 0 : 1, operation);
}

test('a correct history has no faults', () => {
  expect(judge(GOOD, LOG)).toEqual([]);
  expect(judge([], [])).toEqual([]);
});

const one = (operation: Operation): Operation[] => but(GOOD.length, operation);

describe('the checker finds that', () => {
  test.each<[string, Operation[], string[], RegExp]>([
    ['an acknowledged append is lost', one(acked(20, 21, 6, ['lost'])), LOG, /\(a\) .*acknowledged/],
    ['half an append is lost', one(acked(20, 21, 6, ['f', 'lost'])), [...LOG, 'f'], /\(a\) .*only 1 of 2/],
    [
      'half of an indefinite append is there',
      one(append(20, 99, ['f', 'g'], { outcome: 'indefinite' })),
      [...LOG, 'f'],
      /\(a\) .*piece/,
    ],
    ['an append is torn', [acked(1, 4, 0, ['a', 'b']), acked(2, 3, 1, ['c'])], ['a', 'c', 'b'], /\(a\) .*piece/],
    ['an ack told another place', but(0, acked(1, 2, 1, ['a', 'b'])), LOG, /\(a\) .*told/],
    ['a record is there twice', [...GOOD], [...LOG, 'a'], /\(a\) a is twice/],
    ['a record is there without an append', [...GOOD], [...LOG, 'stranger'], /\(a\) the appends end/],
    [
      'a foreign record is between',
      [acked(1, 2, 0, ['a']), acked(3, 4, 2, ['b'])],
      ['a', 's', 'b'],
      /\(a\) .*expected/,
    ],
    ['a later append lies before', [acked(1, 2, 1, ['a']), acked(3, 4, 0, ['b'])], ['b', 'a'], /\(b\)/],
    ['a refused append is there', one(append(20, 21, ['f'], { outcome: 'failed' })), [...LOG, 'f'], /\(c\)/],
    ['a number did not match', but(0, acked(1, 2, 0, ['a', 'b'], { matchSeqNum: 1 })), LOG, /\(d\) .*wanted 1/],
    [
      'a number matched and was refused',
      but(5, append(4, 9, ['y'], { outcome: 'failed', matchSeqNum: 3, seenSeqNum: 3 })),
      LOG,
      /\(d\) .*refused/,
    ],
    [
      'a token was not in force',
      one(acked(20, 21, 6, ['f'], { fencingToken: 'u' })),
      [...LOG, 'f'],
      /\(e\) .*showed the token 'u'/,
    ],
    [
      'a token was in force and refused',
      but(6, append(10, 11, ['z'], { outcome: 'failed', fencingToken: 't', seenToken: 't' })),
      LOG,
      /\(e\) .*refused/,
    ],
    [
      'a refusal told a token of another time',
      one(append(20, 21, ['z'], { outcome: 'failed', fencingToken: 'u', seenToken: '' })),
      LOG,
      /\(e\) .*told/,
    ],
    ['a tail went back', one(seen(20, 21, 4)), LOG, /\(f\) .*between 6 and 6/],
    [
      'a tail ran ahead',
      [...but(7, seen(3, 4, 6)), acked(30, 31, 6, ['f'])].toSpliced(8, 0, seen(3, 4, 7)),
      [...LOG, 'f'],
      /\(f\) .*saw the tail at 7/,
    ],
    ['a tail showed half a batch', but(7, seen(1, 2, 1)), LOG, /\(f\) .*half/],
    [
      'an ack showed a tail that went back',
      but(2, acked(4, 7, 3, ['c'], { ack: { start: 3, end: 4, tail: 1 } })),
      LOG,
      /\(f\)/,
    ],
    [
      'a refusal showed a tail that went back',
      one(append(20, 21, ['z'], { outcome: 'failed', matchSeqNum: 9, seenSeqNum: 3 })),
      LOG,
      /\(f\)/,
    ],
    ['a read missed a record', but(8, seen(9, 12, 6, { from: 1, bodies: ['b', 't', 'd', 'e'] })), LOG, /\(f\) .*read/],
    ['a read saw other bodies', but(8, seen(9, 12, 6, { from: 4, bodies: ['d', 'x'] })), LOG, /\(f\) .*read/],
  ])('%s', (_, operations, log, fault) => {
    expect(judge(operations, log)).toContainEqual(expect.stringMatching(fault));
  });
});

test('an indefinite append before a crash is known to every client that reads after it', () => {
  const crashed = append(1, 2, ['a'], { outcome: 'indefinite' });
  expect(judge([crashed, seen(3, 4, 1)], ['a'])).toEqual([]);
  expect(judge([crashed, seen(3, 4, 0)], ['a'])).toEqual([expect.stringMatching(/\(f\)/)]);
});
