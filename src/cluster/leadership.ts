/**
 * Who leads a partition. A key that ends by itself says so; the node that holds it renews it, the others look at it. The
 * key only decides who tries to lead: what makes it safe is the chain of commands (`storage/replicated/replica.ts`).
 */

import type { Clock } from '../model/clock.ts';
import { asTailraceError, TailraceError, unavailable } from '../model/error.ts';
import {
  HAND_OVER_PAUSE_MS,
  LEAD_STAGGER_MS,
  LEAD_STAGGER_MS_MAX,
  LEADER_POLL_MS,
  LEADER_RENEW_MS,
  LEADER_TTL_MS,
  LEADERLESS_MS_MAX,
  TAKE_OVER_PAUSE_MS,
} from '../model/limits.ts';
import type { KeyBucket } from '../storage/replicated/replicated-log.ts';
import { decodeLeader, encodeEntry, type LeaderEntry, leaderKey } from './node-info.ts';

export interface LeadershipOptions {
  readonly bucket: KeyBucket;
  readonly clock: Clock;
  readonly me: LeaderEntry;
  readonly partition: number;
  /** How many partitions more this node leads than another one that could lead this one: that one is first to try. */
  excess(): number;
  /** Whether a node is there that could lead in place of this one. */
  canHandOver(): boolean;
  /** Whether this node has a store to lead with. While it has none it neither takes nor keeps the key. */
  canLead(): boolean;
  /** Takes over; rejects when that fails. The key is renewed meanwhile. */
  lead(): Promise<void>;
  /** Ends leading, or taking over; resolves when nothing more is written. */
  follow(reason: TailraceError): Promise<void>;
  /** The key could not be read or written. */
  onError(error: TailraceError): void;
}

/** Lives from `start` to `close`. */
export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #key: string;
  #leader: LeaderEntry | undefined;
  #lastLeader: LeaderEntry | undefined;
  #changes = 0;
  /** Revision of the key while we hold it. */
  #revision: number | undefined;
  /** It is just being written. */
  #isTrying = false;
  #renewedAt = 0;
  /** What the key has been since when, as far as this node saw it. */
  #seen: { readonly revision: number | undefined; readonly sinceMs: number } | undefined;
  #pausedUntil = 0;
  /** Settles when the key is given up. */
  #releasing: Promise<void> = Promise.resolve();
  /** The start of this node before this one, where it led when it ended: what held the directory of the data is gone. */
  #startBefore: string | undefined;
  #hasLooked = false;
  /** Why it leaves leading to others, where they can. */
  #standsBack: { readonly draining: boolean; readonly damaged: boolean } = { draining: false, damaged: false };
  #running: Promise<void> | undefined;
  #wake = (): void => {};
  #stopped = false;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#key = leaderKey(options.partition);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The node that leads as far as this one knows, also itself; undefined when none does. */
  get leader(): LeaderEntry | undefined {
    return this.#leader;
  }

  /** The node that leads, or that did so last as far as this one knows. */
  get lastLeader(): LeaderEntry | undefined {
    return this.#lastLeader;
  }

  /** How often this node saw another node, or another start of one, begin to lead; the first one does not count. */
  get changes(): number {
    return this.#changes;
  }

  get holds(): boolean {
    return this.#revision !== undefined;
  }

  /** Whether no other node can hold the key now: its time, which began after it was last written, is not over. */
  get holdsForSure(): boolean {
    return this.holds && this.#options.clock.monotonicMs() - this.#renewedAt < LEADER_TTL_MS;
  }

  /** Whether this node leads, or is about to. */
  get claims(): boolean {
    return this.holds || this.#isTrying;
  }

  get isDraining(): boolean {
    return this.#standsBack.draining;
  }

  /**
   * Leaves leading to others until both are false: it hands over where another node could lead, and leads itself only when
   * none does for a while.
   */
  standBack(why: { readonly draining?: boolean; readonly damaged?: boolean }): void {
    this.#standsBack = { ...this.#standsBack, ...why };
    this.#wake();
  }

  /** Gives the key up, because leading failed; others are first to try. */
  async giveUp(reason: TailraceError): Promise<void> {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#options.clock.monotonicMs() + TAKE_OVER_PAUSE_MS);
    await this.#release(reason);
  }

  /** Ends leading and leaves it to another node, if there is one that takes it. */
  async handOver(reason: TailraceError): Promise<void> {
    if (!this.holds) return;
    // Until it is removed, the key looks as if it were to be taken back.
    this.#pausedUntil = Number.POSITIVE_INFINITY;
    try {
      await this.#release(reason);
    } finally {
      this.#pausedUntil = this.#options.clock.monotonicMs() + HAND_OVER_PAUSE_MS;
    }
  }

  /** Ends leading and gives the key up, so that another node takes over at once. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
    await this.#release(new TailraceError('draining', 'this node is stopping'));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await (this.#revision === undefined ? this.#look() : this.#hold(this.#revision));
      } catch (error) {
        this.#options.onError(asTailraceError(error));
      }
      if (!this.#stopped) await this.#pause();
    }
  }

  async #look(): Promise<void> {
    const { bucket, clock, me } = this.#options;
    const entry = await bucket.get(this.#key);
    const leader = entry === undefined ? undefined : decodeLeader(entry);
    this.#see(leader);
    const now = clock.monotonicMs();
    if (this.#seen === undefined || this.#seen.revision !== entry?.revision) {
      this.#seen = { revision: entry?.revision, sinceMs: now };
    }
    if (!this.#hasLooked && leader?.url === me.url) this.#startBefore = leader.start;
    this.#hasLooked = true;
    const mayTry = this.#options.canLead() && this.#mayTry(leader, now - this.#seen.sinceMs);
    if (!mayTry || now < this.#pausedUntil || this.#stopped) return;
    if (!(await this.#take(entry?.revision ?? 0))) return;
    this.#renewedAt = now;
    this.#see(me);
    void this.#options.lead().catch((error: unknown) => this.giveUp(asTailraceError(error)));
  }

  /** Returns whether no other node was faster. */
  async #take(revision: number): Promise<boolean> {
    const { bucket, me } = this.#options;
    this.#isTrying = true;
    try {
      this.#revision = await bucket.put(this.#key, encodeEntry(me), { revision, ttlMs: LEADER_TTL_MS });
      return this.holds;
    } finally {
      this.#isTrying = false;
    }
  }

  /** Whether no other node leads, where the key has been the same for so long. */
  #mayTry(leader: LeaderEntry | undefined, unchangedMs: number): boolean {
    const waitMs = this.#mustStandBack ? LEADERLESS_MS_MAX : this.#staggerMs;
    // A key that stays as it is for its time is over, also where NATS, which elects at that moment, does not end it yet.
    if (leader !== undefined && unchangedMs >= LEADER_TTL_MS + waitMs) return true;
    if (leader === undefined) return unchangedMs >= waitMs;
    // One of ours that we do not hold is that of a write whose answer was lost, or of a process that has ended.
    const isOurs = leader.start === this.#options.me.start || leader.start === this.#startBefore;
    return isOurs && !this.#mustStandBack;
  }

  get #staggerMs(): number {
    return Math.min(this.#options.excess() * LEAD_STAGGER_MS, LEAD_STAGGER_MS_MAX);
  }

  get #mustStandBack(): boolean {
    return this.#standsBack.draining || this.#standsBack.damaged;
  }

  #see(leader: LeaderEntry | undefined): void {
    this.#leader = leader;
    if (leader === undefined) return;
    if (this.#lastLeader !== undefined && leader.start !== this.#lastLeader.start) this.#changes++;
    this.#lastLeader = leader;
  }

  async #hold(revision: number): Promise<void> {
    const { bucket, clock, me } = this.#options;
    if (!this.#options.canLead()) {
      await this.#release(unavailable('this node has no whole copy yet'));
      return;
    }
    if (this.#mustStandBack && this.#options.canHandOver()) {
      const why = this.isDraining ? 'this node was told to lead no more' : 'the store of this node is damaged';
      await this.#release(new TailraceError('draining', why));
      return;
    }
    const now = clock.monotonicMs();
    if (now - this.#renewedAt >= LEADER_TTL_MS) {
      await this.#lose('this node could not say in time that it still leads');
      return;
    }
    if (now - this.#renewedAt < LEADER_RENEW_MS) return;
    const renewed = await bucket.put(this.#key, encodeEntry(me), { revision, ttlMs: LEADER_TTL_MS });
    if (this.#revision !== revision) return;
    if (renewed === undefined) {
      await this.#lose('another node of the cluster leads now');
      return;
    }
    this.#revision = renewed;
    this.#renewedAt = now;
  }

  async #lose(why: string): Promise<void> {
    this.#revision = undefined;
    this.#leader = undefined;
    await this.#options.follow(unavailable(why));
  }

  /** Resolves when the key is given up, also where that was under way before. */
  async #release(reason: TailraceError): Promise<void> {
    const revision = this.#revision;
    if (revision === undefined) return this.#releasing;
    this.#revision = undefined;
    this.#leader = undefined;
    const releasing = this.#remove(revision, reason);
    this.#releasing = releasing.catch(() => {});
    await releasing;
  }

  async #remove(revision: number, reason: TailraceError): Promise<void> {
    await this.#options.follow(reason);
    try {
      await this.#options.bucket.remove(this.#key, revision);
    } catch (error) {
      // It ends by itself.
      this.#options.onError(asTailraceError(error));
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.timer(LEADER_POLL_MS, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
