/**
 * A node's part in a partition of its cluster: it joins, follows the log, takes over when no node leads, and ends that when another one does.
 * What a node that leads serves is not known here: see `ServedWhileLeading`.
 *
 * ```
 *   joining ──► following ◄──► leading
 *      ▲            │
 *      └────────────┘ the log no longer has what comes next, or the store is damaged: then a node that leads hands over first
 * ```
 */

import { OneAtATime } from '../encoding/one-at-a-time.ts';
import type { NodeRole } from '../model/cluster-state.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { JOIN_RETRY_MS, REPAIR_POLL_MS } from '../model/limits.ts';
import { Warnings } from '../observe/warnings.ts';
import type { LatchingEngine } from '../storage/latching-engine.ts';
import { COMMAND_VERSION } from '../storage/replicated/command.ts';
import { expectContinued } from '../storage/replicated/expect-continued.ts';
import { Replica } from '../storage/replicated/replica.ts';
import { ReplicatedEngine } from '../storage/replicated/replicated-engine.ts';
import { belongingOf } from './base.ts';
import { Damage } from './damage.ts';
import { KeptLog } from './kept-log.ts';
import { Leadership } from './leadership.ts';
import { LogFollower } from './log-follower.ts';
import { Membership } from './membership.ts';
import { type LeaderEntry, mayLead, type NodeInfo } from './node-info.ts';
import type { ReplicationOptions } from './replication-options.ts';
import { Scrub } from './scrub.ts';
import { takeSnapshot } from './take-snapshot.ts';

/** Lives from `open` to `close`. */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #leadership: Leadership;
  readonly #membership: Membership;
  readonly #kept: KeptLog;
  readonly #damage = new Damage();
  #scrub: Scrub | undefined;
  #local: LatchingEngine;
  #replica: Replica | undefined;
  #follower: LogFollower | undefined;
  #engine: ReplicatedEngine | undefined;
  #role: NodeRole = 'joining';
  /** One change of role after the other. */
  readonly #changing = new OneAtATime();
  readonly #stop = new AbortController();
  #problem: string | undefined;
  readonly #warnings: Warnings;
  #cancelRepair = (): void => {};

  private constructor(options: ReplicationOptions, local: LatchingEngine) {
    const { log, bucket, clock, urls, start, logger, partition, excess = () => 0 } = options;
    this.#options = options;
    this.#warnings = new Warnings(logger, clock);
    this.#local = local;
    const me: LeaderEntry = { ...urls, start };
    const onError = (error: TailraceError): void => this.#note(error);
    this.#kept = new KeptLog({ log, clock, onError, durable: () => this.#durable() });
    this.#leadership = new Leadership({
      ...{ bucket, clock, me, partition, excess, onError },
      canHandOver: () => this.#others.some(mayLead),
      canLead: () => this.#role !== 'joining',
      lead: () => this.#changing.run(() => this.#lead()),
      follow: (reason) => this.#endLeading(reason),
    });
    const onDrain = (isDraining: boolean): void => this.#leadership.standBack({ draining: isDraining });
    this.#membership = new Membership({ bucket, clock, partition, onError, onDrain, describe: () => this.describe() });
  }

  /** @throws TailraceError as opening a store */
  static async open(options: ReplicationOptions): Promise<Replication> {
    return new Replication(options, await options.openStore());
  }

  /** Joins, follows and leads from now on. Resolves when others know of this node. */
  async start(): Promise<void> {
    await this.#membership.start();
    void this.#changing.run(() => this.#join());
    this.#kept.start();
  }

  get partition(): number {
    return this.#options.partition;
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

  /** The node that leads, or that did so last. */
  get lastLeader(): LeaderEntry | undefined {
    return this.#leadership.lastLeader;
  }

  /** Whether this node leads, or is about to. */
  get claimsLead(): boolean {
    return this.#leadership.claims;
  }

  /** Whether no other node can lead at this moment; false after a pause, until the key is written again. */
  get leadsForSure(): boolean {
    return this.#leadership.holdsForSure;
  }

  get nodes(): readonly NodeInfo[] {
    return this.#membership.nodes;
  }

  get #others(): readonly NodeInfo[] {
    return this.nodes.filter(({ url }) => url !== this.#options.urls.url);
  }

  /** Applies all that the log holds now. @throws TailraceError `unavailable` when that is not known, or takes too long */
  catchUp(): Promise<void> {
    // Who leads writes it, and may lead no more without knowing it.
    if (this.#role === 'leading') return this.#engine?.confirm() ?? Promise.reject(notFollowing());
    return this.#follower?.catchUp() ?? Promise.reject(notFollowing());
  }

  /** What turned out to be damaged in the store that this node has now. */
  damaged(error: TailraceError): void {
    this.#damaged(this.#local, error);
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

  /** Leads no more, in order, and leaves it to another node for a while. */
  handOver(reason: string): Promise<void> {
    return this.#leadership.handOver(new TailraceError('draining', reason));
  }

  describe(): NodeInfo {
    const { urls, version, problems } = this.#options;
    return {
      ...urls,
      version,
      commandVersion: COMMAND_VERSION,
      sequence: this.#replica?.sequence ?? 0,
      durableSequence: this.#replica?.durableSequence ?? 0,
      role: this.#role,
      isDraining: this.#leadership.isDraining,
      isDamaged: this.#damage.isFound,
      damages: this.#damage.count,
      problems: [...(this.#problem === undefined ? [] : [this.#problem]), ...this.#damage.problems, ...problems()],
    };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#kept.close();
    this.#cancelRepair();
    this.#scrub?.stop();
    await this.#leadership.close();
    await this.#changing.run(() => this.#endFollowing(true));
    await this.#membership.close();
    await this.#replica?.settle().catch((error: unknown) => this.#note(asTailraceError(error)));
    await this.#local.close();
  }

  /**
   * Makes sure that the store is one of this cluster, if needed by a snapshot, and follows. With `copyFrom` a snapshot of a
   * node that is at least so far is tried first. While it cannot join it knows who leads, and passes requests on.
   */
  async #join(copyFrom?: number): Promise<void> {
    const { bucket, cluster, partition, clock } = this.#options;
    for (let tries = 0; !this.#stop.signal.aborted; tries++) {
      const mustCopy = copyFrom !== undefined && tries === 0;
      try {
        const found = await belongingOf(this.#local, bucket, { cluster, partition });
        const canFollow = found.type === 'member' && (await this.#canFollow(found.base));
        if (canFollow && !mustCopy) {
          this.#problem = undefined;
          if (this.#replica !== undefined) await this.#options.opened?.(this.#replica);
          this.#scrubStore();
          await this.#follow();
          this.#leadership.start();
          return;
        }
        await this.#takeSnapshot(mustCopy ? copyFrom : 0, found.base);
        // One that is behind the log, too, is not taken again and again.
        if (tries === 0) continue;
      } catch (thrown) {
        const error = asTailraceError(thrown);
        this.#problem = error.message;
        this.#warn(error, 'this node cannot join its cluster yet: it tries again');
        this.#leadership.start();
      }
      await new Promise<void>((resolve) => void clock.timer(JOIN_RETRY_MS, resolve));
    }
  }

  /** Whether the log still has all that this store lacks. @throws TailraceError `corrupt` when the store has what it lacks */
  async #canFollow(base: Uint8Array): Promise<boolean> {
    const { log } = this.#options;
    this.#replica = await Replica.open(this.#local, base);
    const { first } = await expectContinued(log, this.#replica);
    return this.#replica.sequence + 1 >= first;
  }

  /** From a node that is at least so far; it is of the partition with this base. */
  async #takeSnapshot(from: number, base: Uint8Array): Promise<void> {
    const { storeFile, nodeHeaders: headers, snapshotPath, caFile, logger, clock, partition } = this.#options;
    const source = this.#damage.sourceAmong(this.#others.filter(({ durableSequence }) => durableSequence >= from));
    if (source === undefined) throw new TailraceError('unavailable', 'no other node has more to give it a copy of');
    logger.info({ partition, from: source.url }, 'this node takes a snapshot from another one');
    this.#replica = undefined;
    this.#scrub?.stop();
    await this.#local.close();
    try {
      const path = `${snapshotPath}?partition=${partition}`;
      await takeSnapshot(storeFile, { url: source.url, path, headers, caFile, signal: this.#stop.signal }, base);
    } catch (thrown) {
      this.#damage.failed(source.url, asTailraceError(thrown), clock.monotonicMs());
      throw thrown;
    } finally {
      this.#local = await this.#options.openStore();
    }
    if (!this.#damage.copied(clock.monotonicMs())) return;
    logger.warn({ partition, from: source.url }, 'a copy of another node has taken the place of the damaged store');
    this.#leadership.standBack({ damaged: false });
  }

  async #follow(): Promise<void> {
    const { log, clock, following } = this.#options;
    const [replica, local] = [this.#replica, this.#local];
    if (replica === undefined || this.#stop.signal.aborted) return;
    this.#role = 'following';
    this.#follower = undefined;
    const catchUp = (): Promise<void> => this.#follower?.catchUp() ?? Promise.reject(notFollowing());
    await following.begin(replica, { catchUp, onDamaged: (error) => this.#damaged(local, error) });
    this.#follower = LogFollower.start({
      ...{ log, replica, clock },
      onError: (error) => this.#cannotFollow(error),
      onApplied: (bytes) => {
        this.#problem = undefined;
        this.#kept.note(replica.sequence, bytes);
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
    void this.#changing.run(async () => {
      await this.#endFollowing(false);
      // Another node may be past that place.
      await this.#join((this.#replica?.sequence ?? 0) + 1);
    });
  }

  #scrubStore(): void {
    const [engine, { clock, scrubPace: pace = new OneAtATime() }] = [this.#local, this.#options];
    this.#scrub?.stop();
    this.#scrub = Scrub.start({ engine, clock, pace, onDamaged: (error) => this.#damaged(engine, error) });
  }

  /** What is damaged in a store that was replaced meanwhile is no longer so. */
  #damaged(local: LatchingEngine, error: TailraceError): void {
    if (local !== this.#local || this.#stop.signal.aborted || !this.#damage.note(error)) return;
    const { logger, partition } = this.#options;
    logger.error({ partition, err: error }, 'the store of this node is damaged: it takes a copy of another node');
    this.#leadership.standBack({ damaged: true });
    void this.#membership.renew();
    this.#repairLater();
  }

  #repairLater(): void {
    this.#cancelRepair = this.#options.clock.timer(REPAIR_POLL_MS, () => {
      void this.#changing
        .run(() => this.#repair())
        .catch((error: unknown) => this.#note(asTailraceError(error)))
        .finally(() => {
          if (this.#damage.isFound && !this.#stop.signal.aborted) this.#repairLater();
        });
    });
  }

  /** Takes a copy of another node where there is one. A node that leads hands over first, or leads on with what is whole. */
  async #repair(): Promise<void> {
    if (this.#role !== 'following' || !this.#damage.isFound || this.#damage.sourceAmong(this.#others) === undefined)
      return;
    if (!this.#damage.mayRepair(this.#options.clock.monotonicMs())) return;
    this.#role = 'joining';
    await this.#endFollowing(false);
    await this.#join(0);
  }

  /** @throws TailraceError when the log or the store does not let it */
  async #lead(): Promise<void> {
    const { log, logger, served, clock, partition } = this.#options;
    const [replica, local] = [this.#replica, this.#local];
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
          this.#kept.note(replica.sequence, bytes);
          this.#options.onPublished?.(tookMs, bytes);
        },
      });
      this.#engine = engine;
      await served.begin(engine, (error) => this.#damaged(local, error));
      this.#role = 'leading';
      this.#problem = undefined;
      const tookMs = Math.round(clock.monotonicMs() - since);
      logger.info({ partition, tookMs, sequence: replica.sequence }, 'this node leads');
      void this.#membership.renew();
    } catch (error) {
      await this.#engine?.close();
      this.#engine = undefined;
      await this.#follow();
      if (asTailraceError(error).code === 'corrupt') this.#cannotFollow(asTailraceError(error));
      throw error;
    }
  }

  async #endLeading(reason: TailraceError): Promise<void> {
    // In order, requests that are under way end first; else nothing of theirs may count any more.
    if (reason.code !== 'draining') this.#engine?.supersede();
    // Nothing leads here while it joins, which may take long.
    if (this.#role === 'joining') return;
    await this.#changing.run(async () => {
      const engine = this.#engine;
      if (engine === undefined) return;
      this.#engine = undefined;
      this.#role = 'following';
      this.#options.logger.warn({ partition: this.partition, reason: reason.message }, 'this node no longer leads');
      await this.#options.served.end(reason);
      await engine.settled();
      await this.#follow();
      void this.#membership.renew();
    });
  }

  /** How far the nodes that are there have the log on disk, where this one leads. */
  async #durable(): Promise<readonly number[] | undefined> {
    await this.#replica?.settle();
    return this.#role === 'leading' ? this.nodes.map(({ durableSequence }) => durableSequence) : undefined;
  }

  #note(error: TailraceError): void {
    if (this.#stop.signal.aborted) return;
    this.#warn(error, 'the cluster: it goes on trying');
    this.#problem = error.message;
  }

  /** Several causes come in turn, some of them many times in a second. */
  #warn(error: TailraceError, message: string): void {
    this.#warnings.warn(this.#options.cluster, error.message, { partition: this.partition, err: error }, message);
  }
}

function notFollowing(): TailraceError {
  return new TailraceError('unavailable', 'this node does not follow the log of its cluster yet: send again');
}
