/** Writes a store anew without the room that was freed in it. Its server is stopped and its directory locked. */

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

/** The copy's tree pages, and what the file system needs itself. */
const SLACK_BYTES = 4 * 1024 * 1024;

/**
 * Copies what is in use in the store `from` to a new file that then takes the name `to`, which may be the same. Killed
 * at any point, what was at `to` is there as it was, or the new store is, whole.
 * @throws TailraceError `storage_full` when there is no room for the copy, `storage`, `corrupt` when the copy is not
 * the same
 */
export async function compactStore(from: string, to: string): Promise<Compacted> {
  const fresh = freshFile(to);
  sweepFresh(to);
  const bytesBefore = statSync(from).size;
  try {
    const rows = await copy(from, fresh);
    await expectRows(fresh, rows);
    placeFresh(to);
  } catch (error) {
    sweepFresh(to);
    throw error;
  }
  return { bytesBefore, bytesAfter: statSync(to).size };
}

async function copy(from: string, fresh: string): Promise<number> {
  const store = openStoreFile(from, { readOnly: true });
  try {
    expectDiskSpace(path.dirname(fresh), store.usage().usedBytes + SLACK_BYTES, 'compacting, which writes a copy,');
    await store.copyTo(fresh);
    return store.rowCount;
  } catch (cause) {
    if (cause instanceof TailraceError) throw cause;
    throw new TailraceError('storage', `the store cannot be copied to ${fresh}: ${String(cause)}`, { cause });
  } finally {
    await store.close();
  }
}

/** A copy that lacks something must never take the place of the store. */
async function expectRows(fresh: string, rows: number): Promise<void> {
  const copied = openStoreFile(fresh, { readOnly: true });
  const found = copied.rowCount;
  await copied.close();
  if (found === rows) return;
  throw new TailraceError('corrupt', `the copy has ${found} rows instead of ${rows}: the store was left as it is`);
}
