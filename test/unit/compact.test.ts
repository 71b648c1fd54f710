/** Compacting: the same rows in less space, next to the old store or in another directory. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { compact, verify } from '../../src/maintenance.ts';
import { FAMILY } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { lockDataDir } from '../../src/storage/lock.ts';
import { unpackGoldenStore } from '../support/golden-store.ts';
import { storedRows } from '../support/stored-rows.ts';

/** How a row begins that is about many blocks. */
const SUMMARIES = FAMILY.summaries.toString(16).padStart(2, '0');

let dir: string;
let dataDir: string;

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-compact-'));
  dataDir = path.join(dir, 'data');
  unpackGoldenStore(1, dataDir);
  await leaveSpace();
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test('compacting returns freed space and keeps every row', async () => {
  const before = await storedRows(dataDir);
  const size = statSync(path.join(dataDir, 'tailrace.mdb')).size;
  expect(size).toBeGreaterThan(5_000_000);
  const report = await compact(dataDir);
  expect(report).toEqual({
    bytesBefore: size,
    bytesAfter: statSync(path.join(dataDir, 'tailrace.mdb')).size,
    file: path.join(dataDir, 'tailrace.mdb'),
  });
  expect(report.bytesAfter).toBeLessThan(size / 10);
  expect(await storedRows(dataDir)).toEqual(before);
  expect(await verify({ dataDir })).toMatchObject({ basins: 3, faultCount: 0 });
  expect(statSync(report.file).mode & 0o777).toBe(0o600);
  expect(readdirSync(dataDir).filter((name) => name.includes('.new'))).toEqual([]);
  const again = await compact(dataDir);
  expect(again.bytesAfter).toBe(report.bytesAfter);
});

test('compacting carries rows of summaries, in place and into another directory', async () => {
  rmSync(dataDir, { recursive: true });
  unpackGoldenStore(4, dataDir);
  await leaveSpace();
  const before = await storedRows(dataDir);
  expect(before.filter((row) => row.startsWith(SUMMARIES)).length).toBeGreaterThan(0);
  const to = path.join(dir, 'elsewhere');
  await compact(dataDir, { to });
  await compact(dataDir);
  for (const each of [to, dataDir]) {
    expect(await storedRows(each)).toEqual(before);
    expect(await verify({ dataDir: each })).toMatchObject({ format: 4, faultCount: 0 });
  }
});

test('compacting says how far it is, up to about all that it writes', async () => {
  const seen: (readonly [number, number | undefined])[] = [];
  const { bytesAfter } = await compact(dataDir, {}, (done, total) => void seen.push([done, total]));
  expect(seen.at(-1)?.[0]).toBe(bytesAfter);
  expect(seen.at(-1)?.[1]).toBeGreaterThan(bytesAfter / 2);
  expect(seen.at(-1)?.[1]).toBeLessThan(bytesAfter * 2);
});

test('a compacted store accepts writes and grows like any other', async () => {
  await compact(dataDir);
  const before = await storedRows(dataDir);
  await leaveSpace();
  expect(await storedRows(dataDir)).toEqual(before);
  const engine = await openLmdbEngine({ path: dataDir });
  const { usedBytes, fileBytes } = await engine.stat();
  expect(usedBytes).toBeLessThan(fileBytes / 10);
  await engine.close();
});

test('compacting with --to makes a data directory elsewhere and leaves the old one', async () => {
  const before = await storedRows(dataDir);
  const size = statSync(path.join(dataDir, 'tailrace.mdb')).size;
  writeFileSync(path.join(dataDir, 'root-token'), 'secret');
  const to = path.join(dir, 'deep', 'elsewhere');
  const report = await compact(dataDir, { to });
  expect(report.file).toBe(path.join(to, 'tailrace.mdb'));
  expect(statSync(path.join(dataDir, 'tailrace.mdb')).size).toBe(size);
  expect(await storedRows(to)).toEqual(before);
  expect(await verify({ dataDir: to })).toMatchObject({ faultCount: 0 });
  expect(readdirSync(to)).not.toContain('root-token');
  await expect(compact(dataDir, { to })).rejects.toMatchObject({ code: 'config' });
});

test('the stores of all partitions are compacted, in place and into another directory', async () => {
  const other = path.join(dataDir, 'p1');
  unpackGoldenStore(4, other);
  await leaveSpace(other);
  const sizeOf = (at: string) => statSync(path.join(at, 'tailrace.mdb')).size;
  const sizes = () => sizeOf(dataDir) + sizeOf(other);
  const [before, rows, otherRows] = [sizes(), await storedRows(dataDir), await storedRows(other)];
  const to = path.join(dir, 'elsewhere');
  const copied = await compact(dataDir, { to });
  expect(copied).toMatchObject({ bytesBefore: before, file: path.join(to, 'tailrace.mdb') });
  expect(sizes()).toBe(before);
  expect([await storedRows(to), await storedRows(path.join(to, 'p1'))]).toEqual([rows, otherRows]);
  expect(statSync(path.join(to, 'p1')).mode & 0o777).toBe(0o700);
  expect(await compact(dataDir)).toMatchObject({ bytesBefore: before, bytesAfter: sizes() });
  expect(sizeOf(other)).toBe(sizeOf(path.join(to, 'p1')));
  expect([await storedRows(dataDir), await storedRows(other)]).toEqual([rows, otherRows]);
});

test('a store that cannot be compacted is refused', async () => {
  await expect(compact(path.join(dir, 'none'))).rejects.toMatchObject({ code: 'config' });
  const lock = await lockDataDir(dataDir);
  await expect(compact(dataDir)).rejects.toMatchObject({ code: 'data_dir_in_use' });
  await expect(compact(dataDir, { to: path.join(dir, 'other') })).rejects.toMatchObject({ code: 'data_dir_in_use' });
  await lock.release();
  const to = path.join(dir, 'full');
  mkdirSync(to);
  writeFileSync(path.join(to, 'mine'), 'precious');
  await expect(compact(dataDir, { to })).rejects.toMatchObject({ code: 'config' });
  expect(readdirSync(to)).toEqual(['mine']);
  writeFileSync(path.join(dataDir, 'tailrace.mdb'), Buffer.alloc(20_000, 'x'));
  await expect(compact(dataDir)).rejects.toMatchObject({ code: 'corrupt' });
});

/** Writes a lot of data and deletes it again. */
async function leaveSpace(at = dataDir): Promise<void> {
  const engine = await openLmdbEngine({ path: at });
  const keys = Array.from({ length: 60 }, (_, i) => Buffer.from([200, i]));
  await engine.commit(keys.map((key) => ({ type: 'put', key, value: Buffer.alloc(100_000, 'data') })));
  await engine.commit(keys.map((key) => ({ type: 'delete', key })));
  await engine.close();
}
