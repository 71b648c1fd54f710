/** Shares of a turn of the event loop, by work that counts its turns. */

import { afterEach, expect, test } from '@jest/globals';
import { beginWork, goOnWithWork } from '../../src/encoding/turns.ts';
import { TURN_BYTES } from '../../src/model/limits.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

afterEach(async () => {
  for (let i = 0; i < 20; i++) await turn();
});

test('work that fits into the turn begins at once, the rest in later turns and in the order of the calls', async () => {
  const order: number[] = [];
  const begin = async (index: number): Promise<void> => {
    const beginning = beginWork(TURN_BYTES / 2);
    if (beginning !== undefined) await beginning;
    order.push(index);
  };
  const all = [0, 1, 2, 3, 4].map(begin);
  expect(order).toEqual([0, 1]);
  await turn();
  expect(order).toEqual([0, 1, 2, 3]);
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3, 4]);
});

test('work that is larger than a turn gets one of its own', async () => {
  expect(beginWork(1)).toBeUndefined();
  const large = beginWork(10 * TURN_BYTES);
  const next = beginWork(1);
  let isNextBegun = false;
  void next?.then(() => {
    isNextBegun = true;
  });
  await large;
  expect(isNextBegun).toBe(false);
  await next;
});

test('work that goes on gets a share of each turn, however much begins, and what begins is not held up by it', async () => {
  let pieces = 0;
  let begun = 0;
  const goOn = async (): Promise<void> => {
    for (; pieces < 5; pieces++) await goOnWithWork(TURN_BYTES / 2);
  };
  const begin = async (): Promise<void> => {
    const beginning = beginWork(TURN_BYTES / 4);
    if (beginning !== undefined) await beginning;
    begun++;
  };
  const all = [goOn(), ...Array.from({ length: 24 }, begin)];
  for (let i = 1; i <= 5; i++) {
    const before = [pieces, begun] as const;
    await turn();
    expect([pieces - before[0], begun - before[1]]).toEqual([1, 2]);
  }
  await Promise.all(all);
});
