/** The shares of a memory budget: how much one holder may have, and what is left for the next. */

import { describe, expect, test } from '@jest/globals';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import { TailraceError } from '../../src/model/error.ts';

/** Reserves one byte at a time until it is refused; how many. */
function most(budget: MemoryBudget, holder: string): number {
  for (let bytes = 0; ; bytes++) if (!budget.tryReserve(1, holder)) return bytes;
}

describe('one holder', () => {
  test('gets four fifths of a budget that no other uses, and not a byte more', () => {
    const budget = new MemoryBudget(1_000);
    expect(budget.wouldFit(800, 'first')).toBe(true);
    expect(budget.wouldFit(801, 'first')).toBe(false);
    expect(budget.tryReserve(801, 'first')).toBe(false);
    expect(budget.tryReserve(800, 'first')).toBe(true);
    expect(budget.tryReserve(0, 'first')).toBe(true);
    expect(budget.usedBytes).toBe(800);
  });

  test('gets everything back that it gave back', () => {
    const budget = new MemoryBudget(1_000);
    for (let round = 0; round < 3; round++) {
      expect(budget.tryReserve(800, 'first')).toBe(true);
      budget.release(800, 'first');
    }
    expect(budget.usedBytes).toBe(0);
  });

  test('cannot give back what another one holds', () => {
    const budget = new MemoryBudget(1_000);
    budget.take(100, 'first');
    expect(() => budget.release(1, 'second')).toThrow(TailraceError);
  });
});

describe('several holders', () => {
  test('find something left, however much those before them took', () => {
    const budget = new MemoryBudget(1_000_000);
    const taken = ['first', 'second', 'third'].map((holder) => most(budget, holder));
    expect(taken).toEqual([800_000, 160_000, 32_000]);
  });

  test('get the same, once the one who holds too much has given back', () => {
    const budget = new MemoryBudget(900);
    expect(most(budget, 'first')).toBe(720);
    most(budget, 'second');
    budget.release(720, 'first');
    const taken = { first: 0, second: budget.usedBytes };
    for (let round = 0; round < 900; round++) {
      if (budget.tryReserve(1, 'first')) taken.first++;
      if (taken.second <= taken.first && budget.tryReserve(1, 'second')) taken.second++;
    }
    expect(taken).toEqual({ first: 400, second: 400 });
  });

  test('wait for what is held above the limit', () => {
    const budget = new MemoryBudget(1_000);
    budget.take(1_500, 'first');
    expect(budget.tryReserve(1, 'second')).toBe(false);
    expect(budget.tryReserve(1)).toBe(false);
    budget.release(1_500, 'first');
    expect(budget.tryReserve(1_000)).toBe(true);
  });
});
