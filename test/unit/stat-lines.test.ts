/** Counts and sums as a table, and lines that are drawn again and again. */

import { describe, expect, test } from '@jest/globals';
import { createColors } from '../../cli/print/format.ts';
import { aggregateLines, createLiveLines } from '../../cli/stat/aggregate-lines.ts';
import type { AggregateRow } from '../../src/model/aggregate.ts';

function outputOf(isTty: boolean, columns = 80) {
  const written: string[] = [];
  return {
    ...{ isTty, colors: createColors('never', isTty, {}), columns: () => columns, end: async () => {}, written },
    write: async (data: string | Uint8Array) => void written.push(String(data)),
  };
}

const linesOf = (rows: readonly AggregateRow[], asked: object) =>
  aggregateLines(
    { from: 0, next_seq_num: 9, records: 9, complete: true, rows },
    { by: [], sum: undefined, bucketMs: undefined, ...asked },
    outputOf(false),
  );

describe('counts and sums', () => {
  test('of what had no place in a group are named so, and a group without a value is a dash', () => {
    const rows = [
      { group: { service: null, model: 'a\u001b[2J' }, count: 3 },
      { other: true as const, count: 1_000 },
    ];
    expect(linesOf(rows, { by: ['service', 'model'] })).toEqual([
      'SERVICE       MODEL     COUNT',
      `-             a\\x1b[2J      3  ${'▏'}`,
      `(all others)            1,000  ${'█'.repeat(24)}`,
    ]);
  });

  test('have a bucket for each width up to a thousand, and beyond only those that are there', () => {
    const buckets = (count: number) =>
      linesOf(
        [
          { bucket: 0, count: 1 },
          { bucket: (count - 1) * 60_000, count: 1 },
        ],
        { bucketMs: 60_000 },
      );
    expect(buckets(1_000)).toHaveLength(1_001);
    expect(buckets(1_001)).toHaveLength(3);
  });

  test('have integers of any size as they are, a dash where a number is unknown, and the largest sum first', () => {
    const rows = [
      { group: { name: 'a' }, count: 3, values: 1, sum: 5 },
      { group: { name: 'b' }, count: 1, values: 1, sum: '90071992547409930', min: 'NaN' },
    ];
    const lines = linesOf([...rows, { group: { name: 'c' }, count: 1_000 }], { by: ['name'], sum: 'value' });
    expect(lines[1]).toMatch(/^b +1 +90,071,992,547,409,930 +NaN +- .* {2}█{24}$/);
    expect(lines[2]).toMatch(/^a +3 +5 +- /);
    expect(lines.slice(3)).toEqual(['… 1,000 records without value']);
  });
});

describe('lines that are drawn again', () => {
  test('go over those before, show no more than the screen is high, and the last ones are all there', async () => {
    const output = outputOf(true);
    const live = createLiveLines(output, () => 5);
    await live.draw(['a', 'b', 'c', 'd']);
    await live.draw(['e']);
    await live.end(['1', '2', '3', '4', '5', '6']);
    expect(output.written).toEqual(['a\nb\nc\n', '\u001b[3A\r\u001b[0Je\n', '\u001b[1A\r\u001b[0J1\n2\n3\n4\n5\n6\n']);
  });

  test('are written once elsewhere, without a control character', async () => {
    const output = outputOf(false);
    const live = createLiveLines(output);
    await live.draw(['a']);
    await live.end(['b']);
    expect(output.written).toEqual(['b\n']);
  });
});
