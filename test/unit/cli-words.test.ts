/** The small parts of the command line: names, numbers, times, colours, and text that must not reach a terminal. */

import { describe, expect, test } from '@jest/globals';
import { EXIT_CODES } from '../../cli/exit.ts';
import { duration, instant, wholeNumber } from '../../cli/flags/arguments.ts';
import { formatStreamUri, nearestNames, parseBasinUri, parseStreamUri } from '../../cli/flags/names.ts';
import {
  colorByLevel,
  createColors,
  escapeControls,
  formatBytes,
  formatTime,
  safeJson,
} from '../../cli/print/format.ts';
import fc from '../support/fast-check.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: this test is about control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

describe('terminal safety', () => {
  test('no printed text keeps a control character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeControls(text)).not.toMatch(CONTROL);
        expect(safeJson({ text })).not.toMatch(CONTROL);
        expect(JSON.parse(safeJson({ text }))).toEqual({ text });
      }),
    );
  });

  test('control characters are shown as escapes', () => {
    expect(escapeControls('a\u001b[2Jb\u009bc\u202ed\n')).toBe('a\\x1b[2Jb\\x9bc\\u202ed\\x0a');
    expect(escapeControls('Grüße, 世界 🎉')).toBe('Grüße, 世界 🎉');
  });
});

describe('colours', () => {
  const red = createColors('always', false, {});

  test('follow the level of the line', () => {
    expect(colorByLevel('2026-01-01T00:00:00.000Z ERROR shop no space', red)).toContain('\u001b[31m');
    expect(colorByLevel('2026-01-01T00:00:00.000Z warn  shop slow', red)).toContain('\u001b[33m');
    expect(colorByLevel('2026-01-01T00:00:00.000Z INFO  shop an ERROR in words', red)).not.toContain('\u001b');
  });

  test.each([
    ['auto', true, {}, true],
    ['auto', false, {}, false],
    ['auto', true, { NO_COLOR: '1' }, false],
    ['auto', true, { NO_COLOR: '' }, true],
    ['auto', true, { TERM: 'dumb' }, false],
    ['auto', true, { CLICOLOR: '0' }, false],
    ['auto', true, { CLICOLOR: '1' }, true],
    ['auto', false, { CLICOLOR: '1' }, false],
    ['auto', false, { FORCE_COLOR: '1' }, true],
    ['auto', false, { FORCE_COLOR: '3' }, true],
    ['auto', false, { FORCE_COLOR: '' }, true],
    ['auto', true, { FORCE_COLOR: '0' }, false],
    ['auto', true, { FORCE_COLOR: 'false' }, false],
    ['auto', false, { CLICOLOR_FORCE: '1' }, true],
    ['auto', false, { CLICOLOR_FORCE: '0' }, false],
    ['auto', false, { CLICOLOR_FORCE: '' }, false],
    ['auto', false, { CLICOLOR_FORCE: '1', CLICOLOR: '0' }, true],
    ['auto', false, { FORCE_COLOR: '1', TERM: 'dumb' }, true],
    ['auto', true, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
    ['auto', true, { CLICOLOR_FORCE: '1', NO_COLOR: '1' }, false],
    ['never', false, { FORCE_COLOR: '1' }, false],
    ['always', false, { NO_COLOR: '1' }, true],
    ['never', true, {}, false],
  ] as const)('are chosen for %s, terminal %s, environment %j', (choice, isTty, env, colored) => {
    expect(createColors(choice, isTty, env).red('x') !== 'x').toBe(colored);
  });
});

describe('names', () => {
  test('a stream name may contain slashes, and a bare one belongs to the default basin', () => {
    expect(parseStreamUri('s2://telemetry/web/eu/1')).toEqual({ basin: 'telemetry', stream: 'web/eu/1' });
    expect(parseStreamUri('web/eu/1', {})).toEqual({ basin: 'telemetry', stream: 'web/eu/1' });
    const env = { TAILRACE_DEFAULT_BASIN: 'other-basin' };
    expect(parseStreamUri('web/eu/1', env)).toEqual({ basin: 'other-basin', stream: 'web/eu/1' });
    expect(formatStreamUri(parseStreamUri('s2://telemetry/web/eu'))).toBe('s2://telemetry/web/eu');
  });

  test.each(['s2://telemetry', 's2://telemetry/', 's2://UPPER/x', 's2:///x', '', '.', '..'])(
    '%j is refused as a stream name',
    (text) => {
      expect(() => parseStreamUri(text)).toThrow(expect.objectContaining({ code: 'config' }));
    },
  );

  test('a basin is parsed with and without a prefix', () => {
    expect(parseBasinUri('s2://telemetry')).toEqual({ basin: 'telemetry', prefix: '' });
    expect(parseBasinUri('s2://telemetry/web-')).toEqual({ basin: 'telemetry', prefix: 'web-' });
    expect(parseBasinUri('telemetry')).toEqual({ basin: 'telemetry', prefix: '' });
  });

  test('similar names are suggested first, distant ones not at all', async () => {
    async function* names() {
      for (const name of ['checkout', 'my-app', 'my-ap', 'my-app-2', 'zebra']) yield { name };
    }
    expect(await nearestNames('my-appp', names())).toEqual(['my-app', 'my-ap', 'my-app-2']);
    expect(await nearestNames('frontend', names())).toEqual([]);
  });
});

describe('numbers and times', () => {
  test('numbers, durations and times are parsed', () => {
    expect(wholeNumber('0')).toBe(0);
    expect(duration('1h30m')).toBe(5_400_000);
    expect(duration('250ms')).toBe(250);
    expect(duration('1.5s')).toBe(1_500);
    expect(instant('1767225600000')).toBe(1_767_225_600_000);
    expect(instant('2026-01-01T00:00:00Z')).toBe(1_767_225_600_000);
    expect(formatTime(1_767_225_600_000)).toBe('2026-01-01T00:00:00.000Z');
    expect(formatTime(0)).toBe('-');
    expect(formatBytes(1_536)).toBe('1.5 KiB');
    expect(formatBytes(7)).toBe('7 B');
  });

  test.each(['-1', '1.5', '', 'ten', '9007199254740993', '0x10'])('%j is not a whole number', (text) => {
    expect(() => wholeNumber(text)).toThrow('whole number');
  });

  test.each(['', '5', 'h', '1h 30m', '-1h', '1x'])('%j is not a duration', (text) => {
    expect(() => duration(text)).toThrow('span of time');
  });

  test.each(['yesterday', '2026-13-01', ''])('%j is not a time', (text) => {
    expect(() => instant(text)).toThrow();
  });
});

test('every exit code is one of the documented exit codes', () => {
  expect(new Set(Object.values(EXIT_CODES))).toEqual(new Set([1, 2, 3, 4, 5, 6, 75, 130]));
});
