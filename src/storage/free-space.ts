/**
 * How much space is free: under our own cap, on the disk, and under the size limit of files (`ulimit -f`).
 *
 * LMDB reports a full disk and a failing one with the same code, so after a failure it is measured here.
 */

import { statfsSync, statSync } from 'node:fs';
import type { StoreUsage } from './raw-store.ts';
import { fileSizeLimit } from './store-file.ts';

export interface FreeSpace {
  /** Returns why a transaction that adds this many bytes must be refused, or undefined when it may be tried. */
  refusal(addedBytes: number, usage: StoreUsage, mayUseReserve: boolean): string | undefined;
  /** Notes that a transaction added this many bytes. They count until the disk is measured again. */
  wrote(bytes: number): void;
  /** Whether a store that was full may take records again: a little more must be free than when it stopped. */
  isBack(usage: StoreUsage): boolean;
  /** Whether lack of space explains that a write of this many bytes failed. */
  isExhausted(addedBytes: number, usage: StoreUsage): boolean;
  /** Bytes that may still be written, or undefined when no limit is known. */
  freeBytes(usage: StoreUsage): number | undefined;
}

export interface FreeSpaceOptions {
  /** The store's file; undefined for a store that is not on a disk. */
  readonly file: string | undefined;
  /** Our own cap on pages in use. */
  readonly storeBytesMax: number | undefined;
  /** Kept free for trims, deletions and probes; at most a quarter of each limit's total. */
  readonly reserveBytes: number;
}

/** One limit of the store: its total, and how much of that is left. */
interface Limit {
  readonly name: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Required beyond what a transaction adds: tree pages that are copied, and the list of freed pages. */
  readonly slackBytes: number;
}

const DISK_LOOK_MS = 100;
const DISK_LOOK_BYTES = 16 * 1024 * 1024;
/**
 * A write that runs into the end of the disk is worse than one that is refused, because LMDB's binding then overruns
 * one of its own buffers while it reports the error. So a write that could not succeed is not tried.
 */
const SLACK_BYTES = 256 * 1024;
/** What a failed write may have needed beside its records: tree pages, the list of freed pages, file system blocks. */
const OVERHEAD_BYTES = 1024 * 1024;

/** Measures against our cap, and against the disk that holds `file`. */
export function freeSpaceFor(options: FreeSpaceOptions): FreeSpace {
  return new MeasuredFreeSpace(options);
}

class MeasuredFreeSpace implements FreeSpace {
  readonly #options: FreeSpaceOptions;
  readonly #fileBytesMax: number | undefined = fileSizeLimit();
  #disk: { totalBytes: number; freeBytes: number } = { totalBytes: 0, freeBytes: 0 };
  #lookedAt = Number.NEGATIVE_INFINITY;
  #addedSince = 0;

  constructor(options: FreeSpaceOptions) {
    this.#options = options;
  }

  refusal(addedBytes: number, usage: StoreUsage, mayUseReserve: boolean): string | undefined {
    for (const limit of this.#limits(usage)) {
      const kept = mayUseReserve ? -1 : this.#kept(limit);
      if (limit.freeBytes > kept && limit.freeBytes >= addedBytes + limit.slackBytes) continue;
      return `${limit.name} leaves ${limit.freeBytes} bytes, of which ${this.#kept(limit)} are kept for trims and deletions`;
    }
    return undefined;
  }

  wrote(bytes: number): void {
    this.#addedSince += bytes;
  }

  isBack(usage: StoreUsage): boolean {
    return this.#limits(usage).every((limit) => {
      // Without a margin, one freed block would open the store and the next record would close it again.
      const margin = Math.max(limit.slackBytes, Math.floor(this.#kept(limit) / 16));
      return limit.freeBytes > this.#kept(limit) + margin;
    });
  }

  isExhausted(addedBytes: number, usage: StoreUsage): boolean {
    const { file, storeBytesMax } = this.#options;
    const needed = addedBytes + OVERHEAD_BYTES;
    if (storeBytesMax !== undefined && usage.usedBytes + needed > storeBytesMax) return true;
    if (file === undefined) return false;
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    if (this.#lookAtDisk(file).freeBytes < needed) return true;
    return this.#fileBytesMax !== undefined && fileBytes(file) + needed > this.#fileBytesMax;
  }

  freeBytes(usage: StoreUsage): number | undefined {
    let free: number | undefined;
    for (const limit of this.#limits(usage)) free = Math.min(free ?? limit.freeBytes, limit.freeBytes);
    return free;
  }

  #kept(limit: Limit): number {
    return Math.min(this.#options.reserveBytes, Math.floor(limit.totalBytes / 4));
  }

  #limits(usage: StoreUsage): readonly Limit[] {
    const limits: Limit[] = [];
    const { file, storeBytesMax } = this.#options;
    if (storeBytesMax !== undefined) {
      const freeBytes = Math.max(0, storeBytesMax - usage.usedBytes);
      limits.push({ name: 'the cap on the store', totalBytes: storeBytesMax, freeBytes, slackBytes: 0 });
    }
    if (file === undefined) return limits;
    const reusable = usage.pageBytes - usage.usedBytes;
    if (this.#fileBytesMax !== undefined) {
      const freeBytes = Math.max(0, this.#fileBytesMax - usage.pageBytes) + reusable;
      limits.push({
        name: 'the size limit of files',
        totalBytes: this.#fileBytesMax,
        freeBytes,
        slackBytes: SLACK_BYTES,
      });
    }
    const disk = this.#lookAtDisk(file);
    const freeBytes = Math.max(0, disk.freeBytes - this.#addedSince) + reusable;
    limits.push({ name: 'the disk', totalBytes: disk.totalBytes, freeBytes, slackBytes: SLACK_BYTES });
    return limits;
  }

  /** Measures the disk only from time to time: there may be a commit every millisecond. */
  #lookAtDisk(file: string): { totalBytes: number; freeBytes: number } {
    const now = performance.now();
    if (now - this.#lookedAt > DISK_LOOK_MS || this.#addedSince > DISK_LOOK_BYTES) {
      const { bsize, blocks, bavail } = statfsSync(file);
      this.#disk = { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
      this.#lookedAt = now;
      this.#addedSince = 0;
    }
    return this.#disk;
  }
}

function fileBytes(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}
