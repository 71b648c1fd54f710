/** An engine in memory: for tests, and for stores that need not outlive their process. Nothing in it is durable. */

import { assert } from '../model/error.ts';
import type { Entry, ScanOptions, Write } from './engine.ts';
import { freeSpaceFor } from './free-space.ts';
import { LatchingEngine } from './latching-engine.ts';
import type { RawSnapshot, RawStore, StoreUsage } from './raw-store.ts';

export interface MemoryEngineOptions {
  /** Cap of keys and values together, in bytes; none by default. */
  readonly storeBytesMax?: number;
  /** Kept free for trims and deletions, at most a quarter of the cap; none by default. */
  readonly reserveBytes?: number;
}

/** Opens an empty engine. When there is no space it refuses writes as the engine on disk does. */
export function openMemoryEngine(options: MemoryEngineOptions = {}): LatchingEngine {
  const store = new MemoryStore();
  const { storeBytesMax, reserveBytes = 0 } = options;
  return new LatchingEngine({
    store,
    reopen: () => store,
    freeSpace: freeSpaceFor({ file: undefined, storeBytesMax, reserveBytes, heldBytes: 0 }),
    probeMs: 1_000,
  });
}

/** Keys are in one sorted array: such a store is small, and most of its keys arrive in order. */
class MemoryStore implements RawStore {
  #entries: Entry[];
  #usedBytes = 0;
  #transactions = 0;

  constructor(entries: Entry[] = []) {
    this.#entries = entries;
  }

  async write(writes: readonly Write[]): Promise<void> {
    // As on a disk, the caller continues before the write is visible.
    await Promise.resolve();
    for (const write of writes) this.#write(write);
    this.#transactions += 1;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const entry = this.#entries[this.#find(key)];
    return entry !== undefined && Buffer.compare(entry.key, key) === 0 ? Buffer.from(entry.value) : undefined;
  }

  scan({ from, to, limit, bytesMax, reverse, valueBytesMax, into }: ScanOptions): readonly Entry[] {
    const first = this.#find(from);
    const count = Math.max(0, this.#find(to) - first);
    const page: Entry[] = [];
    let bytes = 0;
    let used = 0;
    for (let i = 0; i < count && page.length < limit; i++) {
      const entry = this.#entries[reverse === true ? first + count - 1 - i : first + i];
      assert(entry !== undefined, 'a scan stays within its entries');
      const valueBytes = entry.value.length;
      const value = entry.value.subarray(0, valueBytesMax ?? valueBytes);
      bytes += valueBytes;
      if (page.length > 0 && bytesMax !== undefined && bytes > bytesMax) break;
      const place = into?.subarray(used, used + value.length);
      const isPut = place?.length === value.length;
      if (isPut) {
        place.set(value);
        used += value.length;
      }
      const found = { key: Buffer.from(entry.key), value: isPut ? place : Buffer.from(value) };
      page.push(valueBytesMax === undefined ? found : { ...found, valueBytes });
    }
    return page;
  }

  snapshot(): RawSnapshot {
    // Entries are never changed, only replaced, so another list of the same entries stays as it is.
    const kept = new MemoryStore([...this.#entries]);
    return {
      scan: (scan) => kept.scan(scan),
      release: () => {
        kept.#entries = [];
      },
    };
  }

  usage(): StoreUsage {
    return { usedBytes: this.#usedBytes, pageBytes: this.#usedBytes, lastTransaction: this.#transactions };
  }

  async close(): Promise<void> {}

  #write(write: Write): void {
    const at = this.#find(write.key);
    const present = this.#entries[at];
    const replaces = present !== undefined && Buffer.compare(present.key, write.key) === 0;
    if (replaces) this.#usedBytes -= present.key.length + present.value.length;
    if (write.type === 'delete') {
      if (replaces) this.#entries.splice(at, 1);
      return;
    }
    const entry = { key: Buffer.from(write.key), value: Buffer.from(write.value) };
    this.#usedBytes += entry.key.length + entry.value.length;
    this.#entries.splice(at, replaces ? 1 : 0, entry);
  }

  /** Index of the first entry whose key is not less than `key`. */
  #find(key: Uint8Array): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && Buffer.compare(entry.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
