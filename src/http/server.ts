/**
 * The server of one port, for HTTP or for gRPC: every request comes in here, finds its route, and gets a response whatever
 * happens.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Origins, refusedOrigin } from '../access/origins.ts';
import type { ForwardedReader } from '../access/trusted-proxies.ts';
import { beginRequest } from '../encoding/turns.ts';
import type { Clock } from '../model/clock.ts';
import { assert, asTailraceError, TailraceError } from '../model/error.ts';
import { REQUEST_WAIT_MS_MAX } from '../model/limits.ts';
import type { AuditAction } from '../observe/audit.ts';
import type { Logger } from '../observe/logger.ts';
import { SELF_HEADER } from '../observe/self/own-requests.ts';
import type { RequestEnd, RequestSpans } from '../observe/self/request-spans.ts';
import type { Senders } from '../observe/senders.ts';
import type { Warnings } from '../observe/warnings.ts';
import type { ReaderSet } from '../readers/reader-set.ts';
import { AnswerWatch } from './answer-watch.ts';
import { auditExchange } from './audit.ts';
import type { BodyReading } from './body/read-body.ts';
import type { RequestMemory } from './body/reservation.ts';
import type { ListenerHandlers } from './connection/handlers.ts';
import { type ListenAt, Listener, type ListeningAddress } from './connection/listener.ts';
import type { TlsFiles } from './connection/tls.ts';
import type { AuditDeps, NamedBasinDeps } from './context.ts';
import { Cors } from './cors.ts';
import {
  announcedLength,
  cut,
  type Exchange,
  isAnswered,
  isGone,
  openExchange,
  schemeOf,
  senderOf,
  statusSent,
} from './exchange.ts';
import { expectKnown } from './expect-known.ts';
import { expectLegalHead } from './expect-legal-head.ts';
import { type LentPorts, LentRequests } from './lent-requests.ts';
import { type ReplyContext, type ReplyDeps, reply } from './reply.ts';
import { type Match, type PortRoutes, type Refuse, Router } from './router.ts';
import { isExporter } from './routes/unrouted.ts';
import { noteRefused } from './senders.ts';

export interface HttpServerDeps extends NamedBasinDeps, AuditDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly warnings: Pick<Warnings, 'warn'>;
  readonly senders: Pick<Senders, 'note'>;
  readonly reading: RequestMemory & Pick<BodyReading, 'watch'>;
  /** What goes on until it is told that the server stops. */
  readonly readers: Pick<ReaderSet, 'drain'>;
  /** Makes what the port serves. */
  readonly routes: (replyContext: ReplyContext) => PortRoutes;
  /** What to do when the port is taken, after a colon. */
  readonly portAdvice: string;
  /** Other sites whose pages may send requests; undefined lets no other site in. */
  readonly origins?: Origins | undefined;
  /** Undefined where none are trusted. */
  readonly proxies?: ForwardedReader | undefined;
  /** Where a listener that it does not own hands over requests: see {@link HttpServer.handlers}. */
  readonly lentPort?: LentPorts | undefined;
  /** Undefined serves without TLS. */
  readonly tls?: TlsFiles | undefined;
  /** Takes over connections that ask for an upgrade. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Called with assertions of ours that failed: code `fatal`. */
  readonly onFatal: (error: TailraceError) => void;
  /** The server's own telemetry; undefined where that is off. */
  readonly own?: OwnTelemetryPort | undefined;
  /** Takes over what would be refused, while nothing is answered; returns whether it did. */
  readonly elsewhere?: (exchange: Exchange) => boolean;
}

/** What is told of requests. */
interface OwnTelemetryPort {
  readonly spans: Pick<RequestSpans, 'begin' | 'end'>;
  /** Whether a request that shows this header carries what this server measured of itself. */
  isOwn(header: unknown): boolean;
}

/** What the server itself uses. */
interface OwnDeps extends NamedBasinDeps, ReplyDeps, AuditDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly warnings: Pick<Warnings, 'warn'>;
  readonly senders: Pick<Senders, 'note'>;
  readonly readers: Pick<ReaderSet, 'drain'>;
  readonly onFatal: (error: TailraceError) => void;
}

/** Lives from `listen` to `close`; without a port of its own, from the first request to `close`. */
export class HttpServer {
  /** Where requests and upgrades come in: from its own port, or from a listener that lives longer than it does. */
  readonly handlers: ListenerHandlers;
  readonly #deps: OwnDeps;
  readonly #router: Router;
  readonly #routes: PortRoutes;
  readonly #own: OwnTelemetryPort | undefined;
  readonly #elsewhere: HttpServerDeps['elsewhere'];
  /** Undefined without a port of its own. */
  readonly #listener: Listener | undefined;
  /** Undefined with one. */
  readonly #lent: LentRequests | undefined;
  /** Undefined where no origin is configured: then no response has headers for pages. */
  readonly #cors: Cors | undefined;
  #closing = false;
  #inFlight = 0;
  #onIdle: () => void = () => {};

  /** @throws TailraceError `config` when the TLS files cannot be used */
  constructor({
    upgrade,
    tls,
    origins,
    proxies,
    onFatal,
    routes,
    portAdvice,
    own,
    elsewhere,
    ...parts
  }: HttpServerDeps) {
    const { lentPort, access, basinRule, audit, clock, logger, warnings, senders, readers } = parts;
    const { clock: time, reading } = parts;
    const answers = new AnswerWatch(time);
    const replyContext = {
      memory: reading,
      watch: reading.watch,
      answers,
      closing: () => lentPort?.isClosing ?? this.#closing,
    };
    this.#deps = { access, basinRule, audit, clock, logger, warnings, senders, readers, onFatal, replyContext };
    this.#cors = origins === undefined ? undefined : new Cors(origins);
    this.#routes = routes(replyContext);
    this.#own = own;
    this.#elsewhere = elsewhere;
    this.#router = new Router(this.#routes.groups);
    const request: ListenerHandlers['request'] = (message, transport, awaitsContinue) =>
      this.#admit(
        openExchange(message, transport, awaitsContinue, time.monotonicMs(), {
          corsHeaders: this.#cors?.headersFor(message),
          forwarded: proxies?.read(message.socket.remoteAddress, message.headers),
        }),
      );
    this.#lent = lentPort === undefined ? undefined : new LentRequests({ request, upgrade }, clock);
    this.handlers = this.#lent ?? { request, upgrade };
    this.#listener =
      lentPort === undefined ? new Listener(this.handlers, { clock, logger, tls, portAdvice }) : undefined;
  }

  /** Connections of its own port that are open. */
  get connections(): number {
    return this.#listener?.connections ?? 0;
  }

  /** Reads certificate and key again, where there is TLS. @throws TailraceError `config`; then nothing changes */
  reloadTls(files: TlsFiles): void {
    this.#listener?.reloadTls(files);
  }

  /** @throws TailraceError `port_taken`, `config` */
  listen(at: ListenAt): Promise<ListeningAddress> {
    assert(this.#listener !== undefined, 'a server that listens has a port of its own');
    return this.#listener.listen(at);
  }

  /**
   * Takes no more connections, replies with 503 on open ones, and advises sessions to go elsewhere; resolves when all
   * requests that have begun are over. Sessions may hold that up for as long as they like: see `ReaderSet.finish`.
   */
  async drain(): Promise<void> {
    this.#closing = true;
    await this.#listener?.acceptWaiting();
    this.#listener?.stopAccepting();
    this.#deps.readers.drain();
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /**
   * Waits until all responses have gone out, for `waitMs` at most, and cuts the connections that are left; without a
   * port of its own, only its requests that are left. May be called twice.
   */
  async close(waitMs: number): Promise<void> {
    this.#closing = true;
    await this.#lent?.end(waitMs);
    this.#listener?.stopAccepting();
    await this.#listener?.settled(waitMs);
    this.#listener?.cut();
  }

  /**
   * Of thousands of requests that come in one turn, most wait for a later one; those that their clients have given up
   * by then, as in a flood of resets, cost nothing more.
   */
  #admit(exchange: Exchange): void {
    this.#inFlight++;
    if (this.#own !== undefined) this.#noteOwn(exchange, this.#own);
    const beginning = beginRequest();
    if (beginning === undefined) {
      this.#handle(exchange, false);
      return;
    }
    const { clock } = this.#deps;
    const since = clock.monotonicMs();
    void beginning.then(() => {
      if (isGone(exchange)) this.#finish(exchange);
      else this.#handle(exchange, clock.monotonicMs() - since > REQUEST_WAIT_MS_MAX);
    });
  }

  #handle(exchange: Exchange, isLate: boolean): void {
    let { refuse } = this.#routes.unrouted;
    let action: AuditAction = 'unrouted';
    try {
      const found = this.#router.find(exchange.request.method ?? 'GET', exchange.path);
      if (found !== undefined) {
        refuse = found.group.refuse;
        exchange.auditContext.protocol = found.group.protocol;
      }
      if (found !== undefined && 'route' in found) {
        action = found.route.action;
        if (exchange.traced !== undefined) exchange.traced.route = found.route.path;
      }
      this.#check(exchange);
      if (this.#answeredPreflight(exchange)) {
        this.#finish(exchange);
        return;
      }
      if (found === undefined) throw this.#routes.wrongPath(exchange);
      if ('error' in found) throw found.error;
      if (this.#closing && found.route.whileStopping !== true) throw stopping();
      if (isLate && DATA.has(found.route.action)) throw tooLate();
      expectKnown(exchange, found, this.#deps);
      const done = found.route.handle(exchange, found.segments);
      if (done !== undefined) {
        this.#await(done, exchange, found);
        return;
      }
      auditExchange(exchange, action, this.#deps);
      this.#finish(exchange);
    } catch (thrown) {
      this.#refuse(exchange, action, refuse, thrown);
      this.#finish(exchange);
    }
  }

  #await(done: Promise<void>, exchange: Exchange, { route, group }: Match): void {
    void done
      .then(
        () => auditExchange(exchange, route.action, this.#deps),
        (thrown: unknown) => this.#refuse(exchange, route.action, group.refuse, thrown),
      )
      .catch((thrown: unknown) => this.#deps.logger.error({ err: thrown }, 'a response could not be sent'))
      .then(() => this.#finish(exchange));
  }

  /**
   * The checks of every request, whatever its route.
   * @throws TailraceError `bad_request`, `bad_header`, `permission_denied`
   */
  #check(exchange: Exchange): void {
    const { request } = exchange;
    expectLegalHead(exchange);
    this.#deps.access.admit(request);
    this.#deps.basinRule.expectAgreement(request);
  }

  /**
   * Browsers ask without a token whether a page may send a request. Returns whether the request was that and got a
   * response.
   */
  #answeredPreflight(exchange: Exchange): boolean {
    if (exchange.request.method !== 'OPTIONS') return false;
    const headers = this.#cors?.preflightHeaders(exchange.request, this.#router.methodsAt(exchange.path));
    if (headers === undefined) {
      this.#noteForeign(exchange);
      return false;
    }
    exchange.corsHeaders = headers;
    reply(exchange, { status: 204, body: '' }, this.#deps.replyContext);
    return true;
  }

  /** The page is told nothing, and its browser says little: so the operator must see it here. */
  #noteForeign(exchange: Exchange): void {
    const { correlationId, path, request } = exchange;
    const { origin, 'access-control-request-method': method } = request.headers;
    if (origin === undefined || method === undefined) return;
    const message = `a page may not call this server: its origin is ${refusedOrigin(origin)}`;
    this.#deps.warnings.warn(senderOf(exchange), 'preflight', { correlationId, path }, message);
    if (exchange.auditContext.protocol !== 'otlp') return;
    noteRefused(exchange, undefined, new TailraceError('permission_denied', message), this.#deps);
  }

  #finish(exchange: Exchange): void {
    if (exchange.traced !== undefined) this.#own?.spans.end(exchange.traced, endOf(exchange));
    this.#inFlight--;
    if (this.#inFlight === 0) this.#onIdle();
  }

  #noteOwn(exchange: Exchange, { spans, isOwn }: OwnTelemetryPort): void {
    const { headers } = exchange.request;
    exchange.isOwnTelemetry = isOwn(headers[SELF_HEADER]);
    exchange.traced = spans.begin(headers);
  }

  #refuse(exchange: Exchange, action: AuditAction, refuse: Refuse, thrown: unknown): void {
    const error = asTailraceError(thrown);
    if (!isGone(exchange) && !isAnswered(exchange) && this.#elsewhere?.(exchange) === true) {
      if (isOurFault(error)) this.#report(exchange, error, false);
      return;
    }
    auditExchange(exchange, action, this.#deps, error);
    if (exchange.traced !== undefined) exchange.traced.error = error.code;
    const gone = isGone(exchange);
    this.#report(exchange, error, gone);
    if (error.code === 'fatal') this.#deps.onFatal(error);
    if (gone) return;
    // A part of the response was sent: it must not look like a whole one.
    if (isAnswered(exchange)) cut(exchange);
    else refuse(exchange, error);
  }

  #report(exchange: Exchange, error: TailraceError, gone: boolean): void {
    const { logger, warnings } = this.#deps;
    const { correlationId, path, request } = exchange;
    const fields = { correlationId, method: request.method, path, code: error.code };
    if (isOurFault(error)) {
      logger.error({ ...fields, err: error }, 'a request failed');
    } else if (gone || !isWorthAWarning(exchange, error)) {
      logger.debug({ ...fields, reason: error.message }, 'refused a request');
    } else {
      const message = `refused ${request.method} ${path}: ${error.message}`;
      warnings.warn(senderOf(exchange), message, fields, message);
    }
  }
}

function endOf(exchange: Exchange): RequestEnd {
  const { request, transport } = exchange;
  return {
    method: request.method ?? '',
    scheme: schemeOf(exchange),
    httpVersion: transport.version === 2 ? '2' : transport.response.req.httpVersion,
    status: statusSent(exchange),
    requestBytes: announcedLength(exchange),
  };
}

function isOurFault({ code }: TailraceError): boolean {
  return code === 'internal' || code === 'fatal' || code === 'corrupt';
}

/** What comes in floods. Who manages a server that is asked for too much must get through to it. */
const DATA: ReadonlySet<AuditAction> = new Set(['append', 'read']);

/** A server that is stopping begins no new work. */
function stopping(): TailraceError {
  return new TailraceError('draining', 'the server is stopping: send again in a moment');
}

/** Behind thousands of others. */
function tooLate(): TailraceError {
  return new TailraceError('overloaded', 'more requests come than the server can look at in time: send again later');
}

/** Senders that lose data, and callers without permission; a reader that asks for what does not exist is no trouble. */
function isWorthAWarning(exchange: Exchange, error: TailraceError): boolean {
  return isExporter(exchange) || error.code === 'authn' || error.code === 'permission_denied';
}
