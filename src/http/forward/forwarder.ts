/**
 * Passes everything that comes in at a port on to the node that leads: requests over HTTP/2, upgrades over connections of
 * their own. A request goes one hop at most, and is never sent twice: whether a node has acted on it is not known.
 */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { expectLegalHost } from '../../access/authority.ts';
import type { NodeTrust } from '../../access/node-trust.ts';
import type { MemoryBudget } from '../../encoding/memory-budget.ts';
import type { Clock } from '../../model/clock.ts';
import { asTailraceError, TailraceError, unavailable } from '../../model/error.ts';
import { FORWARDED_REQUESTS_MAX, SHUTDOWN_TIMEOUT_MS } from '../../model/limits.ts';
import { SIGNALS } from '../../model/record.ts';
import { correlationId } from '../../observe/correlation-id.ts';
import type { Warnings } from '../../observe/warnings.ts';
import type { ListenerHandlers } from '../connection/handlers.ts';
import { refuseOtlp, refuseS2 } from '../errors.ts';
import {
  announcesBody,
  type Exchange,
  type HttpRequest,
  isGone,
  openExchange,
  schemeOf,
  senderOf,
  type Transport,
} from '../exchange.ts';
import { expectLegalHead } from '../expect-legal-head.ts';
import { isCall, refuseCall } from '../grpc/reply.ts';
import { nodeReplyContext } from '../node-reply-context.ts';
import type { ReplyContext } from '../reply.ts';
import { NodeLink } from './node-link.ts';
import { refuseUpgrade } from './pass-upgrade.ts';
import { passedRequestHeaders } from './passed-headers.ts';
import { draining, PassedRequest } from './passed-request.ts';

/** How often it is looked at what waits for the node. */
const COUNT_MS = 1_000;
const OTLP_PATHS: ReadonlySet<string> = new Set(SIGNALS.map((signal) => `/v1/${signal}`));

/** Where the node that leads is reached. */
export interface ForwardTarget {
  readonly httpUrl: URL;
  /** Undefined where it takes no gRPC. */
  readonly grpcUrl?: URL | undefined;
}

export interface ForwarderDeps {
  readonly clock: Clock;
  readonly warnings: Pick<Warnings, 'warn'>;
  /** Which port of the node that leads it passes requests to. */
  readonly port: 'http' | 'grpc';
  /** Asked for each request; undefined while no node is known to lead. */
  readonly target: () => ForwardTarget | undefined;
  readonly trust: NodeTrust;
  /** Pays for what waits for either side. */
  readonly memory: MemoryBudget;
  /** Whether this node stops. */
  readonly closing: () => boolean;
  /** A PEM file with the certificates that nodes are trusted by, for `https:`; undefined trusts those of the system. */
  readonly caFile?: string | undefined;
}

/** Lives until `close`. */
export class Forwarder implements ListenerHandlers {
  readonly #deps: ForwarderDeps;
  readonly #ca: Buffer | undefined;
  readonly #context: ReplyContext;
  /** By which this node knows a request that it has passed on already. */
  readonly #name = `tailrace-${randomBytes(8).toString('hex')}`;
  readonly #requests = new Set<PassedRequest>();
  #upgrades = 0;
  /** To the node that led last. */
  #link: NodeLink | undefined;
  /** To nodes that led before, too, until what they were sent is over. */
  readonly #links = new Set<NodeLink>();
  #isCounting = false;

  /** @throws TailraceError `config` when the file with certificates cannot be read */
  constructor(deps: ForwarderDeps) {
    this.#deps = deps;
    this.#ca = deps.caFile === undefined ? undefined : certificatesIn(deps.caFile);
    this.#context = nodeReplyContext(deps);
  }

  /** Requests and upgrades that are under way. */
  get underWay(): number {
    return this.#requests.size + this.#upgrades;
  }

  request(request: HttpRequest, transport: Transport, awaitsContinue: boolean): void {
    const { trust, clock } = this.#deps;
    const forwarded = trust.read(request.socket.remoteAddress, request.headers);
    const exchange = openExchange(request, transport, awaitsContinue, clock.monotonicMs(), { forwarded });
    try {
      this.#pass(exchange);
    } catch (thrown) {
      this.#refuse(exchange, asTailraceError(thrown));
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (error: TailraceError): void =>
      refuseUpgrade(socket, error, correlationId(request.headers['x-correlation-id']));
    try {
      expectLegalHost(request);
      const link = this.#linkFor(request);
      const { trust } = this.#deps;
      const peer = request.socket.remoteAddress;
      const seen = trust.read(peer, request.headers);
      const scheme = seen?.scheme ?? (socket instanceof TLSSocket ? 'https' : 'http');
      const headers = {
        ...trust.headersFor({ sender: seen?.sender ?? peer, scheme, host: seen?.host }),
        ...this.#via(request),
      };
      this.#upgrades++;
      link.upgrade(
        { request, socket, head, headers },
        {
          onFailed: (reason) => {
            this.#warn(reason);
            refuse(noLeader());
          },
          onOver: () => void this.#upgrades--,
        },
      );
    } catch (thrown) {
      refuse(asTailraceError(thrown));
    }
  }

  /**
   * Ends what would not end soon by itself: sessions of readers at once, sessions of appends when what was sent to the node
   * is answered, reads that wait for records at the tail. Other requests go on. Call it once this node says that it stops.
   */
  drain(): void {
    for (const link of this.#links) link.endUpgrades();
    for (const passed of this.#requests) passed.drain();
  }

  /** Ends everything that was passed on: requests without a response are refused, and what has begun is cut. */
  close(): void {
    for (const link of this.#links) link.destroy();
    this.#links.clear();
    this.#link = undefined;
  }

  /** @throws TailraceError */
  #pass(exchange: Exchange): void {
    if (isGone(exchange)) return;
    const { request } = exchange;
    expectLegalHead(exchange);
    expectLegalHost(request);
    const link = this.#linkFor(request);
    const told = { sender: senderOf(exchange), scheme: schemeOf(exchange), host: exchange.forwarded?.host };
    const own = { ...this.#deps.trust.headersFor(told), ...this.#via(request) };
    const sent = link.send(passedRequestHeaders(exchange, own), !announcesBody(exchange));
    const deps = {
      context: this.#context,
      refuse: (refused: Exchange, error: TailraceError) => this.#refuse(refused, error),
    };
    const passed = new PassedRequest(exchange, sent, deps, () => this.#requests.delete(passed));
    this.#requests.add(passed);
    if (!this.#isCounting) this.#countLater();
  }

  /** @throws TailraceError `unavailable` when no other node is known to lead, `overloaded`, `draining` */
  #linkFor({ headers }: Pick<IncomingMessage, 'headers'>): NodeLink {
    const { trust, target, port, closing } = this.#deps;
    if (closing()) throw draining();
    if (trust.isPassedOn(headers) || headers.via?.includes(this.#name) === true) throw noLeader();
    const known = target();
    const url = port === 'http' ? known?.httpUrl : known?.grpcUrl;
    if (url === undefined) throw noLeader();
    if (this.underWay >= FORWARDED_REQUESTS_MAX) {
      throw new TailraceError('overloaded', 'too many requests go to the node that leads: send again later');
    }
    if (this.#link?.leadsTo(url) === true) return this.#link;
    this.#retire();
    const onBroken = (reason: string): void => this.#warn(reason);
    this.#link = new NodeLink({ url, ca: this.#ca }, { clock: this.#deps.clock, onBroken });
    this.#links.add(this.#link);
    return this.#link;
  }

  /** A node that led ends what it has begun by itself, if it can. */
  #retire(): void {
    const link = this.#link;
    if (link === undefined) return;
    link.close();
    this.#deps.clock.timer(SHUTDOWN_TIMEOUT_MS, () => {
      link.destroy();
      this.#links.delete(link);
    });
  }

  /** RFC 9110, section 7.6.3. */
  #via({ headers }: Pick<IncomingMessage, 'headers'>): { readonly via: string } {
    const hop = `1.1 ${this.#name}`;
    return { via: headers.via === undefined ? hop : `${headers.via}, ${hop}` };
  }

  #refuse(exchange: Exchange, error: TailraceError): void {
    if (this.#deps.port === 'grpc' || isCall(exchange)) refuseCall(exchange, error, this.#context);
    else if (exchange.request.method === 'POST' && OTLP_PATHS.has(exchange.path))
      refuseOtlp(exchange, error, this.#context);
    else refuseS2(exchange, error, this.#context);
  }

  #warn(reason: string): void {
    this.#deps.warnings.warn('the node that leads', reason, { reason }, 'a connection to the node that leads was lost');
  }

  #countLater(): void {
    this.#isCounting = this.#requests.size > 0;
    if (!this.#isCounting) return;
    this.#deps.clock.timer(COUNT_MS, () => {
      for (const passed of this.#requests) passed.look();
      this.#countLater();
    });
  }
}

/** @throws TailraceError `config` */
function certificatesIn(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new TailraceError('config', `the file with the certificates of the nodes cannot be read: ${file}`, { cause });
  }
}

function noLeader(): TailraceError {
  return unavailable('no node is known to lead at the moment: send the request again');
}
