/** A data directory has one owner at a time, with real processes that end in every way. */

import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { lockDataDir } from '../../src/storage/lock.ts';
import { compileStorage, linesOf, type StorageCode } from '../support/storage-child.ts';

const OWN = `
import { lockDataDir } from './src/storage/lock.js';
try {
  await lockDataDir(process.argv[2]);
  console.log('owns ' + process.pid);
  process.stdin.resume();
} catch (error) {
  console.log(error.code + ' ' + error.message);
}
`;

/** Owns the directory and gives it up, many times; says when another process owned it at the same moment. */
const OWN_OFTEN = `
import { closeSync, openSync, rmSync } from 'node:fs';
import { lockDataDir } from './src/storage/lock.js';
const dir = process.argv[2];
let owned = 0;
for (let i = 0; i < 25; i++) {
  const lock = await lockDataDir(dir).catch((error) => {
    if (error.code !== 'data_dir_in_use') throw error;
  });
  if (lock === undefined) continue;
  closeSync(openSync(dir + '/owned', 'wx'));
  await new Promise((resolve) => setImmediate(resolve));
  rmSync(dir + '/owned');
  await lock.release();
  owned++;
}
console.log('done ' + owned);
`;

let code: StorageCode;
let dir: string;
let children: ChildProcess[];

beforeAll(() => {
  code = compileStorage();
});

afterAll(() => code.dispose());

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-lock-'));
  children = [];
});

afterEach(async () => {
  for (const child of children) await killed(child);
  rmSync(dir, { recursive: true, force: true });
});

/** Starts a process that locks the directory, and returns its first line. */
async function start(at = dir): Promise<{ child: ChildProcess; said: string }> {
  const child = code.start(OWN, [at]);
  children.push(child);
  const { value } = await linesOf(child).next();
  return { child, said: String(value) };
}

test('a second process is refused with the directory and the process that owns it', async () => {
  const first = await start();
  expect(first.said).toBe(`owns ${first.child.pid}`);
  const second = await start();
  expect(second.said).toBe(`data_dir_in_use the data directory ${dir} is in use by process ${first.child.pid}`);
  await expect(lockDataDir(dir)).rejects.toMatchObject({ code: 'data_dir_in_use' });
});

test('after kill -9 the next start owns the directory at once, repeatedly', async () => {
  for (let i = 0; i < 3; i++) {
    const { child, said } = await start();
    expect(said).toBe(`owns ${child.pid}`);
    await killed(child);
  }
  expect(readdirSync(dir)).toHaveLength(1);
});

test('an owner that is stopped but alive is still the owner', async () => {
  const first = await start();
  first.child.kill('SIGSTOP');
  expect((await start()).said).toContain('data_dir_in_use');
  first.child.kill('SIGCONT');
});

test('exactly one of many processes wins that start at once after a kill', async () => {
  const before = await start();
  await killed(before.child);
  for (let round = 0; round < 3; round++) {
    const starters = await Promise.all(Array.from({ length: 6 }, () => start()));
    const owners = starters.filter(({ said }) => said.startsWith('owns'));
    expect(owners).toHaveLength(1);
    expect(starters.filter(({ said }) => said.startsWith('data_dir_in_use'))).toHaveLength(5);
    for (const { child } of owners) await killed(child);
  }
});

test('the lock also holds within one process, and release frees it, also when called twice', async () => {
  const locks = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDir(dir)));
  const owned = locks.flatMap((lock) => (lock.status === 'fulfilled' ? [lock.value] : []));
  expect(owned).toHaveLength(1);
  await Promise.all(owned.map((lock) => Promise.all([lock.release(), lock.release()])));
  const next = await start();
  expect(next.said).toBe(`owns ${next.child.pid}`);
});

test('an owner that ends in order leaves nothing in the directory', async () => {
  const lock = await lockDataDir(dir);
  await lock.release();
  expect(readdirSync(dir)).toEqual([]);
  await killed((await start()).child);
  const after = await lockDataDir(dir);
  await after.release();
  expect(readdirSync(dir)).toEqual([]);
});

test('a starter that finds a dead owner with a high number does not overlook a living one with a low number', async () => {
  const lock = await lockDataDir(dir);
  const other = mkdtempSync(path.join(tmpdir(), 'tailrace-lock-'));
  await killed((await start(other)).child);
  renameSync(path.join(other, 'lock.1'), path.join(dir, 'lock.4'));
  rmSync(other, { recursive: true });
  expect((await start()).said).toBe(`data_dir_in_use the data directory ${dir} is in use by process ${process.pid}`);
  await lock.release();
  expect((await start()).said).toMatch(/^owns /);
});

test('processes that own a directory one after the other, again and again, are never two at once', async () => {
  const runs = Array.from({ length: 6 }, () => code.start(OWN_OFTEN, [dir]));
  children.push(...runs);
  const said = await Promise.all(runs.map(async (child) => (await linesOf(child).next()).value));
  expect(said.every((line) => /^done \d+$/.test(String(line)))).toBe(true);
  expect(said.reduce((sum, line) => sum + Number(String(line).slice(5)), 0)).toBeGreaterThan(0);
  await Promise.all(runs.map((child) => killed(child)));
  expect(readdirSync(dir)).toEqual([]);
});

test('a directory whose path is too long for a socket address is locked too', async () => {
  const deep = path.join(dir, 'x'.repeat(90), 'y'.repeat(90));
  const first = await start(deep);
  expect(first.said).toBe(`owns ${first.child.pid}`);
  expect((await start(deep)).said).toContain(`in use by process ${first.child.pid}`);
  await killed(first.child);
  const lock = await lockDataDir(deep);
  await lock.release();
});

test('the directory is created for its owner only', async () => {
  const made = path.join(dir, 'a', 'b');
  const lock = await lockDataDir(made);
  expect(statSync(made).mode & 0o777).toBe(0o700);
  await lock.release();
});

test('a path that is not a directory is a plain error', async () => {
  const file = path.join(dir, 'socket');
  const server = createServer().listen(file);
  await once(server, 'listening');
  await expect(lockDataDir(file)).rejects.toMatchObject({ code: 'config' });
  server.close();
});

test('process 1 of a container can be killed and started again', async () => {
  const unshare = 'unshare --user --map-root-user --pid --fork --kill-child';
  if (spawnSync('bash', ['-c', `${unshare} true`]).status !== 0) {
    console.warn('skipped: no process namespaces here');
    return;
  }
  mkdirSync(path.join(dir, 'data'));
  const shell = `exec ${unshare} "$@"`;
  for (let i = 0; i < 2; i++) {
    const child = code.start(OWN, [path.join(dir, 'data')], shell);
    children.push(child);
    expect((await linesOf(child).next()).value).toBe('owns 1');
    expect((await start(path.join(dir, 'data'))).said).toContain('data_dir_in_use');
    await killed(child);
  }
});

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
