/** Tables: what is aligned and cut on a terminal, and what a pipe gets. */

import { describe, expect, test } from '@jest/globals';
import { createColors } from '../../cli/print/format.ts';
import { createTable, type TableColumn, type TableRow } from '../../cli/print/table.ts';
import { textWidth } from '../../cli/print/terminal/text-width.ts';

const COLUMNS: readonly TableColumn[] = [
  { title: 'NAME', cut: 'end' },
  { title: 'SIZE', isNumber: true },
  { title: 'WHERE', cut: 'start' },
];
const at = (columns: number | undefined, colored = false) =>
  createTable(COLUMNS, {
    isTty: columns !== undefined,
    colors: createColors(colored ? 'always' : 'never', true, {}),
    columns: () => columns ?? 10,
  });
const row = (...cells: string[]): TableRow => ({ cells });

describe('a table', () => {
  test('aligns columns by the columns that text takes on a terminal', () => {
    const lines = at(80).lines([row('日本語', '1', 'a'), row('e\u0301', '1,024', 'b'), row('ascii', '', 'c')]);
    expect(lines).toEqual(['NAME     SIZE  WHERE', '日本語      1  a', 'e\u0301       1,024  b', 'ascii          c']);
  });

  test('as wide as the terminal is whole, and one column less cuts the widest of those that may be cut', () => {
    const rows = [row('n'.repeat(20), '12', 'w'.repeat(12))];
    expect(at(40).lines(rows)[1]).toBe(`${'n'.repeat(20)}    12  ${'w'.repeat(12)}`);
    expect(at(39).lines(rows)[1]).toBe(`${'n'.repeat(18)}…    12  ${'w'.repeat(12)}`);
    expect(at(26).lines(rows)[1]).toBe('nnnnnnnn…    12  …wwwwwwww');
  });

  test('is never wider than the terminal, however narrow that is', () => {
    for (let columns = 1; columns < 60; columns++) {
      const lines = at(columns).lines([row('漢字'.repeat(9), '123456', '漢字'.repeat(9))]);
      expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(columns);
    }
  });

  test('in a pipe is whole', () => {
    expect(at(undefined).lines([row('n'.repeat(200), '1', 'w')])[1]).toBe(`${'n'.repeat(200)}     1  w`);
  });

  test('has its header once, keeps widths from page to page, and has lines of their own below rows', () => {
    const table = at(80);
    expect(table.lines([])).toEqual([]);
    expect(table.lines([row('long name', '1', 'x')])).toHaveLength(2);
    expect(table.lines([{ cells: ['a', '2', 'y'], below: ['  more'] }])).toEqual(['a             2  y', '  more']);
  });

  test('colours text and not the spaces beside it, and makes control characters visible', () => {
    const { red } = createColors('always', true, {});
    const lines = at(80, true).lines([{ cells: [['bad', red], '1', '\u001b[2Jx\u0007'] }]);
    expect(lines[1]).toBe('\u001b[31mbad\u001b[39m      1  \\x1b[2Jx\\x07');
    expect(at(80).lines([{ cells: ['\u202ea', '1', 'x'] }])[1]).toContain('\\u202ea');
  });
});
