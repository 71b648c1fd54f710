/**
 * The LMDB engine on a real disk: what it creates, what it refuses to open, and how it reacts to a full or failing
 * disk.
 */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Engine } from '../../src/storage/engine.ts';
import { settingsKey } from '../../src/storage/keys.ts';
import { openLmdbEngine, STORE_FILE } from '../../src/storage/lmdb.ts';
import { networkFsName } from '../../src/storage/store-file.ts';
import { encodeFormat, FORMAT_VERSION } from '../../src/storage/values.ts';
import { compileStorage, linesOf, type StorageCode } from '../support/storage-child.ts';

const FILE_LIMIT_KIB = 16_384;

let code: StorageCode;
let dir: string;
let engine: Engine | undefined;

beforeAll(() => {
  code = compileStorage();
});

afterAll(() => code.dispose());

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-lmdb-'));
});

afterEach(async () => {
  await engine?.close();
  engine = undefined;
  rmSync(dir, { recursive: true, force: true });
});

test('directory and file are accessible to their owner only', async () => {
  const made = path.join(dir, 'a', 'data');
  engine = await openLmdbEngine({ path: made });
  expect(statSync(made).mode & 0o777).toBe(0o700);
  expect(statSync(path.join(made, STORE_FILE)).mode & 0o777).toBe(0o600);
});

test('a store of a newer format is refused with both versions, and left unchanged', async () => {
  engine = await openLmdbEngine({ path: dir });
  await engine.commit([{ type: 'put', key: settingsKey('format'), value: encodeFormat(FORMAT_VERSION + 1) }]);
  await engine.close();
  const before = readFileSync(path.join(dir, STORE_FILE));
  const opening = openLmdbEngine({ path: dir });
  await expect(opening).rejects.toMatchObject({ code: 'format_too_new' });
  await expect(opening).rejects.toThrow(new RegExp(`format ${FORMAT_VERSION + 1}.*up to ${FORMAT_VERSION}`));
  expect(readFileSync(path.join(dir, STORE_FILE)).equals(before)).toBe(true);
});

test('an older format opens', async () => {
  engine = await openLmdbEngine({ path: dir });
  await engine.commit([{ type: 'put', key: settingsKey('format'), value: encodeFormat(0) }]);
  await engine.close();
  engine = await openLmdbEngine({ path: dir });
  await engine.commit([{ type: 'put', key: Buffer.of(20), value: Buffer.of(1) }]);
});

test('a damaged format row is corrupt', async () => {
  engine = await openLmdbEngine({ path: dir });
  await engine.commit([{ type: 'put', key: settingsKey('format'), value: Buffer.from('garbage') }]);
  await engine.close();
  await expect(openLmdbEngine({ path: dir })).rejects.toMatchObject({ code: 'corrupt' });
});

test('a page that leads to one that cannot be there is damage, and other rows are read', async () => {
  const [large, small] = [Buffer.from('\x14the key of a large value'), Buffer.of(21)];
  engine = await openLmdbEngine({ path: dir });
  await engine.commit([
    { type: 'put', key: large, value: Buffer.alloc(10_000, 1) },
    { type: 'put', key: small, value: Buffer.of(1) },
  ]);
  await engine.close();
  const file = path.join(dir, STORE_FILE);
  const bytes = readFileSync(file);
  // A large value has pages of its own: the number of the first one comes after the key.
  for (let at = bytes.indexOf(large); at >= 0; at = bytes.indexOf(large, at + 1)) {
    bytes.writeUInt8(1, at + large.length + 4);
  }
  writeFileSync(file, bytes);
  engine = await openLmdbEngine({ path: dir });
  const damaged = {
    code: 'storage',
    cause: { code: 'corrupt', message: expect.stringContaining('MDB_PAGE_NOTFOUND') },
  };
  const upTo = { to: Buffer.of(22), limit: 10 };
  const [all, sound] = [
    { from: Buffer.of(20), ...upTo },
    { from: Buffer.of(21), ...upTo },
  ] as const;
  for (let i = 0; i < 3; i++) {
    await expect(engine.get(large)).rejects.toMatchObject(damaged);
    expect(await engine.get(small)).toEqual(Buffer.of(1));
    await expect(engine.scan(all)).rejects.toMatchObject(damaged);
    expect(await engine.scan(sound)).toHaveLength(1);
    const snapshot = await engine.snapshot();
    await expect(snapshot.scan(all)).rejects.toMatchObject(damaged);
    snapshot.release();
    const next = await engine.snapshot();
    expect(await next.scan(sound)).toHaveLength(1);
    next.release();
  }
});

test('a file that is not a store is refused by name, and left unchanged', async () => {
  const file = path.join(dir, STORE_FILE);
  writeFileSync(file, Buffer.alloc(20_000, 'no store'));
  const opening = openLmdbEngine({ path: dir });
  await expect(opening).rejects.toMatchObject({ code: 'corrupt' });
  await expect(opening).rejects.toThrow(file);
  expect(readFileSync(file).equals(Buffer.alloc(20_000, 'no store'))).toBe(true);
});

test.each([0, 100, 4_096, 8_192])(
  'a store whose creation was interrupted by a power loss (%i bytes) is created again',
  async (size) => {
    writeFileSync(path.join(dir, STORE_FILE), Buffer.alloc(size));
    engine = await openLmdbEngine({ path: dir });
    await engine.commit([{ type: 'put', key: Buffer.of(20), value: Buffer.of(1) }]);
  },
);

test('network file systems are recognised by their numbers', () => {
  expect(networkFsName(0x6969)).toBe('NFS');
  expect(networkFsName(0xff534d42)).toBe('CIFS');
  expect(networkFsName(-11_317_950)).toBe('CIFS');
  expect(networkFsName(0x65735546)).toBe('FUSE');
  for (const local of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]) {
    expect(networkFsName(local)).toBeUndefined();
  }
});

test('the count of pages in use follows what is stored, and freed pages are reused', async () => {
  engine = await openLmdbEngine({ path: dir });
  const rounds: number[] = [];
  for (let round = 0; round < 6; round++) {
    const writes = Array.from({ length: 20 }, (_, i) => ({
      type: 'put' as const,
      key: Buffer.of(20, i),
      value: Buffer.alloc(100_000),
    }));
    await engine.commit(writes);
    expect((await engine.stat()).usedBytes).toBeGreaterThan(2_000_000);
    await engine.commit(writes.map(({ key }) => ({ type: 'delete', key })));
    const { usedBytes, fileBytes } = await engine.stat();
    expect(usedBytes).toBeLessThan(200_000);
    rounds.push(fileBytes);
  }
  expect(rounds.at(-1)).toBeLessThan(3 * 2_100_000);
});

test('the engine works with little address space', async () => {
  const source = `
import { openLmdbEngine } from './src/storage/lmdb.js';
const engine = await openLmdbEngine({ path: process.argv[2] });
await engine.commit([{ type: 'put', key: Buffer.of(20), value: Buffer.alloc(1_000_000) }]);
console.log('ok');
await engine.close();
`;
  expect(await saidBy(code.start(source, [dir], 'ulimit -v 100000000; exec "$@"'))).toEqual(['ok']);
});

/** Counts up in one key, with a block next to it, and prints each number once it is acknowledged. */
const COUNTER = `
import { openLmdbEngine } from './src/storage/lmdb.js';
const engine = await openLmdbEngine({ path: process.argv[2] });
const key = (i) => Buffer.from('n' + String(i).padStart(8, '0'));
for (let i = 0; ; i++) {
  await engine.commit([{ type: 'put', key: key(i), value: Buffer.alloc(20_000, i) }]);
  process.stdout.write(i + '\\n');
}
`;

test('acknowledged commits are there after kill -9', async () => {
  const child = code.start(COUNTER, [dir]);
  const exit = once(child, 'exit');
  let acked = -1;
  for await (const line of linesOf(child)) {
    acked = Number(line);
    if (acked >= 50) child.kill('SIGKILL');
  }
  await exit;
  engine = await openLmdbEngine({ path: dir });
  const page = await engine.scan({ from: Buffer.from('n'), to: Buffer.from('o'), limit: 100_000, valueBytesMax: 1 });
  expect(page.length).toBeGreaterThan(acked);
  for (const [i, { key, value }] of page.entries()) {
    expect(Buffer.from(key).toString()).toBe(`n${String(i).padStart(8, '0')}`);
    expect(value[0]).toBe(i & 0xff);
  }
});

/** Fills the store until it refuses, reads, deletes everything, waits until it resumes; prints what happened. */
const FILLER = `
import { openLmdbEngine } from './src/storage/lmdb.js';
process.on('unhandledRejection', () => process.exit(9));
const engine = await openLmdbEngine({ path: process.argv[2], probeMs: 20, reserveBytes: Number(process.argv[3]) });
let resumed;
const open = new Promise((resolve) => (resumed = resolve));
engine.onState((state) => { console.log(state); if (state === 'open') resumed(); });
const key = (i) => Buffer.from('n' + String(i).padStart(8, '0'));
const put = (i) => engine.commit([{ type: 'put', key: key(i), value: Buffer.alloc(60_000, i) }]);
const outcome = (commit) => commit.then(() => 'ok', (error) => error.code);
let filled = 0;
while ((await outcome(put(filled))) === 'ok' && filled < 2_000) filled++;
console.log('again ' + (await outcome(put(filled))));
const page = await engine.scan({ from: key(0), to: key(99_999_999), limit: 10_000, valueBytesMax: 1 });
console.log('readable ' + (page.length === filled && filled > 20));
for (let i = 0; i < filled; i++) if ((await outcome(engine.commit([{ type: 'delete', key: key(i) }], { mayUseReserve: true }))) !== 'ok') break;
if (process.argv[4] === 'resumes') await open;
console.log('then ' + (await outcome(put(0))));
await engine.close();
const reopened = await openLmdbEngine({ path: process.argv[2] });
console.log('kept ' + ((await reopened.get(key(0))) !== undefined));
await reopened.close();
`;

test('under a file-size limit the engine refuses before a write fails, and resumes when there is space again', async () => {
  const child = code.start(FILLER, [dir, '1000000', 'resumes'], `ulimit -f ${FILE_LIMIT_KIB}; exec "$@"`);
  expect(await saidBy(child)).toEqual([
    'full',
    'again storage_full',
    'readable true',
    'open',
    'then ok',
    'closed',
    'kept true',
  ]);
});

test('a failing fsync makes the engine read-only, reads continue, and a restart is clean', async () => {
  if (spawnSync('bash', ['-c', 'strace -o /dev/null true']).status !== 0) {
    console.warn('skipped: strace is not here, so no fault can be put into a system call');
    return;
  }
  const fault = 'strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:error=EIO:when=40';
  const said = await saidBy(code.start(FILLER, [dir, '0', 'stays'], `exec ${fault} "$@" 2>/dev/null`));
  expect(said).toEqual(['read_only', 'again storage', 'readable true', 'then storage', 'closed', 'kept true']);
});

async function saidBy(child: ReturnType<StorageCode['start']>): Promise<string[]> {
  const exit = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of linesOf(child)) lines.push(line);
  expect(await exit).toEqual([0, null]);
  return lines;
}
