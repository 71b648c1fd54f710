/**
 * The composition root: starts open store → access → HTTP, gRPC and WebSocket servers, and stops them in reverse order.
 * Nothing here touches the process: no signals, no exit, no output except through the logger.
 */

import type { Access } from './access/access.ts';
import { BasinRule } from './access/basin-rule.ts';
import { loadJose } from './access/jwt.ts';
import type { RootToken } from './access/tokens/root-token.ts';
import { type ForwardedReader, TrustedProxies } from './access/trusted-proxies.ts';
import { buildAccess, originsOf, rootTokenOf } from './build-access.ts';
import { parseConfig } from './config.ts';
import { BufferPool } from './encoding/buffer-pool.ts';
import { MemoryBudget } from './encoding/memory-budget.ts';
import { endServing } from './end-serving.ts';
import { type AccountPart, accountPart, type OtherParts } from './http/account-part.ts';
import { UploadWatch } from './http/body/upload-watch.ts';
import type { ListenerHandlers } from './http/connection/handlers.ts';
import type { TlsFiles } from './http/connection/tls.ts';
import { createGrpcServer } from './http/grpc/grpc-server.ts';
import type { LentPorts } from './http/lent-requests.ts';
import { loadIngest } from './http/receive-otlp.ts';
import { httpPortRoutes } from './http/routes/all-routes.ts';
import { HttpServer } from './http/server.ts';
import { Workload } from './http/workload.ts';
import { LateSocketServer } from './late-socket-server.ts';
import type { Log } from './log/log.ts';
import type { ClusterView } from './model/cluster-state.ts';
import { STRANGERS_MEMORY_BYTES_MAX, STREAMS_COUNTED_MAX } from './model/limits.ts';
import { EventLoopDelay } from './observe/event-loop-delay.ts';
import type { ScrapedMetric } from './observe/scraped-metric.ts';
import { Senders } from './observe/senders.ts';
import { Warnings } from './observe/warnings.ts';
import type { MetricSources } from './observe/watched-sources.ts';
import { asFatal, type OpenStore, type OpenStoreParts, openStore } from './open-store.ts';
import type { ServerOptions } from './options.ts';
import { checkHost, tlsOf, tlsToReload, urlOn } from './port-settings.ts';
import { ReaderSet } from './readers/reader-set.ts';
import type { OwnTelemetry, SelfTelemetryParts } from './self-telemetry.ts';
import { ANY_PORT } from './settings/value-kinds.ts';
import type { Engine } from './storage/engine.ts';
import { Backups } from './storage/offline/backup.ts';
import type { ServerAddress, ServerDescription, SupervisedServer } from './tailrace-server.ts';

export type { ServerAddress, ServerDescription, SupervisedServer, TailraceServer } from './tailrace-server.ts';

/** With the log below the servers, for tests; and with where requests come in, for listeners that outlive it. */
export interface ComposedServer extends SupervisedServer {
  readonly log: Log;
  /** What it says of the whole account. */
  readonly account: AccountPart;
  readonly handlers: { readonly http: ListenerHandlers; readonly grpc: ListenerHandlers | undefined };
  /** Begins what goes on besides requests, where listeners of others hand these over. */
  start(): void;
  /** As that of every server, with another time in the place of the shutdown timeout. */
  close(withinMs?: number): Promise<void>;
}

/** What is around a server that is one node of several. */
export interface ServerSurroundings {
  /** Who sent what other nodes pass on; `proxies` says it of the rest. */
  readonly senderReader?: (proxies: ForwardedReader | undefined) => ForwardedReader | undefined;
  /** Where other listeners hand over requests: `start` is called then in the place of `listen`. */
  readonly lentPorts?: LentPorts;
  /** What is counted of them. */
  readonly metrics?: readonly ScrapedMetric[];
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
  readonly senders?: Senders;
  readonly loop?: EventLoopDelay;
}

/** Any time will do: the timer is only there. */
const ALIVE_MS = 1_000;

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
  const rootToken = await rootTokenOf(opened);
  const { config, log, usage, metrics, rates, observer, logger, audit, clock, engine, storeFile } = opened;
  metrics.add(around.metrics ?? []);
  const warnings = new Warnings(logger, clock);
  const senders = shared.senders ?? new Senders(clock);
  const access = await buildAccess(opened, rootToken, warnings);
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
    ...{ log, usage, metrics, rates, senders, observer, access, clock, ...reporting, basinRule, proxies },
    ...{ lentPort: lentPorts, cluster: around.cluster, others: around.others, limits: config, tls: tlsOf(config) },
    reading,
  };
  const backups = new Backups({ engine, others: around.otherStores, file: storeFile, now: () => clock.now() });
  const grpcPort = (): number | undefined => address()?.grpc?.port;
  const own = await ownTelemetryOf({ config, log, metrics, warnings, clock, budget });
  const http = new HttpServer({
    ...common,
    own,
    origins,
    readers,
    routes: (replyContext) =>
      httpPortRoutes({ ...common, readers, backups, defaultBasin: config.defaultBasin, grpcPort, replyContext }),
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
    ...(rootToken === undefined ? [] : [loadJose]),
    async () => void (await metrics.load()),
  ];
  const account = accountPart(common);
  const server = new RunningServer(opened, rootToken, {
    http,
    grpc,
    readers,
    access,
    account,
    watched: seen,
    own,
    rest,
  });
  return server;
}

/** What bodies of requests take, and what bounds that. */
function readingOf({ config, clock }: OpenStore, shared: SharedParts) {
  return {
    budget: shared.memory ?? new MemoryBudget(config.memoryLimit),
    strangers: shared.strangers ?? new MemoryBudget(STRANGERS_MEMORY_BYTES_MAX),
    pool: new BufferPool(),
    watch: new UploadWatch(clock),
    workload: new Workload(clock),
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
): Parts['watched'] {
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

interface Parts {
  readonly http: HttpServer;
  /** Undefined when gRPC is off. */
  readonly grpc: HttpServer | undefined;
  readonly readers: ReaderSet;
  readonly access: Pick<Access, 'issueRootLogin' | 'close'>;
  readonly account: AccountPart;
  /** What metrics look up. */
  readonly watched: { close(): void };
  /** Undefined where the server's own telemetry is off. */
  readonly own: OwnTelemetry | undefined;
  /** What only some requests need: loads one part each. */
  readonly rest: readonly (() => Promise<void>)[];
}

class RunningServer implements ComposedServer {
  readonly #opened: OpenStore;
  readonly #rootToken: RootToken | undefined;
  readonly #ports: Pick<Parts, 'http' | 'grpc'>;
  readonly #readers: ReaderSet;
  readonly #access: Parts['access'];
  readonly #watched: Parts['watched'];
  readonly account: AccountPart;
  readonly #own: Parts['own'];
  readonly #rest: Parts['rest'];
  #address: ServerAddress | undefined;
  #loading: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    opened: OpenStore,
    rootToken: RootToken | undefined,
    { http, grpc, readers, access, account, watched, own, rest }: Parts,
  ) {
    this.#opened = opened;
    this.#rootToken = rootToken;
    this.#ports = { http, grpc };
    this.#readers = readers;
    this.#access = access;
    this.account = account;
    this.#watched = watched;
    this.#own = own;
    this.#rest = rest;
  }

  get address(): ServerAddress | undefined {
    return this.#address;
  }

  get log(): Log {
    return this.#opened.log;
  }

  get handlers(): ComposedServer['handlers'] {
    return { http: this.#ports.http.handlers, grpc: this.#ports.grpc?.handlers };
  }

  async listen(fd?: number): Promise<ServerAddress> {
    const { config } = this.#opened;
    const { host, port } = await this.#ports.http.listen(fd === undefined ? config : { fd });
    try {
      checkHost(config, host, this.#opened.logger);
    } catch (error) {
      await this.#ports.http.close(0);
      throw error;
    }
    this.#load();
    const grpcPort = await this.#listenForGrpc(host);
    const grpc = grpcPort === undefined ? undefined : { port: grpcPort, url: urlOn(config, host, grpcPort) };
    this.#address = { host, port, url: urlOn(config, host, port), grpc };
    this.#own?.start();
    return this.#address;
  }

  start(): void {
    this.#load();
    this.#own?.start();
  }

  /** The first request that needs a part finds the reason why it cannot be loaded. */
  #load(): void {
    this.#loading ??= this.#loadRest().catch(() => {});
  }

  async isAlive(): Promise<boolean> {
    return (await this.log.stat()).engine.state !== 'read_only';
  }

  async #listenForGrpc(host: string): Promise<number | undefined> {
    const { http, grpc } = this.#ports;
    const { grpcPort } = this.#opened.config;
    try {
      return (await grpc?.listen({ host, port: grpcPort === ANY_PORT ? 0 : grpcPort }))?.port;
    } catch (error) {
      await http.close(0);
      throw error;
    }
  }

  async describe(): Promise<ServerDescription> {
    const { log, dataDir, isNew } = this.#opened;
    const { usedBytes } = (await log.stat()).engine;
    return {
      dataDir,
      isNew,
      streams: await log.countStreams(STREAMS_COUNTED_MAX),
      bytes: usedBytes,
      rootToken: this.#rootToken,
    };
  }

  issueLogin(): string | undefined {
    return this.#access.issueRootLogin()?.secret;
  }

  reloadTls(others?: TlsFiles): void {
    const files = tlsToReload(this.#opened.config, others);
    this.#ports.http.reloadTls(files);
    this.#ports.grpc?.reloadTls(files);
  }

  close(withinMs = this.#opened.config.shutdownTimeout): Promise<void> {
    this.#closed ??= keptAlive(this.#close(withinMs));
    return this.#closed;
  }

  async #close(withinMs: number): Promise<void> {
    const { http, grpc } = this.#ports;
    const ports = grpc === undefined ? [http] : [http, grpc];
    const flushMs = await endServing(ports, this.#readers, this.#opened.clock, withinMs);
    await this.#own?.close(flushMs);
    await this.#access.close();
    this.#watched.close();
    await this.#opened.close();
    await this.#loading;
  }

  async #loadRest(): Promise<void> {
    for (const load of this.#rest) if (this.#closed === undefined) await load();
  }
}

/** Timers of a clock keep no process alive, and a program that embeds the server may wait for nothing but its end. */
async function keptAlive(work: Promise<void>): Promise<void> {
  const alive = setInterval(() => {}, ALIVE_MS);
  try {
    await work;
  } finally {
    clearInterval(alive);
  }
}
