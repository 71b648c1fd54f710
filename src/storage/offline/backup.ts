/**
 * Backups while the server runs. A snapshot keeps freed pages from being reused, so it is copied to a file beside the
 * store as fast as the disk allows, and then released. The client reads that file at its own speed. The file has no
 * name once it is open, so nothing remains, however the backup ends.
 */

import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { TailraceError } from '../../model/error.ts';
import { STORE_RESERVE_BYTES } from '../../model/limits.ts';
import type { Engine, Entry, Snapshot } from '../engine.ts';
import { FAMILY, type KeyRange } from '../keys.ts';
import { expectDiskSpace, freshFile } from '../store-file.ts';
import { writeBackup } from './backup-format.ts';
import { expectNoMoves, joinedPages, rowPages } from './joined-rows.ts';

export interface BackupsOptions {
  readonly engine: Engine;
  /** Other stores that a backup holds as well, as if all were one: those of the other partitions of a cluster. */
  readonly others?: (() => Promise<readonly Engine[]>) | undefined;
  /** The store's file; the copy is written beside it. */
  readonly file: string;
  /** The wall clock, in ms. */
  now(): number;
  /** Bytes that must stay free on the disk of the store, at most a quarter of it; 64 MiB by default. */
  readonly reserveBytes?: number;
  /** Also the engine's own rows, with how far the store follows a cluster: for another node of it. */
  readonly withEngineRows?: boolean;
}

/** A backup in progress. */
export interface Backup {
  /** When it was taken, in ms: everything that was durable then is in it. */
  readonly madeAt: number;
  /**
   * The bytes of the file (`backup-format.ts`), to be read once. Leaving the loop ends the backup.
   * @throws TailraceError `storage_full` when the disk filled up meanwhile, `storage`
   */
  parts(): AsyncGenerator<Uint8Array>;
  /** Ends the backup at any point, and resolves when its disk space is free. May be called twice. */
  close(): Promise<void>;
}

/** The engine's own rows are not part of the store, and all basins are in one place once it is restored. */
const ROWS: readonly KeyRange[] = [
  { from: Buffer.of(0), to: Buffer.of(FAMILY.places) },
  { from: Buffer.of(FAMILY.places + 1), to: Buffer.of(FAMILY.engine) },
];
const ALL_ROWS: readonly KeyRange[] = [{ from: Buffer.of(0), to: Buffer.of(FAMILY.engine, 0xff) }];
const READ_BYTES = 256 * 1024;
/** Free space on the disk is checked once per this many bytes. */
const FREE_SPACE_CHECK_BYTES = 16 * 1024 * 1024;

/** Takes backups, one at a time. */
export class Backups {
  readonly #options: BackupsOptions;
  #busy = false;
  #lastAt: number | undefined;

  constructor(options: BackupsOptions) {
    this.#options = options;
  }

  /** When the last one was taken that was read to its end, in ms; undefined since the start. */
  get lastAt(): number | undefined {
    return this.#lastAt;
  }

  /**
   * @throws TailraceError `rate_limited` while another backup is in progress, `storage_full` when there is no space for
   *   the copy, `unavailable` while a basin moves from one of several stores to another one, `storage`, `closed`
   */
  async begin(): Promise<Backup> {
    if (this.#busy) {
      throw new TailraceError('rate_limited', 'another backup is in progress: wait for its end', {
        detail: { retryAfterSeconds: 5 },
      });
    }
    this.#busy = true;
    try {
      return await this.#begin();
    } catch (error) {
      this.#busy = false;
      throw error;
    }
  }

  async #begin(): Promise<Backup> {
    const {
      engine,
      others,
      file: store,
      now,
      reserveBytes = STORE_RESERVE_BYTES,
      withEngineRows = false,
    } = this.#options;
    const dir = path.dirname(store);
    const engines = [engine, ...((await others?.()) ?? [])];
    const stats = await Promise.all(engines.map((each) => each.stat()));
    expectSpace(
      dir,
      stats.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      reserveBytes,
    );
    const file = await openNameless(`${freshFile(store)}.${randomBytes(6).toString('hex')}`);
    try {
      const copy = new Copy(file, await snapshotOf(engines, withEngineRows ? ALL_ROWS : ROWS), {
        madeAt: now(),
        expectSpace: () => expectSpace(dir, 0, reserveBytes),
      });
      return new RunningBackup(copy, (isWhole) => {
        this.#busy = false;
        if (isWhole) this.#lastAt = copy.madeAt;
      });
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

/** What a backup copies. */
interface Copied {
  /** Of all rows, in order. */
  pages(): AsyncIterable<readonly Entry[]>;
  release(): void;
}

/** @throws TailraceError `unavailable`, `storage` */
async function snapshotOf(engines: readonly Engine[], ranges: readonly KeyRange[]): Promise<Copied> {
  const snapshots: Snapshot[] = [];
  const release = (): void => {
    for (const snapshot of snapshots) snapshot.release();
  };
  try {
    // One after the other: each is there in no time, and none stays behind when another one fails.
    for (const engine of engines) snapshots.push(await engine.snapshot());
    const [only] = snapshots;
    if (only !== undefined && snapshots.length === 1) return { pages: () => rowPages(only, ranges), release };
    await expectNoMoves(snapshots);
    return { pages: () => joinedPages(snapshots, ranges), release };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * The bytes of a backup of stores that nothing writes to meanwhile.
 * @throws TailraceError `unavailable` when a basin was moving from one to another one; `corrupt`, `storage`
 */
export async function* readStopped(engines: readonly Engine[], madeAt: number): AsyncGenerator<Uint8Array> {
  const copied = await snapshotOf(engines, ROWS);
  try {
    yield* writeBackup(copied.pages(), madeAt);
  } finally {
    copied.release();
  }
}

class RunningBackup implements Backup {
  readonly #copy: Copy;
  readonly #onEnd: (isWhole: boolean) => void;
  #isWhole = false;
  #closed: Promise<void> | undefined;

  constructor(copy: Copy, onEnd: (isWhole: boolean) => void) {
    this.#copy = copy;
    this.#onEnd = onEnd;
  }

  get madeAt(): number {
    return this.#copy.madeAt;
  }

  async *parts(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; ; ) {
        const part = await this.#copy.read(at);
        if (part === undefined) {
          this.#isWhole = true;
          return;
        }
        at += part.length;
        yield part;
      }
    } finally {
      await this.close();
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#copy.close().finally(() => this.#onEnd(this.#isWhole));
    return this.#closed;
  }
}

interface CopyOptions {
  readonly madeAt: number;
  /** @throws TailraceError `storage_full` */
  readonly expectSpace: () => void;
}

/** Copies snapshots to a file, and reads what has been written so far. */
class Copy {
  readonly madeAt: number;
  readonly #file: FileHandle;
  readonly #copied: Copied;
  readonly #expectSpace: () => void;
  readonly #done: Promise<void>;
  #written = 0;
  #ended = false;
  #cancelled = false;
  #failure: unknown;
  #onProgress: () => void = () => {};

  constructor(file: FileHandle, copied: Copied, { madeAt, expectSpace }: CopyOptions) {
    this.madeAt = madeAt;
    this.#file = file;
    this.#copied = copied;
    this.#expectSpace = expectSpace;
    this.#done = this.#run();
  }

  /** Returns the bytes at `at` as soon as there are any; undefined at the end. */
  async read(at: number): Promise<Uint8Array | undefined> {
    while (at >= this.#written) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#onProgress = resolve;
      });
    }
    const part = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, this.#written - at));
    const { bytesRead } = await this.#file.read(part, 0, part.length, at);
    if (bytesRead === 0) throw new TailraceError('storage', 'the copy for a backup cannot be read');
    return part.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    this.#cancelled = true;
    await this.#done;
    await this.#file.close();
  }

  async #run(): Promise<void> {
    try {
      await this.#copyRows();
    } catch (cause) {
      const own = cause instanceof TailraceError;
      this.#failure = own ? cause : new TailraceError('storage', 'the copy for a backup failed', { cause });
    } finally {
      this.#copied.release();
      this.#ended = true;
      this.#onProgress();
    }
  }

  async #copyRows(): Promise<void> {
    let lookAt = FREE_SPACE_CHECK_BYTES;
    for await (const part of writeBackup(this.#copied.pages(), this.madeAt)) {
      if (this.#cancelled) throw new TailraceError('closed', 'the backup was ended');
      await this.#write(part);
      if (this.#written < lookAt) continue;
      this.#expectSpace();
      lookAt = this.#written + FREE_SPACE_CHECK_BYTES;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#written + at);
      at += bytesWritten;
    }
    this.#written += bytes.length;
    this.#onProgress();
  }
}

/** Opens a file that is gone when its handle is closed, also when the process is killed. */
async function openNameless(name: string): Promise<FileHandle> {
  const file = await open(name, 'wx+', 0o600);
  await rm(name);
  return file;
}

/** @throws TailraceError `storage_full` */
function expectSpace(dir: string, neededBytes: number, reserveBytes: number): void {
  const { bsize, blocks } = statfsSync(dir);
  const kept = Math.min(reserveBytes, Math.floor((bsize * blocks) / 4));
  const what = 'a backup, which is copied beside the store first (`tailrace compact --to DIR` copies to another disk),';
  expectDiskSpace(dir, neededBytes + kept, what);
}
