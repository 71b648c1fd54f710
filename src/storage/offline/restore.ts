/** Makes a store from the rows of a backup: a complete one or none. */

import path from 'node:path';
import { TailraceError } from '../../model/error.ts';
import { TRANSACTION_BYTES_MAX } from '../../model/limits.ts';
import type { Entry } from '../engine.ts';
import { openStoreFile, type StoreFile } from '../lmdb.ts';
import { expectDiskSpace, freshFile, placeFresh, sweepFresh } from '../store-file.ts';

/** Values of more than half a page get their own pages, and there is a tree above them. */
const OVERHEAD = 1.1;

/**
 * Writes rows, in the order of their keys, to a new store that gets the name `file` when the last one is durable. When
 * the process is killed before that, no file has that name. `bytes` is the approximate size of the rows.
 * @throws TailraceError `storage_full`, `storage`; whatever reading the pages throws
 */
export async function restoreRows(file: string, pages: AsyncIterable<readonly Entry[]>, bytes: number): Promise<void> {
  sweepFresh(file);
  expectDiskSpace(path.dirname(file), Math.ceil(bytes * OVERHEAD), 'restoring');
  try {
    const store = openStoreFile(freshFile(file), { readOnly: false });
    try {
      await writeAll(store, pages);
    } finally {
      await store.close();
    }
    placeFresh(file);
  } catch (cause) {
    sweepFresh(file);
    if (cause instanceof TailraceError) throw cause;
    throw new TailraceError('storage', `the store ${file} cannot be written: ${String(cause)}`, { cause });
  }
}

async function writeAll(store: StoreFile, pages: AsyncIterable<readonly Entry[]>): Promise<void> {
  let rows: Entry[] = [];
  let bytes = 0;
  for await (const page of pages) {
    for (const row of page) {
      rows.push(row);
      bytes += row.key.length + row.value.length;
    }
    if (bytes < TRANSACTION_BYTES_MAX) continue;
    await store.append(rows);
    rows = [];
    bytes = 0;
  }
  if (rows.length > 0) await store.append(rows);
}
