/** What lies under an engine: a store that writes transactions one at a time and may fail. Fakes of it inject faults. */

import type { Entry, Scan, Write } from './engine.ts';

/** Pages, in bytes, and the number of the last transaction that is durable. */
export interface StoreUsage {
  /** Pages that hold something. */
  readonly usedBytes: number;
  /** Those and the freed ones, which are used again before the file grows. */
  readonly pageBytes: number;
  readonly lastTransaction: number;
}

/** A state that stays as it is. Released before its store is closed. */
export interface RawSnapshot {
  scan(scan: Scan): readonly Entry[];
  release(): void;
}

export interface RawStore {
  /**
   * Writes one transaction and resolves when it is durable. Never called while another is under way, nor after one
   * failed. Rejects with whatever the store said; then it is not known what is on disk.
   */
  write(writes: readonly Write[]): Promise<void>;
  /** A copy of the value. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Copies; no snapshot stays open. */
  scan(scan: Scan): readonly Entry[];
  snapshot(): RawSnapshot;
  usage(): StoreUsage;
  close(): Promise<void>;
}
