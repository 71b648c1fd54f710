/** The store under an engine: it writes one transaction at a time and may fail. Tests replace it to inject faults. */

import type { Entry, ScanOptions, Write } from './engine.ts';

/** Sizes in bytes, and the number of the last durable transaction. */
export interface StoreUsage {
  /** Pages that are in use. */
  readonly usedBytes: number;
  /** Those and the freed pages, which are reused before the file grows. */
  readonly pageBytes: number;
  readonly lastTransaction: number;
}

/** A state that does not change. It must be released before its store is closed. */
export interface RawSnapshot {
  scan(scan: ScanOptions): readonly Entry[];
  release(): void;
}

export interface RawStore {
  /**
   * Writes one transaction and resolves when it is durable. The engine never calls it while another one is in progress,
   * nor after one failed. Rejects with the error of the store; then it is unknown what is on disk.
   */
  write(writes: readonly Write[]): Promise<void>;
  /** Returns a copy of the value. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Returns copies. No snapshot stays open. */
  scan(scan: ScanOptions): readonly Entry[];
  snapshot(): RawSnapshot;
  usage(): StoreUsage;
  close(): Promise<void>;
}
