/** Warnings: one a minute for each sender and reason, with bounded memory for them. */

import { expect, test } from '@jest/globals';
import type { LogFields } from '../../src/observe/logger.ts';
import { SILENT } from '../../src/observe/logger.ts';
import { Warnings } from '../../src/observe/warnings.ts';
import { ManualClock } from '../support/socket-clock.ts';

function setup() {
  const clock = new ManualClock();
  const lines: LogFields[] = [];
  const warnings = new Warnings({ ...SILENT, warn: (fields) => void lines.push(fields) }, clock);
  return { clock, lines, warnings };
}

test('the same reason of the same sender is reported again after a minute, with the number held back', () => {
  const { clock, lines, warnings } = setup();
  for (let i = 0; i < 5; i++) warnings.warn('1.2.3.4', 'no stream', { count: i }, 'rejected');
  warnings.warn('1.2.3.4', 'too large', { count: 9 }, 'rejected');
  warnings.warn('5.6.7.8', 'no stream', { count: 9 }, 'rejected');
  expect(lines).toEqual([
    { sender: '1.2.3.4', count: 0 },
    { sender: '1.2.3.4', count: 9 },
    { sender: '5.6.7.8', count: 9 },
  ]);
  clock.advance(59_999);
  warnings.warn('1.2.3.4', 'no stream', { count: 5 }, 'rejected');
  expect(lines).toHaveLength(3);
  clock.advance(1);
  warnings.warn('1.2.3.4', 'no stream', { count: 6 }, 'rejected');
  expect(lines.at(-1)).toEqual({ sender: '1.2.3.4', count: 6, heldBack: 5 });
});

test('a second cause within a minute is reported at once, whatever the first one is about', () => {
  const { lines, warnings } = setup();
  const refuse = (path: string, message: string): void =>
    warnings.warn('1.2.3.4', `refused POST ${path}: ${message}`, { path, message }, 'refused');
  refuse('/v1/logs', 'wire type 7 does not exist (at byte 17)');
  refuse('/v1/logs', 'wire type 7 does not exist (at byte 4711)');
  refuse('/v1/traces', 'wire type 7 does not exist (at byte 17)');
  refuse('/v1/logs', 'a tag is cut off (at byte 17)');
  refuse('/v1/logs', 'the Content-Type "a" is not OTLP');
  refuse('/v1/logs', 'the Content-Type "b" is not OTLP');
  expect(lines.map(({ path, message }) => [path, message])).toEqual([
    ['/v1/logs', 'wire type 7 does not exist (at byte 17)'],
    ['/v1/traces', 'wire type 7 does not exist (at byte 17)'],
    ['/v1/logs', 'a tag is cut off (at byte 17)'],
    ['/v1/logs', 'the Content-Type "a" is not OTLP'],
  ]);
});

test('a sender with ever new causes gets 32 lines a minute for them, and one for all others', () => {
  const { clock, lines, warnings } = setup();
  const words = Array.from({ length: 100 }, (_, i) => `${String.fromCharCode(97 + (i % 26))}${'x'.repeat(i)}`);
  for (const word of words) warnings.warn('1.2.3.4', word, {}, 'refused');
  expect(lines).toHaveLength(33);
  warnings.warn('5.6.7.8', 'a', {}, 'refused');
  expect(lines).toHaveLength(34);
  clock.advance(60_000);
  warnings.warn('1.2.3.4', 'new', {}, 'refused');
  expect(lines).toHaveLength(35);
});

test('many senders evict the oldest entry, not the newest', () => {
  const { lines, warnings } = setup();
  for (let i = 0; i < 5_000; i++) warnings.warn(`sender-${i}`, 'x', {}, 'x');
  expect(lines).toHaveLength(5_000);
  warnings.warn('sender-4999', 'x', {}, 'x');
  expect(lines).toHaveLength(5_000);
  warnings.warn('sender-0', 'x', {}, 'x');
  expect(lines).toHaveLength(5_001);
});
