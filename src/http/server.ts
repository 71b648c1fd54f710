/** The HTTP protocol: every request comes in here, finds its route, and leaves with an answer whatever happens. */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Origins } from '../access/origins.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import { REQUEST_HEADERS_MAX } from '../model/limits.ts';
import type { AuditAction } from '../observe/audit.ts';
import { auditExchange } from './audit.ts';
import type { ListenerHandlers } from './connection/handlers.ts';
import { Listener, type ListeningAddress } from './connection/listener.ts';
import type { TlsFiles } from './connection/tls.ts';
import { type HttpDeps, senderOf } from './context.ts';
import { Cors } from './cors.ts';
import { asTailraceError, refuseOtlp, refuseS2 } from './errors.ts';
import { cut, type Exchange, isAnswered, isGone, openExchange } from './exchange.ts';
import { reply } from './reply.ts';
import { type Refuse, type Route, Router } from './router.ts';
import { allRoutes } from './routes/all-routes.ts';
import { isExporter, wrongPath } from './routes/wrong-path.ts';

export interface HttpServerDeps extends Omit<HttpDeps, 'replyContext'> {
  readonly clock: Clock;
  /** Other sites whose pages may send requests; nobody's without. */
  readonly origins?: Origins | undefined;
  /** Plain without. */
  readonly tls?: TlsFiles | undefined;
  /** Takes over connections that ask for an upgrade. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Hears assertions of ours that failed: code `fatal`. */
  readonly onFatal: (error: TailraceError) => void;
}

/** How often connections that have become idle are let go while stopping. */
const IDLE_CHECK_MS = 20;

/** Lives from `listen` to `close`. */
export class HttpServer {
  readonly #deps: HttpDeps;
  readonly #clock: Clock;
  readonly #onFatal: (error: TailraceError) => void;
  readonly #router: Router;
  readonly #listener: Listener;
  /** Nothing is said to pages where no origin is configured. */
  readonly #cors: Cors | undefined;
  #closing = false;
  #inFlight = 0;
  #onIdle: () => void = () => {};

  /** @throws TailraceError `config` when the TLS files cannot be used */
  constructor({ upgrade, onFatal, clock, tls, origins, ...deps }: HttpServerDeps) {
    this.#deps = {
      ...deps,
      clock,
      replyContext: { watch: deps.reading.watch, closing: () => this.#closing },
    };
    this.#clock = clock;
    this.#onFatal = onFatal;
    this.#cors = origins === undefined ? undefined : new Cors(origins);
    this.#router = new Router(allRoutes(this.#deps));
    const request: ListenerHandlers['request'] = (message, way, awaitsContinue) =>
      this.#handle(openExchange(message, way, awaitsContinue, this.#cors?.headersFor(message)));
    this.#listener = new Listener({ request, upgrade }, { clock, logger: deps.logger, tls });
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#listener.connections;
  }

  /** @throws TailraceError `port_taken`, `config` */
  listen(host: string, port: number): Promise<ListeningAddress> {
    return this.#listener.listen(host, port);
  }

  /**
   * Takes no more connections and answers 503 on those there are, and advises sessions to go elsewhere; resolves when all
   * requests under way are answered. Sessions may hold that up for as long as they like: see `ReaderSet.finish`.
   */
  async drain(): Promise<void> {
    this.#closing = true;
    this.#listener.stopAccepting();
    this.#deps.readers.drain();
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Waits until what was answered has gone out, for so long at most, and cuts what is left. May be called twice. */
  async close(waitMs: number): Promise<void> {
    this.#closing = true;
    this.#listener.stopAccepting();
    const deadline = this.#clock.monotonicMs() + waitMs;
    while (this.#listener.connections > 0 && this.#clock.monotonicMs() < deadline) {
      this.#listener.closeIdle();
      await new Promise<void>((resolve) => void this.#clock.timer(IDLE_CHECK_MS, resolve));
    }
    this.#listener.cut();
  }

  #handle(exchange: Exchange): void {
    this.#inFlight++;
    let refuse: Refuse = this.#refuseUnrouted;
    let action: AuditAction = 'unrouted';
    try {
      const found = this.#router.find(exchange.request.method ?? 'GET', exchange.path);
      if (found !== undefined) {
        refuse = found.route.refuse;
        exchange.note.protocol = found.route.protocol ?? 'http';
      }
      if (found !== undefined && !('error' in found)) action = found.route.action;
      this.#check(exchange);
      if (this.#answeredPreflight(exchange)) {
        this.#finish();
        return;
      }
      if (found === undefined) throw wrongPath(exchange);
      if ('error' in found) throw found.error;
      const done = found.route.handle(exchange, found.segments);
      if (done !== undefined) {
        this.#await(done, exchange, found.route);
        return;
      }
      auditExchange(exchange, action, this.#deps);
      this.#finish();
    } catch (thrown) {
      this.#refuse(exchange, action, refuse, thrown);
      this.#finish();
    }
  }

  #await(done: Promise<void>, exchange: Exchange, route: Route): void {
    void done
      .then(
        () => auditExchange(exchange, route.action, this.#deps),
        (thrown: unknown) => this.#refuse(exchange, route.action, route.refuse, thrown),
      )
      .catch((thrown: unknown) => this.#deps.logger.error({ err: thrown }, 'an answer could not be sent'))
      .then(this.#finish);
  }

  /** What holds for every request, whatever it asks for. */
  #check(exchange: Exchange): void {
    if (exchange.request.rawHeaders.length > 2 * REQUEST_HEADERS_MAX) {
      throw new TailraceError('bad_request', `a request has at most ${REQUEST_HEADERS_MAX} headers`);
    }
    this.#deps.access.admit(exchange.request.headers);
  }

  /** Browsers ask without a token whether a page may send what it wants to: for some pages it may. */
  #answeredPreflight(exchange: Exchange): boolean {
    if (exchange.request.method !== 'OPTIONS') return false;
    const headers = this.#cors?.preflightHeaders(exchange.request, this.#router.methodsAt(exchange.path));
    if (headers === undefined) return false;
    exchange.corsHeaders = headers;
    reply(exchange, { status: 204, body: '' }, this.#deps.replyContext);
    return true;
  }

  readonly #refuseUnrouted: Refuse = (exchange, error) => {
    if (isExporter(exchange)) refuseOtlp(exchange, error, this.#deps.replyContext);
    else refuseS2(exchange, error, this.#deps.replyContext);
  };

  readonly #finish = (): void => {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#onIdle();
  };

  #refuse(exchange: Exchange, action: AuditAction, refuse: Refuse, thrown: unknown): void {
    const error = asTailraceError(thrown);
    auditExchange(exchange, action, this.#deps, error);
    const gone = isGone(exchange);
    this.#report(exchange, error, gone);
    if (error.code === 'fatal') this.#onFatal(error);
    if (gone) return;
    // Something was sent already: half an answer must not look like a whole one.
    if (isAnswered(exchange)) cut(exchange);
    else refuse(exchange, error);
  }

  #report(exchange: Exchange, error: TailraceError, gone: boolean): void {
    const { logger, warnings } = this.#deps;
    const { correlationId, path, request } = exchange;
    const fields = { correlationId, method: request.method, path, code: error.code };
    if (error.code === 'internal' || error.code === 'fatal' || error.code === 'corrupt') {
      logger.error({ ...fields, err: error }, 'a request failed');
    } else if (gone || !isWorthAWarning(exchange, error)) {
      logger.debug({ ...fields, reason: error.message }, 'refused a request');
    } else {
      const message = `refused ${request.method} ${path}: ${error.message}`;
      warnings.warn(senderOf(exchange), error.code, fields, message);
    }
  }
}

/** Senders that lose data, and callers without leave; a reader that asks for what is not there is no trouble. */
function isWorthAWarning(exchange: Exchange, error: TailraceError): boolean {
  return isExporter(exchange) || error.code === 'authn' || error.code === 'permission_denied';
}
