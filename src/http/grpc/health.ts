/**
 * The health service of gRPC (grpc.health.v1), which load balancers and orchestrators ask without a token. What it says
 * is what `/health` and `/readyz` say together: not serving means that calls should go to another server.
 */

import type { ServerHttp2Stream } from 'node:http2';
import type { Log } from '../../log/log.ts';
import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import { GRPC_HEALTH_BYTES_MAX, GRPC_WATCH_MS, GRPC_WATCHES_MAX } from '../../model/limits.ts';
import { ProtoReader } from '../../s2/proto-reader.ts';
import type { BodyReading } from '../body/read-body.ts';
import { type Exchange, isOpen } from '../exchange.ts';
import type { ReplyContext } from '../reply.ts';
import type { RouteGroup } from '../router.ts';
import { framed, readMessage } from './message.ts';
import { endResponse, isCall, openResponse, refuseCall, replyMessage, statusOf } from './reply.ts';

export interface HealthDeps {
  readonly log: Pick<Log, 'stat'>;
  readonly clock: Pick<Clock, 'timer'>;
  readonly reading: BodyReading;
  /** The services that are known by name, besides the server itself, whose name is empty. */
  readonly services: readonly string[];
}

const SERVICE = 'grpc.health.v1.Health';
const STATUS = { serving: 1, notServing: 2, unknown: 3 } as const;
type Status = (typeof STATUS)[keyof typeof STATUS];

/** A client that is told of every change. */
interface Watch {
  readonly exchange: Exchange;
  readonly stream: ServerHttp2Stream;
  readonly isKnown: boolean;
  told: Status | undefined;
}

/** One for the gRPC port. */
export class Health {
  readonly #deps: HealthDeps;
  readonly #reading: BodyReading;
  readonly #watches = new Set<Watch>();
  #isStopping = false;
  #isLooking = false;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
    const limits = { wireBytesMax: GRPC_HEALTH_BYTES_MAX, bodyBytesMax: GRPC_HEALTH_BYTES_MAX };
    // The health of a server is told however much it has to do.
    this.#reading = { ...deps.reading, ...limits, workload: undefined };
  }

  group(replyContext: ReplyContext): RouteGroup {
    const common = { method: 'POST', call: 'grpc', action: 'health', whileStopping: true } as const;
    return {
      protocol: 'grpc',
      takesUnknown: true,
      refuse: (exchange, error) => refuseCall(exchange, error, replyContext),
      routes: [
        { ...common, path: `/${SERVICE}/Check`, handle: (exchange) => this.#check(exchange, replyContext) },
        { ...common, path: `/${SERVICE}/Watch`, handle: (exchange) => this.#watch(exchange) },
      ],
    };
  }

  /** Tells those who watch that the server stops, and ends their calls. */
  drain(): void {
    this.#isStopping = true;
    for (const watch of this.#watches) end(watch);
  }

  async #check(exchange: Exchange, replyContext: ReplyContext): Promise<void> {
    const name = await this.#serviceIn(exchange);
    if (!this.#isKnown(name)) {
      throw new TailraceError('not_found', `there is no service ${JSON.stringify(name)} here`);
    }
    replyMessage(exchange, messageOf(await this.#status()), replyContext);
  }

  async #watch(exchange: Exchange): Promise<void> {
    const name = await this.#serviceIn(exchange);
    if (this.#watches.size >= GRPC_WATCHES_MAX) {
      throw new TailraceError('overloaded', `the health service is watched by ${GRPC_WATCHES_MAX} already`);
    }
    const stream = openResponse(exchange);
    if (stream === undefined) return;
    const watch: Watch = { exchange, stream, isKnown: this.#isKnown(name), told: undefined };
    this.#watches.add(watch);
    const over = new Promise<void>((resolve) => stream.once('close', resolve)).then(() => this.#watches.delete(watch));
    tell(watch, await this.#status());
    if (this.#isStopping) end(watch);
    else this.#lookLater();
    await over;
  }

  async #status(): Promise<Status> {
    // A store that cannot even say how it is does not serve.
    const state = await this.#deps.log.stat().then(
      ({ engine }) => engine.state,
      () => 'closed' as const,
    );
    const isBroken = state === 'read_only' || state === 'closed';
    return this.#isStopping || isBroken ? STATUS.notServing : STATUS.serving;
  }

  #lookLater(): void {
    if (this.#isLooking || this.#watches.size === 0) return;
    this.#isLooking = true;
    this.#deps.clock.timer(GRPC_WATCH_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const status = await this.#status();
    this.#isLooking = false;
    for (const watch of this.#watches) tell(watch, status);
    this.#lookLater();
  }

  #isKnown(name: string): boolean {
    return name === '' || name === SERVICE || this.#deps.services.includes(name);
  }

  async #serviceIn(exchange: Exchange): Promise<string> {
    if (!isCall(exchange)) throw new TailraceError('bad_request', 'the health service is called over gRPC');
    const body = await readMessage(exchange, this.#reading);
    try {
      return serviceIn(body.bytes);
    } finally {
      body.release();
    }
  }
}

function tell(watch: Watch, status: Status): void {
  const shown = watch.isKnown ? status : STATUS.unknown;
  if (watch.told === shown || !isOpen(watch.stream) || watch.stream.writableEnded) return;
  watch.told = shown;
  watch.stream.write(framed(messageOf(shown)));
}

function end(watch: Watch): void {
  const { stream, exchange } = watch;
  tell(watch, STATUS.notServing);
  if (!isOpen(stream) || stream.writableEnded) return;
  endResponse(stream, statusOf(exchange, new TailraceError('draining', 'the server is stopping: watch again')));
  stream.end();
}

/** A HealthCheckResponse. */
function messageOf(status: Status): Uint8Array {
  return Uint8Array.of(0x08, status);
}

/** The name in a HealthCheckRequest. @throws TailraceError `bad_proto` */
function serviceIn(message: Uint8Array): string {
  const reader = new ProtoReader(message);
  let name = '';
  while (!reader.done) {
    if (reader.tag() === 1) name = Buffer.from(reader.bytes()).toString();
    else reader.skip();
  }
  return name;
}
