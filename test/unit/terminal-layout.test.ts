/** Rows on a terminal: golden screens of realistic records, what must hold for any record, and the columns at the left. */

import { describe, expect, test } from '@jest/globals';
import { createColors } from '../../cli/print/format.ts';
import { createLayout } from '../../cli/print/terminal/layout.ts';
import { LAYOUT_DEFAULTS, type LayoutOptions } from '../../cli/print/terminal/layout-options.ts';
import { printable } from '../../cli/print/terminal/printable.ts';
import { textWidth } from '../../cli/print/terminal/text-width.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import fc from '../support/fast-check.ts';
import { fixture, layOut, log, one, ROWS, rowAt, rowOf, span } from '../support/terminal-rows.ts';

describe('golden screens', () => {
  test.each([76, 100, 130])('of %d columns, without and with colours', (columns) => {
    expect(`${layOut(ROWS, { columns }).join('\n')}\n`).toBe(fixture(`screen-${columns}.txt`));
    expect(`${layOut(ROWS, { columns, colors: true }).join('\n')}\n`).toBe(fixture(`screen-${columns}.ansi`));
  });

  test('the 21 rows take at most 54 lines at 130 columns and 65 at 76', () => {
    expect(layOut(ROWS, { columns: 130 }).length).toBeLessThanOrEqual(54);
    expect(layOut(ROWS, { columns: 76 }).length).toBeLessThanOrEqual(65);
  });

  test('a service column keeps its width when the records come one by one', () => {
    const terminal = { colors: createColors('never', true, {}), columns: () => 130 };
    const layout = createLayout({ ...LAYOUT_DEFAULTS, time: 'utc' }, terminal);
    expect(`${ROWS.flatMap((row) => layout.lines([row])).join('\n')}\n`).toBe(fixture('screen-130.txt'));
  });
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not get through
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours
const OWN_COLORS = /\u001b\[\d+m/g;

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '',
    'a b',
    '\u001b[2J\u001b]0;x\u0007',
    '\u009b31m',
    '日本語 テキスト',
    '👩‍💻🏳️‍🌈',
    'e\u0301\u0301',
    '\u202etxt',
    'क्षि',
  ),
  fc.string({ minLength: 100, maxLength: 400 }),
  fc.array(fc.constantFrom('word', '  two', 'zwölf', '漢字', '\n'), { maxLength: 80 }).map((words) => words.join(' ')),
);
const value = fc.oneof({ depthSize: 'small' }, text, fc.jsonValue({ depthSize: 'small', maxDepth: 3 }));
const bag = fc.dictionary(
  fc.oneof(
    text,
    fc.constantFrom(
      'exception.type',
      'exception.message',
      'exception.stacktrace',
      'url.full',
      'db.query.text',
      'gen_ai.input.messages',
      'http.response.status_code',
    ),
  ),
  value,
  { maxKeys: 5 },
);
const anyRow: fc.Arbitrary<MessageRow> = fc
  .record(
    {
      seqNum: fc.nat(),
      timestamp: fc.oneof(text, fc.constantFrom('2026-11-29T10:09:33.713513351Z', '253402300800000')),
      endTimestamp: value,
      signal: fc.constantFrom('logs', 'traces', 'metrics', null),
      serviceName: value,
      level: value,
      body: value,
      type: value,
      kind: value,
      unit: value,
      durationMs: value,
      status: fc.oneof(value, fc.record({ code: fc.constant('error'), message: value })),
      metadata: bag,
      resource: bag,
      headers: fc.oneof(value, fc.array(fc.tuple(text, text), { maxLength: 3 })),
      encoding: fc.constantFrom('base64', undefined),
      traceId: fc.oneof(text, fc.constant('5b8aa5a2d2c872e8321cf37308d69df2')),
      model: value,
      input: value,
      output: value,
      inputTokens: value,
      events: fc.oneof(
        value,
        fc.array(fc.record({ name: fc.constant('exception'), attributes: bag }), { maxLength: 2 }),
      ),
      dataPoints: fc.oneof(
        value,
        fc.array(
          fc.record(
            {
              attributes: bag,
              value,
              count: value,
              sum: value,
              min: value,
              max: value,
              explicitBounds: fc.array(fc.double()),
              bucketCounts: fc.array(fc.nat()),
              scale: value,
              positive: value,
            },
            { requiredKeys: [] },
          ),
          { maxLength: 7 },
        ),
      ),
    },
    { requiredKeys: [] },
  )
  .map(rowOf);
const anyOptions = fc.record({
  attributes: fc.constantFrom('some' as const, 'all' as const, 'none' as const, ['a*', 'exception.type']),
  resource: fc.boolean(),
  time: fc.constantFrom('local' as const, 'utc' as const, 'iso' as const, 'relative' as const, 'none' as const),
  messages: fc.boolean(),
  stack: fc.constantFrom('some' as const, 'all' as const, 'none' as const),
  seq: fc.boolean(),
});

describe('whatever a record holds', () => {
  test('no control character comes out, and no line is wider than the terminal', () => {
    fc.assert(
      fc.property(
        fc.array(anyRow, { maxLength: 3 }),
        anyOptions,
        fc.integer({ min: 40, max: 140 }),
        (rows, options, columns) => {
          for (const line of layOut(rows, { ...options, columns, colors: true })) {
            const shown = line.replace(OWN_COLORS, '');
            expect(shown).not.toMatch(CONTROL);
            expect(textWidth(shown)).toBeLessThanOrEqual(columns);
          }
          for (const line of layOut(rows, { ...options, columns, wrap: false })) expect(line).not.toMatch(CONTROL);
        },
      ),
    );
  });

  test('every word of a message is on the screen, unless the screen says how many lines it leaves out', () => {
    const bare = (shown: string): string => shown.replace(/[\s│]/g, '');
    fc.assert(
      fc.property(text, fc.integer({ min: 40, max: 140 }), (body, columns) => {
        const shown = one(log(body), { columns, stack: 'all' }).join('');
        const wanted = body.split(/\r?\n/).map((line) => bare(printable(line)));
        if (/… \+\d+ (lines|characters)/.test(shown)) return;
        for (const line of wanted) expect(bare(shown)).toContain(line);
        expect(one(log(body), { wrap: false, stack: 'all' }).every((line) => !line.includes('… +'))).toBe(true);
      }),
    );
  });
});

test('a long message without spaces costs time in proportion to its length', () => {
  const before = process.cpuUsage();
  for (const character of ['漢', 'x', 'e\u0301'])
    expect(one(log(character.repeat(200_000)), { columns: 100 })).toHaveLength(5);
  const { user, system } = process.cpuUsage(before);
  // It took half a minute while each row was measured against all that was left.
  expect(user + system).toBeLessThan(8e6);
});

describe('columns', () => {
  test.each([
    ['abc', 3],
    ['日本', 4],
    ['e\u0301', 1],
    ['👍', 2],
    ['👍🏽', 2],
    ['👩‍💻', 2],
    ['❤️', 2],
    ['🇩🇪', 2],
    ['각', 2],
    ['\u200b\u2060', 0],
    ['ﾊﾞ', 2],
    ['Zoë Müller', 10],
  ])('%j takes %d', (content, columns) => {
    expect(textWidth(content)).toBe(columns);
  });

  test('times are local, UTC, ISO, relative to the first record, or left out', () => {
    const [first, second] = [rowAt(0), { ...rowAt(3), metadata: {} }];
    const times = (time: LayoutOptions['time'], columns = 130) =>
      layOut([first, second], { time, columns, attributes: 'none', stack: 'none' }).map((line) =>
        line.slice(0, 25).trimEnd(),
      );
    expect(times('utc')).toEqual([
      '── Sun, 29 Nov 2026 ─────',
      '10:09:33.713 INFO  checko',
      '10:09:33.840 ERROR paymen',
    ]);
    expect(times('utc', 89)[1]).toBe('10:09:33 INFO  checkout o');
    expect(times('utc', 90)[1]).toBe('10:09:33.713 INFO  checko');
    expect(times('iso')).toEqual(['2026-11-29T10:09:33.713Z', '2026-11-29T10:09:33.840Z']);
    expect(times('relative')).toEqual(['        +0 s INFO  checko', '     +127 ms ERROR paymen']);
    expect(times('none')[0]).toBe('INFO  checkout order plac');
    const at = new Date('2026-11-29T10:09:33.713Z');
    const two = (number: number) => String(number).padStart(2, '0');
    expect(times('local')[1]).toContain(`${two(at.getHours())}:${two(at.getMinutes())}:33.713`);
  });

  test('a rule stands at each change of day, and a span stands at its end', () => {
    const lines = layOut([
      log('a', { timestamp: '2026-11-29T23:59:59.999999999Z' }),
      span({ timestamp: '2026-11-29T23:59:59Z', endTimestamp: '2026-11-30T00:00:01Z' }),
      log('b', { timestamp: '2026-11-30T00:00:02Z' }),
    ]);
    expect(lines.map((line) => line.slice(0, 22).trimEnd())).toEqual([
      '── Sun, 29 Nov 2026 ──',
      '23:59:59.999 INFO  sho',
      '── Mon, 30 Nov 2026 ──',
      '00:00:01.000 SPAN  sho',
      '00:00:02.000 INFO  sho',
    ]);
  });

  test('--seq shows positions, and long names of services are cut at the left', () => {
    expect(one(rowAt(8), { seq: true })).toEqual(['     8 INFO  …-service-name ready on :8080']);
  });
});
