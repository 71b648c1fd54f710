/**
 * What is done to a data directory, or to the file of a backup, while no server uses it: for the command line and for
 * programs that embed Tailrace.
 *
 * Every function that opens a data directory locks it. When a server uses it, the function rejects with
 * `data_dir_in_use`.
 */

import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { resetRootToken as resetIn } from './access/tokens/root-token.ts';
import { rootTokenStore } from './access/tokens/stores.ts';
import { TailraceError } from './model/error.ts';
import { SYSTEM_CLOCK } from './observe/system-clock.ts';
import { expectUsable, isPathError, makeDirectory, unusable } from './storage/data-dir.ts';
import type { Entry } from './storage/engine.ts';
import { FAMILY } from './storage/keys.ts';
import { openLmdbEngine, openStoreFile, PAGE_BYTES, STORE_FILE } from './storage/lmdb.ts';
import { lockDataDir } from './storage/lock.ts';
import { readBackup } from './storage/offline/backup-format.ts';
import { type Compacted, compactStore } from './storage/offline/compact.ts';
import { restoreRows } from './storage/offline/restore.ts';
import { expectKnownFormat, type StoreReport, verifyRows } from './storage/offline/verify.ts';
import { expectOfNoCluster } from './storage/replicated/replica.ts';
import { isStoreFile, syncDirectory } from './storage/store-file.ts';

export type { Compacted } from './storage/offline/compact.ts';
export type { Fault, StoreReport } from './storage/offline/verify.ts';

/** What `compact` did. */
export interface CompactReport extends Compacted {
  /** The store that was written; an absolute path. */
  readonly file: string;
}

/** Called from time to time with the bytes that were processed, and with their approximate total, if that is known. */
export type OnProgress = (doneBytes: number, totalBytes: number | undefined) => void;

/** Rows and bytes of values that are read in one step. */
const PAGE_ROWS = 2_000;
const PAGE_VALUE_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
/** Files that do not count when a directory must be empty: sockets of owners, and what a killed restore left. */
const HARMLESS = new RegExp(`^(lock[.]|${STORE_FILE.replace('.', '[.]')}[.](new|reserve)|lost[+]found$)`);

/**
 * Reads a data directory, or a file that `backup` wrote, from end to end: all checksums, whether blocks follow each
 * other up to the tail, whether rows agree. Changes nothing. Damage is in the report; with `faultCount` 0 there is
 * none.
 * @throws TailraceError `data_dir_in_use`, `config` when there is nothing to verify, `format_too_new`, `corrupt` for
 *   what cannot be read at all, such as a backup that is cut off
 */
export async function verify(
  target: { readonly dataDir: string } | { readonly file: string },
  onProgress: OnProgress = () => {},
): Promise<StoreReport> {
  if ('file' in target) return verifyRows(rowsOfBackup(existingFile(target.file), onProgress));
  const dir = path.resolve(target.dataDir);
  existingStore(dir);
  return owning(dir, () => verifyRows(rowsOfStore(existingStore(dir), onProgress)));
}

/**
 * Creates a data directory from a backup, completely or not at all: the file is first read to its end. The directory
 * must be empty or missing. A backup contains no root token: the old secret still works, but its file is not there.
 * What was damaged in the store is in the report; the rest is restored.
 * @throws TailraceError `config` when the directory is not empty, `data_dir_in_use`, `corrupt`, `format_too_new`,
 *   `storage_full`, `storage`
 */
export async function restore(file: string, dataDir: string, onProgress: OnProgress = () => {}): Promise<StoreReport> {
  const backup = existingFile(file);
  const dir = path.resolve(dataDir);
  emptyDir(dir);
  const bytes = 2 * statSync(backup).size;
  const report = await verifyRows(rowsOfBackup(backup, (done) => onProgress(done, bytes)));
  await owning(dir, () => {
    // Another process may have used the directory while the file was read.
    emptyDir(dir);
    const pages = rowsOfBackup(backup, (done) => onProgress(bytes / 2 + done, bytes));
    return restoreRows(path.join(dir, STORE_FILE), pages, bytes / 2);
  });
  return report;
}

/**
 * Returns freed space to the disk: writes a copy of the store beside it, which then replaces it in one step. With `to`,
 * the copy is a new data directory there (empty or missing) and the old one stays as it is; `root-token` is not copied.
 * @throws TailraceError `data_dir_in_use`, `config`, `storage_full` when there is no space for a copy, `storage`,
 *   `corrupt`
 */
export async function compact(
  dataDir: string,
  { to }: { readonly to?: string } = {},
  onProgress: OnProgress = () => {},
): Promise<CompactReport> {
  const dir = path.resolve(dataDir);
  existingStore(dir);
  if (to === undefined) {
    return owning(dir, async () => {
      const file = existingStore(dir);
      return { ...(await compactStore(file, file, onProgress)), file };
    });
  }
  const target = path.resolve(to);
  emptyDir(target);
  return owning(dir, () =>
    owning(target, async () => {
      emptyDir(target);
      const file = path.join(target, STORE_FILE);
      return { ...(await compactStore(existingStore(dir), file, onProgress)), file };
    }),
  );
}

/**
 * Creates a new root token for a store whose old one is lost or known to others, and writes it to `root-token` there.
 * The old one is void when it resolves; other tokens stay. The next server start writes it to the audit log. Returns
 * the absolute path of the file, which only its owner may read. Like all maintenance of an existing store, it works on
 * a network file system too: serving from there was the operator's decision.
 * @throws TailraceError `data_dir_in_use`, `config` when there is no store, `format_too_new`, `corrupt`, `storage`
 */
export async function resetRootToken(dataDir: string): Promise<{ readonly file: string }> {
  const dir = path.resolve(dataDir);
  existingStore(dir);
  return owning(dir, async () => {
    existingStore(dir);
    const engine = await openLmdbEngine({ path: dir, allowNetworkFs: true });
    try {
      await expectOfNoCluster(engine, dir);
      return await resetIn(rootTokenStore(engine, SYSTEM_CLOCK), dir);
    } finally {
      await engine.close();
    }
  });
}

/**
 * Writes the response of `GET /v1/backup` to a file and verifies its checksums on the way. The file is complete and on
 * disk when it resolves, otherwise it does not exist. An existing file is replaced only then.
 * @throws TailraceError `corrupt` when it is cut off or damaged, `config` when the file cannot be written; whatever
 *   reading the parts throws
 */
export async function saveBackup(
  parts: AsyncIterable<Uint8Array>,
  file: string,
  onProgress: OnProgress = () => {},
): Promise<{ readonly bytes: number; readonly rows: number }> {
  const target = path.resolve(file);
  if (isDirectory(target)) {
    const example = path.join(target, 'tailrace.backup');
    throw new TailraceError('config', `${target} is a directory: name a file in it, such as ${example}`);
  }
  const partial = `${target}.partial`;
  const handle = await open(partial, 'w', 0o600).catch((cause: unknown) => {
    throw unusable('the file', target, 'written', cause);
  });
  let bytes = 0;
  let rows = 0;
  async function* kept(): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      await handle.writeFile(part);
      bytes += part.length;
      onProgress(bytes, undefined);
      yield part;
    }
  }
  try {
    for await (const part of readBackup(kept())) {
      if (part.type === 'end') rows = part.rows;
    }
    await handle.sync();
    await handle.close();
    await rename(partial, target);
    syncDirectory(path.dirname(target));
    return { bytes, rows };
  } catch (error) {
    await handle.close();
    await rm(partial, { force: true });
    throw isPathError(error) ? unusable('the file', target, 'written', error) : error;
  }
}

async function owning<T>(dir: string, act: () => Promise<T>): Promise<T> {
  const lock = await lockDataDir(dir);
  try {
    return await act();
  } finally {
    await lock.release();
  }
}

async function* rowsOfStore(file: string, onProgress: OnProgress): AsyncGenerator<readonly Entry[]> {
  const store = openStoreFile(file, { readOnly: true });
  try {
    const { usedBytes } = store.usage();
    let done = 0;
    for (let from: Uint8Array = Buffer.of(0); ; ) {
      const to = Buffer.of(FAMILY.engine);
      const rows = store.scan({ from, to, limit: PAGE_ROWS, bytesMax: PAGE_VALUE_BYTES });
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      for (const { key, value } of rows) done += key.length + value.length;
      onProgress(done, usedBytes);
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
  } finally {
    await store.close();
  }
}

async function* rowsOfBackup(file: string, onProgress: OnProgress): AsyncGenerator<readonly Entry[]> {
  try {
    const { size } = statSync(file);
    const source = createReadStream(file, { highWaterMark: READ_BYTES });
    for await (const part of readBackup(source)) {
      if (part.type === 'head') expectKnownFormat(part.head.format, `the backup ${file}`);
      if (part.type === 'rows') yield part.rows;
      onProgress(source.bytesRead, size);
    }
  } catch (error) {
    throw isPathError(error) ? unusable('the file', file, 'read', error) : error;
  }
}

/** @throws TailraceError `config` */
function existingFile(file: string): string {
  const found = path.resolve(file);
  if (isDirectory(found)) {
    throw new TailraceError(
      'config',
      `${found} is a directory: name a backup; --data-dir names the directory of a store`,
    );
  }
  if (existsSync(found) && statSync(found).isFile()) return found;
  throw new TailraceError('config', `there is no file ${found}`);
}

/** @throws TailraceError `config` when there is none, `corrupt` when LMDB cannot open it */
function existingStore(dir: string): string {
  const file = path.join(dir, STORE_FILE);
  if (!isMissing(dir)) expectUsable(dir);
  if (!existsSync(file)) throw new TailraceError('config', `there is no store in ${dir}`);
  try {
    if (isStoreFile(file, PAGE_BYTES)) return file;
  } catch (error) {
    throw isPathError(error) ? unusable('the store', file, 'read', error) : error;
  }
  throw new TailraceError('corrupt', `${file} is not a store of this Tailrace, or its first pages are damaged`);
}

/** Creates the directory when it is missing. @throws TailraceError `config` */
function emptyDir(dir: string): void {
  makeDirectory(dir);
  expectUsable(dir);
  const found = readdirSync(dir).find((name) => !HARMLESS.test(name));
  if (found !== undefined) {
    throw new TailraceError(
      'config',
      `${dir} is not empty (it holds ${found}): a new store goes into an empty directory`,
    );
  }
}

function isDirectory(name: string): boolean {
  return existsSync(name) && statSync(name).isDirectory();
}

/** Whether nothing is there, as opposed to something that cannot be looked at. */
function isMissing(name: string): boolean {
  try {
    return statSync(name, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}
