/** Log lines as logfmt: what the fields of a line look like, and that no value breaks out of its own. */

import { describe, expect, test } from '@jest/globals';
import { logfmtLine } from '../../src/observe/logfmt-line.ts';
import { createLogger, type LogFields } from '../../src/observe/logger.ts';
import { parseLogfmt } from '../support/logfmt.ts';

function lineOf(fields: LogFields, message: string): string {
  const lines: string[] = [];
  createLogger('debug', { write: (line) => lines.push(logfmtLine(line)) }).warn(fields, message);
  return lines.join('');
}

test('a line has its time, level and message first, and quotes only where they are needed', () => {
  const line = logfmtLine(
    '{"level":"warn","time":"2026-11-21T13:38:50.361Z","audit":true,"count":3,"path":"/v1/logs","why":null,"reason":"no token","msg":"refused a request"}\n',
  );
  expect(line).toBe(
    'time=2026-11-21T13:38:50.361Z level=warn msg="refused a request" audit=true count=3 path=/v1/logs why=null reason="no token"\n',
  );
});

test('fields of an object are named by its own, and a list is JSON', () => {
  const pairs = parseLogfmt(lineOf({ err: new Error('boom'), streams: ['a', 'b c'] }, 'failed').trimEnd());
  expect(pairs.get('err.message')).toBe('boom');
  expect(pairs.get('err.stack')).toContain('Error: boom\n    at ');
  expect(pairs.get('streams')).toBe('["a","b c"]');
});

test('an object that is nested too deep is JSON', () => {
  const line = logfmtLine('{"a":{"b":{"c":{"d":{"e":1}}}},"msg":"m"}');
  expect(line).toBe('msg=m a.b.c.d="{\\"e\\":1}"\n');
});

describe('no value breaks out of its own', () => {
  test.each([
    '',
    ' ',
    'a=b',
    '"',
    '\\',
    'two\nlines level=error',
    '\u001b[31mred\u0007',
    '\u0085\u202e\u2028\u009b',
    'é 名',
    'naïve',
    '\ud800',
  ])('%j', (value) => {
    const line = lineOf({ value, [`key ${value}`]: 1 }, value);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(line.trimEnd()).not.toMatch(/\p{Cc}|\p{Cf}/u);
    const pairs = parseLogfmt(line.slice(0, -1));
    expect([pairs.get('level'), pairs.get('msg'), pairs.get('value')]).toEqual(['warn', value, value]);
    expect(pairs.size).toBe(5);
  });
});

test('what is no JSON is the message', () => {
  expect(logfmtLine('a library wrote "this"\n')).toBe('msg="a library wrote \\"this\\""\n');
});

test('the reader of these tests refuses what is no logfmt', () => {
  for (const wrong of ['a', 'a=', 'a="b', 'a="b"c', 'a=b  c=d', 'a=b"', '=a', 'a=1 a=2', 'a="\n"'])
    expect(() => parseLogfmt(wrong)).toThrow();
});
