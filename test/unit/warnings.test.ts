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

test('many senders evict the oldest entry, not the newest', () => {
  const { lines, warnings } = setup();
  for (let i = 0; i < 5_000; i++) warnings.warn(`sender-${i}`, 'x', {}, 'x');
  expect(lines).toHaveLength(5_000);
  warnings.warn('sender-4999', 'x', {}, 'x');
  expect(lines).toHaveLength(5_000);
  warnings.warn('sender-0', 'x', {}, 'x');
  expect(lines).toHaveLength(5_001);
});
