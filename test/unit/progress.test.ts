/** The line that says how far a long task is: what it says, when it is painted, and that nothing is left of it. */

import { describe, expect, test } from '@jest/globals';
import { clearProgress, type ProgressScreen, progressText, startProgress } from '../../cli/print/progress.ts';

const CLEAR = '\r\u001b[K';

/** A terminal of some columns with a clock that the test moves. */
function screenOf({ isTerminal = true, columns = 80 } = {}) {
  const seen = { writes: [] as string[], now: 0 };
  const screen: ProgressScreen = {
    isTerminal,
    columns: () => columns,
    write: (text) => void seen.writes.push(text),
    now: () => seen.now,
  };
  return { seen, screen };
}

describe('what the line says', () => {
  test('a bar, the share, amounts, the speed and the time that is left', () => {
    const state = { what: 'backup', unit: 'bytes', done: 3 * 2 ** 20, total: 12 * 2 ** 20, rate: 2 ** 20 };
    expect(progressText(state, 100)).toBe(
      `backup  ${'█'.repeat(6)}${'░'.repeat(18)}  25 %  3.0 MiB of 12.0 MiB  1.0 MiB/s  9 s left`,
    );
  });

  test('records with their noun, and no bar where the total is not known', () => {
    const state = { what: 'export', unit: 'records', done: 1_234_567, total: undefined, rate: 5_210.4 };
    expect(progressText(state, 80)).toBe('export  1,234,567 records  5,210 records/s');
  });

  test('longer times in minutes and hours', () => {
    const state = { what: 'x', unit: 'records', done: 0, rate: 1 };
    expect(progressText({ ...state, total: 200 }, 200)).toContain('3 min 20 s left');
    expect(progressText({ ...state, total: 7_500 }, 200)).toContain('2 h 5 min left');
  });

  test.each([120, 79, 60, 45, 30, 20, 12, 5, 1, 0])('never more than %i columns', (columns) => {
    const state = { what: 'restore', unit: 'bytes', done: 2 ** 30, total: 2 ** 32, rate: 2 ** 25 };
    expect(progressText(state, columns).length).toBeLessThanOrEqual(columns);
  });

  test('a total that was too small is not passed over', () => {
    const state = { what: 'verify', unit: 'records', done: 12, total: 10, rate: 1 };
    expect(progressText(state, 80)).toBe(`verify  ${'█'.repeat(24)}  100 %  12 of 12 records  1 records/s  0 s left`);
  });

  test('no control character of a name reaches the terminal', () => {
    const state = { what: 'a\u001b[31m\nb', unit: 'records', done: 1, total: undefined, rate: undefined };
    expect(progressText(state, 80)).toBe('a\\x1b[31m\\x0ab  1 records');
  });
});

describe('when it is painted', () => {
  test('after one second, and at most ten times a second', () => {
    const { seen, screen } = screenOf();
    const progress = startProgress('work', { unit: 'records' }, screen);
    for (seen.now = 0; seen.now < 1_000; seen.now += 10) progress.at(seen.now, 4_000);
    expect(seen.writes).toEqual([]);
    for (; seen.now < 2_000; seen.now += 1) progress.at(seen.now, 4_000);
    expect(seen.writes.length).toBe(10);
    expect(seen.writes[0]).toBe(
      `${CLEAR}work  ████░░░░░░░░░░░░  25 %  1,000 of 4,000 records  1,000 records/s  3 s left`,
    );
    progress.end();
    expect(seen.writes.at(-1)).toBe(CLEAR);
    seen.now = 10_000;
    progress.at(4_000);
    progress.end();
    expect(seen.writes.length).toBe(11);
  });

  test('a task that is done within a second writes nothing at all', () => {
    const { seen, screen } = screenOf();
    const progress = startProgress('work', {}, screen);
    seen.now = 999;
    progress.at(1, 2);
    progress.end();
    expect(seen.writes).toEqual([]);
  });

  test.each([
    ['in a pipe', { isTerminal: false }, {}],
    ['with --quiet', {}, { quiet: true }],
  ])('nothing is written %s', (_where, terminal, options) => {
    const { seen, screen } = screenOf(terminal);
    const progress = startProgress('work', options, screen);
    seen.now = 5_000;
    progress.at(1, 2);
    progress.end();
    expect(seen.writes).toEqual([]);
  });

  test('another line takes it away, and the next paint brings it back', () => {
    const { seen, screen } = screenOf();
    const progress = startProgress('work', { unit: 'records' }, screen);
    seen.now = 1_000;
    progress.at(1);
    clearProgress();
    clearProgress();
    expect(seen.writes.slice(1)).toEqual([CLEAR]);
    seen.now = 1_100;
    progress.at(2);
    expect(seen.writes.length).toBe(3);
    progress.end();
    clearProgress();
    expect(seen.writes.length).toBe(4);
  });

  test('the speed is that of this run and of the last ten seconds', () => {
    const { seen, screen } = screenOf();
    const progress = startProgress('work', { unit: 'records', from: 1_000_000 }, screen);
    for (seen.now = 1_000; seen.now <= 60_000; seen.now += 1_000) {
      progress.at(1_000_000 + (seen.now <= 40_000 ? seen.now : 40_000 + (seen.now - 40_000) / 10));
    }
    progress.end();
    expect(seen.writes[0]).toContain('1,000 records/s');
    expect(seen.writes.at(-2)).toContain('100 records/s');
  });
});
