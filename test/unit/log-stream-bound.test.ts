/** How many streams a basin may hold, while requests make some that are not in the store yet. */

import { expect, test } from '@jest/globals';
import type { Basin } from '../../src/log/basins.ts';
import { StreamBound } from '../../src/log/stream-bound.ts';
import { TestClock } from '../support/log-harness.ts';

const basin = { number: 1 } as Basin;

function bound() {
  const stored = new Set<string>();
  const clock = new TestClock();
  const table = { has: (_: Basin, name: string) => stored.has(name), count: () => Promise.resolve(stored.size) };
  return { stored, clock, bound: new StreamBound(table, clock) };
}

test('a stream that a request is about to make counts until the request is over, however long it takes', async () => {
  const { stored, clock, bound: streams } = bound();
  const slow = { isOver: false };
  expect(await streams.has(basin, 'a', 2, slow)).toBe(true);
  clock.advance(60_000);
  expect(await streams.has(basin, 'b', 2, slow)).toBe(true);
  expect(await streams.has(basin, 'c', 2, { isOver: false })).toBe(false);
  clock.advance(60_000);
  expect(await streams.has(basin, 'c', 2, { isOver: false })).toBe(false);
  stored.add('a').add('b');
  slow.isOver = true;
  clock.advance(60_000);
  expect(await streams.has(basin, 'c', 2, { isOver: false })).toBe(false);
  stored.delete('a');
  clock.advance(60_000);
  expect(await streams.has(basin, 'c', 2, { isOver: false })).toBe(true);
});

test('a stream that a request did not make after all leaves its place to another one', async () => {
  const { clock, bound: streams } = bound();
  const failed = { isOver: false };
  expect(await streams.has(basin, 'a', 1, failed)).toBe(true);
  failed.isOver = true;
  expect(await streams.has(basin, 'b', 1, { isOver: false })).toBe(false);
  clock.advance(60_000);
  expect(await streams.has(basin, 'b', 1, { isOver: false })).toBe(true);
});
