/**
 * The composition root of a node of a cluster: NATS → partitions → ports. One server without a cluster is `server.ts` alone and
 * loads nothing of this.
 */

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { NodeTrust } from '../access/node-trust.ts';
import { ROOT_TOKEN_FILE } from '../access/tokens/root-token.ts';
import { TrustedProxies } from '../access/trusted-proxies.ts';
import { secretOf } from '../cluster/base.ts';
import type { NodeUrls } from '../cluster/node-info.ts';
import { PartitionCount } from '../cluster/partition-count.ts';
import { ServerWatch } from '../cluster/server-watch.ts';
import { Spread } from '../cluster/spread.ts';
import { type Config, parseConfig } from '../config.ts';
import { MemoryBudget } from '../encoding/memory-budget.ts';
import { flushMsOf, REQUESTS_SHARE } from '../end-serving.ts';
import { NodeRequests, type NodeState, SNAPSHOT_PATH } from '../http/node-requests.ts';
import type { BackupSource } from '../http/routes/backup.ts';
import type { Clock } from '../model/clock.ts';
import { assert, asTailraceError } from '../model/error.ts';
import { CLUSTER_START_MS, JOIN_RETRY_MS } from '../model/limits.ts';
import { VERSION } from '../model/version.ts';
import { Audit } from '../observe/audit.ts';
import { ClusterMetrics } from '../observe/cluster-metrics.ts';
import { EventLoopDelay } from '../observe/event-loop-delay.ts';
import { createLogger, type Logger, logDestination, redactingLogger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { Senders } from '../observe/senders.ts';
import { SYSTEM_CLOCK } from '../observe/system-clock.ts';
import { Warnings } from '../observe/warnings.ts';
import { type OpenStoreParts, ownDataDir, storeFileIn } from '../open-store.ts';
import type { ServerOptions } from '../options.ts';
import { writeBackup } from '../storage/offline/backup-format.ts';
import { openJetstreamLog } from '../storage/replicated/jetstream-log.ts';
import { openKeyBucket } from '../storage/replicated/key-bucket.ts';
import { connectNats, type NatsOptions } from '../storage/replicated/nats-connection.ts';
import type { KeyBucket, ReplicatedLog } from '../storage/replicated/replicated-log.ts';
import type { DescribedRootToken, ServerAddress, ServerDescription, SupervisedServer } from '../tailrace-server.ts';
import { ClusterPorts } from './cluster-ports.ts';
import { NodeView } from './node-view.ts';
import { Partitions, type ProcessParts } from './partitions.ts';

const MONITORING_PORT = 8222;

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
  readonly partitions: Partitions;
  readonly spread: Spread;
}

/** What is opened is put into `open`, to be closed in reverse order. */
async function openNode(node: NodeParts, open: { close(): Promise<void> }[]): Promise<OpenNode> {
  const { config, clock, logger, parts } = node;
  const { cluster: servers, clusterName: cluster } = config;
  assert(servers !== undefined, 'a node of a cluster has servers of NATS');
  const dataDir = path.resolve(config.dataDir);
  await ownDataDir(dataDir, logger, open);
  const isNew = !existsSync(storeFileIn(dataDir));
  const { watch, openLog, log, bucket, secret } = await connect(node, servers, open);
  const count: PartitionCount = await PartitionCount.agree({
    ...{ bucket, clock, url: urlsOf(config).url, wanted: config.clusterPartitions },
    onRaised: () => void partitions.grow(),
    onError: (err) => logger.warn({ err }, 'it is not known whether there are more partitions by now'),
  });
  open.push({ close: async () => count.close() });
  const trust = new NodeTrust(
    secret,
    config.trustProxy === undefined ? undefined : new TrustedProxies(config.trustProxy),
  );
  const view = new NodeView(cluster, config.defaultBasin, () => partitions);
  const counted = new ClusterMetrics({
    state: () => view.state(),
    leaderChanges: (partition) => partitions.at(partition)?.replication.leaderChanges ?? 0,
    passedOver: (partition) => partitions.at(partition)?.replication.passedOver ?? 0,
  });
  const lentPorts = {
    get isClosing() {
      return ports.isClosing;
    },
  };
  const memory = new MemoryBudget(config.memoryLimit);
  const warnings = new Warnings(logger, clock);
  const process = processParts(node, open);
  const unsafe = config.clusterUnsafeSync ? [UNSAFE] : [];
  const nodeHeaders = trust.headersFor({ sender: undefined, scheme: undefined, host: undefined });
  const spread: Spread = new Spread({
    ...{ clock, url: urlsOf(config).url },
    partitions: () => partitions.all.map(({ replication }) => replication),
    onError: (err) => logger.warn({ err }, 'a partition could not be handed over'),
  });
  const partitions: Partitions = await Partitions.open(
    {
      ...{ config, clock, logger, warnings, dataDir, trust, memory, lentPorts, count, nodeHeaders, openLog },
      parts: { ...parts, metrics: process.metrics, audit: process.audit },
      ports: () => ports,
      shared: { memory, senders: process.senders, loop: process.loop },
      excessIn: (partition) => spread.excessIn(partition),
      onPublished: (tookMs, partition) => counted.published(tookMs, partition),
      process,
      replication: {
        ...{ bucket, clock, logger, cluster, version: VERSION, start: randomUUID(), nodeHeaders },
        urls: urlsOf(config),
        snapshotPath: SNAPSHOT_PATH,
        caFile: config.clusterCa,
        problems: () => [...unsafe, ...watch.problems],
      },
      around: {
        senderReader: () => trust,
        address: () => ports.address,
        lentPorts,
        cluster: view,
        metrics: counted.all,
      },
    },
    log,
  );
  open.push(partitions);
  const own = new NodeRequests({
    ...{ trust, memory, clock, logger },
    state: () => stateOf(partitions, view),
    closing: () => ports.isClosing,
    snapshots: (partition) => partitions.at(partition)?.snapshots,
    basinRows: (query) => movedRows(partitions, query, clock),
    answer: (call) => partitions.calls.answer(call),
  });
  const ports: ClusterPorts = new ClusterPorts({
    ...{ config, clock, logger, warnings, trust, memory, own },
    partition: (number) => partitions.portOf(number),
    partitionOf: partitions.requestPartition,
    prepare: (request, partition) => partitions.prepare(request, partition),
  });
  return { ...node, isNew, dataDir, ports, partitions, spread };
}

interface Connected {
  readonly watch: ServerWatch;
  readonly bucket: KeyBucket;
  readonly secret: string;
  /** Of partition 0. */
  readonly log: ReplicatedLog;
  openLog(partition: number): Promise<ReplicatedLog>;
}

/** Connects to the servers of NATS, which have to be safe. */
async function connect(
  { config, clock, logger }: NodeParts,
  servers: readonly string[],
  open: { close(): Promise<void> }[],
): Promise<Connected> {
  const { clusterName: cluster, clusterReplicas: replicas } = config;
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
  const openLog = (partition: number): Promise<ReplicatedLog> =>
    openJetstreamLog(link, { cluster, replicas, partition });
  // Where all machines start at once, the servers of NATS elect first.
  const opened = await untilAvailable({ clock, logger }, async () => {
    const bucket = await openKeyBucket(link, { cluster, replicas });
    return { bucket, log: await openLog(0), secret: await secretOf(bucket) };
  });
  return { ...opened, watch, openLog };
}

/** What there is once in the process of a node. */
function processParts({ clock, logger }: NodeParts, open: { close(): Promise<void> }[]): ProcessParts {
  const metrics = new Metrics();
  const audit = new Audit(logger, clock);
  const senders = new Senders(clock);
  const loop = EventLoopDelay.start(() => clock.monotonicMs());
  open.push({
    close: async () => {
      audit.close();
      loop.close();
    },
  });
  return { metrics, audit, senders, loop };
}

const UNSAFE = 'It runs with --cluster-unsafe-sync: a loss of power may lose acknowledged data.';

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
    const { ports, partitions, spread } = this.#node;
    const address = await ports.listen(fd);
    await partitions.first.replication.start();
    spread.start();
    return address;
  }

  async describe(): Promise<ServerDescription> {
    const { partitions, dataDir, isNew, config } = this.#node;
    const { first } = partitions;
    const stats = await Promise.all(partitions.all.map(({ replication }) => replication.local.stat()));
    const leading = await first.server?.describe();
    const cluster = { name: config.clusterName, leader: first.replication.leader?.url };
    const bytes = stats.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
    const rootToken = leading?.rootToken ?? rootTokenIn(config, dataDir);
    return { dataDir, isNew, streams: leading?.streams, bytes, rootToken, cluster };
  }

  issueLogin(): string | undefined {
    return this.#node.partitions.first.server?.issueLogin();
  }

  reloadTls(others?: { readonly cert: string; readonly key: string }): void {
    this.#node.ports.reloadTls(others);
  }

  async isAlive(): Promise<boolean> {
    return !this.#node.partitions.all.some(({ replication }) => replication.isBroken);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** What is under way ends first, then another node may lead, then the ports close. */
  async #close(): Promise<void> {
    const { ports, config, spread } = this.#node;
    spread.close();
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

/** Where the root token is, as far as a node knows that does not lead. */
function rootTokenIn({ noAuth, rootToken, rootTokenFile }: Config, dataDir: string): DescribedRootToken | undefined {
  if (noAuth) return undefined;
  const own = rootToken === undefined ? path.join(dataDir, ROOT_TOKEN_FILE) : undefined;
  return { made: undefined, file: rootTokenFile ?? own };
}

function stateOf({ all, first: { replication } }: Partitions, view: NodeView): NodeState {
  const { role, leader } = replication;
  const partitions = all.map(({ number, replication: { role: own, leader: of } }) => {
    return { partition: number, role: own, leader: of?.url };
  });
  const isBroken = all.some(({ replication: { isBroken: broken } }) => broken);
  return { role, leader: leader?.url, partitions, isBroken, problems: view.problems() };
}

/** @throws TailraceError as {@link Partitions.rowsHere} */
function movedRows(partitions: Partitions, query: URLSearchParams, clock: Clock): BackupSource {
  const rows = partitions.rowsHere(
    Number(query.get('partition') ?? 0),
    query.get('basin') ?? '',
    query.get('id') ?? '',
  );
  const madeAt = clock.now();
  const close = async (): Promise<void> => void (await rows.return(undefined));
  return { begin: async () => ({ madeAt, parts: () => writeBackup(rows, madeAt), close }) };
}
