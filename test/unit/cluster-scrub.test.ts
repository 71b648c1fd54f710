/** How a node reads its store to find damage: slowly, once a day, and only while nothing else is to be done. */

import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Scrub } from '../../src/cluster/scrub.ts';
import { OneAtATime } from '../../src/encoding/one-at-a-time.ts';
import { noteWork } from '../../src/encoding/turns.ts';
import type { TailraceError } from '../../src/model/error.ts';
import { SCRUB_BYTES_PER_SECOND, SCRUB_EVERY_MS } from '../../src/model/limits.ts';
import { basinKey, FAMILY, familyRange } from '../../src/storage/keys.ts';
import { type Harness, openHarness, TestClock, texts, turn } from '../support/log-harness.ts';

const BLOCKS = 6;
/** In text; a block takes longer than the shortest wait. */
const BLOCK_BYTES = 900_000;
const STEP_MS = 10;
const BEFORE_LAST_MS = (((BLOCKS - 1) * BLOCK_BYTES) / SCRUB_BYTES_PER_SECOND) * 1_000;

let harness: Harness;
let clock: TestClock;
let scrub: Scrub;
let shared: OneAtATime;
let damaged: TailraceError[];
let parts: jest.SpiedFunction<Harness['engine']['snapshot']>;

beforeEach(async () => {
  harness = await openHarness();
  clock = new TestClock();
  damaged = [];
  const stream = await harness.stream('a');
  for (let i = 0; i < BLOCKS; i++) {
    await harness.log.append([{ stream, drafts: [texts(randomBytes((BLOCK_BYTES / 4) * 3).toString('base64'))] }]);
  }
  parts = jest.spyOn(harness.engine, 'snapshot');
  shared = new OneAtATime();
  scrub = start(shared);
});

afterEach(() => scrub.stop());

test('a pass takes as long as so many bytes in a second do, and the next one comes after a day', async () => {
  await steps(2_000);
  const count = parts.mock.calls.length;
  expect(count).toBeGreaterThanOrEqual(BLOCKS);
  await damage();
  clock.advance(SCRUB_EVERY_MS - 10_000);
  await steps(1_000);
  expect([parts.mock.calls.length, damaged]).toEqual([count, []]);
  clock.advance(10_000);
  await steps(500);
  expect(damaged).toMatchObject([{ code: 'corrupt' }]);
});

test('no more is read than the limit says', async () => {
  await damageLast();
  await steps(BEFORE_LAST_MS * 0.7);
  expect(damaged).toEqual([]);
  await steps(BEFORE_LAST_MS);
  expect(damaged).toMatchObject([{ code: 'corrupt' }]);
});

test('no more is read of two stores than of one, and one that stops leaves the other its turn', async () => {
  await damageLast();
  const second = start(shared);
  await steps(BEFORE_LAST_MS * 1.4);
  expect(damaged).toEqual([]);
  scrub.stop();
  await steps(BEFORE_LAST_MS);
  expect(damaged).toMatchObject([{ code: 'corrupt' }]);
  second.stop();
});

test('two stores that do not share turns are read twice as fast', async () => {
  await damageLast();
  const second = start(new OneAtATime());
  await steps(BEFORE_LAST_MS * 1.4);
  expect(damaged).toMatchObject([{ code: 'corrupt' }, { code: 'corrupt' }]);
  second.stop();
});

test('nothing is read in a turn that has other work', async () => {
  await steps(2_000, () => void noteWork(1));
  expect(parts).not.toHaveBeenCalled();
  await steps(2_000);
  expect(parts).toHaveBeenCalled();
});

function start(pace: OneAtATime): Scrub {
  return Scrub.start({ engine: harness.engine, clock, pace, onDamaged: (error) => damaged.push(error) });
}

/** The last block is read after those before it. */
async function damageLast(): Promise<void> {
  const blocks = { ...familyRange(FAMILY.blocks), limit: 1, reverse: true };
  const [last] = await harness.engine.scan(blocks);
  if (last === undefined) throw new Error('there are no blocks');
  const cut = last.value.subarray(0, last.value.length - 1);
  await harness.engine.inner.commit([{ type: 'put', key: last.key, value: cut }]);
}

function damage(): Promise<void> {
  return harness.engine.inner.commit([{ type: 'put', key: basinKey('x'), value: Buffer.of(0xff) }]);
}

async function steps(ms: number, work = (): void => {}): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await turn();
    work();
    clock.advance(STEP_MS);
    await turn();
  }
}
