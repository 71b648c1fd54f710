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
import { assert, TailraceError } from './model/error.ts';
import { SYSTEM_CLOCK } from './observe/system-clock.ts';
import { expectUsable, isPathError, makeDirectory, partitionDir, partitionsIn, unusable } from './storage/data-dir.ts';
import type { Engine, Entry } from './storage/engine.ts';
import { FAMILY } from './storage/keys.ts';
import { openLmdbEngine, openStoreFile, PAGE_BYTES, STORE_FILE } from './storage/lmdb.ts';
import { lockDataDir } from './storage/lock.ts';
import { readStopped } from './storage/offline/backup.ts';
import { readBackup } from './storage/offline/backup-format.ts';
import { type Compacted, compactStore } from './storage/offline/compact.ts';
import { FAULTS_KEPT_MAX } from './storage/offline/fault-log.ts';
import { restoreRows } from './storage/offline/restore.ts';
import { expectKnownFormat, type StoreReport, verifyRows } from './storage/offline/verify.ts';
import { expectOfNoCluster } from './storage/replicated/replica.ts';
import { isStoreFile, syncDirectory } from './storage/store-file.ts';

export type { Compacted } from './storage/offline/compact.ts';
export type { Fault, StoreReport } from './storage/offline/verify.ts';

/** What `compact` did. */
export interface CompactReport extends Compacted {
  /** The store that was written, that of the first partition; an absolute path. */
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
 * none. In the directory of a node of a cluster with several partitions, the stores of all of them are read.
 * @throws TailraceError `data_dir_in_use`, `config` when there is nothing to verify, `format_too_new`, `corrupt` for
 *   what cannot be read at all, such as a backup that is cut off
 */
export async function verify(
  target: { readonly dataDir: string } | { readonly file: string },
  onProgress: OnProgress = () => {},
): Promise<StoreReport> {
  if ('file' in target) return verifyRows(rowsOfBackup(existingFile(target.file), onProgress));
  return owningStores(target.dataDir, async (dir, partitions) => {
    const files = partitions.map((partition) => existingStore(partitionDir(dir, partition)));
    const progress = await ProgressOfSeveral.over(files, onProgress);
    const reports: StoreReport[] = [];
    for (const file of files) reports.push(await verifyRows(rowsOfStore(file, progress.next())));
    return togetherOf(reports, partitions);
  });
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
 * The stores of all partitions are compacted; sizes are the sums.
 * @throws TailraceError `data_dir_in_use`, `config`, `storage_full` when there is no space for a copy, `storage`,
 *   `corrupt`
 */
export async function compact(
  dataDir: string,
  { to }: { readonly to?: string } = {},
  onProgress: OnProgress = () => {},
): Promise<CompactReport> {
  if (to === undefined) {
    return owningStores(dataDir, (dir, partitions) => compactStores(dir, dir, partitions, onProgress));
  }
  const target = path.resolve(to);
  existingStore(path.resolve(dataDir));
  emptyDir(target);
  return owningStores(dataDir, (dir, partitions) =>
    owning(target, () => {
      emptyDir(target);
      return compactStores(dir, target, partitions, onProgress);
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
 * Calls with the bytes of a backup of a data directory, as `GET /v1/backup` sends them, and returns what that returns. The
 * directory may be that of a node of a cluster, also where nothing else is left of it.
 * @throws TailraceError `data_dir_in_use`, `config` when there is no store, `format_too_new`, `corrupt`, `storage`;
 *   `unavailable` when a basin was moving between the partitions; and whatever `take` throws
 */
export async function backupOf<T>(dataDir: string, take: (parts: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
  return owningStores(dataDir, async (dir, partitions) => {
    const engines: Engine[] = [];
    try {
      for (const partition of partitions) {
        const place = partitionDir(dir, partition);
        existingStore(place);
        engines.push(await openLmdbEngine({ path: place, allowNetworkFs: true }));
      }
      return await take(readStopped(engines, Date.now()));
    } finally {
      for (const engine of engines) await engine.close();
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

/** Compacts the store of the first partition last: a directory without it is not taken for a whole one. */
async function compactStores(
  dir: string,
  target: string,
  partitions: readonly number[],
  onProgress: OnProgress,
): Promise<CompactReport> {
  const copies = partitions.toReversed().map((partition) => ({
    from: existingStore(partitionDir(dir, partition)),
    to: partitionDir(target, partition),
  }));
  const files = copies.map(({ from }) => from);
  const progress = await ProgressOfSeveral.over(files, onProgress);
  let [bytesBefore, bytesAfter] = [0, 0];
  for (const { from, to } of copies) {
    makeDirectory(to);
    const compacted = await compactStore(from, path.join(to, STORE_FILE), progress.next());
    bytesBefore += compacted.bytesBefore;
    bytesAfter += compacted.bytesAfter;
  }
  return { bytesBefore, bytesAfter, file: path.join(target, STORE_FILE) };
}

/** What several stores are together. */
function togetherOf(reports: readonly StoreReport[], partitions: readonly number[]): StoreReport {
  const [first, ...others] = reports;
  assert(first !== undefined, 'there is a store in the directory itself');
  if (others.length === 0) return first;
  const sum = (field: 'basins' | 'streams' | 'blocks' | 'records' | 'meteredBytes' | 'faultCount'): number =>
    reports.reduce((total, report) => total + report[field], 0);
  const faults = reports.flatMap((report, index) =>
    report.faults.map(({ where, what }) => ({ where: `partition ${partitions[index]}: ${where}`, what })),
  );
  return {
    ...{ format: first.format, partitions: reports.length, basins: sum('basins'), streams: sum('streams') },
    ...{ blocks: sum('blocks'), records: sum('records'), meteredBytes: sum('meteredBytes') },
    ...{ faultCount: sum('faultCount'), faults: faults.slice(0, FAULTS_KEPT_MAX) },
  };
}

/** Work on one store after the other. */
class ProgressOfSeveral {
  readonly #sizes: readonly number[];
  readonly #onProgress: OnProgress;
  #before = 0;
  #index = 0;

  private constructor(sizes: readonly number[], onProgress: OnProgress) {
    this.#sizes = sizes;
    this.#onProgress = onProgress;
  }

  static async over(files: readonly string[], onProgress: OnProgress): Promise<ProgressOfSeveral> {
    const sizes: number[] = [];
    for (const file of files) {
      const store = openStoreFile(file, { readOnly: true });
      sizes.push(store.usage().usedBytes);
      await store.close();
    }
    return new ProgressOfSeveral(sizes, onProgress);
  }

  /** That of the next store. */
  next(): OnProgress {
    const before = this.#before;
    this.#before += this.#sizes[this.#index++] ?? 0;
    const total = this.#sizes.reduce((sum, size) => sum + size, 0);
    return (done) => this.#onProgress(before + done, total);
  }
}

/** Acts on the stores in a data directory, while no other process may. */
async function owningStores<T>(
  dataDir: string,
  act: (dir: string, partitions: readonly number[]) => Promise<T>,
): Promise<T> {
  const dir = path.resolve(dataDir);
  existingStore(dir);
  return owning(dir, () => {
    const partitions = partitionsIn(dir).filter(
      (partition) => partition === 0 || existsSync(path.join(partitionDir(dir, partition), STORE_FILE)),
    );
    const owningFrom = (at: number): Promise<T> => {
      const partition = partitions[at];
      if (partition === undefined) return act(dir, partitions);
      return owning(partitionDir(dir, partition), () => owningFrom(at + 1));
    };
    return owningFrom(1);
  });
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
