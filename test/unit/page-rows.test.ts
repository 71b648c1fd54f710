/** Rows of the page: what they say, how they are kept, and where a list of them is. */

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ListScroll } from '../../src/page/rows/list-scroll.ts';
import { durationText, quantityText } from '../../src/page/rows/quantities.ts';
import { RowStore } from '../../src/page/rows/row-store.ts';
import { plainLines } from '../../src/page/rows/summary.ts';
import { coloredPieces, visibleText } from '../../src/page/rows/visible-text.ts';
import type { Row } from '../../src/page/wire/rows.ts';

function logRow(seqNum: number, more: Partial<Row> = {}): Row {
  const timestamp = new Date(1_700_000_000_000 + seqNum).toISOString();
  return { seqNum, timestamp, signal: 'logs', serviceName: 'checkout', level: 'info', body: `said ${seqNum}`, ...more };
}

function pageOf(stream: string, rows: readonly Row[]) {
  return { stream, text: JSON.stringify({ rows }), rows, skip: 0 };
}

test('colours become classes, every other sequence goes, and what cannot be seen is shown', () => {
  expect(coloredPieces('a \u001b[1;31mred\u001b[0m b\u001b]0;title\u0007c\u001b[2Kd')).toEqual([
    { text: 'a ', look: '' },
    { text: 'red', look: 'ansi-bold ansi-1' },
    { text: ' b', look: '' },
    { text: 'c', look: '' },
    { text: 'd', look: '' },
  ]);
  expect(coloredPieces('\u001b[38;5;196mx\u001b[38;2;10;200;10my')).toEqual([
    { text: 'x', look: 'ansi-1' },
    { text: 'y', look: 'ansi-2' },
  ]);
  expect(visibleText('a\u0007\u202eb\u001b[31mc\u001b')).toBe('a␇⟨U+202E⟩bc␛');
});

test('durations and values have the words of the terminal', () => {
  expect([0.42, 6.5, 111, 2431.5, 65_000].map(durationText)).toEqual([
    '420 µs',
    '6.5 ms',
    '111 ms',
    '2.43 s',
    '1 min 5 s',
  ]);
  expect(quantityText(183_500_800, 'By')).toBe('175 MiB');
  expect(quantityText(1_042, '{order}')).toBe('1,042 orders');
});

test('a copied row is one line with its folded lines below it', () => {
  const stack = 'Traceback (most recent call last):\n  File "a.py"\nTimeout: 2 s';
  const row = logRow(3, { level: 'error', body: 'failed', metadata: { 'exception.stacktrace': stack, retry: 2 } });
  expect(plainLines('shop', row)).toBe(
    `2023-11-14T22:13:20.003Z ERROR shop#3 checkout failed  retry=2\n${stack.replace(/^/gm, '    ')}`,
  );
});

test('rows come back from their texts as they were, at ids that stay when others come or go', () => {
  const store = new RowStore();
  for (let from = 0; from < 5_000; from += 100) {
    const { stream, text, rows } = pageOf(
      'shop',
      Array.from({ length: 100 }, (_, i) => logRow(from + i)),
    );
    store.append({ stream, text }, rows);
  }
  store.prependMerged([pageOf('cart', [logRow(7, { timestamp: '2020-01-01T00:00:00Z' })])]);
  expect([store.start, store.end, store.count]).toEqual([-1, 5_000, 5_001]);
  expect(store.rowAt(-1)).toMatchObject({ stream: 'cart', row: { seqNum: 7 } });
  expect(store.rowAt(4_321)).toEqual({ stream: 'shop', row: logRow(4_321) });
  expect(store.dropPart(true)).toEqual(new Map([['cart', { from: 7, to: 8 }]]));
  expect(store.dropPart(true)).toEqual(new Map([['shop', { from: 0, to: 2_000 }]]));
  expect(store.rowAt(1_999)).toBeUndefined();
  expect(store.rowAt(2_000)?.row.seqNum).toBe(2_000);
  expect(store.idOf('shop', 4_999)).toBe(4_999);
});

test('pages of several streams are merged by time, and each stream keeps its order', () => {
  const store = new RowStore();
  const at = (seqNum: number, ms: number): Row => logRow(seqNum, { timestamp: new Date(ms).toISOString() });
  store.appendMerged([pageOf('a', [at(0, 10), at(1, 5), at(2, 30)]), pageOf('b', [at(0, 7), at(1, 20)])]);
  const order = Array.from({ length: 5 }, (_, id) => `${store.rowAt(id)?.stream}${store.rowAt(id)?.row.seqNum}`);
  expect(order).toEqual(['b0', 'a0', 'a1', 'b1', 'a2']);
});

test('the next error is found in both directions, a failed span among them', () => {
  const store = new RowStore();
  const rows = [
    logRow(0),
    logRow(1, { level: 'error' }),
    logRow(2),
    logRow(3, { signal: 'traces', status: { code: 'error' } }),
  ];
  const { stream, text } = pageOf('shop', rows);
  store.append({ stream, text }, rows);
  expect([store.findError(-1, 1), store.findError(1, 1), store.findError(3, 1)]).toEqual([1, 3, undefined]);
  expect([store.findError(3, -1), store.findError(1, -1)]).toEqual([1, undefined]);
});

test('a list stays where it is when rows come at either end, and is exact over a billion of them', () => {
  const extent = { start: 0, end: 1_000 };
  const scroll = new ListScroll(() => extent, true);
  scroll.viewPx = 240;
  expect(scroll.shown).toEqual({ from: 989, to: 1_000 });
  scroll.moveBy(0);
  scroll.stop();
  expect([scroll.anchor, scroll.offsetPx]).toEqual([990, 0]);
  extent.start = -500;
  extent.end = 2_000;
  scroll.clamp();
  expect([scroll.anchor, scroll.scrollPx]).toEqual([990, 1_490 * 24]);
  extent.start = 0;
  extent.end = 1_000_000_000;
  expect(scroll.isExact).toBe(false);
  scroll.scrolled(4_000_000, (scroll.spacePx - 240) / 2);
  expect(Math.abs(scroll.anchor - 500_000_000)).toBeLessThan(20);
  scroll.scrolled(24, scroll.scrollPx + 24);
  const { anchor } = scroll;
  scroll.scrolled(24, scroll.scrollPx + 24);
  expect(scroll.anchor).toBe(anchor + 1);
});

test('every realistic row says something in one line', () => {
  const file = new URL('../fixtures/terminal/rows.jsonl', import.meta.url);
  const rows = readFileSync(file, 'utf8').trim().split('\n');
  for (const line of rows) {
    const [first = ''] = plainLines('shop', JSON.parse(line) as Row).split('\n');
    expect(first.length).toBeGreaterThan(60);
    expect(first).not.toContain('undefined');
  }
});
