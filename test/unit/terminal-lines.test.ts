/** Log lines on a terminal: short, complete, and harmless. */

import { describe, expect, test } from '@jest/globals';
import { terminalLine } from '../../src/observe/terminal-line.ts';

const line = (fields: object): string =>
  terminalLine(`${JSON.stringify({ level: 'warn', time: '2026-11-21T08:46:12.345Z', ...fields })}\n`);

describe('a terminal line', () => {
  test('shows time, level, sentence and fields', () => {
    expect(line({ msg: 'refused POST /v1/logs: no', count: 3, sender: '127.0.0.1', reason: 'two words' })).toBe(
      '08:46:12 WARN  refused POST /v1/logs: no  count=3  sender=127.0.0.1  reason="two words"\n',
    );
  });

  test('leaves out a refusal, because a warning reports it', () => {
    expect(line({ msg: 'audit: read refused', audit: true, outcome: 'refused' })).toBe('');
    expect(line({ msg: 'audit: backup done', audit: true, outcome: 'done' })).toContain('audit: backup done');
  });

  test('leaves out what a start did by itself, unless that failed', () => {
    const fields = { msg: 'audit: make-root-token', audit: true, protocol: 'start' };
    expect(line({ ...fields, outcome: 'done' })).toBe('');
    expect(line({ ...fields, outcome: 'failed' })).toContain('audit: make-root-token');
  });

  test('shows the stack of an error on lines of its own', () => {
    expect(line({ msg: 'failed', err: { type: 'Error', stack: 'Error: boom\n    at here' } })).toBe(
      '08:46:12 WARN  failed\nError: boom\n    at here\n',
    );
  });

  test.each(['\u001b[31mred', 'a\rb', 'a\u202eb', '\u009b2J', 'two\nlines'])(
    'contains no control character: %j',
    (text) => {
      const shown = line({ msg: text, field: text, err: { stack: text } });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not get through
      expect(shown.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    },
  );

  test('escapes a log line that is not JSON', () => {
    expect(terminalLine('not \u0007 json\n')).toBe('not \\u0007 json\n');
  });
});
