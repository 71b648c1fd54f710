/** An engine in memory: for tests, and for stores that need not outlive their process. Nothing of it is durable. */

import { assert, TailraceError } from '../model/error.ts';
import type { CommitOptions, Engine, EngineStat, EngineState, Entry, Scan, Write } from './engine.ts';

export interface MemoryEngineOptions {
  /** Cap of keys and values together; none by default. */
  readonly storeBytesMax?: number;
  /** Part of the cap that only commits with `mayUseReserve` may fill. */
  readonly reserveBytes?: number;
}

/** Opens an empty engine. */
export function openMemoryEngine(options: MemoryEngineOptions = {}): Engine {
  return new MemoryEngine(options);
}

/** Keys are kept in one sorted array: a test store is small, and most of its keys come in order. */
class MemoryEngine implements Engine {
  readonly #options: MemoryEngineOptions;
  #entries: Entry[] = [];
  #usedBytes = 0;
  #closed = false;
  #last: Promise<void> = Promise.resolve();
  #listener: (state: EngineState) => void = () => {};

  constructor(options: MemoryEngineOptions) {
    this.#options = options;
  }

  commit(writes: readonly Write[], options: CommitOptions = {}): Promise<void> {
    // Commits take effect in the order of the calls, and not before the caller has gone on, as with a disk.
    const done = this.#last.then(() => this.#apply(writes, options));
    this.#last = done.catch(() => {});
    return done;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#expectOpen();
    const entry = this.#entries[this.#find(key)];
    return entry !== undefined && Buffer.compare(entry.key, key) === 0 ? Buffer.from(entry.value) : undefined;
  }

  async scan({ from, to, limit, bytesMax, reverse, valueBytesMax }: Scan): Promise<readonly Entry[]> {
    this.#expectOpen();
    const first = this.#find(from);
    const end = Math.max(first, this.#find(to));
    const page: Entry[] = [];
    let bytes = 0;
    for (let i = 0; i < end - first && page.length < limit; i++) {
      const entry = this.#entries[reverse === true ? end - 1 - i : first + i];
      assert(entry !== undefined, 'a scan stays within its entries');
      const value = entry.value.subarray(0, valueBytesMax ?? entry.value.length);
      bytes += value.length;
      if (page.length > 0 && bytesMax !== undefined && bytes > bytesMax) break;
      page.push({ key: Buffer.from(entry.key), value: Buffer.from(value) });
    }
    return page;
  }

  async stat(): Promise<EngineStat> {
    const { storeBytesMax } = this.#options;
    const used = this.#usedBytes;
    const freeBytes = storeBytesMax === undefined ? undefined : Math.max(0, storeBytesMax - used);
    return { state: this.#closed ? 'closed' : 'open', usedBytes: used, fileBytes: used, freeBytes };
  }

  onState(listener: (state: EngineState) => void): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    await this.#last;
    if (this.#closed) return;
    this.#closed = true;
    this.#entries = [];
    this.#listener('closed');
  }

  #apply(writes: readonly Write[], options: CommitOptions): void {
    this.#expectOpen();
    const { storeBytesMax, reserveBytes = 0 } = this.#options;
    if (storeBytesMax !== undefined) {
      const cap = options.mayUseReserve === true ? storeBytesMax : storeBytesMax - reserveBytes;
      let growth = 0;
      for (const write of writes) if (write.type === 'put') growth += write.key.length + write.value.length;
      if (growth > 0 && this.#usedBytes + growth > cap) {
        throw new TailraceError('storage_full', `the store has no room: ${storeBytesMax} bytes are its limit`);
      }
    }
    for (const write of writes) this.#write(write);
  }

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

  #expectOpen(): void {
    if (this.#closed) throw new TailraceError('closed', 'the store is closed');
  }
}
