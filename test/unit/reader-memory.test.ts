/** Readers wait for memory before they take records, each caller in their own line; those that take nothing give theirs up. */

import { expect, test } from '@jest/globals';
import { BufferPool } from '../../src/encoding/buffer-pool.ts';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import { READER_CLAIM_BYTES, READER_SHORT_STALL_MS, READERS_BUFFERED_BYTES_MAX } from '../../src/model/limits.ts';
import { ReaderMemory } from '../../src/readers/reader-memory.ts';
import { type LiveSession, ReaderSet, type Stalled } from '../../src/readers/reader-set.ts';
import type { BlockHeader } from '../../src/storage/block/block.ts';
import { ManualClock } from '../support/socket-clock.ts';

const MiB = 1024 * 1024;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a claim is granted up to the share of its holder, and waits above it', async () => {
  const memory = new ReaderMemory(new MemoryBudget(100 * MiB));
  expect(memory.claim(80 * MiB, 'first')).toBeUndefined();
  const pending = memory.claim(1, 'first');
  expect(memory.wantedBytes).toBe(1);
  memory.giveBack(1);
  expect(await pending?.granted).toBe(true);
  expect(memory.wantedBytes).toBe(0);
});

test('a little is always granted, also while requests use up the budget', () => {
  const budget = new MemoryBudget(512 * MiB);
  budget.take(512 * MiB, 'sender');
  const memory = new ReaderMemory(budget);
  memory.noteBuffered(READERS_BUFFERED_BYTES_MAX - READER_CLAIM_BYTES, 'first');
  expect(memory.claim(READER_CLAIM_BYTES, 'second')).toBeUndefined();
  expect(memory.claim(1, 'second')).toBeDefined();
});

test('a claim is small where the budget is, and one reader alone always goes on', () => {
  const budget = new MemoryBudget(8 * MiB);
  const memory = new ReaderMemory(budget);
  expect(memory.claimBytes).toBe(MiB);
  expect(new ReaderMemory(new MemoryBudget()).claimBytes).toBe(READER_CLAIM_BYTES);
  budget.take(8 * MiB, 'sender');
  expect(memory.claim(MiB, 'first')).toBeUndefined();
  expect(memory.claim(1, 'second')).toBeDefined();
});

test('for a block with records of many megabytes more is claimed, within the share of one reader', () => {
  const memory = new ReaderMemory(new MemoryBudget(512 * MiB));
  const header = { hasCuts: true, rawBytes: 4 * MiB } as BlockHeader;
  expect(memory.claimFor(header)).toBe(28 * MiB);
  expect(memory.claimFor({ ...header, rawBytes: 17 * MiB })).toBe(64 * MiB);
  expect(memory.claimFor({ ...header, hasCuts: false })).toBe(READER_CLAIM_BYTES);
  expect(new ReaderMemory(new MemoryBudget(8 * MiB)).claimFor(header)).toBe(MiB);
});

test('a holder with too much does not hold up the others, and a claim that is taken back leaves the line', async () => {
  const memory = new ReaderMemory(new MemoryBudget(100 * MiB));
  memory.noteBuffered(80 * MiB, 'first');
  const [first, later] = [memory.claim(MiB, 'first'), memory.claim(MiB, 'first')];
  expect(first).toBeDefined();
  expect(memory.claim(10 * MiB, 'second')).toBeUndefined();
  later?.takeBack();
  later?.takeBack();
  expect(await later?.granted).toBe(false);
  expect(memory.wantedBytes).toBe(MiB);
  memory.noteBuffered(-80 * MiB, 'first');
  expect(await first?.granted).toBe(true);
  expect(memory.wantedBytes).toBe(0);
});

/** A reader whose client takes nothing. */
class Stuck implements LiveSession {
  readonly stalled: Stalled;
  isGone = false;
  readonly #readers: ReaderSet;
  readonly #leave: () => void;

  constructor(readers: ReaderSet, bytes: number) {
    this.#readers = readers;
    this.stalled = { bytes, since: readers.clock.monotonicMs() };
    readers.memory.noteBuffered(bytes, 'stuck');
    this.#leave = readers.add(this);
  }

  drain(): void {}
  finish(): void {}
  sweep(): void {}

  letGo(): void {
    this.isGone = true;
    this.#leave();
    this.#readers.memory.noteBuffered(-this.stalled.bytes, 'stuck');
  }
}

test('readers that have taken nothing for long are let go while others wait for memory, the longest first', async () => {
  const clock = new ManualClock();
  const readers = new ReaderSet({ clock, pool: new BufferPool(), memory: new MemoryBudget(100 * MiB) });
  const first = new Stuck(readers, 40 * MiB);
  clock.advance(1_000);
  const second = new Stuck(readers, 40 * MiB);
  clock.advance(READER_SHORT_STALL_MS);
  expect([first.isGone, second.isGone]).toEqual([false, false]);
  const pending = readers.memory.claim(20 * MiB, 'stuck');
  clock.advance(1_000);
  expect([first.isGone, second.isGone]).toEqual([true, false]);
  expect(await pending?.granted).toBe(true);
  await turn();
  clock.advance(60_000);
  expect(second.isGone).toBe(false);
  await readers.close();
});

test('a reader that has taken something just now is not let go', () => {
  const clock = new ManualClock();
  const readers = new ReaderSet({ clock, pool: new BufferPool(), memory: new MemoryBudget(100 * MiB) });
  const stuck = new Stuck(readers, 80 * MiB);
  expect(readers.memory.claim(20 * MiB, 'stuck')).toBeDefined();
  clock.advance(READER_SHORT_STALL_MS - 1);
  expect(stuck.isGone).toBe(false);
  clock.advance(1);
  expect(stuck.isGone).toBe(true);
});

test('a reader that takes nothing is not let go while others only wait for their turn to make frames', async () => {
  const clock = new ManualClock();
  const readers = new ReaderSet({ clock, pool: new BufferPool(), memory: new MemoryBudget(100 * MiB) });
  const stuck = new Stuck(readers, 10 * MiB);
  expect(readers.memory.claim(60 * MiB, 'stuck')).toBeUndefined();
  const pending = readers.memory.claim(20 * MiB, 'stuck');
  expect(pending).toBeDefined();
  clock.advance(10 * READER_SHORT_STALL_MS);
  expect(stuck.isGone).toBe(false);
  readers.memory.giveBack(60 * MiB);
  expect(await pending?.granted).toBe(true);
  await readers.close();
});
