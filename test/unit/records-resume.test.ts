/** Resuming over SSE: which ids are accepted, what remains of a range, and totals that never wrap. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import { parseReadParams, parseReadQuery } from '../../src/s2/read-query.ts';
import { batchEvent, deliveredWith, errorEvent, parseLastEventId, pingEvent, rangeAfter } from '../../src/s2/sse.ts';

const U64_MAX = 2n ** 64n - 1n;
const RANGE: ReadRange = {
  start: { timestamp: 5 },
  clamp: true,
  count: 10,
  bytes: 100,
  until: 7,
  waitMs: 1_000,
};

test.each(['0,0,0', ' 7,3,129 ', `${U64_MAX},${U64_MAX},${U64_MAX}`])('%s is a Last-Event-ID', (text) => {
  const [lastSeq, records, bytes] = text.trim().split(',').map(BigInt);
  expect(parseLastEventId(text)).toEqual({ lastSeq, records, bytes });
});

test.each(['', ',', '1', '1,2', '1,2,', '1,2,3,4', '1, 2,3', '-1,0,0', '1.0,2,3', 'a,b,c', `${U64_MAX + 1n},0,0`])(
  '%j is not a Last-Event-ID',
  (text) => {
    expect(() => parseLastEventId(text)).toThrow(expect.objectContaining({ code: 'bad_header' }));
  },
);

describe('the rest of a range', () => {
  const left = (id: string, range: Partial<ReadRange> = {}) => rangeAfter({ ...RANGE, ...range }, parseLastEventId(id));

  test('starts after the last record, with smaller bounds and the same end', () => {
    expect(left('41,4,60')).toEqual({ ...RANGE, start: { seqNum: 42 }, count: 6, bytes: 40 });
  });

  test('is never negative', () => {
    expect(left('41,11,101')).toMatchObject({ count: 0, bytes: 0 });
    expect(left(`${U64_MAX},${U64_MAX},${U64_MAX}`)).toMatchObject({
      start: { seqNum: Number.MAX_SAFE_INTEGER },
      count: 0,
      bytes: 0,
    });
  });

  test('has no bound when the range had none', () => {
    expect(left('1,2,3', { count: undefined, bytes: undefined })).toMatchObject({
      count: undefined,
      bytes: undefined,
    });
  });
});

test('events have the form that clients parse', () => {
  const delivered = deliveredWith(
    { lastSeq: 4n, records: 5n, bytes: U64_MAX - 1n },
    { lastSeq: 6, records: 2, bytes: 30 },
  );
  const { head, end } = batchEvent(delivered);
  expect(`${head}{"records":[]}${end}`).toBe(`event: batch\nid: 6,7,${U64_MAX}\ndata: {"records":[]}\n\n`);
  expect(pingEvent(12, { seqNum: 3, timestamp: 4 })).toBe(
    'event: ping\ndata: {"timestamp":12,"tail":{"seq_num":3,"timestamp":4}}\n\n',
  );
  expect(errorEvent('{"code":"x"}')).toBe('event: error\ndata: {"code":"x"}\n\n');
});

test('a parameter that cannot be parsed wins over parameters that contradict each other', () => {
  const both = 'seq_num=1&timestamp=1';
  expect(parseReadParams(new URLSearchParams(both))).toMatchObject({ seqNum: 1, timestamp: 1 });
  const codeOf = (query: string) => {
    try {
      parseReadQuery(new URLSearchParams(query));
      return undefined;
    } catch (error) {
      return error instanceof TailraceError ? error.code : error;
    }
  };
  expect(codeOf(both)).toBe('invalid');
  expect(codeOf(`${both}&wait=x`)).toBe('bad_query');
});
