/**
 * The ports of a node of a cluster. They outlive the roles of the node: while it leads, requests go to its own server, else to
 * the node that leads.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NodeTrust } from './access/node-trust.ts';
import type { Config } from './config.ts';
import type { MemoryBudget } from './encoding/memory-budget.ts';
import type { ListenerHandlers } from './http/connection/handlers.ts';
import { type ListenAt, Listener } from './http/connection/listener.ts';
import type { TlsFiles } from './http/connection/tls.ts';
import type { HttpRequest, Transport } from './http/exchange.ts';
import { Forwarder, type ForwardTarget } from './http/forward/forwarder.ts';
import type { NodeRequests } from './http/node-requests.ts';
import { isForReaderPort } from './http/routes/reader-port.ts';
import { readModeOf } from './http/s2/call.ts';
import type { Clock } from './model/clock.ts';
import type { Logger } from './observe/logger.ts';
import type { Warnings } from './observe/warnings.ts';
import { checkHost, tlsOf, tlsToReload, urlOn } from './port-settings.ts';
import { ANY_PORT } from './settings/value-kinds.ts';
import type { ServerAddress } from './tailrace-server.ts';

/** The server of the node that leads. */
export interface LeadingServer {
  readonly http: ListenerHandlers;
  readonly grpc: ListenerHandlers | undefined;
  /** Resolves when this node is known to lead still. @throws TailraceError `unavailable` */
  confirm(): Promise<void>;
}

export interface ClusterPortsDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly warnings: Pick<Warnings, 'warn'>;
  readonly trust: NodeTrust;
  readonly memory: MemoryBudget;
  readonly own: NodeRequests;
  /** Undefined while this node does not lead. */
  leading(): LeadingServer | undefined;
  /** Serves readers while this node does not lead; undefined while it does not follow either. */
  following(): ListenerHandlers | undefined;
  /** The other node that leads; undefined while none is known. */
  target(): ForwardTarget | undefined;
}

type PortName = 'http' | 'grpc';

/**
 * Requests that are answered by what a commit says, or from what cannot be old: nothing else is answered before it is
 * confirmed that this node leads.
 */
const UNCONFIRMED_POST = /^\/v1\/(?:logs|traces|metrics|streams\/[^/?]+\/records)(?:\?|$)/;
const UNCONFIRMED_GET =
  /^\/(?:health|ping|readyz|metrics|openapi\.json|asyncapi\.json|llms[^/]*\.txt|assets\/[^?]*)?(?:\?|$)/;
/** How often it is looked whether what was passed on is over. */
const DRAIN_LOOK_MS = 20;

/** Lives from `listen` to `close`. */
export class ClusterPorts {
  readonly #deps: ClusterPortsDeps;
  readonly #forwarders: Readonly<Record<PortName, Forwarder>>;
  readonly #listeners: Readonly<Record<PortName, Listener>>;
  #address: ServerAddress | undefined;
  #isClosing = false;

  /** @throws TailraceError `config` when TLS files or certificates cannot be used */
  constructor(deps: ClusterPortsDeps) {
    this.#deps = deps;
    const { clock, logger, warnings, trust, memory, config } = deps;
    const target = (): ForwardTarget | undefined => deps.target();
    const closing = (): boolean => this.#isClosing;
    const forwarder = (port: PortName): Forwarder =>
      new Forwarder({ clock, warnings, trust, memory, target, port, caFile: config.clusterCa, closing });
    this.#forwarders = { http: forwarder('http'), grpc: forwarder('grpc') };
    const listener = (port: PortName, portAdvice: string): Listener =>
      new Listener(this.#handlersOf(port), { clock, logger, tls: tlsOf(config), portAdvice });
    this.#listeners = {
      http: listener('http', 'choose another with --port (TAILRACE_PORT)'),
      grpc: listener('grpc', 'choose another with --grpc-port (TAILRACE_GRPC_PORT), or turn it off with --grpc-port 0'),
    };
  }

  get address(): ServerAddress | undefined {
    return this.#address;
  }

  /** The way to the node that leads. */
  get elsewhere(): ListenerHandlers {
    return this.#forwarders.http;
  }

  get connections(): number {
    return this.#listeners.http.connections + this.#listeners.grpc.connections;
  }

  /** Whether the node stops. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** @throws TailraceError `port_taken`, `config` */
  async listen(fd: number | undefined): Promise<ServerAddress> {
    const { config } = this.#deps;
    const at: ListenAt = fd === undefined ? config : { fd };
    const { host, port } = await this.#listeners.http.listen(at);
    try {
      checkHost(config, host, this.#deps.logger);
    } catch (error) {
      this.#listeners.http.stopAccepting();
      throw error;
    }
    const grpc = config.grpcPort === 0 ? undefined : await this.#listenForGrpc(host);
    this.#address = {
      host,
      port,
      url: urlOn(config, host, port),
      grpc: grpc === undefined ? undefined : { port: grpc, url: urlOn(config, host, grpc) },
    };
    return this.#address;
  }

  /** @throws TailraceError `config` when there is no TLS, or the files cannot be used */
  reloadTls(others: TlsFiles | undefined): void {
    const files = tlsToReload(this.#deps.config, others);
    this.#listeners.http.reloadTls(files);
    this.#listeners.grpc.reloadTls(files);
  }

  /** Takes no more connections; the clients of those that are open are told with their next response. */
  async stopAccepting(): Promise<void> {
    this.#isClosing = true;
    await Promise.all(Object.values(this.#listeners).map((listener) => listener.acceptWaiting()));
    for (const listener of Object.values(this.#listeners)) listener.stopAccepting();
  }

  /** Waits until the other node has answered what was passed on to it, for `waitMs` at most. */
  async drain(waitMs: number): Promise<void> {
    const { clock } = this.#deps;
    const forwarders = Object.values(this.#forwarders);
    for (const forwarder of forwarders) forwarder.drain();
    const deadline = clock.monotonicMs() + waitMs;
    while (forwarders.some(({ underWay }) => underWay > 0) && clock.monotonicMs() < deadline) {
      await new Promise<void>((resolve) => void clock.timer(DRAIN_LOOK_MS, resolve));
    }
  }

  /** Refuses what was passed on and has no answer, sends what is ready, for `waitMs` at most, and cuts what is left. */
  async close(waitMs: number): Promise<void> {
    for (const forwarder of Object.values(this.#forwarders)) forwarder.close();
    await Promise.all(Object.values(this.#listeners).map((listener) => listener.settled(waitMs)));
    for (const listener of Object.values(this.#listeners)) listener.cut();
  }

  async #listenForGrpc(host: string): Promise<number> {
    const { grpcPort } = this.#deps.config;
    try {
      return (await this.#listeners.grpc.listen({ host, port: grpcPort === ANY_PORT ? 0 : grpcPort })).port;
    } catch (error) {
      this.#listeners.http.stopAccepting();
      throw error;
    }
  }

  #handlersOf(port: PortName): ListenerHandlers {
    const elsewhere = (): Forwarder => this.#forwarders[port];
    return {
      request: (request, transport, awaitsContinue) => {
        const { own, leading } = this.#deps;
        const server = leading();
        const local = isForReaderPort(request) ? this.#following(port, request) : undefined;
        if (local !== undefined) local.request(request, transport, awaitsContinue);
        else if (port === 'http' && own.takes(request, server !== undefined))
          own.request(request, transport, awaitsContinue);
        else if (server === undefined) elsewhere().request(request, transport, awaitsContinue);
        else void this.#serve(server, port, [request, transport, awaitsContinue]);
      },
      upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        const handlers = this.#deps.leading()?.[port] ?? this.#following(port, request) ?? elsewhere();
        handlers.upgrade(request, socket, head);
      },
    };
  }

  /** What another node has passed on is for the node that leads. */
  #following(port: PortName, { headers }: Pick<HttpRequest, 'headers'>): ListenerHandlers | undefined {
    const { leading, following, trust } = this.#deps;
    if (port !== 'http' || leading() !== undefined || trust.isPassedOn(headers)) return undefined;
    return following();
  }

  /** A reader that follows needs no confirmation: it gets only what is in the log, in order. */
  async #serve(server: LeadingServer, port: PortName, asked: [HttpRequest, Transport, boolean]): Promise<void> {
    const handlers = server[port] ?? this.#forwarders[port];
    if (port === 'grpc' || !needsConfirmation(asked[0])) {
      handlers.request(...asked);
      return;
    }
    try {
      await server.confirm();
    } catch {
      // Another node may lead by now; if none is known, it is refused there.
      this.#forwarders[port].request(...asked);
      return;
    }
    handlers.request(...asked);
  }
}

function needsConfirmation({ method, url = '/', headers }: HttpRequest): boolean {
  if (readModeOf(headers) !== 'unary') return false;
  if (method === 'POST') return !UNCONFIRMED_POST.test(url);
  return !((method === 'GET' || method === 'HEAD') && UNCONFIRMED_GET.test(url));
}
