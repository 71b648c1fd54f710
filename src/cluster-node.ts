/**
 * The composition root of a node of a cluster: ports → who leads → the server over the replicated engine, or the way to the
 * node that leads. One server without a cluster is `server.ts` alone and loads nothing of this.
 */

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { NodeTrust } from './access/node-trust.ts';
import { ROOT_TOKEN_FILE } from './access/tokens/root-token.ts';
import { TrustedProxies } from './access/trusted-proxies.ts';
import { secretOf } from './cluster/base.ts';
import { clusterViewOf } from './cluster/describe-cluster.ts';
import type { NodeUrls } from './cluster/node-info.ts';
import { Replication } from './cluster/replication.ts';
import type { FollowingCalls, ServedWhileFollowing } from './cluster/served.ts';
import { ServerWatch } from './cluster/server-watch.ts';
import { ClusterPorts, type LeadingServer } from './cluster-ports.ts';
import { type Config, parseConfig } from './config.ts';
import { MemoryBudget } from './encoding/memory-budget.ts';
import { flushMsOf, REQUESTS_SHARE } from './end-serving.ts';
import { FollowingServer, type FollowingServerParts } from './following-server.ts';
import type { ListenerHandlers } from './http/connection/handlers.ts';
import type { ForwardTarget } from './http/forward/forwarder.ts';
import { NodeRequests, type NodeState, SNAPSHOT_PATH } from './http/node-requests.ts';
import type { Clock } from './model/clock.ts';
import { assert, asTailraceError, type TailraceError } from './model/error.ts';
import { CLUSTER_START_MS, JOIN_RETRY_MS } from './model/limits.ts';
import { VERSION } from './model/version.ts';
import { ClusterMetrics } from './observe/cluster-metrics.ts';
import { createLogger, type Logger, logDestination, redactingLogger } from './observe/logger.ts';
import { SYSTEM_CLOCK } from './observe/system-clock.ts';
import { Warnings } from './observe/warnings.ts';
import { type OpenStoreParts, openEngine, ownDataDir, storeFileIn } from './open-store.ts';
import type { ServerOptions } from './options.ts';
import { type ComposedServer, createServer, type ServerSurroundings } from './server.ts';
import { Backups } from './storage/offline/backup.ts';
import { openJetstreamLog } from './storage/replicated/jetstream-log.ts';
import { openKeyBucket } from './storage/replicated/key-bucket.ts';
import { connectNats, type NatsOptions } from './storage/replicated/nats-connection.ts';
import type { Replica } from './storage/replicated/replica.ts';
import type { ReplicatedEngine } from './storage/replicated/replicated-engine.ts';
import type { DescribedRootToken, ServerAddress, ServerDescription, SupervisedServer } from './tailrace-server.ts';

const PARTITION = 0;
const MONITORING_PORT = 8222;
/** Of a node that lost its lead: what it has begun cannot end well. */
const LOST_LEAD_MS = 500;
/** Of one that hands its lead over: nothing is appended meanwhile, so sessions have no more than this to end. */
const HAND_OVER_MS = 1_000;

/**
 * Connects to the cluster and opens the store. Nothing listens yet.
 * @throws TailraceError as `createServer` of `server.ts`; `config` when the servers of NATS are not safe, `unavailable` when
 *   they do not answer
 */
export async function createClusterNode(options: ServerOptions, parts: OpenStoreParts = {}): Promise<SupervisedServer> {
  const config = parseConfig(options);
  const clock = parts.clock ?? SYSTEM_CLOCK;
  const logger = parts.logger === undefined ? ownLogger(config) : redactingLogger(parts.logger);
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (let last = open.pop(); last !== undefined; last = open.pop()) await last.close();
  };
  try {
    const node = await openNode({ config, clock, logger, parts }, open);
    return new ClusterNode(node, close);
  } catch (error) {
    await close();
    throw error;
  }
}

interface NodeParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly parts: OpenStoreParts;
}

interface OpenNode extends NodeParts {
  readonly isNew: boolean;
  readonly dataDir: string;
  readonly ports: ClusterPorts;
  readonly replication: Replication;
  readonly served: Served;
}

/** What is opened is put into `open`, to be closed in reverse order. */
async function openNode(node: NodeParts, open: { close(): Promise<void> }[]): Promise<OpenNode> {
  const { config, clock, logger } = node;
  const { cluster: servers, clusterName: cluster } = config;
  assert(servers !== undefined, 'a node of a cluster has servers of NATS');
  const dataDir = path.resolve(config.dataDir);
  await ownDataDir(dataDir, logger, open);
  const isNew = !existsSync(storeFileIn(dataDir));
  const watch = await ServerWatch.start({
    ...{ cluster, clock, monitors: monitorsOf(config, servers), isUnsafeAllowed: config.clusterUnsafeSync },
    onFound: (findings) => {
      for (const { what, fix } of findings) logger.warn({ cluster }, `${what} ${fix}`);
    },
  });
  open.push({ close: async () => watch.close() });
  const link = await connectNats({
    ...{ servers, name: `tailrace ${config.nodeUrl}` },
    ...(config.clusterCredentials === undefined ? {} : { credentialsFile: config.clusterCredentials }),
    ...natsTlsOf(config, servers),
  });
  open.push(link);
  const replicas = config.clusterReplicas;
  // Where all machines start at once, the servers of NATS elect first.
  const { log, bucket, secret } = await untilAvailable({ clock, logger }, async () => {
    const bucket = await openKeyBucket(link, { cluster, replicas });
    const log = await openJetstreamLog(link, { cluster, replicas, partition: PARTITION });
    return { bucket, log, secret: await secretOf(bucket) };
  });
  const proxies = config.trustProxy === undefined ? undefined : new TrustedProxies(config.trustProxy);
  const trust = new NodeTrust(secret, proxies);
  const view = clusterViewOf(() => replication, cluster);
  const counted = new ClusterMetrics({
    state: () => view.state(),
    leaderChanges: () => replication.leaderChanges,
    passedOver: () => replication.passedOver,
  });
  const lentPorts = {
    get isClosing() {
      return ports.isClosing;
    },
  };
  const around = {
    senderReader: () => trust,
    address: () => ports.address,
    lentPorts,
    cluster: view,
    metrics: counted.all,
  };
  const served = new Served(node, around);
  const memory = new MemoryBudget(config.memoryLimit);
  const warnings = new Warnings(logger, clock);
  const following = new Following({
    ...{ config, clock, logger, warnings, trust, memory, lentPorts },
    ports: () => ports,
  });
  const unsafe = config.clusterUnsafeSync ? [UNSAFE] : [];
  const replication: Replication = await Replication.open({
    ...{ log, bucket, clock, logger, cluster, served, following, version: VERSION, start: randomUUID() },
    partition: PARTITION,
    storeFile: storeFileIn(dataDir),
    urls: urlsOf(config),
    openStore: () => openEngine(config, dataDir),
    nodeHeaders: trust.headersFor({ sender: undefined, scheme: undefined, host: undefined }),
    snapshotPath: SNAPSHOT_PATH,
    caFile: config.clusterCa,
    problems: () => [...unsafe, ...watch.problems],
    onPublished: (tookMs) => counted.published(tookMs),
  });
  open.push(replication);
  const own = new NodeRequests({
    ...{ trust, memory, clock, logger },
    state: () => stateOf(replication),
    closing: () => ports.isClosing,
    snapshots: snapshotsOf(replication, storeFileIn(dataDir), clock),
  });
  const ports: ClusterPorts = new ClusterPorts({
    ...{ config, clock, logger, warnings, trust, memory, own },
    leading: () => served.current,
    following: () => following.handlers,
    target: () => targetOf(replication, config),
  });
  return { ...node, isNew, dataDir, ports, replication, served };
}

const UNSAFE = 'It runs with --cluster-unsafe-sync: a loss of power may lose acknowledged data.';

/** The server of a node, while that leads. */
class Served {
  readonly #node: NodeParts;
  readonly #around: ServerSurroundings;
  #server: ComposedServer | undefined;
  #current: LeadingServer | undefined;

  constructor(node: NodeParts, around: ServerSurroundings) {
    this.#node = node;
    this.#around = around;
  }

  get server(): ComposedServer | undefined {
    return this.#server;
  }

  get current(): LeadingServer | undefined {
    return this.#current;
  }

  async begin(engine: ReplicatedEngine, onDamaged: (error: TailraceError) => void): Promise<void> {
    const { config, parts } = this.#node;
    const over = { engine, storeFile: storeFileIn(path.resolve(config.dataDir)), isNew: false, onDamaged };
    const server = await createServer(config, { ...parts, over }, this.#around);
    server.start();
    this.#server = server;
    this.#current = { ...server.handlers, confirm: () => engine.confirm() };
  }

  async end(reason: TailraceError): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#current = undefined;
    const handOverMs = Math.min(HAND_OVER_MS, this.#node.config.shutdownTimeout);
    await server?.close(reason.code === 'draining' ? handOverMs : LOST_LEAD_MS);
  }
}

interface FollowingDeps
  extends Pick<FollowingServerParts, 'config' | 'clock' | 'logger' | 'warnings' | 'trust' | 'memory' | 'lentPorts'> {
  ports(): ClusterPorts;
}

/** The server of a node, while that follows. Without one, all requests go to the node that leads. */
class Following implements ServedWhileFollowing {
  readonly #deps: FollowingDeps;
  #server: FollowingServer | undefined;
  /** One that is broken ends by itself. */
  #ending: Promise<void> = Promise.resolve();

  constructor(deps: FollowingDeps) {
    this.#deps = deps;
  }

  get handlers(): ListenerHandlers | undefined {
    return this.#server?.handlers;
  }

  async begin(replica: Replica, calls: FollowingCalls): Promise<void> {
    const { ports, ...parts } = this.#deps;
    try {
      const server = await FollowingServer.open({
        ...{ ...parts, ...calls, replica, elsewhere: ports().elsewhere },
        connections: () => ports().connections,
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

class ClusterNode implements SupervisedServer {
  readonly #node: OpenNode;
  readonly #closeRest: () => Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(node: OpenNode, closeRest: () => Promise<void>) {
    this.#node = node;
    this.#closeRest = closeRest;
  }

  get address(): ServerAddress | undefined {
    return this.#node.ports.address;
  }

  async listen(fd?: number): Promise<ServerAddress> {
    const address = await this.#node.ports.listen(fd);
    await this.#node.replication.start();
    return address;
  }

  async describe(): Promise<ServerDescription> {
    const { served, dataDir, isNew, replication, config } = this.#node;
    const { usedBytes } = await replication.local.stat();
    const leading = await served.server?.describe();
    const cluster = { name: config.clusterName, leader: replication.leader?.url };
    const rootToken = leading?.rootToken ?? rootTokenIn(config, dataDir);
    return { dataDir, isNew, streams: leading?.streams, bytes: usedBytes, rootToken, cluster };
  }

  issueLogin(): string | undefined {
    return this.#node.served.server?.issueLogin();
  }

  reloadTls(others?: { readonly cert: string; readonly key: string }): void {
    this.#node.ports.reloadTls(others);
  }

  async isAlive(): Promise<boolean> {
    return !stateOf(this.#node.replication).isBroken;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** What is under way ends first, then another node may lead, then the ports close. */
  async #close(): Promise<void> {
    const { ports, config } = this.#node;
    await ports.stopAccepting();
    await Promise.all([ports.drain(config.shutdownTimeout * REQUESTS_SHARE), this.#closeRest()]);
    await ports.close(flushMsOf(config.shutdownTimeout));
  }
}

/** Repeats what rejects with `unavailable`, for a while. */
async function untilAvailable<T>(
  { clock, logger }: Pick<NodeParts, 'clock' | 'logger'>,
  act: () => Promise<T>,
): Promise<T> {
  const since = clock.monotonicMs();
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (asTailraceError(error).code !== 'unavailable' || clock.monotonicMs() - since > CLUSTER_START_MS) throw error;
      logger.warn({ err: error }, 'the servers of NATS do not answer yet: it tries again');
      await new Promise<void>((resolve) => void clock.timer(JOIN_RETRY_MS, resolve));
    }
  }
}

function ownLogger({ logLevel, logFormat }: Config): Logger {
  return createLogger(logLevel, logDestination(logFormat));
}

function urlsOf({ nodeUrl, nodeGrpcUrl, grpcPort }: Config): NodeUrls {
  assert(nodeUrl !== undefined, 'a node of a cluster has a URL');
  const url = new URL(nodeUrl);
  const derived =
    typeof grpcPort === 'number' && grpcPort !== 0 ? `${url.protocol}//${url.hostname}:${grpcPort}` : undefined;
  return { url: nodeUrl, grpcUrl: nodeGrpcUrl ?? derived };
}

/** A certificate that nodes are judged by asks for no TLS of servers that have none. */
function natsTlsOf({ clusterCa }: Config, servers: readonly string[]): Pick<NatsOptions, 'tls'> {
  const isTls = servers.some((server) => server.startsWith('tls:'));
  return isTls && clusterCa !== undefined ? { tls: { caFile: clusterCa } } : {};
}

/** Those that are set, or the usual port of each server. */
function monitorsOf({ clusterMonitor }: Config, servers: readonly string[]): readonly string[] {
  return clusterMonitor ?? servers.map((server) => `http://${new URL(server).hostname}:${MONITORING_PORT}`);
}

function targetOf({ leader }: Replication, { nodeUrl }: Config): ForwardTarget | undefined {
  if (leader === undefined || leader.url === nodeUrl) return undefined;
  return { httpUrl: new URL(leader.url), grpcUrl: leader.grpcUrl === undefined ? undefined : new URL(leader.grpcUrl) };
}

/** Where the root token is, as far as a node knows that does not lead. */
function rootTokenIn({ noAuth, rootToken, rootTokenFile }: Config, dataDir: string): DescribedRootToken | undefined {
  if (noAuth) return undefined;
  const own = rootToken === undefined ? path.join(dataDir, ROOT_TOKEN_FILE) : undefined;
  return { made: undefined, file: rootTokenFile ?? own };
}

function stateOf(replication: Replication): NodeState {
  const { role, leader, isBroken } = replication;
  return { role, leader: leader?.url, isBroken, problems: replication.describe().problems };
}

/** The engine is another one after each snapshot that this node took. */
function snapshotsOf(replication: Replication, file: string, clock: Clock): () => Backups | undefined {
  let known: { readonly engine: unknown; readonly backups: Backups } | undefined;
  return () => {
    const { role, local } = replication;
    if (role === 'joining') return undefined;
    if (known?.engine !== local) {
      const backups = new Backups({ engine: local, file, now: () => clock.now(), withEngineRows: true });
      known = { engine: local, backups };
    }
    return known.backups;
  };
}
