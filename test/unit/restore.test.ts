/** From a store to a backup file and back: every row, or nothing. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { restore, saveBackup, verify } from '../../src/maintenance.ts';
import { FAMILY } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { lockDataDir } from '../../src/storage/lock.ts';
import { Backups } from '../../src/storage/offline/backup.ts';
import { BackupWriter, readBackup } from '../../src/storage/offline/backup-format.ts';
import { FORMAT_VERSION } from '../../src/storage/values.ts';
import fc from '../support/fast-check.ts';
import { unpackGoldenStore } from '../support/golden-store.ts';
import { storedRows, tamper } from '../support/stored-rows.ts';

/** How a row begins that is about many blocks. */
const SUMMARIES = FAMILY.summaries.toString(16).padStart(2, '0');

let dir: string;
let dataDir: string;
let file: string;
let target: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-restore-'));
  dataDir = path.join(dir, 'data');
  file = path.join(dir, 'saved.backup');
  target = path.join(dir, 'restored');
  unpackGoldenStore(1, dataDir);
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test('a backup passes verification, and a store restored from it has every row', async () => {
  const { bytes, rows } = await backUp();
  expect(statSync(file)).toMatchObject({ size: bytes, mode: 0o100600 });
  const stored = await storedRows(dataDir);
  expect(rows).toBe(stored.length);
  const report = await verify({ file });
  expect(report).toMatchObject({ format: FORMAT_VERSION, basins: 3, faultCount: 0 });
  const progress: (readonly [number, number | undefined])[] = [];
  expect(await restore(file, target, (done, total) => progress.push([done, total]))).toEqual(report);
  expect(progress.at(-1)?.[0]).toBe(progress.at(-1)?.[1]);
  expect(await storedRows(target)).toEqual(stored);
  expect(await verify({ dataDir: target })).toEqual(report);
  expect(statSync(target).mode & 0o777).toBe(0o700);
  expect(statSync(path.join(target, 'tailrace.mdb')).mode & 0o777).toBe(0o600);
  expect(readdirSync(target).filter((name) => name.includes('.new'))).toEqual([]);
});

test('a backup carries rows of summaries, and readers of the restored store pass over blocks by them', async () => {
  rmSync(dataDir, { recursive: true });
  unpackGoldenStore(4, dataDir);
  const stored = await storedRows(dataDir);
  const summaries = stored.filter((row) => row.startsWith(SUMMARIES));
  expect(summaries.length).toBeGreaterThan(0);
  await backUp();
  const report = await restore(file, target);
  expect(report).toMatchObject({ format: 4, faultCount: 0 });
  const restored = await storedRows(target);
  expect(restored).toEqual(stored);
  // A row that is damaged, or about blocks that are not there, is a fault of the restored store too.
  expect(await verify({ dataDir: target })).toEqual(report);
  await tamper(target, (rows) => {
    const { key, value } = rows.find((row) => row.key[0] === FAMILY.summaries) ?? {
      key: Buffer.of(0),
      value: Buffer.of(0),
    };
    const flipped = Buffer.from(value);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    return [{ type: 'put', key, value: flipped }];
  });
  expect(await verify({ dataDir: target })).toMatchObject({ faultCount: 1 });
});

test('damage of the backed-up store is reported, and the rest is restored', async () => {
  await tamper(dataDir, (rows) => [
    { type: 'delete', key: rows.findLast(({ key }) => key[0] === 5)?.key ?? Buffer.of(0) },
  ]);
  await backUp();
  const report = await restore(file, target);
  expect(report.faultCount).toBe(1);
  expect(await storedRows(target)).toEqual(await storedRows(dataDir));
});

test('a directory that is not empty is refused, and left unchanged', async () => {
  await backUp();
  mkdirSync(target);
  writeFileSync(path.join(target, 'mine'), 'precious');
  await expect(restore(file, target)).rejects.toMatchObject({ code: 'config' });
  await expect(restore(file, target)).rejects.toThrow(/not empty \(it holds mine\)/);
  expect(readdirSync(target)).toEqual(['mine']);
  await expect(restore(file, dataDir)).rejects.toMatchObject({ code: 'config' });
  await expect(restore(file, path.join(target, 'mine'))).rejects.toMatchObject({ code: 'config' });
  // What a node of a cluster with partitions leaves when only its first store is removed.
  const node = path.join(dir, 'node');
  unpackGoldenStore(1, path.join(node, 'p1'));
  await expect(restore(file, node)).rejects.toThrow(/not empty \(it holds p1\)/);
});

test('a directory with an owner is refused, and the remains of a killed restore are no obstacle', async () => {
  await backUp();
  const lock = await lockDataDir(target);
  await expect(restore(file, target)).rejects.toMatchObject({ code: 'data_dir_in_use' });
  await lock.release();
  writeFileSync(path.join(target, 'tailrace.mdb.new'), 'half of a store');
  writeFileSync(path.join(target, 'tailrace.mdb.new-lock'), '');
  await restore(file, target);
  expect((await verify({ dataDir: target })).faultCount).toBe(0);
});

test('a file that is cut, changed or not a backup creates no store', async () => {
  await backUp();
  const whole = readFileSync(file);
  const bad = path.join(dir, 'bad');
  const refusal = async (bytes: Uint8Array) => {
    writeFileSync(bad, bytes);
    await expect(verify({ file: bad })).rejects.toMatchObject({ code: 'corrupt' });
    await expect(restore(bad, target)).rejects.toMatchObject({ code: 'corrupt' });
    expect(existsSync(path.join(target, 'tailrace.mdb'))).toBe(false);
  };
  await refusal(Buffer.alloc(0));
  await refusal(Buffer.from('something else altogether'));
  for (const part of [16, 25, 0.5, 0.999]) {
    await refusal(whole.subarray(0, part < 1 ? Math.floor(whole.length * part) : part));
  }
  await refusal(whole.subarray(0, -1));
  await refusal(Buffer.concat([whole, Buffer.of(0)]));
  for (const part of [0.001, 0.3, 0.6, 0.99, 1]) {
    const flipped = Buffer.from(whole);
    const at = Math.floor((whole.length - 1) * part);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    await refusal(flipped);
  }
});

test('a backup of a newer format is refused with both versions', async () => {
  const writer = new BackupWriter();
  writeFileSync(file, Buffer.concat([writer.head({ format: FORMAT_VERSION + 1, madeAt: 1 }), writer.end()]));
  await expect(restore(file, target)).rejects.toMatchObject({ code: 'format_too_new' });
  await expect(verify({ file })).rejects.toThrow(
    new RegExp(`format ${FORMAT_VERSION + 1}.*up to ${FORMAT_VERSION}: use the newer`),
  );
});

test('parts that are missing, doubled or moved are found', async () => {
  const writer = new BackupWriter();
  const head = writer.head({ format: 1, madeAt: 1 });
  const [a, b, c] = [1, 2, 3].map((n) => writer.rows([{ key: Buffer.of(n), value: Buffer.of(n) }]));
  const end = writer.end();
  const parts = (...list: readonly (Uint8Array | undefined)[]) =>
    readParts(list.map((part) => part ?? Buffer.alloc(0)));
  await expect(parts(head, a, b, c, end)).resolves.toBe(3);
  for (const wrong of [
    [head, a, c, end],
    [head, a, b, b, c, end],
    [head, b, a, c, end],
    [a, b, c, end],
    [head, head, a, b, c, end],
    [head, a, b, c],
    [head, a, b, c, end, end],
  ]) {
    await expect(parts(...wrong)).rejects.toMatchObject({ code: 'corrupt' });
  }
  const unordered = new BackupWriter();
  const rows = [2, 1].map((n) => ({ key: Buffer.of(n), value: Buffer.of(n) }));
  const list = [unordered.head({ format: 1, madeAt: 1 }), unordered.rows(rows), unordered.end()];
  await expect(parts(...list)).rejects.toThrow(/not in order/);
});

test('a backup is read the same in pieces of any size', async () => {
  await backUp();
  const whole = readFileSync(file);
  const { rows } = await saveBackup(pieces(whole, [whole.length]), path.join(dir, 'other'));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 5 }), async (sizes) => {
      expect(await saveBackup(pieces(whole, sizes), path.join(dir, 'other'))).toEqual({ bytes: whole.length, rows });
      expect(readFileSync(path.join(dir, 'other')).equals(whole)).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test('an earlier backup is replaced only by a complete one', async () => {
  await backUp();
  const whole = readFileSync(file);
  const cut = saveBackup(pieces(whole.subarray(0, -3), [1_000]), file);
  await expect(cut).rejects.toMatchObject({ code: 'corrupt' });
  expect(readFileSync(file).equals(whole)).toBe(true);
  expect(readdirSync(dir).filter((name) => name.endsWith('.partial'))).toEqual([]);
  const nowhere = saveBackup(pieces(whole, [1_000]), path.join(dir, 'none', 'file'));
  await expect(nowhere).rejects.toMatchObject({ code: 'config' });
});

async function backUp() {
  const engine = await openLmdbEngine({ path: dataDir });
  const backup = await new Backups({ engine, file: path.join(dataDir, 'tailrace.mdb'), now: () => 1 }).begin();
  const saved = await saveBackup(backup.parts(), file);
  await engine.close();
  return saved;
}

async function* pieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function readParts(parts: readonly Uint8Array[]): Promise<number> {
  let rows = 0;
  for await (const part of readBackup(pieces(Buffer.concat(parts), [7]))) {
    if (part.type === 'rows') rows += part.rows.length;
  }
  return rows;
}
