/**
 * Group commit: everything that is ready in one turn of the event loop is written in one transaction, and while that
 * one syncs, the next one fills. There is no timer, so when the log is idle a single append waits for one sync only.
 */

import type { Clock } from '../model/clock.ts';
import { assert, TailraceError } from '../model/error.ts';
import { TRANSACTION_BYTES_MAX, TRANSACTION_ROWS_MAX, TRANSACTIONS_IN_FLIGHT_MAX } from '../model/limits.ts';
import { releaseBlock, type SealedBlock } from '../storage/block/seal.ts';
import { type CommitOptions, type Engine, type ReserveRank, reserveRank, type Write } from '../storage/engine.ts';
import { streamStateKey } from '../storage/keys.ts';
import { encodeStreamState } from '../storage/values.ts';
import type { LogObserver } from './observer.ts';
import type { OpenStream, StreamState } from './stream.ts';

/** What one caller commits: all of it becomes durable in one transaction, or nothing. */
export interface CommitRequest {
  /** Blocks in the order of their streams' positions. Some may still be being compressed. */
  readonly sealing: readonly (SealedBlock | Promise<SealedBlock>)[];
  /** The new states of the streams that it changes. */
  readonly states: readonly (readonly [stream: OpenStream, state: StreamState])[];
  /** Other rows: new streams and basins, counters. */
  readonly rows: readonly Write[];
  readonly bytes: number;
  /** Requests share a transaction only when they may use as much of the reserve. */
  readonly options: CommitOptions;
  /** Called when it is durable, in the order of acceptance. The values of the blocks are valid until it returns. */
  durable(blocks: readonly SealedBlock[]): void;
  failed(cause: TailraceError): void;
}

/** A request that waits for its blocks to be compressed, or for its turn. */
interface QueuedRequest {
  readonly request: CommitRequest;
  readonly sinceMs: number;
  /** Set when all blocks are sealed. */
  blocks: readonly SealedBlock[] | undefined;
  /** Set when sealing failed. */
  fault: unknown;
}

export interface CommitQueueOptions {
  readonly clock: Clock;
  readonly observer: LogObserver;
  /** Called as soon as a transaction fails, before anything else is accepted. */
  onFailure(): void;
}

/**
 * Collects requests and passes them to the engine, at most two transactions at a time. When a transaction can start, it
 * takes the requests at the head of the queue that are sealed, in the order of acceptance. It does not wait for the
 * rest of the turn: then all senders would wait for the slowest block, and afterwards all would send at once.
 */
export class CommitQueue {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #observer: LogObserver;
  readonly #onFailure: () => void;
  #queued: QueuedRequest[] = [];
  /** Transactions in flight: how much of the reserve each may use. */
  readonly #inFlight: ReserveRank[] = [];
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

  /** Accepts a request whose positions are already assigned. Its result comes by `durable` or `failed`. */
  push(request: CommitRequest): void {
    this.#accepted++;
    const queued: QueuedRequest = { request, sinceMs: this.#clock.monotonicMs(), blocks: undefined, fault: undefined };
    this.#queued.push(queued);
    if (isSealed(request.sealing)) {
      queued.blocks = request.sealing;
      this.#schedule();
      return;
    }
    Promise.all(request.sealing).then(
      (blocks) => {
        queued.blocks = blocks;
        this.#fill();
      },
      (fault: unknown) => {
        queued.fault = fault;
        this.#fill();
      },
    );
  }

  /** Resolves when no request is queued or in flight. */
  async settled(): Promise<void> {
    if (this.#inFlight.length === 0 && this.#queued.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /**
   * Resolves when everything that was accepted so far is durable. Rejects when some of it failed. A caller must await
   * it before it tells a client what it saw in memory: after a crash, that state would otherwise be lost although the
   * client knows it. In a cluster another node may have changed that state: see {@link Engine.confirm}.
   */
  async barrier(): Promise<void> {
    const requests = this.#accepted;
    const confirmed = this.#engine.confirm();
    if (this.#durable < requests) {
      const durable = new Promise<void>((resolve, reject) => this.#barriers.push({ requests, resolve, reject }));
      await Promise.all([durable, confirmed]);
    }
    await confirmed;
  }

  /** Throws a refusal once the state that it may be based on is durable; see {@link CommitQueue.barrier}. */
  async refuse(refusal: TailraceError): Promise<never> {
    await this.barrier();
    throw refusal;
  }

  /** Runs once per turn, so that small appends of one turn share a transaction. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#fill();
    });
  }

  #fill(): void {
    while (this.#inFlight.length < TRANSACTIONS_IN_FLIGHT_MAX) {
      const first = this.#queued[0];
      if (first === undefined) break;
      if (first.fault !== undefined) {
        this.#fail([], first.fault);
        break;
      }
      if (first.blocks === undefined) break;
      const { options } = first.request;
      const rank = reserveRank(options);
      // A full engine refuses an append at once and accepts a trim, so a trim that builds on the append must wait for
      // it; likewise what may use all of the reserve, behind what may use less of it.
      if (this.#inFlight.some((other) => other < rank)) break;
      void this.#run(this.#take(rank), options);
    }
    if (this.#inFlight.length === 0 && this.#queued.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The next transaction: sealed requests up to the limit, or one that is larger. */
  #take(rank: ReserveRank): readonly SealedRequest[] {
    const taken: SealedRequest[] = [];
    let bytes = 0;
    let rows = 0;
    for (const { request, blocks, sinceMs } of this.#queued) {
      bytes += request.bytes;
      rows += request.rows.length + request.sealing.length + request.states.length;
      if (blocks === undefined || reserveRank(request.options) !== rank) break;
      if (taken.length > 0 && (bytes > TRANSACTION_BYTES_MAX || rows > TRANSACTION_ROWS_MAX)) break;
      taken.push({ request, blocks, sinceMs });
    }
    this.#queued.splice(0, taken.length);
    return taken;
  }

  async #run(sealed: readonly SealedRequest[], options: CommitOptions): Promise<void> {
    const rank = reserveRank(options);
    this.#inFlight.push(rank);
    try {
      const handedOverMs = this.#clock.monotonicMs();
      for (const { request, sinceMs } of sealed) {
        if (request.sealing.length > 0) this.#observer.permitted(handedOverMs - sinceMs);
      }
      await this.#engine.commit(writesOf(sealed), options);
      settle(sealed, this.#observer);
      const bytes = sealed.reduce((sum, { request }) => sum + request.bytes, 0);
      this.#observer.committed(this.#clock.monotonicMs() - handedOverMs, sealed.length, bytes);
      this.#durable += sealed.length;
      while ((this.#barriers[0]?.requests ?? Number.POSITIVE_INFINITY) <= this.#durable)
        this.#barriers.shift()?.resolve();
      for (const { blocks } of sealed) for (const block of blocks) releaseBlock(block);
    } catch (cause) {
      this.#fail(sealed, cause);
    }
    this.#inFlight.splice(this.#inFlight.indexOf(rank), 1);
    // Deferred: the engine may refuse the next transaction at the same moment. Then all queued requests fail, because
    // they build on it.
    queueMicrotask(() => this.#fill());
  }

  /** Requests that were accepted after a failed transaction build on it, so they fail with it. */
  #fail(sealed: readonly SealedRequest[], cause: unknown): void {
    this.#onFailure();
    const error = cause instanceof TailraceError ? cause : new TailraceError('storage', 'the store failed', { cause });
    const failed = [...sealed, ...this.#queued.splice(0)];
    this.#durable += failed.length;
    for (const { reject } of this.#barriers.splice(0)) reject(error);
    for (const { request } of failed) request.failed(error);
  }
}

interface Barrier {
  /** How many requests had been accepted. */
  readonly requests: number;
  resolve(): void;
  reject(error: TailraceError): void;
}

interface SealedRequest {
  readonly request: CommitRequest;
  readonly blocks: readonly SealedBlock[];
  /** When it was accepted. */
  readonly sinceMs: number;
}

function isSealed(sealing: CommitRequest['sealing']): sealing is readonly SealedBlock[] {
  return sealing.every((block) => 'value' in block);
}

/** The writes of a transaction. Each stream's state is written once: the last one. */
function writesOf(sealed: readonly SealedRequest[]): Write[] {
  const writes: Write[] = [];
  const states = new Map<OpenStream, StreamState>();
  for (const { request, blocks } of sealed) {
    for (const row of request.rows) writes.push(row);
    for (const { key, value } of blocks) writes.push({ type: 'put', key, value });
    for (const [stream, state] of request.states) {
      assert((states.get(stream)?.nextSeq ?? 0) <= state.nextSeq, 'requests are in the order of their positions');
      states.set(stream, state);
    }
  }
  for (const [stream, state] of states) {
    writes.push({ type: 'put', key: streamStateKey(stream.number), value: encodeStreamState(state) });
  }
  return writes;
}

/** Moves all durable tails first, so that every acknowledgement of the transaction has the newest tail. */
function settle(sealed: readonly SealedRequest[], observer: LogObserver): void {
  for (const { request } of sealed) {
    for (const [stream, state] of request.states) {
      const before = stream.durable.meteredBytes;
      stream.settle(state);
      if (state.meteredBytes !== before) observer.stored(stream, state.meteredBytes - before, state.meteredBytes);
    }
  }
  for (const { request, blocks } of sealed) request.durable(blocks);
}
