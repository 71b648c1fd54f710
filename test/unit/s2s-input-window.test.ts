/** FreeSpace for the inputs of append sessions: who waits, for whom, and who is next. */

import { describe, expect, test } from '@jest/globals';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import { BudgetQueue, queueBefore } from '../../src/http/s2/budget-queue.ts';
import { InputWindow } from '../../src/http/s2/input-window.ts';
import type { Clock } from '../../src/model/clock.ts';
import { SESSION_IN_FLIGHT_BYTES_MAX, SESSION_IN_FLIGHT_INPUTS_MAX } from '../../src/model/limits.ts';

/** A clock whose timers fire when a test says so. */
class Hands implements Clock {
  readonly calls = new Set<() => void>();

  now(): number {
    return 0;
  }

  monotonicMs(): number {
    return 0;
  }

  timer(_delayMs: number, call: () => void): () => void {
    this.calls.add(call);
    return () => void this.calls.delete(call);
  }

  fire(): void {
    const calls = [...this.calls];
    this.calls.clear();
    for (const call of calls) call();
  }
}

/** Notes when a promise resolves. */
function watched(promise: Promise<void> | undefined): { done: boolean } {
  const state = { done: promise === undefined };
  void promise?.then(() => {
    state.done = true;
  });
  return state;
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('one session', () => {
  test('waits for its own inputs, bytes and number of them', async () => {
    const budget = new MemoryBudget(Number.MAX_SAFE_INTEGER);
    const inputWindow = new InputWindow(new BudgetQueue(budget, new Hands()));
    expect(inputWindow.enter(SESSION_IN_FLIGHT_BYTES_MAX)).toBeUndefined();
    const second = watched(inputWindow.enter(1));
    await settled();
    expect(second.done).toBe(false);
    inputWindow.settle(SESSION_IN_FLIGHT_BYTES_MAX);
    await settled();
    expect(second.done).toBe(true);
    expect(budget.usedBytes).toBe(1);
  });

  test('waits while so many inputs are not answered, whatever their size', async () => {
    const inputWindow = new InputWindow(new BudgetQueue(new MemoryBudget(1_000_000), new Hands()));
    for (let i = 0; i < SESSION_IN_FLIGHT_INPUTS_MAX; i++) expect(inputWindow.enter(1)).toBeUndefined();
    const next = watched(inputWindow.enter(1));
    for (let i = 0; i < SESSION_IN_FLIGHT_INPUTS_MAX; i++) inputWindow.settle(1);
    await settled();
    expect(next.done).toBe(false);
    inputWindow.leave(1);
    await settled();
    expect(next.done).toBe(true);
  });

  test('an input that is larger than its share goes alone', () => {
    const inputWindow = new InputWindow(new BudgetQueue(new MemoryBudget(Number.MAX_SAFE_INTEGER), new Hands()));
    expect(inputWindow.enter(SESSION_IN_FLIGHT_BYTES_MAX + 1)).toBeUndefined();
  });
});

describe('several sessions', () => {
  test('are served in the order in which they came, and a small one does not overtake', async () => {
    const budget = new MemoryBudget(100);
    const line = new BudgetQueue(budget, new Hands());
    const windows = [new InputWindow(line), new InputWindow(line), new InputWindow(line)];
    expect(windows[0]?.enter(90)).toBeUndefined();
    const large = watched(windows[1]?.enter(80));
    const small = watched(windows[2]?.enter(5));
    await settled();
    expect([large.done, small.done]).toEqual([false, false]);
    windows[0]?.settle(90);
    await settled();
    expect([large.done, small.done]).toEqual([true, true]);
    expect(budget.usedBytes).toBe(85);
  });

  test('of one holder wait behind one another, and not behind those of another holder', async () => {
    const budget = new MemoryBudget(100);
    const line = new BudgetQueue(budget, new Hands());
    expect(new InputWindow(line, 'greedy').enter(80)).toBeUndefined();
    const greedy = watched(new InputWindow(line, 'greedy').enter(10));
    const behind = watched(new InputWindow(line, 'greedy').enter(1));
    expect(new InputWindow(line, 'other').enter(10)).toBeUndefined();
    await settled();
    expect([greedy.done, behind.done]).toEqual([false, false]);
  });

  test('use memory that other requests give back', async () => {
    const budget = new MemoryBudget(100);
    const hands = new Hands();
    budget.tryReserve(100);
    const waiting = watched(new InputWindow(new BudgetQueue(budget, hands)).enter(10));
    hands.fire();
    await settled();
    expect(waiting.done).toBe(false);
    budget.release(50);
    hands.fire();
    await settled();
    expect(waiting.done).toBe(true);
    expect(hands.calls.size).toBe(0);
  });

  test('one that goes away takes nothing, and lets the next one in', async () => {
    const budget = new MemoryBudget(100);
    const line = new BudgetQueue(budget, new Hands());
    budget.tryReserve(95);
    const leaving = new InputWindow(line);
    const first = watched(leaving.enter(50));
    const second = watched(new InputWindow(line).enter(5));
    leaving.close();
    await settled();
    expect([first.done, second.done]).toEqual([false, true]);
    expect(budget.usedBytes).toBe(100);
  });

  test('there is one line before each budget', () => {
    const budget = new MemoryBudget(1);
    const hands = new Hands();
    expect(queueBefore(budget, hands)).toBe(queueBefore(budget, hands));
    expect(queueBefore(budget, hands)).not.toBe(queueBefore(new MemoryBudget(1), hands));
  });
});
