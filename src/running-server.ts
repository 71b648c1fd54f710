/** A server that runs: how it listens, says what it is, and stops in reverse order. */

import type { Access } from './access/access.ts';
import type { RootToken } from './access/tokens/root-token.ts';
import { endServing } from './end-serving.ts';
import type { AccountPart } from './http/account-part.ts';
import type { ListenerHandlers } from './http/connection/handlers.ts';
import type { TlsFiles } from './http/connection/tls.ts';
import type { HttpServer } from './http/server.ts';
import type { Log } from './log/log.ts';
import { STREAMS_COUNTED_MAX } from './model/limits.ts';
import type { OpenStore } from './open-store.ts';
import { checkHost, tlsToReload, urlOn } from './port-settings.ts';
import type { ReaderSet } from './readers/reader-set.ts';
import type { OwnTelemetry } from './self-telemetry.ts';
import { ANY_PORT } from './settings/value-kinds.ts';
import type { ServerAddress, ServerDescription, SupervisedServer } from './tailrace-server.ts';
import type { Usage } from './usage/usage.ts';

/** With the log below the servers, for tests; and with where requests come in, for listeners that outlive it. */
export interface ComposedServer extends SupervisedServer {
  readonly log: Log;
  readonly usage: Pick<Usage, 'flush'>;
  readonly access: Access;
  /** What it says of the whole account. */
  readonly account: AccountPart;
  readonly handlers: { readonly http: ListenerHandlers; readonly grpc: ListenerHandlers | undefined };
  /** Begins what goes on besides requests, where listeners of others hand these over. */
  start(): void;
  /** As that of every server, with another time in the place of the shutdown timeout. */
  close(withinMs?: number): Promise<void>;
}

/** Any time will do: the timer is only there. */
const ALIVE_MS = 1_000;

/** What it is made of. */
export interface ServerInside {
  readonly http: HttpServer;
  /** Undefined when gRPC is off. */
  readonly grpc: HttpServer | undefined;
  readonly readers: ReaderSet;
  readonly access: Access;
  /** Whether the access ends with the server. */
  readonly isOurs: boolean;
  readonly account: AccountPart;
  /** What metrics look up. */
  readonly watched: { close(): void };
  /** Undefined where the server's own telemetry is off. */
  readonly own: OwnTelemetry | undefined;
  /** What only some requests need: loads one part each. */
  readonly rest: readonly (() => Promise<void>)[];
}

/** Lives from `listen` or `start` to `close`. */
export class RunningServer implements ComposedServer {
  readonly #opened: OpenStore;
  readonly #rootToken: RootToken | undefined;
  readonly #ports: Pick<ServerInside, 'http' | 'grpc'>;
  readonly #readers: ReaderSet;
  readonly access: Access;
  readonly #isOurs: boolean;
  readonly account: AccountPart;
  readonly #watched: ServerInside['watched'];
  readonly #own: ServerInside['own'];
  readonly #rest: ServerInside['rest'];
  #address: ServerAddress | undefined;
  #loading: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    opened: OpenStore,
    rootToken: RootToken | undefined,
    { http, grpc, readers, access, isOurs, account, watched, own, rest }: ServerInside,
  ) {
    this.#opened = opened;
    this.#rootToken = rootToken;
    this.#ports = { http, grpc };
    this.#readers = readers;
    this.access = access;
    this.#isOurs = isOurs;
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

  get usage(): ComposedServer['usage'] {
    return this.#opened.usage;
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
    return this.#isOurs ? this.access.issueRootLogin()?.secret : undefined;
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
    if (this.#isOurs) await this.access.close();
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
