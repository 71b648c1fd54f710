/**
 * Group commit (storage.md, Commit): what is ready in one turn of the event loop goes into one transaction; while it
 * syncs, more collects. No timer: an idle log answers a lone append after one sync.
 */

import type { Clock } from '../model/clock.ts';
import { assert, TailraceError } from '../model/error.ts';
import { TRANSACTION_BYTES_MAX, TRANSACTIONS_IN_FLIGHT_MAX } from '../model/limits.ts';
import { releaseBlock, type SealedBlock } from '../storage/block/seal.ts';
import type { CommitOptions, Engine, Write } from '../storage/engine.ts';
import { streamStateKey } from '../storage/keys.ts';
import { encodeStreamState } from '../storage/values.ts';
import type { LogObserver } from './observer.ts';
import type { OpenStream, StreamState } from './stream.ts';

/** One request: all of it becomes durable in one transaction, or nothing. */
export interface CommitEntry {
  /** Blocks in order of their streams' positions, some perhaps still being compressed. */
  readonly sealing: readonly (SealedBlock | Promise<SealedBlock>)[];
  /** New states of the streams that it touches. */
  readonly states: readonly (readonly [stream: OpenStream, state: StreamState])[];
  /** Other rows: streams and basins that it makes, counters. */
  readonly rows: readonly Write[];
  readonly bytes: number;
  /** Entries that may use the reserve and others never share a transaction. */
  readonly options: CommitOptions;
  /** Called when it is durable, in the order of acceptance. The blocks' values are good until it returns. */
  durable(blocks: readonly SealedBlock[]): void;
  failed(cause: TailraceError): void;
}

/** An entry that waits for its blocks to be compressed, or for its turn. */
interface Waiting {
  readonly entry: CommitEntry;
  readonly sinceMs: number;
  /** Set when all are sealed. */
  blocks: readonly SealedBlock[] | undefined;
  /** Set when sealing failed. */
  fault: unknown;
}

export interface CommitQueueOptions {
  readonly clock: Clock;
  readonly observer: LogObserver;
  /** Called at once when a transaction fails, before anything else is accepted. */
  onFailure(): void;
}

/**
 * Collects entries and hands them to the engine, at most two transactions at a time: whatever is sealed when there is
 * room for one, in order of acceptance. Waiting for more of the turn would make all senders wait for the slowest block,
 * and then all send at once.
 */
export class CommitQueue {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #observer: LogObserver;
  readonly #onFailure: () => void;
  #waiting: Waiting[] = [];
  #flying = 0;
  /** Of those, the ones that a full engine would refuse. */
  #refusable = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];
  #accepted = 0;
  #durable = 0;
  #barriers: Barrier[] = [];

  constructor(engine: Engine, { clock, observer, onFailure }: CommitQueueOptions) {
    this.#engine = engine;
    this.#clock = clock;
    this.#observer = observer;
    this.#onFailure = onFailure;
  }

  /** Accepts a request whose positions are assigned. */
  push(entry: CommitEntry): void {
    this.#accepted++;
    const waiting: Waiting = { entry, sinceMs: this.#clock.monotonicMs(), blocks: undefined, fault: undefined };
    this.#waiting.push(waiting);
    if (isSealed(entry.sealing)) {
      waiting.blocks = entry.sealing;
      this.#schedule();
      return;
    }
    Promise.all(entry.sealing).then(
      (blocks) => {
        waiting.blocks = blocks;
        this.#fill();
      },
      (fault: unknown) => {
        waiting.fault = fault;
        this.#fill();
      },
    );
  }

  /** Resolves when nothing is waiting or under way. */
  async settled(): Promise<void> {
    if (this.#flying === 0 && this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /**
   * Resolves when everything that was accepted so far is durable: who answers with what he saw in memory must not be
   * ahead of a crash (S2 API §4.5). Rejects when some of it failed.
   */
  async barrier(): Promise<void> {
    if (this.#durable === this.#accepted) return;
    const entries = this.#accepted;
    await new Promise<void>((resolve, reject) => this.#barriers.push({ entries, resolve, reject }));
  }

  /** Throws a refusal once all that it may have been judged against is durable; see {@link CommitQueue.barrier}. */
  async refuse(refusal: TailraceError): Promise<never> {
    await this.barrier();
    throw refusal;
  }

  /** Once per turn: small appends of one turn share a transaction. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#fill();
    });
  }

  #fill(): void {
    while (this.#flying < TRANSACTIONS_IN_FLIGHT_MAX) {
      const first = this.#waiting[0];
      if (first === undefined) break;
      if (first.fault !== undefined) {
        this.#fail([], first.fault);
        break;
      }
      if (first.blocks === undefined) break;
      const usesReserve = first.entry.options.mayUseReserve === true;
      // A full engine refuses an append at once and takes a trim: one that was built on the append must wait for it.
      if (usesReserve && this.#refusable > 0) break;
      void this.#run(this.#take(usesReserve), usesReserve);
    }
    if (this.#flying === 0 && this.#waiting.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The next transaction: sealed entries up to the limit, or one that is larger. */
  #take(usesReserve: boolean): readonly SealedEntry[] {
    const taken: SealedEntry[] = [];
    let bytes = 0;
    for (const { entry, blocks, sinceMs } of this.#waiting) {
      bytes += entry.bytes;
      if (blocks === undefined || (entry.options.mayUseReserve === true) !== usesReserve) break;
      if (taken.length > 0 && bytes > TRANSACTION_BYTES_MAX) break;
      taken.push({ entry, blocks, sinceMs });
    }
    this.#waiting.splice(0, taken.length);
    return taken;
  }

  async #run(sealed: readonly SealedEntry[], usesReserve: boolean): Promise<void> {
    this.#flying++;
    if (!usesReserve) this.#refusable++;
    try {
      const handedOverMs = this.#clock.monotonicMs();
      for (const { entry, sinceMs } of sealed) {
        if (entry.sealing.length > 0) this.#observer.permitted(handedOverMs - sinceMs);
      }
      await this.#engine.commit(writesOf(sealed), { mayUseReserve: usesReserve });
      settle(sealed, this.#observer);
      const bytes = sealed.reduce((sum, { entry }) => sum + entry.bytes, 0);
      this.#observer.committed(this.#clock.monotonicMs() - handedOverMs, sealed.length, bytes);
      this.#durable += sealed.length;
      while ((this.#barriers[0]?.entries ?? Number.POSITIVE_INFINITY) <= this.#durable)
        this.#barriers.shift()?.resolve();
      for (const { blocks } of sealed) for (const block of blocks) releaseBlock(block);
    } catch (cause) {
      this.#fail(sealed, cause);
    }
    this.#flying--;
    if (!usesReserve) this.#refusable--;
    // Not before the next one's refusal is heard, which the engine may give in the same breath: what waits is built on it.
    queueMicrotask(() => this.#fill());
  }

  /** What was accepted behind a failed transaction was built on it, and fails with it. */
  #fail(sealed: readonly SealedEntry[], cause: unknown): void {
    this.#onFailure();
    const error = cause instanceof TailraceError ? cause : new TailraceError('storage', 'the store failed', { cause });
    const failed = [...sealed, ...this.#waiting.splice(0)];
    this.#durable += failed.length;
    for (const { reject } of this.#barriers.splice(0)) reject(error);
    for (const { entry } of failed) entry.failed(error);
  }
}

interface Barrier {
  /** How many entries had been accepted. */
  readonly entries: number;
  resolve(): void;
  reject(error: TailraceError): void;
}

interface SealedEntry {
  readonly entry: CommitEntry;
  readonly blocks: readonly SealedBlock[];
  /** When it was accepted. */
  readonly sinceMs: number;
}

function isSealed(sealing: CommitEntry['sealing']): sealing is readonly SealedBlock[] {
  return sealing.every((block) => 'value' in block);
}

/** States are written once per stream and transaction: the last one. */
function writesOf(sealed: readonly SealedEntry[]): Write[] {
  const writes: Write[] = [];
  const states = new Map<OpenStream, StreamState>();
  for (const { entry, blocks } of sealed) {
    for (const row of entry.rows) writes.push(row);
    for (const { key, value } of blocks) writes.push({ type: 'put', key, value });
    for (const [stream, state] of entry.states) {
      assert((states.get(stream)?.nextSeq ?? 0) <= state.nextSeq, 'entries are in the order of their positions');
      states.set(stream, state);
    }
  }
  for (const [stream, state] of states) {
    writes.push({ type: 'put', key: streamStateKey(stream.number), value: encodeStreamState(state) });
  }
  return writes;
}

/** Moves all durable tails first, so that every answer of the transaction carries the newest one. */
function settle(sealed: readonly SealedEntry[], observer: LogObserver): void {
  for (const { entry } of sealed) {
    for (const [stream, state] of entry.states) {
      const before = stream.durable.meteredBytes;
      stream.settle(state);
      if (state.meteredBytes !== before) observer.stored(stream, state.meteredBytes - before, state.meteredBytes);
    }
  }
  for (const { entry, blocks } of sealed) entry.durable(blocks);
}
