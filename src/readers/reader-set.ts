/**
 * Everything that lives until a client or the server ends it: live readers of all protocols, and the append sessions and waiting reads
 * that end like them. One timer looks after all of them; what they buffer is bounded together; and when the server stops
 * they are told first, have a grace period to go by themselves, are ended after it, and cut at last.
 */

import type { BufferPool } from '../encoding/buffer-pool.ts';
import type { MemoryBudget } from '../encoding/memory-budget.ts';
import { nextTurn } from '../log/next-turn.ts';
import type { Clock } from '../model/clock.ts';
import type { TailraceError } from '../model/error.ts';
import {
  READER_BATCH_BYTES_MIN,
  READER_BUFFERED_BYTES_MAX,
  READER_DRAIN_MS,
  READER_SHORT_STALL_MS,
  READER_SWEEP_MS,
  READERS_HOLDING_MAX,
} from '../model/limits.ts';
import { type BatchLimits, S2_BATCH } from '../s2/batch/batch-end.ts';
import { FrameCache } from './frame-cache.ts';
import { ReaderMemory } from './reader-memory.ts';
import { Readings } from './readings.ts';

/** What a session does when time passes, and when the server stops. */
export interface LiveSession {
  /**
   * The server begins to stop and takes no more connections: advise to reconnect. Called once at most, not before `add`
   * has returned; a session without a way to advise may end at once.
   */
  drain(): void;
  /** The grace period is over: acknowledge what was accepted, tell the client `error` (code `draining`), and end. */
  finish(error: TailraceError): Promise<void> | void;
  /** Called every second, with monotonic milliseconds. */
  sweep?(now: number): void;
  /** What waits for a client that takes nothing, and since when; undefined while nothing does. */
  readonly stalled?: Stalled | undefined;
  /** Ends it at once: others wait for the memory that it holds. */
  letGo?(): void;
  /** Ends the connection without a word; resolves when it is gone. */
  cut?(): Promise<void> | void;
}

export interface Stalled {
  readonly bytes: number;
  /** In monotonic milliseconds. */
  readonly since: number;
}

/** A reader that waits for its peer, and can let go of what it holds meanwhile. */
export interface Holder {
  park(): void;
}

export interface ReaderSetDeps {
  readonly clock: Clock;
  /** For frames that one reader alone gets. */
  readonly pool: BufferPool;
  /** Counts what readers have not taken among what all requests hold. */
  readonly memory?: MemoryBudget;
}

/** While the readers together have much to take, each gets little at a time. */
const SMALL_BATCH: BatchLimits = { ...S2_BATCH, bytes: READER_BATCH_BYTES_MIN };

/** One for the whole server. Sessions are in it from `add` until they call what it returned. */
export class ReaderSet {
  /** What readers of all protocols share. */
  readonly frames: FrameCache;
  readonly clock: Clock;
  readonly memory: ReaderMemory;
  /** Who reads what. */
  readonly readings: Readings;
  readonly #sessions = new Set<LiveSession>();
  /** In the order in which they began to wait. */
  readonly #holders = new Set<Holder>();
  #draining = false;
  #ending: TailraceError | undefined;
  #cancelSweep: (() => void) | undefined;

  constructor({ clock, pool, memory }: ReaderSetDeps) {
    this.clock = clock;
    this.memory = new ReaderMemory(memory);
    this.frames = new FrameCache(pool);
    this.readings = new Readings(clock);
  }

  /** Whether the server has begun to stop: every further frame carries the advice. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Whether sessions are being ended: no new one begins. */
  get ending(): boolean {
    return this.#ending !== undefined;
  }

  /** Sessions that live. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Bytes of all readers that the system has not taken yet. */
  get bufferedBytes(): number {
    return this.memory.bufferedBytes;
  }

  /** How much may wait for one reader before it gets no more. */
  get bufferedBytesMax(): number {
    return this.memory.isCrowded ? 0 : READER_BUFFERED_BYTES_MAX;
  }

  /** How large a batch may be now. */
  get batchLimits(): BatchLimits {
    return this.memory.isCrowded ? SMALL_BATCH : S2_BATCH;
  }

  /** Takes a session in. What it returns takes it out again and may be called twice. */
  add(session: LiveSession): () => void {
    this.#sessions.add(session);
    if (session.sweep !== undefined) this.#sweepLater();
    // One that comes late, over a connection that was there before, is told the same, once its maker is done.
    if (this.#draining) queueMicrotask(() => this.#tellLate(session));
    return () => void this.#sessions.delete(session);
  }

  /** A reader waits and keeps what it holds; the one that has waited longest lets go when there are too many. */
  hold(holder: Holder): void {
    this.#holders.add(holder);
    for (const oldest of this.#holders) {
      if (this.#holders.size <= READERS_HOLDING_MAX) return;
      this.#holders.delete(oldest);
      oldest.park();
    }
  }

  /** It waits no more, or holds nothing. */
  release(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /** Tells all sessions that the server begins to stop. May be called twice. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const session of [...this.#sessions]) advised(session);
  }

  /** Ends all sessions; resolves when each has sent its last frame, or was cut because it took too long. Never rejects. */
  async finish(error: TailraceError): Promise<void> {
    this.#draining = true;
    // What became durable in this turn still goes to those who wait for it.
    await nextTurn();
    this.#ending = error;
    const cancel = this.clock.timer(READER_DRAIN_MS, () => void this.#cutAll());
    await Promise.all([...this.#sessions].map((session) => finished(session, error)));
    cancel();
  }

  /** Cuts what is left. May be called twice. */
  async close(): Promise<void> {
    this.#draining = true;
    this.#cancelSweep?.();
    await this.#cutAll();
  }

  /** Requests may have given back what readers wait for; otherwise those go that hold it for nothing. */
  #freeMemory(now: number): void {
    this.memory.serve();
    let wanted = this.memory.lackingBytes;
    if (wanted === 0) return;
    const stalled: { readonly session: LiveSession; readonly bytes: number; readonly since: number }[] = [];
    for (const session of this.#sessions) {
      const stall = session.stalled;
      if (stall !== undefined && now - stall.since >= READER_SHORT_STALL_MS) stalled.push({ session, ...stall });
    }
    stalled.sort((a, b) => a.since - b.since);
    for (const { session, bytes } of stalled) {
      if (wanted <= 0) return;
      wanted -= bytes;
      session.letGo?.();
    }
  }

  async #cutAll(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.cut?.()));
  }

  #tellLate(session: LiveSession): void {
    if (!this.#sessions.has(session)) return;
    if (this.#ending === undefined) advised(session);
    else void finished(session, this.#ending);
  }

  /** One timer for all readers, and no timer while there are no sessions. */
  #sweepLater(): void {
    if (this.#cancelSweep !== undefined) return;
    this.#cancelSweep = this.clock.timer(READER_SWEEP_MS, () => {
      this.#cancelSweep = undefined;
      const now = this.clock.monotonicMs();
      for (const session of this.#sessions) session.sweep?.(now);
      this.#freeMemory(now);
      if (this.#sessions.size > 0) this.#sweepLater();
    });
  }
}

/** One session that fails must not keep the others from being told. */
function advised(session: LiveSession): void {
  try {
    session.drain();
  } catch {
    // Its handler is told as well.
  }
}

/** A session that fails while it ends deals with that itself. */
async function finished(session: LiveSession, error: TailraceError): Promise<void> {
  try {
    await session.finish(error);
  } catch {
    // Its handler is told as well.
  }
}
