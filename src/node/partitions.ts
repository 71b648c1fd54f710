/**
 * The partitions of a node: each with its store, its part in its log, and what the node serves of it. Partition 0 also says
 * who may do what, and in which partition each basin is; so the others begin when this node has followed it once.
 */

import type { Access } from '../access/access.ts';
import { BasinRule } from '../access/basin-rule.ts';
import type { NodeTrust } from '../access/node-trust.ts';
import type { PartitionCount } from '../cluster/partition-count.ts';
import { PlaceWriter } from '../cluster/place-writer.ts';
import { Places } from '../cluster/places.ts';
import { rowsFromNode } from '../cluster/take-snapshot.ts';
import type { Config } from '../config.ts';
import type { MemoryBudget } from '../encoding/memory-budget.ts';
import { OneAtATime } from '../encoding/one-at-a-time.ts';
import type { ClusterCall } from '../http/cluster-calls.ts';
import type { LentPorts } from '../http/lent-requests.ts';
import { BASIN_ROWS_PATH } from '../http/node-requests.ts';
import type { Clock } from '../model/clock.ts';
import { assert, asTailraceError, TailraceError, unavailable } from '../model/error.ts';
import { JOIN_RETRY_MS, PLACES_SWEPT_MS } from '../model/limits.ts';
import type { Audit } from '../observe/audit.ts';
import type { EventLoopDelay } from '../observe/event-loop-delay.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Senders } from '../observe/senders.ts';
import type { Warnings } from '../observe/warnings.ts';
import { type OpenStoreParts, ownDataDir } from '../open-store.ts';
import type { ComposedServer, ServerSurroundings, SharedParts } from '../server.ts';
import { partitionDir } from '../storage/data-dir.ts';
import type { Entry } from '../storage/engine.ts';
import { type Replica, readOnly } from '../storage/replicated/replica.ts';
import type { ReplicatedLog } from '../storage/replicated/replicated-log.ts';
import { BasinMover } from './basin-mover.ts';
import { callHandlers } from './call-handlers.ts';
import type { ClusterPorts, PartitionPort } from './cluster-ports.ts';
import { LeaderCalls, noLeader } from './leader-calls.ts';
import { NodeAccess } from './node-access.ts';
import { Partition, type PartitionDeps } from './partition.ts';
import { PartitionSurroundings } from './partition-surroundings.ts';
import { PlacedBasins } from './placed-basins.ts';
import { RemoteSessions } from './remote-sessions.ts';
import { credentialIn, RequestPartitions, type RoutedRequest } from './request-partition.ts';

export interface PartitionsDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly warnings: Warnings;
  readonly parts: OpenStoreParts;
  /** Absolute. */
  readonly dataDir: string;
  readonly trust: NodeTrust;
  readonly memory: MemoryBudget;
  readonly lentPorts: LentPorts;
  readonly count: PartitionCount;
  /** What all its servers share. */
  readonly shared: SharedParts;
  readonly process: ProcessParts;
  /** By how many other partitions this node leads more than one that could lead this partition. */
  excessIn(partition: number): number;
  readonly nodeHeaders: Readonly<Record<string, string>>;
  ports(): ClusterPorts;
  /** Makes the stream of a partition where it is missing. */
  openLog(partition: number): Promise<ReplicatedLog>;
  readonly replication: Omit<
    PartitionDeps['replication'],
    'log' | 'partition' | 'opened' | 'excess' | 'scrubPace' | 'onPublished'
  >;
  onPublished(tookMs: number, partition: number): void;
  /** Around the server that leads partition 0. */
  readonly around: ServerSurroundings;
}

/** What there is once in the process of a node. */
export interface ProcessParts {
  readonly metrics: Metrics;
  readonly audit: Audit;
  readonly senders: Senders;
  readonly loop: EventLoopDelay;
}

const NO_PARTITION: PartitionPort = {
  ...{ leading: undefined, leadsForSure: false, followingHandlers: undefined, target: undefined },
};

/** Lives from `open` to `close`. */
export class Partitions {
  readonly places = new Places();
  readonly placed: PlacedBasins;
  readonly calls: LeaderCalls;
  readonly #deps: PartitionsDeps;
  readonly #all: Partition[] = [];
  readonly #movers = new Map<number, BasinMover>();
  readonly #requests: RequestPartitions;
  readonly #surroundings: PartitionSurroundings;
  readonly #scrubPace = new OneAtATime();
  /** What is open besides the stores, such as the locks of their directories. */
  readonly #locks: { close(): Promise<void> }[] = [];
  #access: NodeAccess | undefined;
  #sessions: RemoteSessions | undefined;
  /** While this node leads partition 0. */
  #writer: PlaceWriter | undefined;
  #cancelSweep = (): void => {};
  #cancelWatch = (): void => {};
  #opening: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  /** The same for all that count them. */
  readonly #connections = (): number => this.#deps.ports().connections;

  private constructor(deps: PartitionsDeps) {
    this.#deps = deps;
    const { config, nodeHeaders, around, shared } = deps;
    const count = (): number => this.count;
    const access = (): Access => this.#usableAccess().access;
    const catchUp = (): Promise<void> => this.first.replication.catchUp();
    const call = (asked: ClusterCall, signal?: AbortSignal): Promise<unknown> => this.calls.call(asked, signal);
    this.placed = new PlacedBasins({
      ...{ places: this.places, call, defaultBasin: config.defaultBasin },
      writer: () => this.#writer,
      partitions: () => this.#all,
      count,
    });
    this.calls = new LeaderCalls({
      handlers: callHandlers({
        ...{ places: this.places, sessions: () => this.#sessions, access, catchUp, call },
        writer: () => this.#writer,
        mover: (partition) => this.#movers.get(partition),
        rows: (from, basin, id) => this.#rowsFrom(from, basin, id),
      }),
      partition: (number) => this.#all[number],
      ...{ nodeHeaders, caFile: config.clusterCa },
    });
    this.#requests = new RequestPartitions({
      basinRule: new BasinRule({ defaultBasin: config.defaultBasin, hostSuffix: config.basinHostSuffix }),
      ...{ count, catchUp },
      access: () => this.#access?.access,
      placeOf: (basin) => this.placed.partitionOf(basin),
      foundIn: (basin) => this.placed.foundIn(basin),
    });
    this.#surroundings = new PartitionSurroundings({
      ...{ around, shared, access, catchUp, places: this.places, placed: this.placed, calls: this.calls },
      first: () => this.first,
      others: () => {
        if (this.#all.length === this.count) return this.#all.slice(1);
        throw unavailable('this node has not opened all partitions yet: send again');
      },
    });
  }

  /** Opens the store of partition 0. @throws TailraceError as opening a store; `config`, `unavailable` of the log */
  static async open(deps: PartitionsDeps, log: ReplicatedLog): Promise<Partitions> {
    const partitions = new Partitions(deps);
    await partitions.#add(log);
    return partitions;
  }

  get all(): readonly Partition[] {
    return this.#all;
  }

  get first(): Partition {
    const [first] = this.#all;
    assert(first !== undefined, 'a node has partition 0 from its beginning');
    return first;
  }

  get movers(): ReadonlyMap<number, BasinMover> {
    return this.#movers;
  }

  at(number: number): Partition | undefined {
    return this.#all[number];
  }

  /** How many there are in the cluster; this node may not have opened all of them yet. */
  get count(): number {
    return Math.max(this.#all.length, this.places.partitions);
  }

  /** Nothing of another partition is served while it cannot be followed here who may do what. */
  portOf(number: number): PartitionPort {
    const isFollowed = number === 0 || this.first.replication.role !== 'joining';
    const partition = this.#all[number];
    return (isFollowed ? partition : partition && { ...NO_PARTITION, target: partition.target }) ?? NO_PARTITION;
  }

  requestPartition: RequestPartitions['of'] = (...asked) => this.#requests.of(...asked);

  /** What the server of a partition has to know of a caller first; see {@link RemoteSessions.prepare}. */
  prepare({ headers }: RoutedRequest, partition: number): Promise<void> | undefined {
    return partition === 0 ? undefined : this.#sessions?.prepare(credentialIn(headers));
  }

  /** Opens those that there are more by now. */
  grow(): Promise<void> {
    this.#opening = this.#opening.then(() => this.#grow()).catch((error: unknown) => this.#growLater(error));
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelWatch();
    // All at once, before what waits for readers or for servers of NATS.
    await Promise.all(this.#all.map(({ replication }) => replication.handOver('this node is stopping')));
    await this.#opening;
    const [first, ...others] = this.#all;
    await Promise.all(others.map(({ replication }) => replication.close()));
    this.#sessions?.close();
    await first?.replication.close();
    await this.#access?.close();
    for (const lock of this.#locks) await lock.close();
  }

  /** What a backup of the rows of a basin that moves is made of. @throws TailraceError `not_found`, `unavailable` */
  rowsHere(from: number, basin: string, id: string): AsyncGenerator<readonly Entry[]> {
    const mover = this.#movers.get(from);
    if (mover === undefined) throw noLeader(from);
    const rows = mover.rowsOf(basin, id);
    if (rows === undefined) throw new TailraceError('not_found', `the basin ${basin} does not move now`);
    return rows;
  }

  /** The same from the node that leads the partition. */
  #rowsFrom(from: number, basin: string, id: string): AsyncIterable<readonly Entry[]> {
    if (this.#movers.has(from)) return this.rowsHere(from, basin, id);
    const { nodeHeaders: headers, config } = this.#deps;
    const url = this.at(from)?.target?.httpUrl.href;
    if (url === undefined) throw noLeader(from);
    const query = new URLSearchParams({ partition: String(from), basin, id });
    const source = {
      url,
      path: `${BASIN_ROWS_PATH}?${query}`,
      headers,
      caFile: config.clusterCa,
      signal: this.#stop.signal,
    };
    return rowsFromNode(source);
  }

  async #grow(): Promise<void> {
    const { count, openLog } = this.#deps;
    if (this.#access === undefined) return;
    // Before a basin is placed in one of them: builds that know no partitions stop there.
    await this.#writer?.keepCount(count.count);
    while (this.#all.length < count.count && !this.#stop.signal.aborted) {
      const partition = await this.#add(await openLog(this.#all.length));
      await partition.replication.start();
    }
  }

  async #add(log: ReplicatedLog): Promise<Partition> {
    const { config, clock, logger, parts, dataDir, replication, excessIn, onPublished } = this.#deps;
    const number = this.#all.length;
    const dir = partitionDir(dataDir, number);
    // That of partition 0 is locked before anything else.
    if (number > 0) await ownDataDir(dir, logger, this.#locks);
    const partition: Partition = await Partition.open({
      ...{ config, clock, logger, parts },
      dataDir: dir,
      replication: {
        ...{ ...replication, log, partition: number, scrubPace: this.#scrubPace },
        ...(number === 0 ? { opened: (replica: Replica) => this.#openedFirst(replica) } : { problems: () => [] }),
        excess: () => excessIn(number),
        onPublished: (tookMs) => onPublished(tookMs, number),
      },
      leading: async () => (number === 0 ? this.#surroundings.ofFirst() : this.#surroundings.ofOther(number)),
      led: (server) => this.#led(number, server),
      leaves: () => this.#leaves(number),
      following: () => this.#followingParts(number),
    });
    this.#all.push(partition);
    return partition;
  }

  /** The store of partition 0 is there, or another one has taken its place. */
  async #openedFirst(replica: Replica): Promise<void> {
    const { config, clock, warnings } = this.#deps;
    const engine = readOnly(replica.local);
    await this.places.load(engine);
    if (this.#access === undefined) {
      const basins = (): PlacedBasins['known'] => this.placed.known;
      const putUses = async (usedAt: ReadonlyMap<number, number>): Promise<void> => {
        await this.calls.call({ call: 'note-uses', partition: 0, uses: [...usedAt] });
      };
      this.#access = await NodeAccess.load(engine, { config, clock, warnings, basins, putUses });
      const { access } = this.#access;
      this.#sessions = new RemoteSessions({ access, clock, call: (asked) => this.calls.call(asked) });
      this.#watchFirst();
    } else await this.#access.replace(engine, clock);
    replica.onWritten = async (writes) => {
      try {
        this.places.follow(writes);
        for (const mover of this.#movers.values()) mover.follow(this.places);
        await this.#access?.follow(writes);
      } catch (error) {
        this.first.replication.damaged(asTailraceError(error));
      }
    };
    void this.grow();
  }

  async #led(number: number, server: ComposedServer): Promise<void> {
    const { clock, logger } = this.#deps;
    if (number === 0) {
      this.#writer = new PlaceWriter({ places: this.places, clock, commit: (rows) => server.log.commitRows(rows) });
      await this.#writer.keepCount(this.#deps.count.count);
      this.#sweepLater();
    }
    const mover = new BasinMover({
      ...{ partition: number, log: server.log, clock, logger },
      call: (asked, signal) => this.calls.call(asked, signal),
      catchUp: () => this.first.replication.catchUp(),
      flushUsage: () => server.usage.flush(),
    });
    this.#movers.set(number, mover);
    mover.resume(this.places);
  }

  #leaves(number: number): void {
    if (number === 0) {
      this.#writer = undefined;
      this.#cancelSweep();
    }
    this.#movers.get(number)?.close();
    this.#movers.delete(number);
  }

  /** Who takes a copy of partition 0 does not know who may do what: others lead the rest meanwhile, where they can. */
  #watchFirst(): void {
    const { clock, logger } = this.#deps;
    this.#cancelWatch = clock.timer(JOIN_RETRY_MS, () => {
      const isFollowed = this.first.replication.role !== 'joining';
      for (const { replication, server } of isFollowed ? [] : this.#all.slice(1)) {
        if (server === undefined) continue;
        const handing = replication.handOver('this node takes a copy of partition 0');
        handing.catch((err: unknown) => logger.warn({ err }, 'a partition could not be handed over'));
      }
      this.#watchFirst();
    });
  }

  #sweepLater(): void {
    const { clock, logger } = this.#deps;
    this.#cancelSweep = clock.timer(PLACES_SWEPT_MS, () => {
      this.placed.sweep().catch((err: unknown) => logger.warn({ err }, 'places of deleted basins are removed later'));
      this.#sweepLater();
    });
  }

  #followingParts(number: number): ReturnType<PartitionDeps['following']> {
    const { config, clock, logger, warnings, trust, memory, lentPorts, ports, process } = this.#deps;
    return {
      ...{ config, clock, logger, warnings, trust, memory, lentPorts },
      ...{ metrics: process.metrics, audit: process.audit, loop: process.loop },
      access: this.#usableAccess().access,
      elsewhere: ports().elsewhere(number),
      connections: this.#connections,
    };
  }

  /** @throws TailraceError `unavailable` until partition 0 is here, and while its store is being replaced */
  #usableAccess(): NodeAccess {
    if (this.#access !== undefined && this.first.replication.role !== 'joining') return this.#access;
    throw unavailable('this node does not know yet who may do what: send again');
  }

  #growLater(err: unknown): void {
    const { clock, logger } = this.#deps;
    if (this.#stop.signal.aborted) return;
    logger.warn({ err }, 'this node cannot open all partitions yet: it tries again');
    clock.timer(JOIN_RETRY_MS, () => void this.grow());
  }
}
