/**
 * The storage contract: all that the log knows about an engine. `lmdb.ts` and `memory.ts` implement it and pass the
 * same contract suite (`test/contract`). An engine on another machine could implement it too, so every method is
 * asynchronous.
 *
 * Keys are ordered by their bytes. Returned bytes are copies that the caller owns, or are in memory that it gave (`into`). The caller must not change bytes
 * that it passed in until the commit that uses them has settled.
 */

/** One write of a transaction. */
export type Write =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array };

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** From a scan with `valueBytesMax`: how many bytes the whole value has. */
  readonly valueBytes?: number | undefined;
}

/** A page of the entries whose keys k have from <= k < to. */
export interface ScanOptions {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** The most entries that are returned. */
  readonly limit: number;
  /**
   * Stops before the entry that would make the values longer than this many bytes, each as a whole. The first entry is
   * always returned.
   */
  readonly bytesMax?: number;
  /** Starts at the last key and goes down. */
  readonly reverse?: boolean;
  /** Returns only the first bytes of each value, for a caller that needs only a header. */
  readonly valueBytesMax?: number;
  /**
   * Values are put here, one behind the other, as far as they fit: those are good until the caller uses it again. A caller
   * that goes over much and keeps little makes no garbage so.
   */
  readonly into?: Uint8Array;
}

export interface CommitOptions {
  /**
   * The transaction frees space (trim, deletion), leads to that (`'most'`: fences, trim commands, settings), or is a
   * probe. It may use the reserve that is kept for such work, and the engine tries it even while the store is full.
   * `'most'` leaves the last part of the reserve: commands are records, and many of them must not take what the work
   * that frees space needs.
   */
  readonly mayUseReserve?: boolean | 'most';
}

/** How far into the reserve a transaction may go, as a number to compare: not at all, most of it, all of it. */
export type ReserveRank = 0 | 1 | 2;

export function reserveRank({ mayUseReserve = false }: CommitOptions): ReserveRank {
  if (mayUseReserve === 'most') return 1;
  return mayUseReserve ? 2 : 0;
}

export type EngineState =
  /** Takes commits. */
  | 'open'
  /** No space: commits are refused with `storage_full` until a probe write is durable. Reads still work. */
  | 'full'
  /** A commit failed for another reason: commits are refused with `storage` until a restart. Reads still work. */
  | 'read_only'
  /** Another node of the cluster leads: commits are refused with `unavailable`. Reads still work, and may be old. */
  | 'superseded'
  | 'closed';

/** The size of the store in bytes. `usedBytes` counts pages in use, not the size of the file. */
export interface EngineStat {
  readonly state: EngineState;
  readonly usedBytes: number;
  readonly fileBytes: number;
  /** Undefined when the engine knows of no limit. */
  readonly freeBytes: number | undefined;
}

/**
 * The whole store at one moment, for a backup. Pages that are freed meanwhile are not reused until `release`, so the
 * caller must be quick. It does not outlive the open store: after `close`, or when a failed write makes the engine
 * reopen the store, reads reject.
 */
export interface Snapshot {
  /** @throws TailraceError `storage` when the store was closed or reopened since */
  scan(scan: ScanOptions): Promise<readonly Entry[]>;
  /** Ends the snapshot. May be called twice. */
  release(): void;
}

export interface Engine {
  /**
   * Makes all writes durable as one transaction, or none of them. Transactions take effect in the order of the calls.
   *
   * Resolves when every write is durable, which means that it survives a loss of power. It never resolves earlier.
   * Rejects with `storage_full` when there was no space and nothing was written, with `storage` when the engine
   * failed, and in a cluster with `unavailable` when it may be written or another node leads. After a failure every later commit fails too, including those already in progress, because a write that
   * follows a failed transaction must not be durable without it. The engine refuses new commits from the moment of the
   * failure.
   *
   * One case is different. While the engine is full, it refuses a commit that may use less of the reserve but accepts a
   * later one that may use more. So when a commit builds on one that may use less of the reserve, the caller must wait
   * until that one has settled before it passes the other in.
   */
  commit(writes: readonly Write[], options?: CommitOptions): Promise<void>;

  /**
   * Returns the value of a key, or undefined. The value is that of the last durable transaction; a later transaction
   * may already be visible.
   */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;

  /** Returns a page of entries, ascending or descending. No snapshot stays open after it resolves. */
  scan(scan: ScanOptions): Promise<readonly Entry[]>;

  /**
   * Returns a snapshot of all that is durable now. It may include a transaction that is just becoming durable. The
   * caller must release it.
   */
  snapshot(): Promise<Snapshot>;

  stat(): Promise<EngineStat>;

  /**
   * Resolves when this engine is known to have held, at some moment after the call, all that was ever acknowledged. On one
   * machine that is always so. In a cluster another node may lead by now; who answers with what it has read waits for this.
   * Rejects with `unavailable` when it cannot be known.
   */
  confirm(): Promise<void>;

  /**
   * Registers the only listener; a second call replaces the first. The engine calls it after each change of state, with
   * the new state. After `full`, and after a recovery, the engine has reopened the store, so a caller that keeps state
   * in memory must read it again.
   */
  onState(listener: (state: EngineState) => void): void;

  /** Waits for commits in progress, then closes the store. May be called twice. */
  close(): Promise<void>;
}
