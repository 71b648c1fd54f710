/** Rows of a store on disk, for tests that look at or change them below the log. */

import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Engine, Entry, Write } from '../../src/storage/engine.ts';
import { openLmdbEngine, openStoreFile, STORE_FILE } from '../../src/storage/lmdb.ts';

const TO = Buffer.of(0xff);
const ROWS_A_SCAN = 100_000;

/** Keys with hashes of their values: short and quick to compare. Opens the store for the duration of the call. */
export async function storedRows(dataDir: string): Promise<readonly string[]> {
  const store = openStoreFile(path.join(dataDir, STORE_FILE), { readOnly: true });
  const rows: string[] = [];
  for (let from: Uint8Array = Buffer.of(0); ; ) {
    const some = store.scan({ from, to: TO, limit: ROWS_A_SCAN });
    for (const row of listed(some)) rows.push(row);
    const last = some.at(-1);
    if (last === undefined || some.length < ROWS_A_SCAN) break;
    // The next key in order.
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
  await store.close();
  return rows;
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
  await engine.commit(change(await engine.scan({ from: Buffer.of(0), to: TO, limit: 1_000_000 })));
  await engine.close();
}
