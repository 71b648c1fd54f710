/**
 * kill -9 while a store is compacted or restored: the old store or the new one is there, complete, and never half of
 * one.
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { compact, restore, saveBackup, verify } from '../../src/maintenance.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { Backups } from '../../src/storage/offline/backup.ts';
import { FORMAT_VERSION } from '../../src/storage/values.ts';
import { unpackGoldenStore } from '../support/golden-store.ts';
import { shareOf } from '../support/share-of.ts';
import { compileStorage, linesOf, type StorageCode } from '../support/storage-child.ts';
import { storedRows } from '../support/stored-rows.ts';
import { seededRandom } from '../support/writers.ts';

const KILLS = shareOf(12);
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_121);

let code: StorageCode;
let dir: string;
let dataDir: string;
let file: string;

beforeAll(() => {
  code = compileStorage();
});

afterAll(() => code.dispose());

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-crash-'));
  dataDir = path.join(dir, 'data');
  file = path.join(dataDir, 'tailrace.mdb');
  unpackGoldenStore(1, dataDir);
  const engine = await openLmdbEngine({ path: dataDir });
  const keys = Array.from({ length: 80 }, (_, i) => Buffer.from([5, 255, i]));
  await engine.commit(keys.map((key) => ({ type: 'put', key, value: Buffer.alloc(200_000, 'data') })));
  await engine.commit(keys.slice(0, 40).map((key) => ({ type: 'delete', key })));
  await engine.close();
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test(`compacting that is killed ${KILLS} times loses no row (seed ${SEED})`, async () => {
  const rows = await storedRows(dataDir);
  const child = (): ChildProcess =>
    code.start(
      `
      import { compactStore } from './src/storage/offline/compact.js';
      process.stdout.on('error', () => {});
      for (;;) {
        process.stdout.write('begin\\n');
        await compactStore(process.argv[2], process.argv[2]);
      }`,
      [file],
    );
  await killMany(child, async () => {
    expect(await storedRows(dataDir)).toEqual(rows);
  });
  // The next open of the store removes what the last kill left.
  await (await openLmdbEngine({ path: dataDir })).close();
  expect(readdirSync(dataDir).filter((name) => name.includes('.new'))).toEqual([]);
  expect((await compact(dataDir)).bytesAfter).toBeLessThan(12_000_000);
  expect(await storedRows(dataDir)).toEqual(rows);
}, 60_000);

test(`restoring that is killed ${KILLS} times never leaves half of a store (seed ${SEED})`, async () => {
  const rows = await storedRows(dataDir);
  const backup = path.join(dir, 'saved');
  const target = path.join(dir, 'restored');
  const engine = await openLmdbEngine({ path: dataDir });
  await saveBackup((await new Backups({ engine, file, now: () => 1 }).begin()).parts(), backup);
  await engine.close();
  const child = (): ChildProcess =>
    code.start(
      `
      import { createReadStream, mkdirSync, rmSync } from 'node:fs';
      import { readBackup } from './src/storage/offline/backup-format.js';
      import { restoreRows } from './src/storage/offline/restore.js';
      const [, , backup, target] = process.argv;
      async function* pages() {
        for await (const part of readBackup(createReadStream(backup))) if (part.type === 'rows') yield part.rows;
      }
      process.stdout.on('error', () => {});
      for (;;) {
        rmSync(target, { recursive: true, force: true });
        mkdirSync(target);
        process.stdout.write('begin\\n');
        await restoreRows(target + '/tailrace.mdb', pages(), 1);
      }`,
      [backup, target],
    );
  let whole = 0;
  await killMany(child, async () => {
    if (!existsSync(path.join(target, 'tailrace.mdb'))) return;
    expect(await storedRows(target)).toEqual(rows);
    whole += 1;
  });
  expect(whole).toBeLessThanOrEqual(KILLS);
  rmSync(path.join(target, 'tailrace.mdb'), { force: true });
  rmSync(path.join(target, 'tailrace.mdb-lock'), { force: true });
  await restore(backup, target);
  expect(await storedRows(target)).toEqual(rows);
  expect((await verify({ dataDir: target })).format).toBe(FORMAT_VERSION);
}, 60_000);

/** Kills children at random moments of their work, and checks each time. */
async function killMany(start: () => ChildProcess, look: () => Promise<void>): Promise<void> {
  const random = seededRandom(SEED);
  for (let kill = 0; kill < KILLS; kill++) {
    const child = start();
    const exited = once(child, 'exit');
    const begins = 1 + Math.floor(random() * 3);
    let seen = 0;
    for await (const line of linesOf(child)) {
      if (line === 'begin') seen += 1;
      if (seen === begins) break;
    }
    // One that ended before proves nothing.
    expect(seen).toBe(begins);
    // Spins instead of sleeping: the kill should hit any moment of the work.
    for (const until = performance.now() + random() * 60; performance.now() < until; ) await new Promise(setImmediate);
    child.kill('SIGKILL');
    await exited;
    await look();
  }
}
