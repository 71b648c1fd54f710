/** A trace as a tree and as a waterfall: golden screens, what senders get wrong, and traces that are very large. */

import { describe, expect, test } from '@jest/globals';
import { createColors } from '../../cli/print/format.ts';
import { textWidth } from '../../cli/print/terminal/text-width.ts';
import { barText } from '../../cli/trace/time-bar.ts';
import { traceJson } from '../../cli/trace/trace-json.ts';
import { type TraceTree, traceTrees } from '../../cli/trace/trace-tree.ts';
import { waterfallLines } from '../../cli/trace/waterfall.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import { fixture, rowOf } from '../support/terminal-rows.ts';

const ROWS = fixture('trace.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as MessageRow);
const TRACE_ID = 'a'.repeat(32);

const treesOf = (rows: readonly MessageRow[]) => traceTrees(rows.map((row) => ({ row, stream: 'shop' })));
function treeOf(rows: readonly MessageRow[]): TraceTree {
  const [tree, ...others] = treesOf(rows);
  if (tree === undefined || others.length > 0) throw new Error('not one trace');
  return tree;
}
const draw = (rows: readonly MessageRow[], setup: { columns?: number; colors?: boolean; isWhole?: boolean } = {}) =>
  drawTree(treeOf(rows), setup);
const drawTree = (tree: TraceTree, { columns = 100, colors = false, isWhole = false } = {}) =>
  waterfallLines(tree, {
    columns,
    colors: createColors(colors ? 'always' : 'never', true, {}),
    isWhole,
    slowMs: 1_000,
    timeText: (ms) => new Date(ms).toISOString(),
  });

/** A span that begins at a millisecond; ids are numbers. */
const span = (id: number, parent: number | undefined, startMs: number, ms: number | undefined, more: object = {}) =>
  rowOf({
    seqNum: id,
    signal: 'traces',
    traceId: TRACE_ID,
    serviceName: 'shop',
    type: `s${id}`,
    spanId: String(id).padStart(16, '0'),
    ...(parent === undefined ? {} : { parentSpanId: String(parent).padStart(16, '0') }),
    timestamp: new Date(1_795_000_000_000 + startMs).toISOString(),
    ...(ms === undefined
      ? {}
      : { durationMs: ms, endTimestamp: new Date(1_795_000_000_000 + startMs + ms).toISOString() }),
    ...more,
  });
const FAILED = { status: { code: 'error', message: 'no' } };
/** The lines of the entries, without begin and bar. */
const names = (lines: readonly string[]) =>
  lines.slice(3).map((line) => line.replace(/^ *([-\d.]+ \S+)? {2}/, '').replace(/ {2,}[█▏▎▍▌▋▊▉░].*/u, ''));

describe('golden screens', () => {
  test.each([76, 100, 130])('of %d columns, without and with colours', (columns) => {
    expect(`${draw(ROWS, { columns }).join('\n')}\n`).toBe(fixture(`trace-${columns}.txt`));
    expect(`${draw(ROWS, { columns, colors: true }).join('\n')}\n`).toBe(fixture(`trace-${columns}.ansi`));
  });

  test('no line is wider than the terminal, whatever its width', () => {
    for (let columns = 40; columns <= 200; columns += 7) {
      expect(Math.max(...draw(ROWS, { columns }).map(textWidth))).toBeLessThanOrEqual(columns);
    }
  });
});

describe('the tree', () => {
  test('has a span that was stored open and closed once, as it was closed, in whichever order they came', () => {
    const [open, closed] = [span(1, undefined, 0, undefined), span(1, undefined, 0, 30)];
    for (const rows of [
      [open, closed],
      [closed, open],
      [open, open, closed],
    ]) {
      expect(treeOf(rows)).toMatchObject({ spans: 1, top: [{ row: { durationMs: 30 } }] });
    }
    expect(draw([span(2, undefined, 0, 10), open])[3]).toMatch(/· shop s1 .*░+ still open$/);
  });

  test('has spans whose parent was not found at the top, with a mark', () => {
    const lines = draw([span(1, undefined, 0, 50), span(2, 77, 10, 5), span(3, 2, 11, 2)]);
    expect(names(lines)).toEqual(['· shop s1', '· shop s2', '  · shop s3']);
    expect(lines[4]).toContain('(no parent 00000000)');
  });

  test('says it when a span begins before its parent, from one millisecond on', () => {
    const over = draw([span(1, undefined, 10, 50), span(2, 1, 9, 5)]);
    expect(over[4]).toContain('(clock 1.0 ms behind?)');
    const under = span(2, 1, 9, 5, { timestamp: '2026-11-18T11:06:40.009001Z' });
    expect(draw([span(1, undefined, 10, 50), under])[4]).not.toContain('clock');
  });

  test('shows parents that go round in a ring, and a span that is its own parent, once each', () => {
    const rows = [span(1, 3, 0, 9), span(2, 1, 1, 5), span(3, 2, 2, 3), span(4, 4, 3, 1), span(5, undefined, 4, 1)];
    const lines = draw(rows);
    expect(names(lines)).toEqual(['· shop s1', '  · shop s2', '    · shop s3', '· shop s4', '· shop s5']);
    expect(lines.filter((line) => line.includes('(ring of parents)'))).toHaveLength(2);
  });

  test('counts a failed span and an error log beside it as one error, and an error log elsewhere as another', () => {
    const log = (spanId: string | undefined) =>
      rowOf({
        signal: 'logs',
        traceId: TRACE_ID,
        level: 'error',
        body: 'x',
        timestamp: '2026-11-18T11:06:40Z',
        spanId,
      });
    const failed = span(1, undefined, 0, 9, FAILED);
    expect(treeOf([failed, log(failed.spanId)]).errors).toBe(1);
    expect(treeOf([failed, log(undefined)]).errors).toBe(2);
    expect(draw([log(undefined)])[0]).toBe('1 log  1 error');
  });

  test('is one for each trace, the oldest first, without metrics and records of no trace', () => {
    const other = span(2, undefined, -50, 5, { traceId: 'b'.repeat(32) });
    const trees = treesOf([span(1, undefined, 0, 9), other, rowOf({ signal: 'logs' }), rowOf({ signal: 'metrics' })]);
    expect(trees.map(({ traceId }) => traceId[0])).toEqual(['b', 'a']);
  });
});

describe('very many children', () => {
  const flat = (count: number, more: (id: number) => object = () => ({})) => [
    span(0, undefined, 0, 100_000),
    ...Array.from({ length: count }, (_, i) => span(i + 1, 0, i, 1, more(i + 1))),
  ];

  test('twenty-one are whole; of twenty-two twenty are shown and two are counted', () => {
    expect(names(draw(flat(21)))).toHaveLength(22);
    const lines = names(draw(flat(22)));
    expect(lines).toHaveLength(22);
    expect(lines.at(-1)).toBe('… 2 more children');
    expect(names(draw(flat(22), { isWhole: true }))).toHaveLength(23);
  });

  test('those that failed late are shown before those that did not', () => {
    const lines = names(draw(flat(60, (id) => (id > 50 ? FAILED : {}))));
    expect(lines.filter((line) => /s5\d/.test(line))).toHaveLength(5);
    expect(lines.at(-1)).toBe('… 40 more children, 5 errors');
  });

  test('a trace of 50,000 spans is folded: its upper levels first, and no level too deep for the screen', () => {
    const wide = [span(0, undefined, 0, 9)];
    for (let i = 1; i < 50_000; i++) wide.push(span(i, Math.floor((i - 1) / 15), i % 1_000, 1));
    const lines = draw(wide);
    expect(lines[0]).toMatch(/50,000 spans/);
    expect(lines.length).toBeLessThan(1_100);
  });

  test('a chain of 50,000 spans has no level too deep for the screen or for JSON', () => {
    const deep = (count: number) => Array.from({ length: count }, (_, i) => span(i, i === 0 ? undefined : i - 1, 0, 1));
    const tree = treeOf(deep(50_000));
    const lines = drawTree(tree);
    expect(lines.length).toBeLessThan(510);
    expect(lines.at(-2)).toContain('499› · shop s499');
    expect([...traceJson(tree)].join('').match(/"entries":\[/g)).toHaveLength(50_001);
    const whole = draw(deep(2_000), { isWhole: true });
    expect(whole).toHaveLength(2_003);
    expect(Math.max(...whole.map(textWidth))).toBeLessThanOrEqual(100);
  });
});

test('JSON is the tree, with what is odd about a span', () => {
  const json = JSON.parse([...traceJson(treeOf(ROWS))].join('')) as Record<string, unknown>;
  expect(json).toMatchObject({ trace_id: ROWS[0]?.traceId, spans: 9, logs: 5, errors: 3, streams: ['shop'] });
  const [checkout, mailer] = json.entries as { entries: object[] }[];
  expect(checkout).toMatchObject({ stream: 'shop', offset_ms: 0, type: 'POST /api/checkout', durationMs: 2431.5 });
  expect(checkout?.entries[1]).toMatchObject({ type: 'GET /cart', entries: [{ before_parent_ms: 5.8 }] });
  expect(mailer).toMatchObject({ parent_missing: true, entries: [{ open: true }] });
});

test('a bar has its place and at least an eighth of a column, and one of no time is whole', () => {
  const bar = (from: number, to: number | undefined) => barText({ from, to, start: 0, end: 100 }, 10);
  expect([bar(0, 100), bar(50, 75), bar(99.9, 100), bar(30, undefined), bar(-20, 130)]).toEqual([
    '██████████',
    '     ██▌  ',
    '         █',
    '   ░░░░░░░',
    '██████████',
  ]);
  expect(bar(20, 20)).toBe('  ▏       ');
  expect(barText({ from: 5, to: 5, start: 5, end: 5 }, 4)).toBe('████');
});
