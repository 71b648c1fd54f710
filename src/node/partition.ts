/** One partition of a node: its store, its part in the log of the cluster, and what the node serves of it. */

import { Replication } from '../cluster/replication.ts';
import type { ReplicationOptions } from '../cluster/replication-options.ts';
import type { FollowingCalls, ServedWhileFollowing, ServedWhileLeading } from '../cluster/served.ts';
import type { Config } from '../config.ts';
import type { ListenerHandlers } from '../http/connection/handlers.ts';
import type { ForwardTarget } from '../http/forward/forwarder.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../model/clock.ts';
import { asTailraceError, type TailraceError } from '../model/error.ts';
import type { Logger } from '../observe/logger.ts';
import { type OpenStoreParts, openEngine, type StoreBelow, storeFileIn } from '../open-store.ts';
import { type ComposedServer, createServer, type ServerSurroundings } from '../server.ts';
import { Backups } from '../storage/offline/backup.ts';
import type { Replica } from '../storage/replicated/replica.ts';
import type { ReplicatedEngine } from '../storage/replicated/replicated-engine.ts';
import type { LeadingServer } from './cluster-ports.ts';
import { FollowingServer, type FollowingServerParts } from './following-server.ts';

/** Of a node that lost its lead: what it has begun cannot end well. */
const LOST_LEAD_MS = 500;
/** Of one that hands its lead over: nothing is appended meanwhile, so sessions have no more than this to end. */
const HAND_OVER_MS = 1_000;

/** What its server gets besides, while it leads. */
export interface LeadingParts {
  readonly around: ServerSurroundings;
  readonly over: Pick<StoreBelow, 'numbersFrom' | 'holds'>;
}

export interface PartitionDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly parts: OpenStoreParts;
  /** Of this partition. */
  readonly dataDir: string;
  readonly replication: Omit<ReplicationOptions, 'served' | 'following' | 'storeFile' | 'openStore'>;
  /** Asked each time that this node begins to lead. @throws TailraceError `unavailable` when it cannot yet */
  leading(): Promise<LeadingParts>;
  /** Called when the server of a node that leads has begun. */
  led?(server: ComposedServer): Promise<void>;
  /** Called before it ends. */
  leaves?(): void;
  /** Asked each time that this node begins to follow. */
  following(): Omit<FollowingServerParts, 'replica' | 'catchUp' | 'onDamaged' | 'onBroken'>;
}

export class Partition {
  readonly replication: Replication;
  readonly #deps: PartitionDeps;
  readonly #served: Served;
  readonly #following: Following;
  /** The engine is another one after each snapshot that this node took. */
  #snapshots: { readonly engine: unknown; readonly backups: Backups } | undefined;

  private constructor(deps: PartitionDeps, replication: Replication, served: Served, following: Following) {
    this.#deps = deps;
    this.replication = replication;
    this.#served = served;
    this.#following = following;
  }

  /** In a directory that this process owns. Close its replication. @throws TailraceError as opening a store */
  static async open(deps: PartitionDeps): Promise<Partition> {
    const { config, dataDir } = deps;
    const served = new Served(deps);
    const following = new Following(deps);
    const replication = await Replication.open({
      ...deps.replication,
      ...{ served, following, storeFile: storeFileIn(dataDir) },
      openStore: () => openEngine(config, dataDir),
    });
    return new Partition(deps, replication, served, following);
  }

  get number(): number {
    return this.replication.partition;
  }

  get dataDir(): string {
    return this.#deps.dataDir;
  }

  /** The server that runs while this node leads. */
  get server(): ComposedServer | undefined {
    return this.#served.server;
  }

  get leading(): LeadingServer | undefined {
    return this.#served.current;
  }

  get leadsForSure(): boolean {
    return this.replication.leadsForSure;
  }

  get followingHandlers(): ListenerHandlers | undefined {
    return this.#following.server?.handlers;
  }

  /** Of what runs here, as far as it runs. */
  get log(): Log | undefined {
    return this.#served.server?.log ?? this.#following.server?.log;
  }

  /** The other node that leads, where one is known. */
  get target(): ForwardTarget | undefined {
    const { leader } = this.replication;
    if (leader === undefined || leader.url === this.#deps.config.nodeUrl) return undefined;
    return {
      httpUrl: new URL(leader.url),
      grpcUrl: leader.grpcUrl === undefined ? undefined : new URL(leader.grpcUrl),
    };
  }

  /** Copies of its store for other nodes; undefined while it has no whole one. */
  get snapshots(): Backups | undefined {
    const { role, local } = this.replication;
    if (role === 'joining') return undefined;
    if (this.#snapshots?.engine !== local) {
      const { clock, dataDir } = this.#deps;
      const file = storeFileIn(dataDir);
      const backups = new Backups({ engine: local, file, now: () => clock.now(), withEngineRows: true });
      this.#snapshots = { engine: local, backups };
    }
    return this.#snapshots.backups;
  }
}

/** The server of a node, while that leads. */
class Served implements ServedWhileLeading {
  readonly #deps: PartitionDeps;
  #server: ComposedServer | undefined;
  #current: LeadingServer | undefined;

  constructor(deps: PartitionDeps) {
    this.#deps = deps;
  }

  get server(): ComposedServer | undefined {
    return this.#server;
  }

  get current(): LeadingServer | undefined {
    return this.#current;
  }

  async begin(engine: ReplicatedEngine, onDamaged: (error: TailraceError) => void): Promise<void> {
    const { config, parts, dataDir, leading, led } = this.#deps;
    const { around, over } = await leading();
    const below = { ...over, engine, storeFile: storeFileIn(dataDir), isNew: false, onDamaged };
    const server = await createServer({ ...config, dataDir }, { ...parts, over: below }, around);
    server.start();
    this.#server = server;
    this.#current = { ...server.handlers, confirm: () => engine.confirm() };
    try {
      await led?.(server);
    } catch (error) {
      // This node goes on as one that follows: nothing else ends the server.
      await this.end(asTailraceError(error));
      throw error;
    }
  }

  async end(reason: TailraceError): Promise<void> {
    const server = this.#server;
    this.#deps.leaves?.();
    this.#server = undefined;
    this.#current = undefined;
    const handOverMs = Math.min(HAND_OVER_MS, this.#deps.config.shutdownTimeout);
    await server?.close(reason.code === 'draining' ? handOverMs : LOST_LEAD_MS);
  }
}

/** The server of a node, while that follows. Without one, all requests go to the node that leads. */
class Following implements ServedWhileFollowing {
  readonly #deps: PartitionDeps;
  #server: FollowingServer | undefined;
  /** One that is broken ends by itself. */
  #ending: Promise<void> = Promise.resolve();

  constructor(deps: PartitionDeps) {
    this.#deps = deps;
  }

  get server(): FollowingServer | undefined {
    return this.#server;
  }

  async begin(replica: Replica, calls: FollowingCalls): Promise<void> {
    try {
      const server = await FollowingServer.open({
        ...{ ...this.#deps.following(), ...calls, replica },
        onBroken: (error) => {
          this.#warn(error);
          if (this.#server === server) void this.end(false);
        },
      });
      this.#server = server;
    } catch (error) {
      this.#warn(asTailraceError(error));
    }
  }

  end(isStopping: boolean): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const withinMs = isStopping ? this.#deps.config.shutdownTimeout : LOST_LEAD_MS;
    this.#ending = Promise.all([this.#ending, server?.close(withinMs)]).then(() => {});
    return this.#ending;
  }

  #warn(err: TailraceError): void {
    this.#deps.logger.warn({ err }, 'this node cannot serve readers itself: the node that leads does');
  }
}
