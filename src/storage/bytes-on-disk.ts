/** How much space a transaction takes, before it is written. */

import { assert } from '../model/error.ts';
import type { Write } from './engine.ts';

/** The longest key that every engine accepts. */
const KEY_BYTES_MAX = 1_024;
const PAGE_BYTES = 4_096;
/** Larger values get their own pages. */
const INLINE_BYTES_MAX = 2_000;
const ENTRY_OVERHEAD_BYTES = 32;

/** Approximate. @throws TailraceError `fatal` for a key that no engine accepts */
export function bytesOnDisk(writes: readonly Write[]): number {
  let bytes = 0;
  for (const write of writes) {
    const { length } = write.key;
    assert(length > 0 && length <= KEY_BYTES_MAX, `a key has 1 to ${KEY_BYTES_MAX} bytes`);
    if (write.type === 'put') bytes += entryBytes(length, write.value.length);
  }
  return bytes;
}

/** Values longer than half a page get whole pages. */
function entryBytes(keyBytes: number, valueBytes: number): number {
  const bytes = keyBytes + valueBytes + ENTRY_OVERHEAD_BYTES;
  return valueBytes <= INLINE_BYTES_MAX ? bytes : Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}
