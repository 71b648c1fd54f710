/** Writes a new copy of a store without its freed pages. The server must be stopped and the directory locked. */

import { statSync } from 'node:fs';
import path from 'node:path';
import { TailraceError } from '../../model/error.ts';
import { openStoreFile } from '../lmdb.ts';
import { expectDiskSpace, freshFile, placeFresh, sweepFresh } from '../store-file.ts';

/** Sizes of the files. */
export interface Compacted {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** How often the size of the copy is looked at: it is written by LMDB on another thread. */
const LOOK_MS = 100;
/** The copy's tree pages, and what the file system needs itself. */
const SLACK_BYTES = 4 * 1024 * 1024;

/**
 * Copies the pages in use of the store `from` to a new file that then gets the name `to`, which may be the same. When
 * the process is killed at any point, `to` is either as it was or the complete new store.
 * `onProgress` is called with the bytes that are written and about how many there will be.
 * @throws TailraceError `storage_full` when there is no space for the copy, `storage`, `corrupt` when the copy differs
 */
export async function compactStore(
  from: string,
  to: string,
  onProgress: (doneBytes: number, totalBytes: number) => void = () => {},
): Promise<Compacted> {
  const fresh = freshFile(to);
  sweepFresh(to);
  const bytesBefore = statSync(from).size;
  try {
    const rows = await copy(from, fresh, onProgress);
    await expectRows(fresh, rows);
    placeFresh(to);
  } catch (error) {
    sweepFresh(to);
    throw error;
  }
  return { bytesBefore, bytesAfter: statSync(to).size };
}

async function copy(
  from: string,
  fresh: string,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<number> {
  const store = openStoreFile(from, { readOnly: true });
  const { usedBytes } = store.usage();
  const look = () => onProgress(statSync(fresh, { throwIfNoEntry: false })?.size ?? 0, usedBytes);
  const timer = setInterval(look, LOOK_MS);
  try {
    expectDiskSpace(path.dirname(fresh), usedBytes + SLACK_BYTES, 'compacting, which writes a copy,');
    await store.copyTo(fresh);
    look();
    return store.rowCount;
  } catch (cause) {
    if (cause instanceof TailraceError) throw cause;
    throw new TailraceError('storage', `the store cannot be copied to ${fresh}: ${String(cause)}`, { cause });
  } finally {
    clearInterval(timer);
    await store.close();
  }
}

/** An incomplete copy must never replace the store. */
async function expectRows(fresh: string, rows: number): Promise<void> {
  const copied = openStoreFile(fresh, { readOnly: true });
  const found = copied.rowCount;
  await copied.close();
  if (found === rows) return;
  throw new TailraceError('corrupt', `the copy has ${found} rows instead of ${rows}: the store was left as it is`);
}
