/**
 * The ports of a node of a cluster. They outlive the roles of the node: while it leads the partition of a request, that goes to
 * its own server, else to the node that leads it.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NodeTrust } from '../access/node-trust.ts';
import type { Config } from '../config.ts';
import type { MemoryBudget } from '../encoding/memory-budget.ts';
import type { ListenerHandlers } from '../http/connection/handlers.ts';
import { type ListenAt, Listener } from '../http/connection/listener.ts';
import type { TlsFiles } from '../http/connection/tls.ts';
import { type HttpRequest, isGone, type Transport } from '../http/exchange.ts';
import { Forwarder, type ForwardTarget } from '../http/forward/forwarder.ts';
import type { NodeRequests } from '../http/node-requests.ts';
import { isForReaderPort } from '../http/routes/reader-port.ts';
import { readModeOf } from '../http/s2/call.ts';
import type { Clock } from '../model/clock.ts';
import { assert } from '../model/error.ts';
import { CLUSTER_PARTITIONS_MAX } from '../model/limits.ts';
import type { Logger } from '../observe/logger.ts';
import type { Warnings } from '../observe/warnings.ts';
import { checkHost, tlsOf, tlsToReload, urlOn } from '../port-settings.ts';
import { ANY_PORT } from '../settings/value-kinds.ts';
import type { ServerAddress } from '../tailrace-server.ts';
import type { PortName } from './request-partition.ts';

/** The server of the node that leads a partition. */
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
  /** Where requests of a partition go. */
  partition(number: number): PartitionPort;
  /** The partition of a request. @throws TailraceError `unavailable`, as a rejection */
  partitionOf(request: HttpRequest, port: PortName, connection: object): number | Promise<number>;
  /** Gets what its server has to know of the caller first; undefined for nothing. */
  prepare(request: HttpRequest, partition: number): Promise<void> | undefined;
}

/** What a node serves of a partition. */
export interface PartitionPort {
  /** Undefined while this node does not lead it. */
  readonly leading: LeadingServer | undefined;
  /** Whether no other node can lead it at this moment: not after a pause, until that is confirmed. */
  readonly leadsForSure: boolean;
  /** Serves readers while this node does not lead it; undefined while it does not follow either. */
  readonly followingHandlers: ListenerHandlers | undefined;
  /** The other node that leads; undefined while none is known. */
  readonly target: ForwardTarget | undefined;
}

/**
 * Requests that are answered by what a commit says, or from what cannot be old: nothing else is answered before it is
 * confirmed that this node leads. After a pause these wait, too: what they are refused for, such as a basin that is not
 * there, may be old, and a sender of OTLP that gets 404 drops its data.
 */
const UNCONFIRMED_POST = /^\/v1\/(?:logs|traces|metrics|streams\/[^/?]+\/records)(?:\?|$)/;
const UNCONFIRMED_GET =
  /^\/(?:health|ping|readyz|metrics|openapi\.json|asyncapi\.json|llms[^/]*\.txt|assets\/[^?]*)?(?:\?|$)/;
/** How often it is looked whether what was passed on is over. */
const DRAIN_LOOK_MS = 20;

/** Lives from `listen` to `close`. */
export class ClusterPorts {
  readonly #deps: ClusterPortsDeps;
  /** By partition, made when they are needed first. */
  readonly #forwarders: Readonly<Record<PortName, Map<number, Forwarder>>> = { http: new Map(), grpc: new Map() };
  readonly #listeners: Readonly<Record<PortName, Listener>>;
  #address: ServerAddress | undefined;
  #isClosing = false;

  /** @throws TailraceError `config` when TLS files or certificates cannot be used */
  constructor(deps: ClusterPortsDeps) {
    this.#deps = deps;
    const { clock, logger, config } = deps;
    // It says now whether the certificates can be read.
    this.elsewhere(0);
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

  /** The way to the node that leads a partition. */
  elsewhere(partition: number, port: PortName = 'http'): Forwarder {
    assert(partition < CLUSTER_PARTITIONS_MAX, 'there are no more partitions than that');
    const known = this.#forwarders[port].get(partition);
    if (known !== undefined) return known;
    const { clock, warnings, trust, memory, config, partition: partitionPort } = this.#deps;
    const target = (): ForwardTarget | undefined => partitionPort(partition).target;
    const closing = (): boolean => this.#isClosing;
    const made = new Forwarder({ clock, warnings, trust, memory, target, port, caFile: config.clusterCa, closing });
    this.#forwarders[port].set(partition, made);
    return made;
  }

  get #allForwarders(): readonly Forwarder[] {
    return Object.values(this.#forwarders).flatMap((ofPort) => [...ofPort.values()]);
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
    const forwarders = this.#allForwarders;
    for (const forwarder of forwarders) forwarder.drain();
    const deadline = clock.monotonicMs() + waitMs;
    while (forwarders.some(({ underWay }) => underWay > 0) && clock.monotonicMs() < deadline) {
      await new Promise<void>((resolve) => void clock.timer(DRAIN_LOOK_MS, resolve));
    }
  }

  /** Refuses what was passed on and has no answer, sends what is ready, for `waitMs` at most, and cuts what is left. */
  async close(waitMs: number): Promise<void> {
    for (const forwarder of this.#allForwarders) forwarder.close();
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
    return {
      request: (request, transport, awaitsContinue) => {
        const { own, partition } = this.#deps;
        const asked: PortRequest = [request, transport, awaitsContinue];
        const connection = transport.version === 1 ? request.socket : (transport.stream.session ?? transport.stream);
        const isOwn = port === 'http' && own.takes(request, partition(0).leading !== undefined);
        // Its metrics are those of the server for readers, where that runs.
        if (isOwn && !(isForReaderPort(request) && this.#following(0, port, request) !== undefined)) {
          own.request(...asked);
        } else {
          this.#routed(request, port, connection, (number) => {
            // While it was looked for, its client may have gone: no server would be told of its end any more.
            if (!isGone({ request, transport })) this.#serve(number, port, asked);
          });
        }
      },
      upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        // Until the server of the partition listens, an error of the connection would end the process.
        socket.on('error', () => {});
        this.#routed(request, port, request.socket, (number) => {
          if (!socket.destroyed) this.#upgradeIn(number, port, request).upgrade(request, socket, head);
        });
      },
    };
  }

  /** Calls `go` with the partition of a request; at once where that is known. Who cannot say it asks the one that knows. */
  #routed(request: HttpRequest, port: PortName, connection: object, go: (partition: number) => void): void {
    const { partitionOf, partition, prepare } = this.#deps;
    const prepared = (number: number): void => {
      const preparing = partition(number).leading === undefined ? undefined : prepare(request, number);
      if (preparing === undefined) go(number);
      else void preparing.then(() => go(number));
    };
    const found = partitionOf(request, port, connection);
    if (typeof found === 'number') prepared(found);
    else {
      // Who has no answer for it either says so.
      void found.then(prepared, () => prepared(0));
    }
  }

  #upgradeIn(number: number, port: PortName, request: IncomingMessage): ListenerHandlers {
    const server = this.#deps.partition(number).leading?.[port] ?? this.#following(number, port, request);
    return server ?? this.elsewhere(number, port);
  }

  #serve(number: number, port: PortName, asked: PortRequest): void {
    const { leading } = this.#deps.partition(number);
    const local = isForReaderPort(asked[0]) ? this.#following(number, port, asked[0]) : undefined;
    if (local !== undefined) local.request(...asked);
    else if (leading === undefined) this.elsewhere(number, port).request(...asked);
    else void this.#confirmed(leading, number, port, asked);
  }

  /** What another node has passed on is for the node that leads. */
  #following(number: number, port: PortName, { headers }: Pick<HttpRequest, 'headers'>): ListenerHandlers | undefined {
    const { leading, followingHandlers } = this.#deps.partition(number);
    if (port !== 'http' || leading !== undefined || this.#deps.trust.isPassedOn(headers)) return undefined;
    return followingHandlers;
  }

  /** A reader that follows needs no confirmation: it gets only what is in the log, in order. */
  async #confirmed(server: LeadingServer, number: number, port: PortName, asked: PortRequest): Promise<void> {
    const handlers = server[port] ?? this.elsewhere(number, port);
    const isSure = this.#deps.partition(number).leadsForSure;
    if (isSure && (port === 'grpc' || !needsConfirmation(asked[0]))) {
      handlers.request(...asked);
      return;
    }
    const [request, transport] = asked;
    try {
      await server.confirm();
    } catch {
      // Another node may lead by now; if none is known, it is refused there.
      if (!isGone({ request, transport })) this.elsewhere(number, port).request(...asked);
      return;
    }
    if (!isGone({ request, transport })) handlers.request(...asked);
  }
}

type PortRequest = [HttpRequest, Transport, boolean];

function needsConfirmation({ method, url = '/', headers }: HttpRequest): boolean {
  if (readModeOf(headers) !== 'unary') return false;
  if (method === 'POST') return !UNCONFIRMED_POST.test(url);
  return !((method === 'GET' || method === 'HEAD') && UNCONFIRMED_GET.test(url));
}
