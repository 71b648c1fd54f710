/**
 * How much space is free: under our own cap, on the disk, and under the size limit of files (`ulimit -f`).
 *
 * LMDB reports a full disk and a failing one with the same code, so after a failure it is measured here.
 */

import { statfsSync, statSync } from 'node:fs';
import { STORE_RESERVE_LAST_BYTES } from '../model/limits.ts';
import type { ReserveRank } from './engine.ts';
import { isNoSpace, OwnSpace } from './own-space.ts';
import type { StoreUsage } from './raw-store.ts';
import { fileSizeLimit } from './store-file.ts';

export interface FreeSpace {
  /** Returns why a transaction that adds this many bytes must be refused, or undefined when it may be tried. */
  refusal(addedBytes: number, usage: StoreUsage, rank: ReserveRank): string | undefined;
  /**
   * Called before a transaction that adds this many bytes is written. Where the disk may have no space for it, the space
   * is taken first. Returns why it must be refused after all.
   */
  secure(addedBytes: number, usage: () => StoreUsage, rank: ReserveRank): string | undefined;
  /** Notes that a transaction added this many bytes. They count until the disk is measured again. */
  wrote(bytes: number): void;
  /** Whether a store that was full may take records again: a little more must be free than when it stopped. */
  isBack(usage: StoreUsage): boolean;
  /** Called when the store takes records, from the start or again: what was given up of the reserve is taken back. */
  replenish(pageBytes: number): void;
  /** Whether lack of space explains that a write of this many bytes failed, and with this error. */
  isExhausted(addedBytes: number, usage: StoreUsage, cause: unknown): boolean;
  /** Bytes that may still be written, or undefined when no limit is known. */
  freeBytes(usage: StoreUsage): number | undefined;
  close(): void;
}

export interface FreeSpaceOptions {
  /** The store's file; undefined for a store that is not on a disk. */
  readonly file: string | undefined;
  /** Our own cap on pages in use. */
  readonly storeBytesMax: number | undefined;
  /** Kept free for trims, deletions and probes; at most a quarter of each limit's total. */
  readonly reserveBytes: number;
  /** So much of the reserve is taken on the disk at once, so that nobody else can fill it. */
  readonly heldBytes: number;
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
/** With less than this, somebody else can fill the disk between two looks, so it is measured each time. */
const DISK_NEAR_BYTES = 1024 * 1024 * 1024;
/**
 * A write that runs into the end of the disk is worse than one that is refused, because LMDB's binding then overruns
 * one of its own buffers while it reports the error. So a write that could not succeed is not tried.
 */
const SLACK_BYTES = 256 * 1024;
/** Freed pages are in pieces: so many times as many must be there as are needed. */
const REUSE_FACTOR = 4;
/** What a failed write may have needed beside its records: tree pages, the list of freed pages, file system blocks. */
const OVERHEAD_BYTES = 1024 * 1024;

/** Measures against our cap, and against the disk that holds `file`. */
export function freeSpaceFor(options: FreeSpaceOptions): FreeSpace {
  return new MeasuredFreeSpace(options);
}

class MeasuredFreeSpace implements FreeSpace {
  readonly #options: FreeSpaceOptions;
  readonly #own: OwnSpace | undefined;
  /** The disk refused a write although it seems to have space, as with a quota: what it says is not believed again. */
  #denied = false;
  readonly #fileBytesMax: number | undefined = fileSizeLimit();
  #disk: { totalBytes: number; freeBytes: number } = { totalBytes: 0, freeBytes: 0 };
  #lookedAt = Number.NEGATIVE_INFINITY;
  #addedSince = 0;

  constructor(options: FreeSpaceOptions) {
    this.#options = options;
    if (options.file === undefined) return;
    this.#own = new OwnSpace(options.file, options.heldBytes);
  }

  refusal(addedBytes: number, usage: StoreUsage, rank: ReserveRank): string | undefined {
    for (const limit of this.#limits(usage)) {
      const kept = [this.#kept(limit), this.#last(limit), -1][rank] ?? 0;
      if (limit.freeBytes > kept && limit.freeBytes >= addedBytes + limit.slackBytes) continue;
      return `${limit.name} leaves ${limit.freeBytes} bytes, of which ${this.#kept(limit)} are kept for trims and deletions`;
    }
    return undefined;
  }

  secure(addedBytes: number, usage: () => StoreUsage, rank: ReserveRank): string | undefined {
    const { file, heldBytes } = this.#options;
    const needed = addedBytes + SLACK_BYTES;
    if (file === undefined || this.#own === undefined) return undefined;
    if (!this.#denied && this.#lookAtDisk(file).freeBytes - this.#addedSince >= 2 * needed) return undefined;
    const { usedBytes, pageBytes } = usage();
    if (this.#extend(pageBytes, needed, heldBytes)) return undefined;
    // Pages that were freed take it, unless it finds too few of them side by side.
    if (pageBytes - usedBytes >= REUSE_FACTOR * needed) return undefined;
    const left = Math.min(STORE_RESERVE_LAST_BYTES, Math.floor(heldBytes / 4));
    if (rank > 0 && this.#extend(pageBytes, needed, rank === 1 ? left : 0)) return undefined;
    return `the disk has no space for ${needed} bytes`;
  }

  wrote(bytes: number): void {
    this.#addedSince += bytes;
  }

  replenish(pageBytes: number): void {
    this.#own?.replenish();
    // A process that ended because the disk refused a write must not find out in the same way after its start.
    if (!this.#extend(pageBytes, SLACK_BYTES, this.#options.heldBytes)) this.#denied = true;
  }

  isBack(usage: StoreUsage): boolean {
    const { heldBytes } = this.#options;
    const isFree = this.#limits(usage).every((limit) => {
      // Without a margin, one freed block would open the store and the next record would close it again.
      const margin = Math.max(limit.slackBytes, Math.floor(this.#kept(limit) / 16));
      return limit.freeBytes > this.#kept(limit) + margin;
    });
    if (!isFree || !this.#denied) return isFree;
    const needed = OVERHEAD_BYTES + heldBytes;
    return usage.pageBytes - usage.usedBytes > 2 * needed || this.#extend(usage.pageBytes, needed, heldBytes);
  }

  isExhausted(addedBytes: number, usage: StoreUsage, cause: unknown): boolean {
    if (this.#isMeasuredFull(addedBytes, usage)) return true;
    if (!isNoSpace(cause) && !this.#isRefused(addedBytes, usage)) return false;
    this.#denied = true;
    return true;
  }

  close(): void {
    this.#own?.close();
  }

  /** LMDB does not say why a write was cut short. The disk says it when it is asked for the same again. */
  #isRefused(addedBytes: number, { pageBytes }: StoreUsage): boolean {
    return !this.#extend(pageBytes, addedBytes + OVERHEAD_BYTES, this.#options.heldBytes);
  }

  #isMeasuredFull(addedBytes: number, usage: StoreUsage): boolean {
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

  /** Takes space behind LMDB's pages; see {@link OwnSpace.extend}. */
  #extend(pageBytes: number, bytes: number, leftBytes: number): boolean {
    if (this.#fileBytesMax !== undefined && pageBytes + bytes > this.#fileBytesMax) return false;
    return this.#own?.extend(pageBytes, bytes, leftBytes) ?? true;
  }

  #kept(limit: Limit): number {
    return Math.min(this.#options.reserveBytes, Math.floor(limit.totalBytes / 4));
  }

  /** What commands and settings leave of the reserve. */
  #last(limit: Limit): number {
    return Math.min(STORE_RESERVE_LAST_BYTES, Math.floor(this.#kept(limit) / 4));
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
    const ownBytes = this.#own?.ownBytes(usage.pageBytes) ?? 0;
    const freeBytes = Math.max(0, disk.freeBytes - this.#addedSince) + reusable + ownBytes;
    limits.push({ name: 'the disk', totalBytes: disk.totalBytes, freeBytes, slackBytes: SLACK_BYTES });
    return limits;
  }

  /** Measures the disk only from time to time: there may be a commit every millisecond. */
  #lookAtDisk(file: string): { totalBytes: number; freeBytes: number } {
    const now = performance.now();
    const isNear = this.#disk.freeBytes < DISK_NEAR_BYTES;
    if (isNear || now - this.#lookedAt > DISK_LOOK_MS || this.#addedSince > DISK_LOOK_BYTES) {
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
