/** How often `top` looks at a server: seldom where it costs much, and soon again where the server was away. */

import { expect, test } from '@jest/globals';
import { pauseAfter } from '../../cli/top/collector.ts';

test('a look takes a tenth of the time at most, and a slow one never keeps the screen from going on', () => {
  expect(pauseAfter(20, 1_000, false)).toBe(980);
  expect(pauseAfter(500, 1_000, false)).toBe(4_500);
  expect(pauseAfter(30_000, 1_000, false)).toBe(10_000);
});

test('after a look that failed the next one comes at its time, however long it took', () => {
  expect(pauseAfter(20, 1_000, true)).toBe(980);
  expect(pauseAfter(30_000, 1_000, true)).toBe(1);
});
