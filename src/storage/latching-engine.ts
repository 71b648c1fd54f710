/**
 * The engine over a store that can fail: it keeps the order, writes one transaction at a time, refuses writes when
 * there is no space, and stops accepting them after a failure.
 *
 * One transaction at a time is what keeps the promise of the contract: when one fails, no later one was given to the
 * store yet, so none can become durable without it. Transactions that wait meanwhile are joined.
 *
 * ```
 *           no space before a write           another failure
 *   open ─────────────────────────────► full ──────────────────► read_only
 *    ▲  a write found no space          ▲ │
 *    └──────────────────────────────────┼─┘ there is space again and a probe write was durable
 * ```
 */

import { TailraceError } from '../model/error.ts';
import { TRANSACTION_BYTES_MAX, TRANSACTION_ROWS_MAX } from '../model/limits.ts';
import { bytesOnDisk } from './bytes-on-disk.ts';
import {
  type CommitOptions,
  type Engine,
  type EngineStat,
  type EngineState,
  type Entry,
  type ReserveRank,
  reserveRank,
  type ScanOptions,
  type Snapshot,
  type Write,
} from './engine.ts';
import type { FreeSpace } from './free-space.ts';
import { FAMILY } from './keys.ts';
import type { RawSnapshot, RawStore, StoreUsage } from './raw-store.ts';

export interface LatchingEngineOptions {
  readonly store: RawStore;
  /** Opens the store again after a failure. */
  readonly reopen: (readOnly: boolean) => RawStore;
  readonly freeSpace: FreeSpace;
  /** How often a full engine looks for free space. */
  readonly probeMs: number;
}

/** How old an exact count of pages may be. */
const USAGE_AGE_MS = 100;
const UNKNOWN_USAGE: StoreUsage = { usedBytes: 0, pageBytes: 0, lastTransaction: -1 };
const PROBE_KEY = Buffer.of(FAMILY.engine, 1);

interface Pending {
  readonly writes: readonly Write[];
  readonly bytes: number;
  readonly rank: ReserveRank;
  readonly resolve: () => void;
  readonly reject: (error: TailraceError) => void;
}

export class LatchingEngine implements Engine {
  readonly #options: LatchingEngineOptions;
  #store: RawStore;
  #state: EngineState = 'open';
  #listener: (state: EngineState) => void = () => {};
  #queue: Pending[] = [];
  /** The store is writing a transaction. */
  #writing = false;
  /** Set while the store is reopened; reads wait for it. */
  #reopening: Promise<void> | undefined;
  /** Released before the store is closed or reopened. */
  readonly #snapshots = new Set<RawSnapshot>();
  /** The last answer of the store, plus what was given to it since: asking costs as much as a small write. */
  #usage: StoreUsage = UNKNOWN_USAGE;
  #askedAt = Number.NEGATIVE_INFINITY;
  #probe: NodeJS.Timeout | undefined;
  #probing = false;
  #probes = 0;
  #idle: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: LatchingEngineOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  get state(): EngineState {
    return this.#state;
  }

  commit(writes: readonly Write[], options: CommitOptions = {}): Promise<void> {
    const rank = reserveRank(options);
    const refusal = this.#refusal(rank);
    if (refusal !== undefined) return Promise.reject(refusal);
    const bytes = bytesOnDisk(writes);
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, bytes, rank, resolve, reject });
      this.#pump();
    });
  }

  /**
   * Refuses what `commit` would refuse now, and writes nothing: for an engine above this one that must know it before
   * others get the writes. As after a refused commit, the engine is full then.
   * @throws TailraceError `storage_full`, `storage`, `closed`
   */
  expectSpace(bytes: number, options: CommitOptions = {}): void {
    const rank = reserveRank(options);
    const refusal = this.#refusal(rank);
    if (refusal !== undefined) throw refusal;
    const { freeSpace } = this.#options;
    const waiting = this.#queue.reduce((sum, pending) => sum + pending.bytes, bytes);
    const usage = this.#estimate(waiting, rank);
    const why = freeSpace.refusal(waiting, usage, rank) ?? freeSpace.secure(waiting, () => this.#store.usage(), rank);
    if (why === undefined) return;
    this.#enterFull();
    throw full(why);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#read((store) => store.get(key));
  }

  async scan(scan: ScanOptions): Promise<readonly Entry[]> {
    return this.#read((store) => store.scan(scan));
  }

  async snapshot(): Promise<Snapshot> {
    const taken = await this.#read((store) => store.snapshot());
    this.#snapshots.add(taken);
    return {
      scan: async (scan) => {
        if (!this.#snapshots.has(taken)) throw new TailraceError('storage', 'the store was closed meanwhile');
        return this.#read(() => taken.scan(scan));
      },
      release: () => this.#release(taken),
    };
  }

  async stat(): Promise<EngineStat> {
    if (this.#state === 'closed') return { state: 'closed', usedBytes: 0, fileBytes: 0, freeBytes: undefined };
    const usage = await this.#read((store) => store.usage());
    const freeBytes = this.#options.freeSpace.freeBytes(usage);
    return { state: this.#state, usedBytes: usage.usedBytes, fileBytes: usage.pageBytes, freeBytes };
  }

  async confirm(): Promise<void> {}

  onState(listener: (state: EngineState) => void): void {
    this.#listener = listener;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #refusal(rank: ReserveRank): TailraceError | undefined {
    if (this.#closing !== undefined) return new TailraceError('closed', 'the store is closed');
    if (this.#state === 'read_only') {
      return new TailraceError('storage', 'the store takes no writes because one failed: restart the server');
    }
    // Commits that arrive while the store is reopened are based on a state that includes the failed transaction.
    if (this.#state === 'full' && (rank === 0 || this.#reopening !== undefined)) return full('there is no space yet');
    return undefined;
  }

  async #read<T>(call: (store: RawStore) => T): Promise<T> {
    while (this.#reopening !== undefined) await this.#reopening;
    if (this.#state === 'closed') throw new TailraceError('closed', 'the store is closed');
    try {
      return call(this.#store);
    } catch (cause) {
      throw new TailraceError('storage', 'the store cannot be read', { cause });
    }
  }

  #pump(): void {
    if (this.#writing) return;
    const first = this.#queue[0];
    if (first === undefined) {
      for (const done of this.#idle.splice(0)) done();
      return;
    }
    const group = this.#admit(first);
    if (group.length === 0) return;
    this.#writing = true;
    void this.#write(group);
  }

  /**
   * Removes from the queue what fits into one transaction. Returns nothing when there is no space even for the first.
   */
  #admit(first: Pending): readonly Pending[] {
    const { freeSpace } = this.#options;
    const usage = this.#estimate(first.bytes, first.rank);
    const group: Pending[] = [];
    let bytes = 0;
    let rows = 0;
    let rank = first.rank;
    for (const pending of this.#queue) {
      rows += pending.writes.length;
      if (group.length > 0 && (bytes + pending.bytes > TRANSACTION_BYTES_MAX || rows > TRANSACTION_ROWS_MAX)) break;
      const refusal = freeSpace.refusal(bytes + pending.bytes, usage, pending.rank);
      if (refusal !== undefined && pending === first) {
        this.#refuse(refusal);
        return [];
      }
      if (refusal !== undefined) break;
      bytes += pending.bytes;
      rank = Math.min(rank, pending.rank) as ReserveRank;
      group.push(pending);
    }
    const secure = (added: number, lowest: ReserveRank) => freeSpace.secure(added, () => this.#store.usage(), lowest);
    const denial = secure(bytes, rank);
    if (denial !== undefined) {
      if (group.length > 1 && secure(first.bytes, first.rank) === undefined) return this.#queue.splice(0, 1);
      this.#refuse(denial);
      return [];
    }
    return this.#queue.splice(0, group.length);
  }

  /** How full the store is. Asks the store when the estimate is old or would refuse so many bytes. */
  #estimate(bytes: number, rank: ReserveRank): StoreUsage {
    const now = performance.now();
    const { freeSpace } = this.#options;
    if (now - this.#askedAt > USAGE_AGE_MS || freeSpace.refusal(bytes, this.#usage, rank) !== undefined) {
      this.#usage = this.#store.usage();
      this.#askedAt = now;
    }
    return this.#usage;
  }

  #count(group: readonly Pending[]): void {
    let usedBytes = this.#usage.usedBytes;
    for (const pending of group) usedBytes += pending.bytes;
    this.#options.freeSpace.wrote(usedBytes - this.#usage.usedBytes);
    // A transaction that only deletes frees an unknown number of pages, or none when there was nothing to delete.
    if (usedBytes === this.#usage.usedBytes) this.#askedAt = Number.NEGATIVE_INFINITY;
    const pageBytes = Math.max(this.#usage.pageBytes, usedBytes);
    this.#usage = { usedBytes, pageBytes, lastTransaction: this.#usage.lastTransaction + 1 };
  }

  /**
   * There is no space for the next transaction: nothing was written, and all that was queued after it fails with it.
   */
  #refuse(why: string): void {
    const refused = this.#queue.splice(0);
    this.#enterFull();
    for (const pending of refused) pending.reject(full(why));
    this.#pump();
  }

  async #write(group: readonly Pending[]): Promise<void> {
    const writes = group.length === 1 ? (group[0]?.writes ?? []) : group.flatMap((pending) => pending.writes);
    try {
      if (writes.length > 0) await this.#store.write(writes);
    } catch (cause) {
      await this.#fail(group, cause);
      return;
    }
    this.#writing = false;
    this.#count(group);
    for (const pending of group) pending.resolve();
    if (this.#state === 'full') this.#look();
    this.#pump();
  }

  /** A transaction failed: refuse new ones at once, then find the reason, reopen the store and report it. */
  async #fail(group: readonly Pending[], cause: unknown): Promise<void> {
    const usage = this.#usage;
    const bytes = group.reduce((sum, pending) => sum + pending.bytes, 0);
    const isOutOfSpace = this.#options.freeSpace.isExhausted(bytes, usage, cause);
    this.#state = isOutOfSpace ? 'full' : 'read_only';
    const failed = [...group, ...this.#queue.splice(0)];
    const isReopened = await this.#reopen(!isOutOfSpace);
    if (!isReopened) this.#state = 'read_only';
    const isUntouched = isReopened && this.#usageNow().lastTransaction === usage.lastTransaction;
    this.#writing = false;
    if (this.#state === 'full') {
      this.#schedule();
    } else {
      clearTimeout(this.#probe);
    }
    // Reported also when the state was `full` before: the log has to read its state again.
    this.#tell(this.#state);
    const error =
      isOutOfSpace && isUntouched
        ? full('a write found no space')
        : new TailraceError('storage', 'the store failed while it was written', { cause });
    for (const pending of failed) pending.reject(error);
    this.#pump();
  }

  /** After a failure the old store cannot be trusted, neither for writes nor for what it holds in memory. */
  async #reopen(readOnly: boolean): Promise<boolean> {
    let done = (): void => {};
    this.#reopening = new Promise((resolve) => {
      done = resolve;
    });
    try {
      this.#releaseAll();
      await this.#store.close();
      this.#store = this.#options.reopen(readOnly);
      this.#askedAt = Number.NEGATIVE_INFINITY;
      return true;
    } catch {
      return false;
    } finally {
      this.#reopening = undefined;
      done();
    }
  }

  #release(taken: RawSnapshot): void {
    if (this.#snapshots.delete(taken)) taken.release();
  }

  /** A store must not be closed while a transaction still reads. */
  #releaseAll(): void {
    for (const taken of this.#snapshots) this.#release(taken);
  }

  #enterFull(): void {
    if (this.#state !== 'open') return;
    this.#state = 'full';
    this.#schedule();
    this.#tell('full');
  }

  #schedule(): void {
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => this.#look(), this.#options.probeMs);
    this.#probe.unref();
  }

  /** While full: when the limits say that there is space again, a durable probe write proves it. */
  #look(): void {
    if (this.#state !== 'full' || this.#closing !== undefined || this.#reopening !== undefined) return;
    this.#schedule();
    if (this.#writing || this.#probing || !this.#options.freeSpace.isBack(this.#store.usage())) return;
    this.#probes += 1;
    this.#probing = true;
    const write: Write = { type: 'put', key: PROBE_KEY, value: Buffer.from(String(this.#probes)) };
    this.commit([write], { mayUseReserve: true }).then(
      () => {
        this.#probing = false;
        this.#resume();
      },
      () => {
        // The failure was handled where it happened. The next look comes from the timer.
        this.#probing = false;
      },
    );
  }

  #resume(): void {
    if (this.#state !== 'full' || this.#closing !== undefined) return;
    clearTimeout(this.#probe);
    this.#options.freeSpace.replenish(this.#store.usage().pageBytes);
    this.#state = 'open';
    this.#tell('open');
  }

  #tell(state: EngineState): void {
    this.#listener(state);
  }

  #usageNow(): StoreUsage {
    try {
      return this.#store.usage();
    } catch {
      return UNKNOWN_USAGE;
    }
  }

  async #close(): Promise<void> {
    clearTimeout(this.#probe);
    if (this.#writing || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    while (this.#reopening !== undefined) await this.#reopening;
    this.#state = 'closed';
    this.#releaseAll();
    await this.#store.close();
    this.#options.freeSpace.close();
    this.#tell('closed');
  }
}

function full(why: string): TailraceError {
  return new TailraceError('storage_full', `the store is full: ${why}`, { detail: { retryAfterSeconds: 1 } });
}
