/** How much space a store has: what each kind of work leaves to the next, and which failures are lack of space. */

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { freeSpaceFor } from '../../src/storage/free-space.ts';
import { reserveFile } from '../../src/storage/own-space.ts';
import type { StoreUsage } from '../../src/storage/raw-store.ts';

const PAGE = 4_096;

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-space-'));
  file = path.join(dir, 'store');
  writeFileSync(file, Buffer.alloc(2 * PAGE));
});

afterEach(() => rmSync(dir, { recursive: true }));

function using(usedBytes: number, pageBytes = usedBytes): StoreUsage {
  return { usedBytes, pageBytes, lastTransaction: 1 };
}

test('records leave the whole reserve, commands and settings its last part, and deletions nothing', () => {
  const free = freeSpaceFor({
    file: undefined,
    storeBytesMax: 40_000,
    reserveBytes: 10_000,
    heldBytes: 0,
  });
  const refused = (usedBytes: number) =>
    ([0, 1, 2] as const).map((rank) => free.refusal(0, using(usedBytes), rank) !== undefined);
  expect(refused(29_999)).toEqual([false, false, false]);
  expect(refused(30_000)).toEqual([true, false, false]);
  expect(refused(37_499)).toEqual([true, false, false]);
  expect(refused(37_500)).toEqual([true, true, false]);
  expect(refused(40_000)).toEqual([true, true, false]);
  expect(free.refusal(1, using(40_000), 2)).toBeDefined();
});

test('a file of the reserve is taken at once, belongs to the owner alone, and counts as free', () => {
  const free = freeSpaceFor({
    file,
    storeBytesMax: undefined,
    reserveBytes: 1_000_000,
    heldBytes: 300_000,
  });
  free.replenish(2 * PAGE);
  const held = statSync(reserveFile(file));
  expect({ size: held.size, mode: held.mode & 0o777 }).toEqual({ size: 300_000, mode: 0o600 });
  free.close();
  const smaller = freeSpaceFor({
    file,
    storeBytesMax: undefined,
    reserveBytes: 1_000_000,
    heldBytes: 100_000,
  });
  expect(statSync(reserveFile(file)).size).toBe(100_000);
  smaller.close();
});

test('an error that says so is lack of space although the disk has some, and any other is not', () => {
  const free = freeSpaceFor({ file, storeBytesMax: undefined, reserveBytes: 0, heldBytes: 0 });
  const { ENOSPC, EDQUOT, EFBIG, EIO } = constants.errno;
  const failed = (code: number) => free.isExhausted(PAGE, using(2 * PAGE), Object.assign(new Error('x'), { code }));
  expect(failed(EIO)).toBe(false);
  for (const code of [ENOSPC, EDQUOT, EFBIG]) expect(failed(code)).toBe(true);
  expect(failed(EIO)).toBe(false);
  free.close();
});

test('a disk that has lied once is asked for the space of each transaction first', () => {
  const free = freeSpaceFor({ file, storeBytesMax: undefined, reserveBytes: 0, heldBytes: 0 });
  const usage = using(2 * PAGE);
  const before = statSync(file).size;
  expect(free.secure(100_000, () => usage, 0)).toBeUndefined();
  expect(statSync(file).size).toBe(before);
  free.isExhausted(PAGE, usage, Object.assign(new Error('x'), { code: constants.errno.ENOSPC }));
  expect(free.secure(100_000, () => usage, 0)).toBeUndefined();
  expect(statSync(file).size).toBeGreaterThan(before + 100_000);
  free.close();
});
