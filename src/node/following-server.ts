/**
 * The composition of what a node of a cluster serves while it does not lead: readers that follow, from its own store. What
 * is not here, or not allowed as far as is known here, goes to the node that leads, which says it as ever.
 */

import type { Access } from '../access/access.ts';
import { BasinRule } from '../access/basin-rule.ts';
import type { NodeTrust } from '../access/node-trust.ts';
import { originsOf } from '../build-access.ts';
import type { Config } from '../config.ts';
import { BufferPool } from '../encoding/buffer-pool.ts';
import type { MemoryBudget } from '../encoding/memory-budget.ts';
import { endServing } from '../end-serving.ts';
import { UploadWatch } from '../http/body/upload-watch.ts';
import type { ListenerHandlers } from '../http/connection/handlers.ts';
import type { LentPorts } from '../http/lent-requests.ts';
import { readerPortRoutes } from '../http/routes/reader-port.ts';
import { HttpServer } from '../http/server.ts';
import { LateSocketServer } from '../late-socket-server.ts';
import type { CatchUp } from '../log/follow/look-again.ts';
import { Log } from '../log/log.ts';
import type { Clock } from '../model/clock.ts';
import { asTailraceError, type TailraceError } from '../model/error.ts';
import type { Audit } from '../observe/audit.ts';
import type { EventLoopDelay } from '../observe/event-loop-delay.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { Senders } from '../observe/senders.ts';
import type { Warnings } from '../observe/warnings.ts';
import { ReaderSet } from '../readers/reader-set.ts';
import type { Write } from '../storage/engine.ts';
import { type Replica, readOnly } from '../storage/replicated/replica.ts';

export interface FollowingServerParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly warnings: Warnings;
  readonly trust: NodeTrust;
  readonly lentPorts: LentPorts;
  /** Who may read, as the node knows it. */
  readonly access: Access;
  /** Shared with what the node passes on. */
  readonly memory: MemoryBudget;
  /** Of the node. */
  readonly metrics: Metrics;
  readonly audit: Audit;
  readonly loop: EventLoopDelay;
  readonly replica: Replica;
  /** Applies all that the log of the cluster holds now. */
  readonly catchUp: CatchUp;
  /** Called with what turns out to be damaged in the store. */
  onDamaged(error: TailraceError): void;
  /** The way to the node that leads. */
  readonly elsewhere: ListenerHandlers;
  /** Connections of the node. */
  connections(): number;
  /** Called once, when it can no longer say what is in the store: close it. The store goes on. */
  onBroken(error: TailraceError): void;
}

/** Lives from `open` to `close`, and follows the replica between these. */
export class FollowingServer {
  readonly #parts: FollowingServerParts;
  readonly #log: Log;
  readonly #http: HttpServer;
  readonly #readers: ReaderSet;
  readonly #unwatch: () => void;
  #isBroken = false;

  private constructor(parts: FollowingServerParts, log: Log) {
    const { config, clock, logger, warnings, trust, memory, elsewhere, lentPorts, access, metrics, audit, loop } =
      parts;
    this.#parts = parts;
    this.#log = log;
    const pool = new BufferPool();
    const readers = new ReaderSet({ clock, pool, memory });
    const senders = new Senders(clock);
    const basinRule = new BasinRule({ defaultBasin: config.defaultBasin, hostSuffix: config.basinHostSuffix });
    const onFatal = (error: unknown): void => this.#break(error);
    const reporting = { logger, audit, warnings, onFatal };
    const shared = { log, access, basinRule, readers, origins: originsOf(config), proxies: trust };
    const sockets = new LateSocketServer(async () => {
      const { createSocketServer } = await import('../socket/server.ts');
      return createSocketServer({ ...shared, ...reporting, elsewhere });
    });
    const common = {
      ...{ ...shared, ...reporting, clock, senders, metrics, observer: metrics, lentPort: lentPorts },
      reading: {
        ...{ budget: memory, strangers: memory, pool, watch: new UploadWatch(clock), workload: undefined },
        ...{ wireBytesMax: config.wireBytesMax, bodyBytesMax: config.bodyBytesMax },
      },
    };
    this.#unwatch = metrics.watch({
      ...{ memory, loop, storeBytesMax: config.storeBytesMax, connections: parts.connections },
      ...{ stat: () => log.stat(), received: () => new Map(), recentSenders: () => [], lastBackup: () => undefined },
    });
    this.#readers = readers;
    this.#http = new HttpServer({
      ...common,
      routes: (replyContext) => readerPortRoutes({ ...common, replyContext }),
      portAdvice: 'it has no port of its own',
      upgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
      elsewhere: ({ request, transport, awaitsContinue, path }) => {
        // What another node counts is no answer to what this one does.
        if (path === METRICS_PATH) return false;
        elsewhere.request(request, transport, awaitsContinue);
        return true;
      },
    });
  }

  /** Nothing may be applied to the replica until it resolves. @throws TailraceError `config`, `corrupt`, `storage` */
  static async open(parts: FollowingServerParts): Promise<FollowingServer> {
    const { clock, replica, catchUp } = parts;
    const engine = readOnly(replica.local);
    const onFatal = (error: TailraceError): void => server.#break(error);
    const options = { clock, observer: parts.metrics, onFatal, onDamaged: parts.onDamaged };
    const log = await Log.follow(engine, options, catchUp);
    const server: FollowingServer = new FollowingServer(parts, log);
    replica.applyWrites = (writes, commit) => server.#apply(writes, commit);
    return server;
  }

  /** What it reads from. */
  get log(): Log {
    return this.#log;
  }

  get handlers(): ListenerHandlers {
    return this.#http.handlers;
  }

  /** Readers end as at a restart. */
  async close(withinMs: number): Promise<void> {
    this.#parts.replica.applyWrites = undefined;
    this.#unwatch();
    await endServing([this.#http], this.#readers, this.#parts.clock, withinMs);
    await this.#log.close();
  }

  /** What is in the log of the cluster is written whatever comes of it here. */
  async #apply(writes: readonly Write[], commit: () => Promise<void>): Promise<void> {
    let committing: Promise<void> | undefined;
    const commitOnce = (): Promise<void> => {
      committing = commit();
      return committing;
    };
    try {
      await this.#log.applying(writes, commitOnce);
    } catch (error) {
      await (committing ?? commitOnce());
      this.#break(error);
    }
  }

  #break(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#parts.replica.applyWrites = undefined;
    this.#parts.onBroken(asTailraceError(error));
  }
}

const METRICS_PATH = '/metrics';
