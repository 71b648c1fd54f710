/** Counts and sums at their limits: groups, quantiles, open spans, time, memory, and results so far. */

import { describe, expect, test } from '@jest/globals';
import type { StreamRead } from '../../src/log/open-reads.ts';
import type { AggregateResult, AggregateRow } from '../../src/model/aggregate.ts';
import { TailraceError } from '../../src/model/error.ts';
import {
  AGGREGATE_CLOSED_SPANS,
  AGGREGATE_GROUPS_MAX,
  AGGREGATE_MS_MAX,
  AGGREGATE_NAME_BYTES_MAX,
  AGGREGATE_OPEN_SPANS_MAX,
  AGGREGATE_PARTIAL_MS,
} from '../../src/model/limits.ts';
import { Names } from '../../src/otlp/extract/names.ts';
import { aggregate } from '../../src/readers/aggregate/aggregate.ts';
import { Groups } from '../../src/readers/aggregate/groups.ts';
import { OpenSpans } from '../../src/readers/aggregate/open-spans.ts';
import { parseAggregate } from '../../src/readers/aggregate/parse-aggregate.ts';
import { Sketch } from '../../src/readers/aggregate/sketch.ts';
import { ValueTotal } from '../../src/readers/aggregate/total.ts';
import type { Block } from '../../src/storage/block/block.ts';
import { otlpBlock, s2Block } from '../support/socket-blocks.ts';

describe('groups', () => {
  async function rowsOf(count: number): Promise<readonly AggregateRow[]> {
    const names = new Names();
    const groups = new Groups(parseAggregate({ sum: 'value', by: ['name'], bucket: undefined }), names);
    for (let n = 0; n < count; n++) groups.add(0, [names.ofText(`name ${n}`)], n);
    return groups.rows();
  }

  test('are as many as are allowed, each with its sum', async () => {
    const rows = await rowsOf(AGGREGATE_GROUPS_MAX);
    expect(rows).toHaveLength(AGGREGATE_GROUPS_MAX);
    expect(rows.at(-1)).toMatchObject({ group: { name: 'name 9999' }, count: 1, sum: 9_999 });
  });

  test('beyond that are one, with the sum of all of them', async () => {
    const rows = await rowsOf(AGGREGATE_GROUPS_MAX + 3);
    expect(rows).toHaveLength(AGGREGATE_GROUPS_MAX + 1);
    expect(rows.at(-1)).toMatchObject({ other: true, count: 3, sum: 30_003 });
  });

  test('of buckets of time count each for itself', async () => {
    const groups = new Groups(parseAggregate({ sum: undefined, by: [], bucket: '1ms' }), new Names());
    for (let ms = 0; ms <= AGGREGATE_GROUPS_MAX; ms++) groups.add(ms, [], undefined);
    const rows = await groups.rows();
    expect(rows.slice(-2)).toEqual([
      { bucket: AGGREGATE_GROUPS_MAX - 1, count: 1 },
      { other: true, count: 1 },
    ]);
  });

  test('have names that are cut when they are long, by bytes as by text', () => {
    const names = new Names();
    const [long, longer] = ['x'.repeat(AGGREGATE_NAME_BYTES_MAX), 'x'.repeat(AGGREGATE_NAME_BYTES_MAX + 1)];
    const number = names.ofBytes(Buffer.from(long), 0, long.length);
    expect([number, names.text(number)]).toEqual([names.ofText(long), long]);
    const cut = names.ofBytes(Buffer.from(`${longer}y`), 0, longer.length + 1);
    expect([cut, names.text(cut)]).toEqual([names.ofText(longer), `${long}…`]);
  });
});

describe('a sketch', () => {
  test('has quantiles within 1 % of numbers of any size and sign', () => {
    const values = Array.from({ length: 20_000 }, (_, n) => Math.sin(n) * 10 ** ((n % 37) - 18)).concat(
      Array<number>(500).fill(0),
    );
    const sketch = new Sketch({ left: 10_000 });
    for (const value of values) sketch.add(value);
    const sorted = values.toSorted((a, b) => a - b);
    const ranks = [0, 0.01, 0.25, 0.5, 0.51, 0.75, 0.95, 0.99, 1];
    for (const [n, said] of (sketch.quantiles(ranks) ?? []).entries()) {
      const right = sorted[Math.floor((ranks[n] ?? 0) * (sorted.length - 1))] ?? Number.NaN;
      expect(Math.abs(said - right)).toBeLessThanOrEqual(Math.abs(right) / 100);
    }
    expect(sketch.quantiles(ranks)).toHaveLength(ranks.length);
  });

  test('has none once there is no place for a value, and gives its places back', () => {
    const budget = { left: 2 };
    const sketch = new Sketch(budget);
    for (const value of [1, 100, 1, 0]) sketch.add(value);
    expect([budget.left, sketch.quantiles([0.5])?.length]).toEqual([0, 1]);
    sketch.add(10_000);
    expect([budget.left, sketch.quantiles([0.5])]).toEqual([2, undefined]);
  });
});

test('sums of integers are exact to the digit, whatever their signs and the order', () => {
  const total = new ValueTotal({ left: 100 });
  for (const value of [2 ** 53 - 1, 2 ** 53 - 1, 7, -(2n ** 63n), 2n ** 62n, 3]) total.add(value);
  expect(total.summed()).toMatchObject({
    sum: String(2n * (2n ** 53n - 1n) + 10n - 2n ** 62n),
    min: String(-(2n ** 63n)),
  });
  total.add(0.5);
  expect(total.summed().sum).toBe(Number(2n * (2n ** 53n - 1n) + 10n - 2n ** 62n) + 0.5);
});

test('a large number does not swallow the fractions beside it', () => {
  const total = new ValueTotal({ left: 100 });
  for (const value of [1e300, 0.25, -1e300, 0.5]) total.add(value);
  expect(total.summed().sum).toBe(0.75);
});

describe('open spans', () => {
  function counter() {
    const counted: number[] = [];
    const spans = new OpenSpans((_, __, value) => counted.push(Number(value)));
    const see = (id: number, span: 'open' | 'closed', value: number): void =>
      spans.see(0, { names: new Int32Array(0), value, span, spanHigh: id * 7, spanLow: id });
    return { counted, spans, see };
  }

  test.each([
    ['as many as are kept', AGGREGATE_OPEN_SPANS_MAX, [2]],
    ['one more', AGGREGATE_OPEN_SPANS_MAX + 1, [1, 2]],
  ])('%s: the oldest one counts %s', (_, count, right) => {
    const { counted, see } = counter();
    for (let id = 1; id <= count; id++) see(id, 'open', id === 1 ? 1 : 9);
    see(1, 'closed', 2);
    expect(counted).toEqual(right);
  });

  test('that come after their closed record do not count, while few others were closed', () => {
    const { counted, spans, see } = counter();
    see(1, 'closed', 1);
    see(1, 'open', 2);
    for (let id = 2; id < 5 * AGGREGATE_CLOSED_SPANS; id++) see(id, 'closed', 0);
    see(1, 'open', 3);
    spans.end();
    expect(counted.filter((value) => value > 0)).toEqual([1, 3]);
  });
});

describe('a call', () => {
  const query = parseAggregate({ sum: undefined, by: ['level'], bucket: undefined });

  function readOf(blocks: readonly Block[]): StreamRead {
    async function* events() {
      for (const block of blocks) {
        const tail = undefined;
        const flags = { isShared: false, isLive: false, hasMore: false };
        yield { type: 'records', block, from: 0, to: block.header.count, tail, ...flags } as const;
      }
    }
    return Object.assign(events(), { position: 0, isScanning: false, park: async () => {} }) as unknown as StreamRead;
  }

  /** Each look at the clock takes `stepMs`. */
  function optionsOf(stepMs: number, more: object = {}) {
    let now = 0;
    const clock = { now: () => 0, monotonicMs: () => (now += stepMs), timer: () => () => {} };
    const { signal } = new AbortController();
    return { clock, tail: 1_000, signal, msMax: undefined, hasPartial: false, reserve: () => {}, ...more };
  }

  async function resultsOf(options: ReturnType<typeof optionsOf>): Promise<AggregateResult[]> {
    const blocks = await Promise.all([0, 2, 4].map((first) => s2Block([{ body: 'a' }, { body: 'b' }], first)));
    const results: AggregateResult[] = [];
    for await (const result of aggregate(readOf(blocks), query, options)) results.push(result);
    return results;
  }

  test('with a limit of time says where to go on', async () => {
    const late = await resultsOf(optionsOf(AGGREGATE_MS_MAX / 2, { msMax: AGGREGATE_MS_MAX }));
    expect(late).toMatchObject([{ from: 0, next_seq_num: 4, records: 4, complete: false, rows: [{ count: 4 }] }]);
    const inTime = await resultsOf(optionsOf(AGGREGATE_MS_MAX / 4, { msMax: AGGREGATE_MS_MAX }));
    expect(inTime).toMatchObject([{ next_seq_num: 6, complete: true }]);
  });

  test('with results so far gives them, and at last the whole', async () => {
    const results = await resultsOf(optionsOf(AGGREGATE_PARTIAL_MS, { hasPartial: true }));
    expect(results.map(({ records, complete }) => [records, complete])).toEqual([
      [2, false],
      [6, true],
    ]);
  });

  test('that was aborted gives nothing', async () => {
    expect(await resultsOf(optionsOf(0, { signal: AbortSignal.abort() }))).toEqual([]);
  });

  test('that does not look beyond the tail of its beginning is complete there', async () => {
    expect(await resultsOf(optionsOf(0, { tail: 4 }))).toMatchObject([{ next_seq_num: 4, complete: true }]);
  });

  test('for which there is no memory is refused', async () => {
    const reserve = () => {
      throw new TailraceError('overloaded', 'no memory');
    };
    const spans = Array.from({ length: 20 }, (_, n) => ({ name: `span ${n}` }));
    const block = await otlpBlock('traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] });
    const results = aggregate(readOf([block]), query, optionsOf(0, { reserve }));
    await expect(results.next()).rejects.toMatchObject({ code: 'overloaded' });
  });
});
