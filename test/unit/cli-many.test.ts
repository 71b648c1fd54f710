/** What `tail` and `read` make of names, filters, templates and positions; context groups, order of time, and columns of streams. */

import { describe, expect, test } from '@jest/globals';
import { ContextGroups } from '../../cli/context-groups.ts';
import { contextOf, filterOf } from '../../cli/flags/filters.ts';
import { readResume, resumeText } from '../../cli/flags/resume.ts';
import { parseStreamTarget, targetWords } from '../../cli/flags/stream-target.ts';
import { TimeOrder } from '../../cli/many/time-order.ts';
import { createColors } from '../../cli/print/format.ts';
import { parseTemplate } from '../../cli/print/template.ts';
import { createLayout, type RowsShown } from '../../cli/print/terminal/layout.ts';
import { LAYOUT_DEFAULTS } from '../../cli/print/terminal/layout-options.ts';
import { textWidth } from '../../cli/print/terminal/text-width.ts';
import { globMatcher } from '../../src/model/selection.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import fc from '../support/fast-check.ts';
import { fixture, log, ROWS, rowOf } from '../support/terminal-rows.ts';

const uri = { basin: 'telemetry', stream: 'shop' };

describe('names of streams', () => {
  test.each([
    [['shop'], undefined, uri],
    [['s2://other-basin/a*'], undefined, { basin: 'other-basin', selection: { glob: 'a*' } }],
    [
      ['shop', 's2://telemetry/cart', 'shop'],
      undefined,
      { basin: 'telemetry', selection: { streams: ['shop', 'cart'] } },
    ],
    [[], 'shop-', { basin: 'telemetry', selection: { prefix: 'shop-' } }],
    [['s2://other-basin'], '', { basin: 'other-basin', selection: { prefix: '' } }],
  ] as const)('%j with the prefix %j are what they say, and can be typed again', (names, prefix, wanted) => {
    const target = parseStreamTarget(names, prefix, {});
    expect(target).toEqual(wanted);
    if ('selection' in target) expect(parseStreamTarget(targetWords(target), prefix, {})).toEqual(target);
  });

  test.each([
    [[], undefined, 'name a stream'],
    [['a*', 'b'], undefined, 's2://telemetry/a*: a pattern stands alone'],
    [['a', 's2://other-basin/b'], undefined, 'all streams must be in one basin, s2://telemetry'],
    [['shop'], 'shop-', 'beside --prefix only a basin may stand'],
    [['s2://other-basin', 's2://telemetry'], 'x', 'beside --prefix only a basin may stand'],
  ] as const)('%j with the prefix %j are refused', (names, prefix, words) => {
    expect(() => parseStreamTarget(names, prefix, {})).toThrow(words);
  });

  test('a pattern matches whole names, and its stars stand for anything', () => {
    const names = ['a', 'ab', 'a/b', 'ba', 'axbxc', ''];
    const matching = (glob: string) => names.filter(globMatcher(glob));
    expect(matching('a*')).toEqual(['a', 'ab', 'a/b', 'axbxc']);
    expect(matching('*b*c')).toEqual(['axbxc']);
    expect(matching('a')).toEqual(['a']);
    expect(matching('*')).toEqual(names);
    expect(matching('ab*ba')).toEqual([]);
  });
});

describe('flags of filters', () => {
  test.each([
    [{ level: 'level>=warn' }, 'level=warn,error,fatal'],
    [{ service: ['pay ments'] }, 'service="pay ments"'],
    [{ service: ['a.b', 'c'] }, 'service~/^(a\\.b|c)$/'],
    [{ grep: ['time"out'] }, '"time\\"out"'],
    [{ grep: ['/time ?out/i'] }, '/time ?out/i'],
    [{ grep: ['/a/b'] }, '/a/b'],
    [{ grep: ['/a/b/'] }, '/a\\/b/'],
    [{ regexp: ['a/b\\/c'] }, '/a\\/b\\/c/'],
    [{ where: ['status=error'], filter: ['signal=traces'], grep: ['x'] }, 'x status=error signal=traces'],
  ])('%j are a filter that the server reads', (flags, wanted) => {
    const parsed = parseFilter([filterOf(flags) ?? '']);
    const same = parseFilter([wanted.startsWith('/a/b') ? 'text~"/a/b"' : wanted]);
    expect(parsed?.text).toBe(same?.text);
  });

  test('any text and any names are looked for as they are', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        text,
        fc.array(
          text.filter((name) => name.trim() !== ''),
          { minLength: 1, maxLength: 3 },
        ),
        (grep, service) => {
          const [first, second] = parseFilter([filterOf({ grep: [grep], service }) ?? ''])?.terms ?? [];
          expect(first).toMatchObject({ test: { field: 'service' } });
          expect(second).toMatchObject({ test: { field: 'text' } });
          if (!/^\/.+\/i?$/s.test(grep))
            expect(second).toMatchObject({ test: { test: { type: 'contains', text: grep } } });
          if (service.length === 1)
            expect(first).toMatchObject({ test: { test: { type: 'equals', text: service[0] } } });
        },
      ),
    );
  });

  test('context needs something to stand around, and each side may have its own', () => {
    expect(contextOf({ context: 2, grep: ['x'] })).toEqual({ before: 2, after: 2 });
    expect(contextOf({ context: 2, afterContext: 0, where: ['x'] })).toEqual({ before: 2, after: 0 });
    expect(contextOf({ context: 0 })).toBeUndefined();
    expect(() => contextOf({ beforeContext: 1 })).toThrow('say which, by --grep');
    expect(() => filterOf({ grep: [''] })).toThrow('--grep is empty');
  });
});

describe('context', () => {
  const streams = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.array(fc.boolean(), { maxLength: 6 })), {
    maxLength: 12,
  });

  test('is what grep shows: in order, nothing twice, and a group ends where something is left out', () => {
    fc.assert(
      fc.property(streams, fc.nat(3), fc.nat(3), (batches, before, after) => {
        const groups = new ContextGroups({ before, after });
        const wanted = new Map<string, boolean[]>();
        const shown = new Map<string, [seqNum: number, isContext: boolean][]>();
        let last: string | undefined;
        for (const [stream, records] of batches) {
          const all = wanted.get(stream) ?? [];
          wanted.set(stream, all);
          const from = all.length;
          all.push(...records);
          const matches = all.flatMap((is, seqNum) => (is && seqNum >= from ? [{ seqNum }] : []));
          for (const { parts, isApart } of groups.take({ basin: 'b', stream }, matches, all.length)) {
            const seen = shown.get(stream) ?? [];
            shown.set(stream, seen);
            const follows = last === stream && seen.at(-1)?.[0] === (parts[0]?.from ?? 0) - 1;
            expect(isApart).toBe(last !== undefined && !follows);
            for (const { from: at, to, isContext } of parts) for (let i = at; i < to; i++) seen.push([i, isContext]);
            last = stream;
          }
        }
        for (const [stream, all] of wanted) {
          const expected = all.flatMap((is, i) => {
            const isNear = all.some((other, k) => other && k - before <= i && i <= k + after);
            return is || isNear ? [[i, !is] as const] : [];
          });
          expect(shown.get(stream) ?? []).toEqual(expected);
        }
      }),
    );
  });
});

describe('order of time', () => {
  const row = (seqNum: number, ms: number) => rowOf({ seqNum, timestamp: new Date(ms).toISOString() });

  test('what came stream by stream is in order of time, each stream in its own order, and nothing is lost', () => {
    const times = fc.array(fc.nat(50), { maxLength: 8 });
    fc.assert(
      fc.property(times, times, (a, b) => {
        const order = new TimeOrder();
        const batch = (ms: number[]) => ({
          type: 'batch' as const,
          rows: ms.map((at, i) => row(i, at)),
          next: { seqNum: ms.length, timestamp: 0 },
        });
        for (const [stream, ms] of [
          ['a', a],
          ['b', b],
        ] as const)
          expect(order.add(stream, batch(ms))).toBe(true);
        const runs = [...order.take()];
        const rows = runs.flatMap(({ stream, frame }) =>
          'rows' in frame ? frame.rows.map((one) => ({ stream, ...one })) : [],
        );
        for (const [stream, ms] of [
          ['a', a],
          ['b', b],
        ] as const) {
          expect(rows.filter((one) => one.stream === stream).map(({ seqNum }) => seqNum)).toEqual(ms.map((_, i) => i));
          const last = runs.filter((run) => run.stream === stream);
          if (ms.length > 0)
            expect(last.at(-1)).toMatchObject({ isLast: true, frame: { next: { seqNum: ms.length } } });
        }
        const isSorted = (ms: readonly number[]) => ms.every((at, i) => i === 0 || at >= (ms[i - 1] ?? 0));
        if (isSorted(a) && isSorted(b)) {
          const texts = rows.map(({ timestamp }) => timestamp);
          expect(texts).toEqual(texts.toSorted());
        }
        expect([...order.take()]).toEqual([]);
      }),
    );
  });

  test('microseconds count, spans stand at their end, and lines at the time that they begin with', () => {
    const next = { seqNum: 1, timestamp: 0 };
    const order = new TimeOrder();
    const at = (micros: string) => `2026-11-29T10:00:00.000${micros}000Z`;
    order.add('b', { type: 'batch', rows: [rowOf({ seqNum: 0, timestamp: at('002') })], next });
    order.add('a', { type: 'batch', rows: [rowOf({ seqNum: 0, timestamp: at('001') })], next });
    order.add('c', {
      type: 'batch',
      rows: [rowOf({ seqNum: 0, timestamp: at('000'), endTimestamp: at('003') })],
      next,
    });
    expect([...order.take()].map(({ stream }) => stream)).toEqual(['a', 'b', 'c']);
    order.add('y', { type: 'batch', lines: [`${at('002')} INFO x`], next });
    order.add('x', { type: 'batch', lines: [`${at('001')} INFO x`], next });
    expect([...order.take()].map(({ stream }) => stream)).toEqual(['x', 'y']);
    expect(order.add('x', { type: 'batch', first: 0, count: 1, requests: [{}], next })).toBe(false);
  });

  test('it is full at 20,000 records, and not before', () => {
    const order = new TimeOrder();
    const rows = Array.from({ length: 19_999 }, (_, i) => row(i, i));
    order.add('a', { type: 'batch', rows, next: { seqNum: 19_999, timestamp: 0 } });
    expect(order.isFull).toBe(false);
    order.add('b', { type: 'batch', rows: [row(0, 0)], next: { seqNum: 1, timestamp: 0 } });
    expect(order.isFull).toBe(true);
  });
});

describe('templates', () => {
  const shown = rowOf({
    ...{ seqNum: 7, timestamp: '2026-11-29T10:00:00.000000000Z', level: 'warn', serviceName: 'shop' },
    ...{ body: 'two\nlines \u001b[2J', metadata: { 'order.id': 'A-1', n: 3 }, resource: { 'host.name': 'h' } },
  });

  test('show fields, attributes with dots, tabs, and no control character of a record', () => {
    const line = parseTemplate(
      '{{seq}}\\t{{ level }} {{stream}} {{service}}: {{body}} {{attributes.order.id}}{{attr.n}}{{name}} {{resource.host.name}}',
    );
    expect(line(shown, uri)).toBe('7\twarn shop shop: two\\x0alines \\x1b[2J A-13 h');
    expect(parseTemplate('{{attributes}} {x}')(shown, uri)).toBe('{"order.id":"A-1","n":3} {x}');
  });

  test.each([
    ['{{bdy}}', 'did you mean {{body}}?'],
    ['{{attributes.}}', 'there is no field {{attributes.}}'],
    ['{{body', 'has no end'],
    ['{ body }', 'no field is in it'],
  ])('%s is refused', (template, words) => {
    expect(() => parseTemplate(template)).toThrow(words);
  });
});

test('positions are what they were after they were typed again, with or without ids', () => {
  const positions = new Map([
    ['a b', { seqNum: 3, streamId: '7' }],
    ['c', { seqNum: 0, streamId: undefined }],
  ]);
  expect(readResume(resumeText(positions))).toEqual(positions);
  expect(readResume('{"shop":13}')).toEqual(new Map([['shop', { seqNum: 13, streamId: undefined }]]));
  for (const wrong of ['{"a":-1}', '{"a":"1"}', '{"a":{"seq_num":1,"stream_id":2}}', '{"a"', '{}[]']) {
    expect(() => readResume(wrong)).toThrow('{"shop":13,');
  }
  expect(() => readResume('no-such-file.json')).toThrow('cannot read no-such-file.json');
});

describe('many streams on a terminal', () => {
  const STREAMS = ['shop-eu', 'shop-us', 'agents/support-desk-berlin', 'orders'];
  const about = (i: number): RowsShown => ({ stream: STREAMS[i % STREAMS.length], isContext: i % 7 === 6 });
  const screen = (columns: number, colors: boolean): string => {
    const terminal = { colors: createColors(colors ? 'always' : 'never', true, {}), columns: () => columns };
    const layout = createLayout({ ...LAYOUT_DEFAULTS, time: 'utc' }, terminal);
    layout.expectStreams(STREAMS);
    return `${ROWS.flatMap((row, i) => layout.lines([row], about(i))).join('\n')}\n`;
  };

  test.each([76, 100, 130])('have a column for their names at %d columns, without and with colours', (columns) => {
    expect(screen(columns, false)).toBe(fixture(`many-${columns}.txt`));
    expect(screen(columns, true)).toBe(fixture(`many-${columns}.ansi`));
    for (const line of screen(columns, false).split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(columns);
  });

  test('have no second column for a service that is called like its stream', () => {
    const terminal = { colors: createColors('never', true, {}), columns: () => 100 };
    const layout = createLayout({ ...LAYOUT_DEFAULTS, time: 'none' }, terminal);
    expect(layout.lines([log('one')], { stream: 'shop' })).toEqual(['shop     INFO  one']);
    expect(layout.lines([log('two')], { stream: 'other' })).toEqual(['other    INFO  shop     two']);
  });

  test('a name of a stream is harmless', () => {
    const terminal = { colors: createColors('never', true, {}), columns: () => 100 };
    const layout = createLayout({ ...LAYOUT_DEFAULTS, time: 'none' }, terminal);
    expect(layout.lines([log('x')], { stream: 'a\u001b[2J' })[0]).toMatch(/^a\\x1b\[2J INFO {2}/);
  });
});
