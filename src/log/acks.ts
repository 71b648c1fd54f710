/**
 * Group commit (storage.md, Commit): what is appended in one turn of the event loop goes into one transaction; while it
 * syncs, the next turn's work collects. No timer: an idle log answers a lone append after one sync.
 */

import { assert, TailraceError } from '../model/error.ts';
import { TRANSACTION_BYTES_MAX, TRANSACTIONS_IN_FLIGHT_MAX } from '../model/limits.ts';
import { releaseBlock, type SealedBlock } from '../storage/block.ts';
import type { CommitOptions, Engine, Write } from '../storage/engine.ts';
import { streamStateKey } from '../storage/keys.ts';
import { encodeStreamState, type StreamStateRow } from '../storage/values.ts';
import type { OpenStream } from './stream.ts';

/** One request: all of it becomes durable in one transaction, or nothing. */
export interface CommitEntry {
  /** Blocks in order of their streams' positions, some perhaps still being compressed. */
  readonly sealing: readonly (SealedBlock | Promise<SealedBlock>)[];
  /** New states of the streams that it touches. */
  readonly states: readonly (readonly [stream: OpenStream, state: StreamStateRow])[];
  /** Other rows: streams and basins that it makes, counters. */
  readonly rows: readonly Write[];
  readonly bytes: number;
  /** Entries that may use the reserve and others never share a transaction. */
  readonly options: CommitOptions;
  /** Called when it is durable, in the order of acceptance. The blocks' values are good until it returns. */
  durable(blocks: readonly SealedBlock[]): void;
  failed(cause: TailraceError): void;
}

/** Collects entries and hands them to the engine, at most two transactions at a time. */
export class CommitQueue {
  readonly #engine: Engine;
  readonly #onFailure: () => void;
  #waiting: CommitEntry[] = [];
  #flying = 0;
  #scheduled = false;
  /** Resolves when the transaction before was handed to the engine: sealing may end out of order, commits must not. */
  #handedOver: Promise<void> = Promise.resolve();
  /** Counts failures; entries accepted before the latest one fail with it. */
  #failures = 0;
  #idle: (() => void)[] = [];

  /** `onFailure` is called at once when a transaction fails, before anything else is accepted. */
  constructor(engine: Engine, onFailure: () => void) {
    this.#engine = engine;
    this.#onFailure = onFailure;
  }

  /** Accepts a request whose positions are assigned. */
  push(entry: CommitEntry): void {
    this.#waiting.push(entry);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#fill();
    });
  }

  /** Resolves when nothing is waiting or under way. */
  async settled(): Promise<void> {
    if (this.#flying === 0 && this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #fill(): void {
    while (this.#flying < TRANSACTIONS_IN_FLIGHT_MAX && this.#waiting.length > 0) {
      this.#flying++;
      void this.#run(this.#take());
    }
  }

  /** The next transaction: entries up to the limit, or one that is larger. */
  #take(): readonly CommitEntry[] {
    let bytes = 0;
    let count = 0;
    const reserve = this.#waiting[0]?.options.mayUseReserve === true;
    for (const entry of this.#waiting) {
      bytes += entry.bytes;
      if (count > 0 && bytes > TRANSACTION_BYTES_MAX) break;
      if ((entry.options.mayUseReserve === true) !== reserve) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #run(entries: readonly CommitEntry[]): Promise<void> {
    const failures = this.#failures;
    const before = this.#handedOver;
    let handOver = (): void => {};
    this.#handedOver = new Promise((resolve) => {
      handOver = resolve;
    });
    try {
      const blocks = await Promise.all(entries.map((entry) => Promise.all(entry.sealing)));
      await before;
      if (failures !== this.#failures) throw new TailraceError('storage', 'a write before this one failed');
      const committing = this.#engine.commit(writesOf(entries, blocks), entries[0]?.options);
      handOver();
      await committing;
      settle(entries, blocks);
      for (const sealed of blocks) for (const block of sealed) releaseBlock(block);
    } catch (cause) {
      this.#fail(entries, cause);
    } finally {
      handOver();
      this.#flying--;
      this.#fill();
      if (this.#flying === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** What was accepted behind a failed transaction was built on it, and fails with it. */
  #fail(entries: readonly CommitEntry[], cause: unknown): void {
    this.#failures++;
    this.#onFailure();
    const error = cause instanceof TailraceError ? cause : new TailraceError('storage', 'the store failed', { cause });
    for (const entry of [...entries, ...this.#waiting.splice(0)]) entry.failed(error);
  }
}

/** States are written once per stream and transaction: the last one. */
function writesOf(entries: readonly CommitEntry[], blocks: readonly (readonly SealedBlock[])[]): Write[] {
  const writes: Write[] = [];
  const states = new Map<OpenStream, StreamStateRow>();
  for (const [index, entry] of entries.entries()) {
    for (const row of entry.rows) writes.push(row);
    for (const { key, value } of blocks[index] ?? []) writes.push({ type: 'put', key, value });
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
function settle(entries: readonly CommitEntry[], blocks: readonly (readonly SealedBlock[])[]): void {
  for (const entry of entries) for (const [stream, state] of entry.states) stream.settle(state);
  for (const [index, entry] of entries.entries()) entry.durable(blocks[index] ?? []);
}
