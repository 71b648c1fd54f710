/** Rows of a store on disk, for tests that look at or change them below the log. */

import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Engine, Entry, Write } from '../../src/storage/engine.ts';
import { openLmdbEngine, openStoreFile, STORE_FILE } from '../../src/storage/lmdb.ts';

const ALL = { from: Buffer.of(0), to: Buffer.of(0xff), limit: 1_000_000 };

/** Keys with hashes of their values: short and quick to compare. Opens the store for the duration of the call. */
export async function storedRows(dataDir: string): Promise<readonly string[]> {
  const store = openStoreFile(path.join(dataDir, STORE_FILE), { readOnly: true });
  const rows = store.scan(ALL);
  await store.close();
  return listed(rows);
}

/** Short and quick to compare. */
export function listed(rows: readonly Entry[]): readonly string[] {
  return rows.map(({ key, value }) => {
    return `${Buffer.from(key).toString('hex')} ${createHash('sha256').update(value).digest('hex')}`;
  });
}

/** Changes rows of a store: every fault in it then comes from the test. */
export async function tamper(dataDir: string, change: (rows: readonly Entry[]) => readonly Write[]): Promise<void> {
  const engine: Engine = await openLmdbEngine({ path: dataDir });
  await engine.commit(change(await engine.scan(ALL)));
  await engine.close();
}
