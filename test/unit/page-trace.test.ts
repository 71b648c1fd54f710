/** The tree of a trace, its critical path, what a filter and folds leave of it, and the marks of its axis. */

import { expect, test } from '@jest/globals';
import { markCriticalPath } from '../../src/page/trace/critical-path.ts';
import {
  ALL_FOLDED,
  type FoldState,
  foldsText,
  isFolded,
  NONE_FOLDED,
  parseFolds,
  withFold,
} from '../../src/page/trace/folds.ts';
import { isMatch, nextError, shownNodes } from '../../src/page/trace/shown-nodes.ts';
import { nodeOf } from '../../src/page/trace/span-node.ts';
import { preciseMs, type SpanNode, type SpanTree, treeOf } from '../../src/page/trace/span-tree.ts';
import { fitted, marksOf, parseWindow, windowText, zoomed } from '../../src/page/trace/time-window.ts';
import type { Row } from '../../src/page/wire/rows.ts';

const T0 = Date.parse('2026-11-29T10:00:00Z');
let seqNum = 0;

interface Given {
  readonly id: string;
  readonly parent?: string;
  readonly from: number;
  /** Undefined: still open. */
  readonly to?: number;
  readonly kind?: string;
  readonly isError?: boolean;
}

test('spans stand under their parents in the order of their begins, whatever order they come in', () => {
  const tree = treeOf([
    span({ id: 'c', parent: 'a', from: 50, to: 60 }),
    span({ id: 'b', parent: 'a', from: 10, to: 40 }),
    span({ id: 'd', parent: 'b', from: 15, to: 20 }),
    span({ id: 'a', from: 0, to: 100 }),
  ]);
  expect(lines(tree)).toEqual(['0 a', '1 b', '2 d', '1 c']);
  expect(tree.endMs - tree.startMs).toBe(100);
});

test('a span whose parent is not there stands at the top and says so, and comes to its place when the parent comes', () => {
  const [child, parent] = [span({ id: 'b', parent: 'a', from: 10, to: 20 }), span({ id: 'a', from: 0, to: 30 })];
  const before = treeOf([child]);
  expect(before.orphans).toBe(1);
  expect(before.top[0]?.top).toBe('orphan');
  const after = treeOf([child, parent]);
  expect(after.orphans).toBe(0);
  expect(lines(after)).toEqual(['0 a', '1 b']);
});

test('spans that have each other as parents are each there once', () => {
  const tree = treeOf([
    span({ id: 'a', parent: 'b', from: 0, to: 10 }),
    span({ id: 'b', parent: 'a', from: 1, to: 9 }),
    span({ id: 'x', parent: 'x', from: 2, to: 3 }),
    span({ id: 'r', from: 0, to: 10 }),
  ]);
  expect(tree.all.map(({ spanId }) => spanId).sort()).toEqual(['a', 'b', 'r', 'x']);
  expect(tree.top.filter(({ top }) => top === 'ring').map(({ spanId }) => spanId)).toEqual(['a', 'x']);
});

test('an open span and its closed record are one span, whichever comes first', () => {
  const [open, closed] = [span({ id: 'a', from: 0 }), span({ id: 'a', from: 0, to: 5 })];
  for (const nodes of [
    [open, closed],
    [closed, open],
  ]) {
    const tree = treeOf(nodes);
    expect([tree.spans, tree.openSpans]).toEqual([1, 0]);
  }
  expect(treeOf([open]).openSpans).toBe(1);
});

test('a span that begins before its parent is counted, and a microsecond of a clock is not', () => {
  const tree = treeOf([
    span({ id: 'a', from: 10, to: 100 }),
    span({ id: 'b', parent: 'a', from: 4, to: 20 }),
    span({ id: 'c', parent: 'a', from: 9.9995, to: 20 }),
  ]);
  expect(tree.early).toBe(1);
  expect(tree.all.find(({ spanId }) => spanId === 'b')?.earlyMs).toBeCloseTo(6, 3);
});

test('logs stand at their spans, loose ones in the tree, and an error that its span says too counts once', () => {
  const tree = treeOf([
    span({ id: 'a', from: 0, to: 10, isError: true }),
    log({ span: 'a', at: 5, level: 'error' }),
    log({ span: 'gone', at: 6, level: 'error' }),
    log({ at: 7, level: 'info' }),
  ]);
  expect(tree.all.map(({ type }) => type)).toEqual(['span', 'log', 'log']);
  expect(tree.all[0]?.logs).toHaveLength(1);
  expect([tree.logs, tree.errors]).toEqual([3, 2]);
});

test('the time of its own is what no child covers, also where children overlap or outlive their parent', () => {
  const tree = treeOf([
    span({ id: 'a', from: 0, to: 100 }),
    span({ id: 'b', parent: 'a', from: 10, to: 50 }),
    span({ id: 'e', parent: 'a', from: 20, to: 30 }),
    span({ id: 'c', parent: 'a', from: 40, to: 60 }),
    span({ id: 'd', parent: 'a', from: 90, to: 150 }),
  ]);
  expect(tree.all[0]?.selfMs).toBe(40);
});

test('the critical path covers the longest span without holes, and each moment belongs to one span', () => {
  const tree = treeOf([
    span({ id: 'a', from: 0, to: 100 }),
    span({ id: 'fast', parent: 'a', from: 10, to: 30 }),
    span({ id: 'slow', parent: 'a', from: 10, to: 80 }),
    span({ id: 'deep', parent: 'slow', from: 20, to: 70 }),
    span({ id: 'open', parent: 'a', from: 50 }),
    span({ id: 'sent', parent: 'a', from: 90, to: 300, kind: 'consumer' }),
  ]);
  markCriticalPath(tree);
  const parts = tree.all.flatMap((node) => node.critical.map(([from, to]) => [from - T0, to - T0, node.spanId]));
  parts.sort((x, y) => Number(x[0]) - Number(y[0]));
  expect(parts).toEqual([
    [0, 10, 'a'],
    [10, 20, 'slow'],
    [20, 70, 'deep'],
    [70, 80, 'slow'],
    [80, 100, 'a'],
  ]);
});

test('random trees keep every span once, and their critical path is as long as the longest span', () => {
  let seed = 7;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };
  for (let round = 0; round < 200; round++) {
    const count = 1 + Math.floor(random() * 30);
    const nodes = Array.from({ length: count }, (_, i) => {
      const from = Math.floor(random() * 100);
      return span({
        id: `s${i}`,
        ...(random() < 0.9 ? { parent: `s${Math.floor(random() * count * 1.1)}` } : {}),
        from,
        to: from + Math.floor(random() * 50),
      });
    });
    const tree = treeOf(nodes);
    expect(new Set(tree.all).size).toBe(count);
    expect(tree.all).toHaveLength(count);
    markCriticalPath(tree);
    const longest = Math.max(...tree.top.map(({ startMs, endMs = 0 }) => endMs - startMs));
    const path = tree.all.flatMap(({ critical }) => critical).reduce((sum, [from, to]) => sum + to - from, 0);
    expect(path).toBeGreaterThanOrEqual(longest - 0.01);
  }
});

test('a filter keeps what matches and what leads there, and a fold hides what is below it', () => {
  const nodes = [
    span({ id: 'a', from: 0, to: 10 }),
    span({ id: 'b', parent: 'a', from: 1, to: 5 }),
    span({ id: 'c', parent: 'b', from: 2, to: 3 }),
    span({ id: 'd', parent: 'a', from: 6, to: 7 }),
  ];
  const tree = treeOf([...nodes, log({ span: 'd', at: 6, level: 'warn' })]);
  const [a, , c, d] = nodes as [SpanNode, SpanNode, SpanNode, SpanNode];
  const shown = (options: { folded?: readonly SpanNode[]; matched?: readonly string[] }): string[] =>
    shownNodes(tree, {
      folded: (options.folded ?? []).reduce((state, node) => withFold(state, node, true), NONE_FOLDED),
      matched: options.matched === undefined ? undefined : new Set(options.matched),
    }).map(({ spanId }) => spanId ?? '');
  expect(shown({})).toEqual(['a', 'b', 'c', 'd']);
  expect(shown({ matched: [c.key] })).toEqual(['a', 'b', 'c']);
  expect(shown({ matched: [d.logs[0]?.key ?? ''] })).toEqual(['a', 'd']);
  expect(shown({ matched: [] })).toEqual([]);
  expect(shown({ folded: [nodes[1] as SpanNode] })).toEqual(['a', 'b', 'd']);
  expect(shown({ folded: [a], matched: [c.key] })).toEqual(['a']);
  expect(isMatch(d, new Set([d.logs[0]?.key ?? '']))).toBe(true);
});

test('folds come back from their text, also where all spans are folded but some, and an ended span stays folded', () => {
  const [open, closed] = [span({ id: 'a', from: 0 }), span({ id: 'a', from: 0, to: 5 })];
  const [b, nameless] = [span({ id: 'b', from: 1, to: 2 }), log({ at: 1, level: 'info' })];
  const back = (state: FoldState): FoldState => parseFolds(foldsText(state));
  const some = back(withFold(withFold(NONE_FOLDED, open, true), nameless, true));
  expect([closed, b, nameless].map((node) => isFolded(some, node))).toEqual([true, false, true]);
  const most = back(withFold(ALL_FOLDED, open, false));
  expect([closed, b, nameless].map((node) => isFolded(most, node))).toEqual([false, true, true]);
  expect(foldsText(withFold(withFold(NONE_FOLDED, b, true), b, false))).toBeUndefined();
  expect(isFolded(parseFolds('b,%zz'), b)).toBe(true);
});

test('a link keeps a hundred folds, and no more', () => {
  const many = (count: number): FoldState => ({
    isAll: false,
    others: new Set(Array.from({ length: count }, (_, i) => `${i}`)),
  });
  expect(foldsText(many(100))).toBe(foldsText(many(101)));
  expect(foldsText(many(99))).not.toBe(foldsText(many(100)));
  expect(parseFolds(Array.from({ length: 5_000 }, (_, i) => `${i}`).join()).others.size).toBeLessThanOrEqual(101);
});

test('the next error goes round the end, also for an error that only a log says', () => {
  const tree = treeOf([
    span({ id: 'a', from: 0, to: 10 }),
    span({ id: 'b', parent: 'a', from: 1, to: 2, isError: true }),
    span({ id: 'c', parent: 'a', from: 3, to: 4 }),
    log({ span: 'c', at: 3, level: 'fatal' }),
  ]);
  expect([nextError(tree.all, -1, 1), nextError(tree.all, 1, 1), nextError(tree.all, 2, 1)]).toEqual([1, 2, 1]);
  expect(nextError(tree.all, 1, -1)).toBe(2);
  expect(nextError(tree.all.slice(0, 1), 0, 1)).toBeUndefined();
});

test('a time keeps its nanoseconds as far as a number can', () => {
  expect((preciseMs('2026-11-29T10:00:00.000250500Z') ?? 0) - T0).toBeCloseTo(0.2505, 3);
  expect(preciseMs('2026-11-29T10:00:00Z')).toBe(T0);
  expect(preciseMs('never')).toBeUndefined();
});

test('a window of time stays in the trace, comes back from its text, and has round marks', () => {
  expect(fitted({ from: -50, to: 50 }, 1_000)).toEqual({ from: 0, to: 100 });
  expect(fitted({ from: 950, to: 1_050 }, 1_000)).toEqual({ from: 900, to: 1_000 });
  expect(fitted({ from: -1, to: 1_001 }, 1_000)).toBeUndefined();
  expect(parseWindow(windowText({ from: 1.25, to: 300 }))).toEqual({ from: 1.25, to: 300 });
  expect(parseWindow('300-1')).toBeUndefined();
  expect(zoomed({ from: 0, to: 100 }, 0.5, 100)).toEqual({ from: 50, to: 100 });
  expect(marksOf({ from: 130, to: 2_430 }, 6)).toEqual([500, 1_000, 1_500, 2_000]);
});

test('names of a span show no control characters and stay on a line', () => {
  const node = nodeOf('shop', {
    ...row('traces', 0),
    type: 'a\u001b[31mb\u001b[0m\u0007\nc\u202e',
    endTimestamp: time(1),
  });
  expect(node?.name).toBe('ab␇ c‹U+202E›');
});

function span({ id, parent, from, to, kind, isError = false }: Given): SpanNode {
  return made({
    ...row('traces', from),
    type: id,
    spanId: id,
    ...(parent === undefined ? {} : { parentSpanId: parent }),
    ...(to === undefined ? {} : { endTimestamp: time(to) }),
    ...(kind === undefined ? {} : { kind }),
    status: { code: isError ? 'error' : 'unset' },
  });
}

function log({ span: spanId, at, level }: { span?: string; at: number; level: string }): SpanNode {
  return made({ ...row('logs', at), body: 'said', level, ...(spanId === undefined ? {} : { spanId }) });
}

function row(signal: 'traces' | 'logs', at: number): Row {
  return { seqNum: seqNum++, signal, timestamp: time(at), serviceName: 'shop' };
}

function made(given: Row): SpanNode {
  const node = nodeOf('shop', given);
  if (node === undefined) throw new Error('no node');
  return node;
}

function time(ms: number): string {
  const whole = Math.floor(ms);
  const nanos = String(Math.round((ms - whole) * 1e6)).padStart(6, '0');
  return `${new Date(T0 + whole).toISOString().slice(0, -1)}${nanos}Z`;
}

function lines({ all }: SpanTree): readonly string[] {
  return all.map(({ depth, spanId }) => `${depth} ${spanId}`);
}
