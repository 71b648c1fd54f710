/**
 * A node's part in its cluster: it joins, follows the log, takes over when no node leads, and ends that when another one does.
 * What a node that leads serves is not known here: see `ServedWhileLeading`.
 *
 * ```
 *   joining ──► following ◄──► leading
 *      ▲            │
 *      └────────────┘ the log no longer has what comes next, or the store is damaged
 * ```
 */

import type { Clock } from '../model/clock.ts';
import type { NodeRole } from '../model/cluster-state.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { JOIN_RETRY_MS, LOG_KEPT_BYTES, LOG_KEPT_MS, LOG_PURGE_MS } from '../model/limits.ts';
import type { Logger } from '../observe/logger.ts';
import { Warnings } from '../observe/warnings.ts';
import type { LatchingEngine } from '../storage/latching-engine.ts';
import { COMMAND_VERSION } from '../storage/replicated/command.ts';
import { Replica } from '../storage/replicated/replica.ts';
import { expectWhole, ReplicatedEngine } from '../storage/replicated/replicated-engine.ts';
import type { KeyBucket, ReplicatedLog } from '../storage/replicated/replicated-log.ts';
import { belongingOf } from './base.ts';
import { Leadership } from './leadership.ts';
import { LogFollower } from './log-follower.ts';
import { Membership } from './membership.ts';
import type { LeaderEntry, NodeInfo, NodeUrls } from './node-info.ts';
import { takeSnapshot } from './take-snapshot.ts';

/** What a node does while it leads. */
export interface ServedWhileLeading {
  /** Begins to serve over the engine. */
  begin(engine: ReplicatedEngine): Promise<void>;
  /** Ends it; in order where the reason is `draining`, else at once. Closes the engine. */
  end(reason: TailraceError): Promise<void>;
}

/** What a node does while it follows. Not to be called before another call is over. */
export interface ServedWhileFollowing {
  /** Begins to serve from the replica, to which nothing is applied meanwhile. `catchUp` applies all that the log holds. */
  begin(replica: Replica, catchUp: () => Promise<void>): Promise<void>;
  /** Ends it, if it has begun; in order where the node stops. */
  end(isStopping: boolean): Promise<void>;
}

export interface ReplicationOptions {
  readonly log: ReplicatedLog;
  readonly bucket: KeyBucket;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: string;
  /** The file of the store; a snapshot takes its place. */
  readonly storeFile: string;
  readonly urls: NodeUrls;
  readonly version: string;
  /** Tells this start of the node from earlier ones. */
  readonly start: string;
  readonly served: ServedWhileLeading;
  readonly following: ServedWhileFollowing;
  /** Opens the store in the data directory. */
  openStore(): Promise<LatchingEngine>;
  /** What a node shows to get a snapshot from another one. */
  readonly nodeHeaders: Readonly<Record<string, string>>;
  readonly snapshotPath: string;
  /** What is wrong besides, as sentences for operators. */
  problems(): readonly string[];
  /** Called with what a publish took. */
  onPublished?(tookMs: number, bytes: number): void;
}

/** Lives from `open` to `close`. */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #leadership: Leadership;
  readonly #membership: Membership;
  readonly #kept = new KeptLog();
  #local: LatchingEngine;
  #replica: Replica | undefined;
  #follower: LogFollower | undefined;
  #engine: ReplicatedEngine | undefined;
  #role: NodeRole = 'joining';
  /** One change of role after the other. */
  #changing: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  #problem: string | undefined;
  readonly #warnings: Warnings;
  #cancelPurge = (): void => {};

  private constructor(options: ReplicationOptions, local: LatchingEngine) {
    const { bucket, clock, urls, start, logger } = options;
    this.#options = options;
    this.#warnings = new Warnings(logger, clock);
    this.#local = local;
    const me: LeaderEntry = { ...urls, start };
    const onError = (error: TailraceError): void => this.#note(error);
    this.#leadership = new Leadership({
      ...{ bucket, clock, me, onError },
      canHandOver: () => this.#others.some(mayLead),
      lead: () => this.#change(() => this.#lead()),
      follow: (reason) => this.#endLeading(reason),
    });
    const onDrain = (isDraining: boolean): void => this.#leadership.standBack({ draining: isDraining });
    this.#membership = new Membership({ bucket, clock, onError, onDrain, describe: () => this.describe() });
  }

  /** @throws TailraceError as opening a store */
  static async open(options: ReplicationOptions): Promise<Replication> {
    return new Replication(options, await options.openStore());
  }

  /** Joins, follows and leads from now on. Resolves when others know of this node. */
  async start(): Promise<void> {
    await this.#membership.start();
    void this.#change(() => this.#join());
    this.#purgeLater();
  }

  get role(): NodeRole {
    return this.#role;
  }

  /** The store of this node, as far as it follows. */
  get local(): LatchingEngine {
    return this.#local;
  }

  /** The engine while this node leads. */
  get engine(): ReplicatedEngine | undefined {
    return this.#role === 'leading' ? this.#engine : undefined;
  }

  /** Whether the store of this node takes no writes until a restart. */
  get isBroken(): boolean {
    return this.#local.state === 'read_only';
  }

  get leader(): LeaderEntry | undefined {
    return this.#leadership.leader;
  }

  get nodes(): readonly NodeInfo[] {
    return this.#membership.nodes;
  }

  get #others(): readonly NodeInfo[] {
    return this.nodes.filter(({ url }) => url !== this.#options.urls.url);
  }

  /** How often this node saw the leader change since it started. */
  get leaderChanges(): number {
    return this.#leadership.changes;
  }

  /** Commands in the log that did not count, since this node opened its store. */
  get passedOver(): number {
    return this.#replica?.passedOver ?? 0;
  }

  /** Asks a node to lead no more, or to do so again. @throws TailraceError `not_found`, `invalid`, `unavailable` */
  drain(url: string, on: boolean): Promise<void> {
    return this.#membership.drain(url, on);
  }

  describe(): NodeInfo {
    const { urls, version, problems } = this.#options;
    const own = this.#problem === undefined ? [] : [this.#problem];
    return {
      ...urls,
      version,
      commandVersion: COMMAND_VERSION,
      sequence: this.#replica?.sequence ?? 0,
      durableSequence: this.#replica?.durableSequence ?? 0,
      role: this.#role,
      isDraining: this.#leadership.isDraining,
      problems: [...own, ...problems()],
    };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelPurge();
    await this.#leadership.close();
    await this.#change(() => this.#endFollowing(true));
    await this.#membership.close();
    await this.#replica?.settle().catch((error: unknown) => this.#note(asTailraceError(error)));
    await this.#local.close();
  }

  #change<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(act);
    this.#changing = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  /**
   * Makes sure that the store is one of this cluster, if needed by a snapshot, and follows. Where it could not read on, a
   * snapshot is tried first: another node may be past that place.
   */
  async #join(isStuck = false): Promise<void> {
    const { bucket, cluster, clock } = this.#options;
    for (let tries = 0; !this.#stop.signal.aborted; tries++) {
      const mustCopy = isStuck && tries === 0;
      try {
        const found = await belongingOf(this.#local, bucket, cluster);
        const canFollow = found.type === 'member' && (await this.#canFollow(found.base));
        if (canFollow && !mustCopy) {
          this.#problem = undefined;
          await this.#follow();
          this.#leadership.start();
          return;
        }
        await this.#takeSnapshot(mustCopy ? (this.#replica?.sequence ?? 0) + 1 : 0);
        continue;
      } catch (thrown) {
        const error = asTailraceError(thrown);
        this.#problem = error.message;
        this.#warn(error, 'this node cannot join its cluster yet: it tries again');
      }
      await new Promise<void>((resolve) => void clock.timer(JOIN_RETRY_MS, resolve));
    }
  }

  /** Whether the log still has all that this store lacks. @throws TailraceError `corrupt` when the store has more than it */
  async #canFollow(base: Uint8Array): Promise<boolean> {
    const { log } = this.#options;
    this.#replica = await Replica.open(this.#local, base);
    const { first, last } = await log.bounds();
    expectWhole(last, this.#replica);
    return this.#replica.sequence + 1 >= first;
  }

  /** From a node that is at least so far. */
  async #takeSnapshot(from: number): Promise<void> {
    const { storeFile, nodeHeaders, snapshotPath, logger } = this.#options;
    const others = this.#others.filter(({ role, durableSequence }) => role !== 'joining' && durableSequence >= from);
    const source = others.find(({ role }) => role === 'following') ?? others[0];
    if (source === undefined) throw new TailraceError('unavailable', 'no other node has more to give it a copy of');
    logger.info({ from: source.url }, 'this node takes a snapshot from another one');
    this.#replica = undefined;
    await this.#local.close();
    try {
      const snapshot = { url: source.url, path: snapshotPath, headers: nodeHeaders, signal: this.#stop.signal };
      await takeSnapshot(storeFile, snapshot);
    } finally {
      this.#local = await this.#options.openStore();
    }
  }

  async #follow(): Promise<void> {
    const { log, clock, following } = this.#options;
    const replica = this.#replica;
    if (replica === undefined || this.#stop.signal.aborted) return;
    this.#role = 'following';
    this.#follower = undefined;
    await following.begin(replica, () => this.#follower?.catchUp() ?? Promise.reject(notFollowing()));
    this.#follower = LogFollower.start({
      ...{ log, replica, clock },
      onError: (error) => this.#cannotFollow(error),
      onApplied: (bytes) => {
        this.#problem = undefined;
        this.#kept.note(replica.sequence, bytes, clock.monotonicMs());
      },
    });
  }

  async #endFollowing(isStopping: boolean): Promise<void> {
    await this.#follower?.stop();
    await this.#options.following.end(isStopping);
  }

  #cannotFollow(error: TailraceError): void {
    this.#note(error);
    if (error.code !== 'corrupt' || this.#role !== 'following') return;
    this.#role = 'joining';
    void this.#change(async () => {
      await this.#endFollowing(false);
      await this.#join(true);
    });
  }

  /** @throws TailraceError when the log or the store does not let it */
  async #lead(): Promise<void> {
    const { log, logger, served, clock } = this.#options;
    const replica = this.#replica;
    if (this.#role !== 'following' || replica === undefined || !this.#leadership.holds) {
      throw new TailraceError('unavailable', 'this node has no whole copy yet');
    }
    await this.#endFollowing(false);
    const since = clock.monotonicMs();
    try {
      const engine = await ReplicatedEngine.takeOver({
        ...{ log, replica },
        onSuperseded: (reason) => void this.#leadership.giveUp(reason),
        onPublished: (tookMs, bytes) => {
          this.#kept.note(replica.sequence, bytes, clock.monotonicMs());
          this.#options.onPublished?.(tookMs, bytes);
        },
      });
      this.#engine = engine;
      await served.begin(engine);
      this.#role = 'leading';
      this.#problem = undefined;
      logger.info({ tookMs: Math.round(clock.monotonicMs() - since), sequence: replica.sequence }, 'this node leads');
      void this.#membership.renew();
    } catch (error) {
      await this.#engine?.close();
      this.#engine = undefined;
      await this.#follow();
      throw error;
    }
  }

  async #endLeading(reason: TailraceError): Promise<void> {
    // In order, requests that are under way end first; else nothing of theirs may count any more.
    if (reason.code !== 'draining') this.#engine?.supersede();
    await this.#change(async () => {
      const engine = this.#engine;
      if (engine === undefined) return;
      this.#engine = undefined;
      this.#role = 'following';
      this.#options.logger.warn({ reason: reason.message }, 'this node no longer leads');
      await this.#options.served.end(reason);
      await engine.settled();
      await this.#follow();
      void this.#membership.renew();
    });
  }

  #purgeLater(): void {
    this.#cancelPurge = this.#options.clock.timer(LOG_PURGE_MS, () => {
      void this.#purge().catch((error: unknown) => this.#note(asTailraceError(error)));
      this.#purgeLater();
    });
  }

  /** Removes from the log what is on the disks of all nodes that are there. */
  async #purge(): Promise<void> {
    await this.#replica?.settle();
    if (this.#role !== 'leading') return;
    const durable = this.nodes.map(({ durableSequence }) => durableSequence);
    const sequence = this.#kept.removableTo(durable, this.#options.clock.monotonicMs());
    if (sequence > 0) await this.#options.log.purge(sequence);
  }

  #note(error: TailraceError): void {
    if (this.#stop.signal.aborted) return;
    this.#warn(error, 'the cluster: it goes on trying');
    this.#problem = error.message;
  }

  /** Several causes come in turn, some of them many times in a second. */
  #warn(error: TailraceError, message: string): void {
    this.#warnings.warn(this.#options.cluster, error.message, { err: error }, message);
  }
}

/** One that is asked to take over: a node that was the one that leads says so for a while after its end. */
function mayLead({ role, isDraining }: NodeInfo): boolean {
  return role === 'following' && !isDraining;
}

interface Mark {
  readonly atMs: number;
  readonly sequence: number;
  /** Bytes of all commands up to there, counted from any origin. */
  readonly bytes: number;
}

/**
 * How much of the log is kept: what a live node has not on its disk yet, and for those that are away the last hour, but no
 * more bytes than {@link LOG_KEPT_BYTES}. A node that was away for longer takes a snapshot.
 */
class KeptLog {
  readonly #marks: Mark[] = [];
  #bytes = 0;

  /** Notes that the log has reached a sequence, and by how many bytes. */
  note(sequence: number, bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    const last = this.#marks.at(-1);
    if (last !== undefined && nowMs - last.atMs < LOG_PURGE_MS) return;
    this.#marks.push({ atMs: nowMs, sequence, bytes: this.#bytes });
  }

  /** The sequence up to which nothing is needed, where live nodes have these on disk; 0 for nothing. */
  removableTo(durable: readonly number[], nowMs: number): number {
    const isOld = ({ atMs, bytes }: Mark): boolean =>
      nowMs - atMs >= LOG_KEPT_MS || this.#bytes - bytes >= LOG_KEPT_BYTES;
    const old = this.#marks.findLastIndex(isOld);
    const sequence = this.#marks[old]?.sequence ?? 0;
    this.#marks.splice(0, old);
    return Math.min(sequence, ...durable);
  }
}
