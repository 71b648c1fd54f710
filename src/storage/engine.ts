/**
 * The storage contract: all that the log knows of an engine. `lmdb.ts` and `memory.ts` fulfil it and both pass the
 * same contract suite; a networked engine could too, which is why nothing here answers synchronously.
 *
 * Keys are ordered by their bytes. What is handed out is a copy that the caller owns; what is handed in must not be
 * changed until the commit that uses it has settled.
 */

/** One write of a transaction. */
export type Write =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array };

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** A page of keys k with from <= k < to. */
export interface Scan {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** Entries at most. */
  readonly limit: number;
  /** Stops before the entry that would take the values over this many bytes; the first entry always comes. */
  readonly bytesMax?: number;
  /** From the last key downwards. */
  readonly reverse?: boolean;
  /** Only the first bytes of each value: for those who look at a header. */
  readonly valueBytesMax?: number;
}

export interface CommitOptions {
  /**
   * The transaction frees room (trim, deletion) or is a probe: it may use the reserve that is kept for such work
   * and is tried also while the store is full.
   */
  readonly mayUseReserve?: boolean;
}

export type EngineState =
  /** Takes commits. */
  | 'open'
  /** No room: commits are refused with `storage_full` until a probe write was durable. Reads go on. */
  | 'full'
  /** A commit failed for another reason: commits are refused with `storage` until a restart. Reads go on. */
  | 'read_only'
  | 'closed';

/** How much there is. All in bytes; `usedBytes` counts pages in use, not the size of the file. */
export interface EngineStat {
  readonly state: EngineState;
  readonly usedBytes: number;
  readonly fileBytes: number;
  /** Undefined where the engine has no limit that it knows of. */
  readonly freeBytes: number | undefined;
}

/**
 * Everything as it was at one moment, for a backup. What is freed meanwhile is not used again until it is released, so
 * be quick. It ends with the store: after `close`, or when a failed write has it opened again, reads reject.
 */
export interface Snapshot {
  /** @throws TailraceError `storage` when the store was closed or opened again meanwhile */
  scan(scan: Scan): Promise<readonly Entry[]>;
  /** Lets it go. May be called twice. */
  release(): void;
}

export interface Engine {
  /**
   * Makes all writes durable as one transaction, or none. Transactions take effect in the order of the calls.
   *
   * Resolves when every write is durable: it would be there after a loss of power. Never resolves before.
   * Rejects with `storage_full` when there was no room and nothing was written, with `storage` when the engine
   * failed. After a failure every commit that was handed over later fails too, also those already under way: what
   * follows a failed transaction must not be durable without it. The engine latches itself at once.
   *
   * While the engine is full it is refused alone, without those that may use the reserve: who builds one of these on a
   * commit that may not hands it over when that has settled.
   */
  commit(writes: readonly Write[], options?: CommitOptions): Promise<void>;

  /** The value of a key as of the last durable transaction (a later one may already show), or undefined. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;

  /** A page of entries, ascending or descending. Holds no snapshot open behind its answer. */
  scan(scan: Scan): Promise<readonly Entry[]>;

  /** All that is durable now, and perhaps a transaction that is just becoming so. Must be released. */
  snapshot(): Promise<Snapshot>;

  stat(): Promise<EngineStat>;

  /**
   * Called after each change of state, with the new one. After `full` or a recovery the engine has reopened the
   * store: whoever keeps state in memory must read it again. At most one listener.
   */
  onState(listener: (state: EngineState) => void): void;

  /** Waits for commits under way, then lets everything go. May be called twice. */
  close(): Promise<void>;
}
