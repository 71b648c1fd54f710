/** The query of a read: what is accepted, and what is refused with which code. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { parseFormat, parseReadQuery } from '../../src/s2/read-query.ts';

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'no error';
  } catch (error) {
    return error instanceof TailraceError ? error.code : 'not a TailraceError';
  }
}

const read = (query: string) => parseReadQuery(new URLSearchParams(query));
const NOTHING = { clamp: false, count: undefined, bytes: undefined, until: undefined, waitMs: undefined };

describe('a read query is accepted', () => {
  test.each([
    ['', { start: { tailOffset: 0 } }],
    ['seq_num=0', { start: { seqNum: 0 } }],
    ['timestamp=5&until=6', { start: { timestamp: 5 }, until: 6 }],
    ['tail_offset=10&clamp=true', { start: { tailOffset: 10 }, clamp: true }],
    ['seq_num=7&until=7&clamp=false', { start: { seqNum: 7 }, until: 7 }],
    ['count=0&bytes=1&wait=2', { start: { tailOffset: 0 }, count: 0, bytes: 1, waitMs: 2_000 }],
    ['seq_num=0&wait=4294967295', { start: { seqNum: 0 }, waitMs: 2 ** 31 - 1 }],
    ['seq_num=18446744073709551615', { start: { seqNum: Number.MAX_SAFE_INTEGER } }],
    ['count=9007199254740993', { start: { tailOffset: 0 }, count: Number.MAX_SAFE_INTEGER }],
    ['unknown=1&basin=x', { start: { tailOffset: 0 } }],
  ])('when it is %s', (query, range) => {
    expect(read(query)).toEqual({ ...NOTHING, ...range });
  });
});

describe('a read query is refused', () => {
  test.each([
    ['seq_num=-1', 'bad_query'],
    ['seq_num=1.5', 'bad_query'],
    ['seq_num=1e3', 'bad_query'],
    ['seq_num=', 'bad_query'],
    ['seq_num=abc', 'bad_query'],
    ['seq_num=%201', 'bad_query'],
    ['seq_num=18446744073709551616', 'bad_query'],
    ['seq_num=111111111111111111111', 'bad_query'],
    ['seq_num=1&seq_num=1', 'bad_query'],
    ['wait=4294967296', 'bad_query'],
    ['clamp=1', 'bad_query'],
    ['clamp=', 'bad_query'],
    ['seq_num=1&timestamp=1', 'invalid'],
    ['tail_offset=0&seq_num=0', 'invalid'],
    ['timestamp=5&until=5', 'invalid'],
    ['timestamp=6&until=5', 'invalid'],
  ])('when it is %s', (query, code) => {
    expect(codeOf(() => read(query))).toBe(code);
  });
});

test('the format is raw unless the parameter or the header says base64', () => {
  const format = (query: string, fallback?: string) => parseFormat(new URLSearchParams(query), fallback);
  expect(format('')).toBe('raw');
  expect(format('', 'base64')).toBe('base64');
  expect(format('format=raw', 'base64')).toBe('raw');
  expect(codeOf(() => format('format=hex'))).toBe('bad_query');
});
