/** The engine on LMDB: one file in the data directory, fsynced before any promise resolves. */

import path from 'node:path';
import { open, type RootDatabase, type Transaction } from 'lmdb';
import { TailraceError } from '../model/error.ts';
import { STORE_HELD_BYTES, STORE_RESERVE_BYTES } from '../model/limits.ts';
import { isPathError, makeDirectory, unusable } from './data-dir.ts';
import type { Entry, ScanOptions, Write } from './engine.ts';
import { type FreeSpace, freeSpaceFor } from './free-space.ts';
import { LatchingEngine } from './latching-engine.ts';
import type { RawSnapshot, RawStore, StoreUsage } from './raw-store.ts';
import { addressSpaceLimit, prepareStoreFile, refuseNetworkFs, secureStoreFile } from './store-file.ts';
import { upgradeStore } from './upgrade.ts';

export interface LmdbEngineOptions {
  /** The data directory, created with mode 0700 when it is missing. Lock it first: see `lock.ts`. */
  readonly path: string;
  /** Cap on the pages in use, in bytes; by default only the disk limits them. */
  readonly storeBytesMax?: number;
  /** Kept free for trims and deletions, at most a quarter of each limit; 64 MiB by default. */
  readonly reserveBytes?: number;
  /** Also opens on network and user-space file systems, whose fsync and mmap we do not trust. */
  readonly allowNetworkFs?: boolean;
  /** How often a full store looks for space, 1,000 by default. */
  readonly probeMs?: number;
}

/** The store in the data directory. LMDB keeps its lock file beside it, with `-lock` after the name. */
export const STORE_FILE = 'tailrace.mdb';

/** Address space, not disk space: LMDB maps it lazily. Mapping again while running would stall. */
const MAP_BYTES = 2 ** 40;
/** What LMDB answers for pages that it cannot follow (lmdb.h): not found, corrupted, panic, invalid, and what follows on these. */
const DAMAGED: ReadonlySet<unknown> = new Set([-30_797, -30_796, -30_795, -30_793, -30_782]);
/** Page size of the store's file. */
export const PAGE_BYTES = 4_096;

/**
 * Opens or creates a store.
 * @throws TailraceError `config` on a network file system, `format_too_new`, `corrupt`, `storage_full`, `storage`
 */
export async function openLmdbEngine(options: LmdbEngineOptions): Promise<LatchingEngine> {
  makeDirectory(options.path);
  if (options.allowNetworkFs !== true) refuseNetworkFs(options.path);
  const file = path.join(options.path, STORE_FILE);
  const store = prepareAndOpen(file);
  const freeSpace = await spaceFor(file, store, options);
  const reopen = (readOnly: boolean) => openStore(file, readOnly);
  const engine = new LatchingEngine({ store, reopen, freeSpace, probeMs: options.probeMs ?? 1_000 });
  try {
    await upgradeStore(engine, options.path);
    freeSpace.replenish((await engine.stat()).fileBytes);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** A file that another user has left there is no failing store. */
function prepareAndOpen(file: string): LmdbStore {
  try {
    prepareStoreFile(file, PAGE_BYTES);
    const store = openStore(file, false);
    secureStoreFile(file);
    return store;
  } catch (error) {
    throw isPathError(error) ? unusable('the store', file, 'used', error) : error;
  }
}

async function spaceFor(file: string, store: LmdbStore, options: LmdbEngineOptions): Promise<FreeSpace> {
  const { storeBytesMax, reserveBytes = STORE_RESERVE_BYTES } = options;
  const heldBytes = Math.min(STORE_HELD_BYTES, Math.floor(reserveBytes / 4));
  try {
    return freeSpaceFor({ file, storeBytesMax, reserveBytes, heldBytes });
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * The file of a store without an engine over it, for maintenance. Only one process may use it at a time, as always: see
 * `lock.ts`.
 */
export interface StoreFile extends RawStore {
  /** The number of all rows. */
  readonly rowCount: number;
  /** Writes rows in the order of their keys, after all rows that exist. They are durable when it resolves. */
  append(rows: readonly Entry[]): Promise<void>;
  /** Writes all pages in use to a file that must not exist. The file is not synced. */
  copyTo(file: string): Promise<void>;
}

/**
 * Opens the file as it is: nothing is checked or written that the caller does not ask for.
 * @throws TailraceError `storage`
 */
export function openStoreFile(file: string, mode: { readonly readOnly: boolean }): StoreFile {
  return openStore(file, mode.readOnly);
}

function openStore(file: string, readOnly: boolean): LmdbStore {
  try {
    return new LmdbStore(file, readOnly);
  } catch (cause) {
    throw new TailraceError('storage', `the store ${file} cannot be opened: ${String(cause)}`, { cause });
  }
}

class LmdbStore implements StoreFile {
  readonly #db: RootDatabase<Uint8Array, Uint8Array>;

  constructor(file: string, readOnly: boolean) {
    const options = {
      path: file,
      readOnly,
      encoding: 'binary' as const,
      keyEncoding: 'binary' as const,
      compression: false,
      // Off, so that the promise of a batch resolves after the fsync, not when readers can see it.
      overlappingSync: false,
      // Off, so that a batch is exactly one transaction and starts without waiting for the turn to end.
      eventTurnBatching: false,
      noMemInit: true,
      mapSize: mapBytes(),
      pageSize: PAGE_BYTES,
      permissionsMode: 0o600,
    };
    this.#db = open<Uint8Array, Uint8Array>(options);
  }

  async write(writes: readonly Write[]): Promise<void> {
    // lmdb keeps pointers to the values: the engine holds them until this has settled.
    try {
      await this.#db.batch(() => {
        for (const write of writes) {
          if (write.type === 'put') void this.#db.put(write.key, write.value);
          else void this.#db.remove(write.key);
        }
      });
    } catch (error) {
      throw await nativeCause(error);
    }
  }

  async append(rows: readonly Entry[]): Promise<void> {
    this.#db.transactionSync(() => {
      // When LMDB knows that rows arrive in order, it fills its pages instead of splitting them in halves.
      for (const { key, value } of rows) this.#db.putSync(key, value, { append: true });
    });
  }

  async copyTo(file: string): Promise<void> {
    await this.#db.backup(file, true);
  }

  get rowCount(): number {
    const entries = count(this.#db.getStats(), 'entryCount');
    this.#db.resetReadTxn();
    return entries;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#reading(() => this.#copyOf(key));
  }

  scan(scan: ScanOptions): readonly Entry[] {
    return this.#reading(() => this.#page(scan));
  }

  snapshot(): RawSnapshot {
    // A transaction of this turn may be older than a commit that just became durable.
    this.#db.resetReadTxn();
    const transaction = this.#db.useReadTransaction();
    // Other reads must not reuse this transaction: they would see data as old as it becomes.
    this.#db.resetReadTxn();
    return {
      scan: (scan) => soundly(() => this.#page(scan, transaction)),
      release: () => transaction.done(),
    };
  }

  usage(): StoreUsage {
    const stats = readStats(this.#db.getStats());
    this.#db.resetReadTxn();
    return stats;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  #reading<T>(read: () => T): T {
    try {
      return soundly(read);
    } finally {
      // An open snapshot would keep freed pages from being reused.
      this.#db.resetReadTxn();
    }
  }

  #page(
    { from, to, limit, bytesMax, reverse, valueBytesMax, into }: ScanOptions,
    transaction?: Transaction,
  ): readonly Entry[] {
    if (Buffer.compare(from, to) >= 0) return [];
    const range =
      reverse === true
        ? { start: to, end: from, exclusiveStart: true, inclusiveEnd: true, reverse: true, limit }
        : { start: from, end: to, limit };
    const within = transaction === undefined ? {} : { transaction };
    const page: Entry[] = [];
    let bytes = 0;
    let rest = into;
    const keys = this.#db.getKeys({ ...range, ...within })[Symbol.iterator]();
    try {
      for (let found = keys.next(); found.done !== true; found = keys.next()) {
        const entry = this.#entryOf(Buffer.from(found.value), valueBytesMax, transaction, rest);
        const { value } = entry;
        // Those that did not fit have memory of their own.
        if (value.buffer === rest?.buffer) rest = rest.subarray(value.length);
        bytes += entry.valueBytes ?? value.length;
        if (page.length > 0 && bytesMax !== undefined && bytes > bytesMax) break;
        page.push(entry);
      }
    } finally {
      // A step that fails does not end the iteration: it would hold its transaction, and all reads to come would fail in it.
      keys.return?.();
    }
    return page;
  }

  /**
   * An entry with a copy of the first bytes of its value, or of all of it: a short part must not keep a large value in
   * memory. It is at the beginning of `into` where it fits.
   */
  #entryOf(
    key: Uint8Array,
    bytesMax: number | undefined,
    transaction: Transaction | undefined,
    into: Uint8Array | undefined,
  ): Entry {
    if (bytesMax === undefined && into === undefined)
      return { key, value: this.#copyOf(key, transaction) ?? Buffer.alloc(0) };
    // This one puts all values into the same buffer, so that only the copy that is kept takes memory of its own.
    const found = transaction === undefined ? this.#db.getBinaryFast(key) : this.#db.get(key, { transaction });
    const valueBytes = found?.length ?? 0;
    const length = Math.min(valueBytes, bytesMax ?? valueBytes);
    const first = found === undefined ? found : new Uint8Array(found.buffer, found.byteOffset, length);
    const value = first === undefined ? Buffer.alloc(0) : copied(first, into);
    return bytesMax === undefined ? { key, value } : { key, value, valueBytes };
  }

  /** Where whole values leave the memory map: `getBinary` copies, and the copy is ours. */
  #copyOf(key: Uint8Array, transaction?: Transaction): Uint8Array | undefined {
    // Values are binary, so `get` is `getBinary`, whose type does not accept a transaction.
    const value = transaction === undefined ? this.#db.getBinary(key) : this.#db.get(key, { transaction });
    // The buffer has its own `length` property, which makes reading it slow. A view of the same bytes has none.
    return value === undefined ? undefined : Buffer.from(value.buffer, value.byteOffset, value.length);
  }
}

/** @throws TailraceError `corrupt` where LMDB itself sees damage, which is in its pages, so not of one stream */
function soundly<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!DAMAGED.has(field(Object(cause), 'code'))) throw cause;
    throw new TailraceError('corrupt', `the store is damaged: ${(cause as Error).message}`, { cause });
  }
}

/** At the beginning of `into` where it fits. */
function copied(bytes: Uint8Array, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined || bytes.length > into.length) return Buffer.copyBytesFrom(bytes);
  into.set(bytes);
  return into.subarray(0, bytes.length);
}

/**
 * lmdb rejects twice: the batch, with an error without a reason, and the `commitError` on that error, with the native
 * one.
 */
async function nativeCause(error: unknown): Promise<unknown> {
  if (typeof error !== 'object' || error === null || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}

/** Pages in use: both trees, the values that have their own pages, and the two meta pages. */
function readStats(stats: object): StoreUsage {
  const free = field(stats, 'free');
  const pages = treePages(stats) + (typeof free === 'object' && free !== null ? treePages(free) : 0) + 2;
  return {
    usedBytes: pages * PAGE_BYTES,
    pageBytes: (count(stats, 'lastPageNumber') + 1) * PAGE_BYTES,
    lastTransaction: count(stats, 'lastTxnId'),
  };
}

/** A process with little address space (`ulimit -v`) gets a map that fits. LMDB enlarges it when needed. */
function mapBytes(): number {
  const limit = addressSpaceLimit();
  return limit === undefined ? MAP_BYTES : Math.min(MAP_BYTES, Math.floor(limit / 4 / PAGE_BYTES) * PAGE_BYTES);
}

function treePages(stats: object): number {
  return count(stats, 'treeBranchPageCount') + count(stats, 'treeLeafPageCount') + count(stats, 'overflowPages');
}

function count(stats: object, name: string): number {
  const value = field(stats, name);
  return typeof value === 'number' ? value : 0;
}

function field(stats: object, name: string): unknown {
  return new Map<string, unknown>(Object.entries(stats)).get(name);
}
