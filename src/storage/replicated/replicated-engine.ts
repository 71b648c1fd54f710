/**
 * The engine of the node that leads: a commit resolves when a majority of the log's servers has it on disk and this node
 * has it in its own store, too.
 *
 * ```
 *   commit ─► queue ─► one command ─► log (one publish under way) ─► own store ─► resolve, in order
 * ```
 *
 * What waits while a command is published is joined into the next one. The own store follows while the next command is
 * published. When it cannot be known whether a command is stored, or another node's command is in its place, the engine is
 * superseded: everything in flight is refused, and nothing is accepted again. Whoever leads then finds out by the log.
 */

import { randomBytes } from 'node:crypto';
import { TailraceError, unavailable } from '../../model/error.ts';
import { COMMAND_BYTES_MAX, TRANSACTION_ROWS_MAX } from '../../model/limits.ts';
import { bytesOnDisk } from '../bytes-on-disk.ts';
import {
  type CommitOptions,
  type Engine,
  type EngineStat,
  type EngineState,
  type Entry,
  reserveRank,
  type ScanOptions,
  type Snapshot,
  type Write,
} from '../engine.ts';
import { COMMAND_ID_BYTES, encodeCommand } from './command.ts';
import { expectContinued } from './expect-continued.ts';
import type { Replica } from './replica.ts';
import type { ReplicaState } from './replica-state.ts';
import type { PublishOutcome, ReplicatedLog } from './replicated-log.ts';

export interface ReplicatedEngineOptions {
  readonly log: ReplicatedLog;
  readonly replica: Replica;
  /** Called once, when this node no longer leads and did not stop by itself. */
  onSuperseded(reason: TailraceError): void;
  /** Called with what a publish took, in ms. */
  onPublished?(tookMs: number, bytes: number): void;
}

interface QueuedCommit {
  readonly writes: readonly Write[];
  readonly bytes: number;
  readonly options: CommitOptions;
  readonly resolve: () => void;
  readonly reject: (error: TailraceError) => void;
}

interface Caller {
  readonly resolve: () => void;
  readonly reject: (error: TailraceError) => void;
}

/** How often a node tries to be the first behind the last command, while others' commands still come in. */
const TAKE_OVER_TRIES = 20;

/** Its store is that of the replica, which it does not close. */
export class ReplicatedEngine implements Engine {
  readonly #options: ReplicatedEngineOptions;
  #state: EngineState = 'open';
  #listener: (state: EngineState) => void = () => {};
  #queue: QueuedCommit[] = [];
  #confirms: Caller[] = [];
  /** What was published last; the replica follows it. */
  #published: ReplicaState;
  #publishing = false;
  /** Settles when all that is published so far is in the own store. */
  #applied: Promise<void> = Promise.resolve();
  /** They end with this engine: its own store lives on. */
  readonly #snapshots = new Set<Snapshot>();
  #idle: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  private constructor(options: ReplicatedEngineOptions, published: ReplicaState) {
    this.#options = options;
    this.#published = published;
    options.replica.local.onState((state) => this.#localState(state));
  }

  /**
   * Takes over the log: applies all that is in it, and stores a command behind it that has no writes. From then on no
   * command of a node that led before counts. Nothing else may apply commands to the replica meanwhile, nor afterwards.
   * @throws TailraceError `unavailable` when the log does not answer, or others publish, too
   */
  static async takeOver(options: ReplicatedEngineOptions): Promise<ReplicatedEngine> {
    const { log, replica } = options;
    for (let tries = 0; tries < TAKE_OVER_TRIES; tries++) {
      await catchUp(log, replica);
      const { id, bytes } = commandAfter(replica.lastId, []);
      const outcome = await log.publish(bytes, id, replica.sequence);
      if (outcome.type === 'stored') {
        const state = { sequence: outcome.sequence, lastId: id, base: replica.base };
        await replica.write([], state);
        log.announce(outcome.sequence);
        return new ReplicatedEngine(options, state);
      }
      if (outcome.type !== 'superseded') throw notStored(outcome);
    }
    throw new TailraceError('unavailable', 'another node publishes to the log of the cluster: it leads');
  }

  async commit(writes: readonly Write[], options: CommitOptions = {}): Promise<void> {
    const bytes = bytesOnDisk(writes);
    this.#expectLeading();
    if (this.#state === 'full' && reserveRank(options) === 0) this.#options.replica.local.expectSpace(bytes, options);
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ writes, bytes, options, resolve, reject });
      this.#pump();
    });
  }

  /** Shares a command with what is committed next, or publishes one without writes. */
  async confirm(): Promise<void> {
    this.#expectLeading();
    await new Promise<void>((resolve, reject) => {
      this.#confirms.push({ resolve, reject });
      this.#pump();
    });
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#read((local) => local.get(key));
  }

  scan(scan: ScanOptions): Promise<readonly Entry[]> {
    return this.#read((local) => local.scan(scan));
  }

  async snapshot(): Promise<Snapshot> {
    const taken = await this.#read((local) => local.snapshot());
    this.#snapshots.add(taken);
    return {
      scan: async (scan) => {
        if (!this.#snapshots.has(taken)) throw new TailraceError('storage', 'the store was closed meanwhile');
        return taken.scan(scan);
      },
      release: () => this.#release(taken),
    };
  }

  async stat(): Promise<EngineStat> {
    if (this.#state === 'closed') return { state: 'closed', usedBytes: 0, fileBytes: 0, freeBytes: undefined };
    const stat = await this.#options.replica.local.stat();
    return this.#state === 'superseded' ? { ...stat, state: 'superseded' } : stat;
  }

  onState(listener: (state: EngineState) => void): void {
    this.#listener = listener;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #expectLeading(): void {
    if (this.#closing !== undefined) throw new TailraceError('closed', 'the store is closed');
    if (this.#state === 'superseded') throw superseded();
  }

  #read<T>(call: (local: Engine) => Promise<T>): Promise<T> {
    if (this.#state === 'closed') return Promise.reject(new TailraceError('closed', 'the store is closed'));
    return call(this.#options.replica.local);
  }

  #pump(): void {
    if (this.#publishing) return;
    if (this.#queue.length === 0 && this.#confirms.length === 0) {
      for (const done of this.#idle.splice(0)) done();
      return;
    }
    const group = this.#take();
    if (group === undefined) return;
    this.#publishing = true;
    void this.#publish(group, this.#confirms.splice(0));
  }

  /** Removes from the queue what the next command holds. Undefined when there is no space even for the first. */
  #take(): readonly QueuedCommit[] | undefined {
    const group: QueuedCommit[] = [];
    let bytes = 0;
    let rows = 0;
    for (const pending of this.#queue) {
      const isOther = reserveRank(pending.options) !== reserveRank(group[0]?.options ?? pending.options);
      rows += pending.writes.length;
      bytes += pending.bytes;
      if (group.length > 0 && (isOther || bytes > COMMAND_BYTES_MAX || rows > TRANSACTION_ROWS_MAX)) break;
      group.push(pending);
    }
    const taken = group.reduce((sum, pending) => sum + pending.bytes, 0);
    const [first] = group;
    try {
      if (first !== undefined) this.#options.replica.local.expectSpace(taken, first.options);
    } catch (error) {
      if (group.length > 1 && first !== undefined) return this.#takeOne(first);
      this.#refuseAll(error);
      return undefined;
    }
    return this.#queue.splice(0, group.length);
  }

  /** There is no space for the group: perhaps there is for its first. */
  #takeOne(first: QueuedCommit): readonly QueuedCommit[] | undefined {
    try {
      this.#options.replica.local.expectSpace(first.bytes, first.options);
      return this.#queue.splice(0, 1);
    } catch (error) {
      this.#refuseAll(error);
      return undefined;
    }
  }

  /** What was queued behind a refused commit builds on it. */
  #refuseAll(thrown: unknown): void {
    const error =
      thrown instanceof TailraceError ? thrown : new TailraceError('storage', 'the store failed', { cause: thrown });
    for (const pending of this.#queue.splice(0)) pending.reject(error);
    this.#pump();
  }

  async #publish(group: readonly QueuedCommit[], confirms: readonly Caller[]): Promise<void> {
    const { log, onPublished } = this.#options;
    const writes = group.length === 1 ? (group[0]?.writes ?? []) : group.flatMap((pending) => pending.writes);
    const { id, bytes } = commandAfter(this.#published.lastId, writes);
    const started = performance.now();
    const outcome = await log.publish(bytes, id, this.#published.sequence);
    this.#publishing = false;
    if (outcome.type === 'full') {
      const error = new TailraceError('storage_full', 'the log of the cluster is full: give its servers more space', {
        detail: { retryAfterSeconds: 5 },
      });
      for (const waiting of [...group, ...confirms]) waiting.reject(error);
      this.#refuseAll(error);
      return;
    }
    if (outcome.type !== 'stored') {
      this.#supersede(notStored(outcome), [...group, ...confirms]);
      return;
    }
    onPublished?.(performance.now() - started, bytes.length);
    const state = { ...this.#published, sequence: outcome.sequence, lastId: id };
    this.#published = state;
    this.#applied = this.#applied.then(() => this.#apply(group, confirms, writes, state));
    log.announce(outcome.sequence);
    this.#pump();
  }

  async #apply(
    group: readonly QueuedCommit[],
    confirms: readonly Caller[],
    writes: readonly Write[],
    state: ReplicaState,
  ): Promise<void> {
    try {
      if (this.#state === 'superseded') throw superseded();
      await this.#options.replica.write(writes, state);
      for (const waiting of [...group, ...confirms]) waiting.resolve();
    } catch (cause) {
      // It is in the log, and this node cannot show it: another one, or this one after a restart, can.
      const message =
        'the store of this node failed behind the log of its cluster: whether the data is stored is not known';
      this.#supersede(unavailable(message, cause), [...group, ...confirms]);
    }
  }

  #supersede(error: TailraceError, failed: readonly Caller[]): void {
    const isFirst = this.#state !== 'superseded' && this.#state !== 'closed';
    if (isFirst) this.#state = 'superseded';
    for (const waiting of [...failed, ...this.#queue.splice(0), ...this.#confirms.splice(0)]) waiting.reject(error);
    if (isFirst) {
      this.#listener('superseded');
      if (this.#closing === undefined) this.#options.onSuperseded(error);
    }
    this.#pump();
  }

  /** Ends leading from outside: what is in flight is refused, as its outcome is not known. */
  supersede(): void {
    this.#supersede(superseded(), []);
  }

  #release(taken: Snapshot): void {
    if (this.#snapshots.delete(taken)) taken.release();
  }

  #localState(state: EngineState): void {
    if (this.#state === 'superseded' || this.#state === 'closed' || state === 'closed') return;
    this.#state = state;
    this.#listener(state);
  }

  /** Resolves when nothing more of this engine comes into the store. */
  async settled(): Promise<void> {
    await this.#applied;
  }

  async #close(): Promise<void> {
    if (this.#publishing || this.#queue.length > 0 || this.#confirms.length > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await this.#applied;
    for (const taken of this.#snapshots) this.#release(taken);
    this.#options.replica.local.onState(() => {});
    this.#state = 'closed';
    this.#listener('closed');
  }
}

/** Applies all that the log holds. @throws TailraceError as {@link Replica.apply}; `unavailable`, `corrupt` for a gap */
export async function catchUp(log: ReplicatedLog, replica: Replica): Promise<void> {
  const { last } = await expectContinued(log, replica);
  while (replica.sequence < last) {
    const page = await log.read(replica.sequence, COMMAND_BYTES_MAX);
    if (page.type === 'gap')
      throw new TailraceError('corrupt', 'the log of the cluster no longer has what this node needs');
    if (page.commands.length === 0)
      throw new TailraceError('unavailable', 'the log of the cluster does not show its end');
    await replica.apply(page.commands);
  }
}

function commandAfter(lastId: Uint8Array, writes: readonly Write[]): { readonly id: Buffer; readonly bytes: Buffer } {
  const id = randomBytes(COMMAND_ID_BYTES);
  return { id, bytes: encodeCommand({ id, after: lastId, writes }) };
}

function superseded(): TailraceError {
  return unavailable('another node of the cluster leads now: send again');
}

function notStored(outcome: Exclude<PublishOutcome, { readonly type: 'stored' }>): TailraceError {
  if (outcome.type === 'superseded') return superseded();
  return unavailable('the cluster gave no answer in time: whether the data is stored is not known');
}
