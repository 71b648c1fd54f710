/** A store in use is verified a part at a time: what is damaged or missing is found, and a whole store is not. */

import { randomBytes } from 'node:crypto';
import { beforeEach, expect, test } from '@jest/globals';
import { SCRUB_PART_BYTES } from '../../src/model/limits.ts';
import type { Entry } from '../../src/storage/engine.ts';
import { FAMILY, familyRange } from '../../src/storage/keys.ts';
import { StoreScrub } from '../../src/storage/offline/store-scrub.ts';
import { type Harness, openHarness, texts } from '../support/log-harness.ts';

/** Blocks of the large stream: more than one part of the store. */
const BLOCKS = 6;

let harness: Harness;

beforeEach(async () => {
  harness = await openHarness();
  await append('small', 'first');
  for (let i = 0; i < BLOCKS; i++) await append('large', large());
  for (let i = 0; i < BLOCKS; i++) await append('trimmed', String(i));
  await harness.log.trim(await harness.stream('trimmed'), 4);
  await harness.log.backgroundSettled();
});

test('a whole store has no fault, and is read in several parts', async () => {
  expect(await scrub()).toBeGreaterThan(BLOCKS / 2);
});

test('a flipped bit in any block is found, and so is a block that is missing anywhere', async () => {
  const blocks = await harness.engine.scan({ ...familyRange(FAMILY.blocks), limit: 100 });
  expect(blocks.length).toBeGreaterThan(BLOCKS);
  for (const block of blocks) {
    await put({ ...block, value: flipped(block.value, block.value.length - 1) });
    await expect(scrub()).rejects.toMatchObject({ code: 'corrupt' });
    await harness.engine.inner.commit([{ type: 'delete', key: block.key }]);
    await expect(scrub()).rejects.toMatchObject({ code: 'corrupt', message: expect.stringContaining('missing') });
    await put(block);
  }
  expect(await scrub()).toBeGreaterThan(0);
});

test('a row that cannot be decoded is found', async () => {
  for (const family of [FAMILY.basins, FAMILY.streams, FAMILY.streamStates]) {
    const [row] = await harness.engine.scan({ ...familyRange(family), limit: 1 });
    if (row === undefined) throw new Error(`there is no row of family ${family}`);
    await put({ ...row, value: flipped(row.value, 0) });
    await expect(scrub()).rejects.toMatchObject({ code: 'corrupt' });
    await put(row);
  }
});

test('streams that grow, are trimmed and are deleted while the store is read have no fault', async () => {
  const { log, basin } = harness;
  const pass = new StoreScrub(harness.engine);
  let parts = 0;
  while ((await pass.next()) !== undefined) {
    parts++;
    if (parts < 12) await append('large', large());
    if (parts % 3 === 0) await log.trim(await harness.stream('large'), parts);
    await append('trimmed', 'more');
    if (parts === 8) await log.deleteStream(basin, 'trimmed').then(() => log.backgroundSettled());
  }
  expect(parts).toBeGreaterThan(12);
});

test('the tail of a stream counts: the control for the one before', async () => {
  const states = await harness.engine.scan({ ...familyRange(FAMILY.streamStates), limit: 10 });
  await append('large', 'behind the tail that it will have');
  for (const state of states) await put(state);
  await expect(scrub()).rejects.toMatchObject({ message: expect.stringContaining('behind its tail') });
});

/** Returns how many parts there were. */
async function scrub(): Promise<number> {
  const pass = new StoreScrub(harness.engine);
  let parts = 0;
  while ((await pass.next()) !== undefined) parts++;
  return parts;
}

async function append(stream: string, body: string): Promise<void> {
  await harness.log.append([{ stream: await harness.stream(stream), drafts: [texts(body)] }]);
}

/** It does not get smaller by being packed. */
function large(): string {
  return randomBytes(SCRUB_PART_BYTES / 4).toString('base64');
}

function put({ key, value }: Entry): Promise<void> {
  return harness.engine.inner.commit([{ type: 'put', key, value }]);
}

function flipped(value: Uint8Array, at: number): Uint8Array {
  const bytes = Uint8Array.from(value);
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  return bytes;
}
