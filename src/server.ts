/**
 * The composition root: starts open store → access → HTTP, gRPC and WebSocket servers, and stops them in reverse order.
 * Nothing here touches the process: no signals, no exit, no output except through the logger.
 */

import type { Access } from './access/access.ts';
import { BasinRule } from './access/basin-rule.ts';
import { loadJose } from './access/jwt.ts';
import { type ForwardedReader, TrustedProxies } from './access/trusted-proxies.ts';
import { buildAccess, originsOf, rootTokenOf } from './build-access.ts';
import { parseConfig } from './config.ts';
import { BufferPool } from './encoding/buffer-pool.ts';
import { MemoryBudget } from './encoding/memory-budget.ts';
import { accountPart, type OtherParts } from './http/account-part.ts';
import { UploadWatch } from './http/body/upload-watch.ts';
import { createGrpcServer } from './http/grpc/grpc-server.ts';
import type { LentPorts } from './http/lent-requests.ts';
import { loadIngest } from './http/receive-otlp.ts';
import { httpPortRoutes, type RouteDeps } from './http/routes/all-routes.ts';
import { HttpServer } from './http/server.ts';
import { Workload } from './http/workload.ts';
import { LateSocketServer } from './late-socket-server.ts';
import type { ClusterView } from './model/cluster-state.ts';
import { STRANGERS_MEMORY_BYTES_MAX } from './model/limits.ts';
import { EventLoopDelay } from './observe/event-loop-delay.ts';
import type { ScrapedMetric } from './observe/scraped-metric.ts';
import { Senders } from './observe/senders.ts';
import { Warnings } from './observe/warnings.ts';
import type { MetricSources } from './observe/watched-sources.ts';
import { asFatal, type OpenStore, type OpenStoreParts, openStore } from './open-store.ts';
import type { ServerOptions } from './options.ts';
import { tlsOf } from './port-settings.ts';
import { ReaderSet } from './readers/reader-set.ts';
import { type ComposedServer, RunningServer, type ServerInside } from './running-server.ts';
import type { OwnTelemetry, SelfTelemetryParts } from './self-telemetry.ts';
import type { Engine } from './storage/engine.ts';
import { Backups } from './storage/offline/backup.ts';
import type { ServerAddress } from './tailrace-server.ts';

export type { ComposedServer } from './running-server.ts';
export type { ServerAddress, ServerDescription, SupervisedServer, TailraceServer } from './tailrace-server.ts';

/** What is around a server that is one node of several. */
export interface ServerSurroundings {
  /** Who sent what other nodes pass on; `proxies` says it of the rest. */
  readonly senderReader?: (proxies: ForwardedReader | undefined) => ForwardedReader | undefined;
  /** Where other listeners hand over requests: `start` is called then in the place of `listen`. */
  readonly lentPorts?: LentPorts;
  /** What is counted of them. */
  readonly metrics?: readonly ScrapedMetric[];
  /** Who may call, where another store says it. It outlives the server. */
  readonly access?: Access;
  /** Basins that other servers have. */
  readonly basinsElsewhere?: RouteDeps['basinsElsewhere'];
  readonly issueElsewhere?: RouteDeps['issueElsewhere'];
  /** Which nodes there are. */
  readonly cluster?: ClusterView;
  /** Where those listen. */
  readonly address?: () => ServerAddress | undefined;
  /** What is said of the whole account by the servers of the other partitions. */
  readonly others?: OtherParts;
  /** Stores that are in its backups, too. */
  readonly otherStores?: () => Promise<readonly Engine[]>;
  /** What it has in common with the other servers of its process, each in the place of one of its own. */
  readonly shared?: SharedParts;
}

/** These outlive the server. */
export interface SharedParts {
  /** For requests in flight. */
  readonly memory?: MemoryBudget;
  /** For those of callers without a token. */
  readonly strangers?: MemoryBudget;
  /** Work that waits for the processor. */
  readonly workload?: Workload;
  readonly senders?: Senders;
  readonly loop?: EventLoopDelay;
}

/**
 * Opens the data directory and builds the servers. Nothing listens yet.
 * @throws TailraceError `config`, `data_dir_in_use`, `format_too_new`, `corrupt`, `storage`, `storage_full`
 */
export async function createServer(
  options: ServerOptions = {},
  parts: OpenStoreParts = {},
  around: ServerSurroundings = {},
): Promise<ComposedServer> {
  const opened = await openStore(parseConfig(options), parts);
  try {
    return await buildServer(opened, parts, around);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function buildServer(
  opened: OpenStore,
  parts: OpenStoreParts,
  around: ServerSurroundings,
): Promise<ComposedServer> {
  const { lentPorts, senderReader = (reader) => reader, address = () => server.address, shared = {} } = around;
  const isOurs = around.access === undefined;
  const rootToken = isOurs ? await rootTokenOf(opened) : undefined;
  const { config, log, usage, metrics, rates, observer, logger, audit, clock, engine, storeFile } = opened;
  metrics.add(around.metrics ?? []);
  const warnings = new Warnings(logger, clock);
  const senders = shared.senders ?? new Senders(clock);
  const access = around.access ?? (await buildAccess(opened, rootToken, warnings));
  const onFatal = (error: unknown): void => parts.onFatal?.(asFatal(error));
  const origins = originsOf(config);
  const proxies = senderReader(config.trustProxy === undefined ? undefined : new TrustedProxies(config.trustProxy));
  const basinRule = new BasinRule({ defaultBasin: config.defaultBasin, hostSuffix: config.basinHostSuffix });
  const reporting = { logger, audit, warnings, onFatal };
  const reading = readingOf(opened, shared);
  const { pool, budget } = reading;
  const readers = new ReaderSet({ clock, pool, memory: budget });
  const socketServer = new LateSocketServer(async () => {
    const { createSocketServer } = await import('./socket/server.ts');
    const spans = own?.spans;
    return createSocketServer({ log, access, basinRule, readers, origins, proxies, spans, ...reporting });
  });
  const common = {
    ...{ log, usage, metrics, rates, senders, observer, access, clock, ...reporting, basinRule, proxies, reading },
    ...{ lentPort: lentPorts, cluster: around.cluster, others: around.others, limits: config, tls: tlsOf(config) },
  };
  const backups = new Backups({ engine, others: around.otherStores, file: storeFile, now: () => clock.now() });
  const grpcPort = (): number | undefined => address()?.grpc?.port;
  // That of a process is sent once.
  const own = isOurs ? await ownTelemetryOf({ config, log, metrics, warnings, clock, budget }) : undefined;
  const http = new HttpServer({
    ...common,
    own,
    origins,
    readers,
    routes: (replyContext) =>
      httpPortRoutes({
        ...{ ...common, readers, backups, defaultBasin: config.defaultBasin, grpcPort, replyContext },
        ...{ basinsElsewhere: around.basinsElsewhere, issueElsewhere: around.issueElsewhere },
      }),
    portAdvice: 'choose another with --port (TAILRACE_PORT); 0 picks a free one',
    upgrade: (request, socket, head) => socketServer.upgrade(request, socket, head),
  });
  const httpPort = (): number | undefined => address()?.port;
  const grpc = config.grpcPort === 0 ? undefined : createGrpcServer({ ...common, own, httpPort });
  const connections = (): number => http.connections + (grpc?.connections ?? 0);
  const lastBackup = () => backups.lastAt;
  const seen = watched(opened, shared, { connections, memory: budget, senders, lastBackup });
  const rest = [
    async () => void (await loadIngest()),
    () => socketServer.load(),
    ...(access.isOpen ? [] : [loadJose]),
    async () => void (await metrics.load()),
  ];
  const inside = { http, grpc, readers, access, isOurs, account: accountPart(common), watched: seen, own, rest };
  const server = new RunningServer(opened, rootToken, inside);
  return server;
}

/** What bodies of requests take, and what bounds that. */
function readingOf({ config, clock }: OpenStore, shared: SharedParts) {
  return {
    budget: shared.memory ?? new MemoryBudget(config.memoryLimit),
    strangers: shared.strangers ?? new MemoryBudget(STRANGERS_MEMORY_BYTES_MAX),
    pool: new BufferPool(),
    watch: new UploadWatch(clock),
    workload: shared.workload ?? new Workload(clock),
    wireBytesMax: config.wireBytesMax,
    bodyBytesMax: config.bodyBytesMax,
  };
}

/** Loaded only where it is asked for. */
async function ownTelemetryOf(parts: SelfTelemetryParts): Promise<OwnTelemetry | undefined> {
  if (parts.config.selfTelemetry === undefined) return undefined;
  return (await import('./self-telemetry.ts')).ownTelemetry(parts);
}

/** Has the metrics of a server looked up at each scrape, until what it returns is closed. */
function watched(
  { metrics, log, clock, config }: OpenStore,
  shared: SharedParts,
  { senders, ...seen }: Pick<MetricSources, 'connections' | 'memory' | 'lastBackup'> & { readonly senders: Senders },
): ServerInside['watched'] {
  const loop = shared.loop ?? EventLoopDelay.start(() => clock.monotonicMs());
  const unwatch = metrics.watch({
    ...seen,
    stat: () => log.stat(),
    received: () => senders.received,
    recentSenders: senders.recentNow,
    loop,
    storeBytesMax: config.storeBytesMax,
  });
  const close = (): void => {
    unwatch();
    if (loop !== shared.loop) loop.close();
  };
  return { close };
}
