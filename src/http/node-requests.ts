/**
 * What a node of a cluster answers itself, whoever leads: whether it is well, where metrics are, and to other nodes a copy of
 * its store. Everything else is for the node that leads.
 */

import { expectLegalHost } from '../access/authority.ts';
import type { NodeTrust } from '../access/node-trust.ts';
import { BufferPool } from '../encoding/buffer-pool.ts';
import type { MemoryBudget } from '../encoding/memory-budget.ts';
import type { Clock } from '../model/clock.ts';
import type { NodeRole } from '../model/cluster-state.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { NODE_CALL_BYTES_MAX } from '../model/limits.ts';
import type { Logger } from '../observe/logger.ts';
import { parseJsonValue } from '../s2/json-value.ts';
import { readBody } from './body/read-body.ts';
import { UploadWatch } from './body/upload-watch.ts';
import { answerOf, type ClusterCall, parseClusterCall } from './cluster-calls.ts';
import { refuseS2 } from './errors.ts';
import { type Exchange, type HttpRequest, openExchange, type Transport } from './exchange.ts';
import { expectLegalHead } from './expect-legal-head.ts';
import { nodeReplyContext } from './node-reply-context.ts';
import { type ReplyContext, reply } from './reply.ts';
import { type BackupSource, sendBackup } from './routes/backup.ts';

/** How a node does in a partition. */
export interface NodePartitionState {
  readonly partition: number;
  readonly role: NodeRole;
  /** The URL of the node that leads it, where one is known. */
  readonly leader: string | undefined;
}

export interface NodeState {
  /** In partition 0, which holds what is of no basin. */
  readonly role: NodeRole;
  /** The URL of the node that leads, where one is known. */
  readonly leader: string | undefined;
  /** All of them, where there are several. */
  readonly partitions: readonly NodePartitionState[];
  /** Whether its store failed and only a restart helps. */
  readonly isBroken: boolean;
  /** What an operator should know, as sentences. */
  readonly problems: readonly string[];
}

export interface NodeRequestsDeps {
  readonly trust: NodeTrust;
  readonly memory: MemoryBudget;
  readonly clock: Clock;
  readonly logger: Logger;
  state(): NodeState;
  /** Whether this node stops. */
  closing(): boolean;
  /** Of a partition; undefined while its store is being replaced. */
  snapshots(partition: number): BackupSource | undefined;
  /** The rows of a basin that moves, for the node that takes it. @throws TailraceError as {@link ClusterCall} */
  basinRows(query: URLSearchParams): BackupSource;
  /** Does what another node asks. */
  answer(call: ClusterCall): Promise<unknown>;
}

export const SNAPSHOT_PATH = '/cluster/snapshot';
export const BASIN_ROWS_PATH = '/cluster/basin-rows';
export const CALLS_PATH = '/cluster/calls';
const NODE_PATHS: ReadonlySet<string> = new Set([SNAPSHOT_PATH, BASIN_ROWS_PATH, CALLS_PATH]);
const HEALTH = new Set(['/health', '/ping']);
const READINESS = '/readyz';
const METRICS = '/metrics';
/** A client that wants the metrics of the node that leads, and not those of the node that it asks. */
const OF_LEADER = /[?&]of=leader(?:&|$)/;
const TEXT = 'text/plain; charset=utf-8';

export class NodeRequests {
  readonly #deps: NodeRequestsDeps;
  readonly #context: ReplyContext;
  readonly #pool = new BufferPool();

  constructor(deps: NodeRequestsDeps) {
    this.#deps = deps;
    this.#context = nodeReplyContext(deps);
  }

  /** Whether this node answers the request itself. While it leads, its server answers all that is not for nodes. */
  takes({ method, url = '' }: HttpRequest, leads: boolean): boolean {
    const path = pathOf(url);
    if (NODE_PATHS.has(path)) return true;
    if (leads || (method !== 'GET' && method !== 'HEAD')) return false;
    return HEALTH.has(path) || path === READINESS || asksOwnMetrics(url);
  }

  request(request: HttpRequest, transport: Transport, awaitsContinue: boolean): void {
    const exchange = openExchange(request, transport, awaitsContinue, this.#deps.clock.monotonicMs());
    try {
      expectLegalHead(exchange);
      expectLegalHost(request);
      if (NODE_PATHS.has(exchange.path)) void this.#answerNode(exchange);
      else if (exchange.path === READINESS) this.#answerReady(exchange);
      else if (exchange.path === METRICS) throw this.#noMetrics();
      else this.#answerHealth(exchange);
    } catch (error) {
      refuseS2(exchange, asTailraceError(error), this.#context);
    }
  }

  /** For supervisors: 503 when only a restart helps. A node that follows is well. */
  #answerHealth(exchange: Exchange): void {
    const { isBroken } = this.#deps.state();
    const body = isBroken ? 'the store failed and takes no writes until a restart' : 'OK';
    reply(exchange, { status: isBroken ? 503 : 200, contentType: TEXT, body }, this.#context);
  }

  /** For load balancers: 503 while no node is known to lead, as requests to this one then lead nowhere, and while it stops. */
  #answerReady(exchange: Exchange): void {
    const { role, leader, problems, partitions } = this.#deps.state();
    const isReady = leader !== undefined && !this.#deps.closing();
    const writes = leader === undefined ? 'no_leader' : 'ok';
    const status = this.#deps.closing() ? 'draining' : leader === undefined ? 'no_leader' : 'ready';
    const body = JSON.stringify({
      status,
      writes,
      role,
      leader: leader ?? null,
      ...partitionsJson(partitions),
      problems,
    });
    reply(exchange, { status: isReady ? 200 : 503, contentType: 'application/json', body }, this.#context);
  }

  /** Until it follows. Passed on, a scrape of every node would count what the one that leads does for each of them. */
  #noMetrics(): TailraceError {
    const { leader } = this.#deps.state();
    const where = leader === undefined ? 'no node is known to lead now' : `scrape ${leader}${METRICS}, which leads`;
    return new TailraceError(
      'unavailable',
      `this node does not follow its cluster yet, so it has no metrics: ${where}`,
    );
  }

  async #answerNode(exchange: Exchange): Promise<void> {
    const { trust, clock, logger } = this.#deps;
    try {
      if (!trust.isPassedOn(exchange.request.headers)) {
        throw new TailraceError('permission_denied', 'only a node of this cluster gets what nodes tell each other');
      }
      if (exchange.path === CALLS_PATH) await this.#answerCall(exchange);
      else await sendBackup(exchange, this.#rowsFor(exchange), { clock, logger, replyContext: this.#context });
    } catch (error) {
      refuseS2(exchange, asTailraceError(error), this.#context);
    }
  }

  /** @throws TailraceError `unavailable` while it has none */
  #rowsFor({ path, query }: Exchange): BackupSource {
    const asked = new URLSearchParams(query);
    if (path === BASIN_ROWS_PATH) return this.#deps.basinRows(asked);
    const source = this.#deps.snapshots(Number(asked.get('partition') ?? 0));
    if (source === undefined) throw new TailraceError('unavailable', 'this node has no whole store now');
    return source;
  }

  async #answerCall(exchange: Exchange): Promise<void> {
    const { memory, clock, answer } = this.#deps;
    const limits = { wireBytesMax: NODE_CALL_BYTES_MAX, bodyBytesMax: NODE_CALL_BYTES_MAX, workload: undefined };
    const shared = { budget: memory, strangers: memory, pool: this.#pool, watch: new UploadWatch(clock) };
    const received = await readBody(exchange, { ...shared, ...limits });
    try {
      const call = parseClusterCall(parseJsonValue(Buffer.from(received.bytes).toString()));
      const body = await answerOf(answer(call));
      reply(exchange, { status: 200, contentType: 'application/json', body }, this.#context);
    } finally {
      received.release();
    }
  }
}

/** Whether a request is a scrape of the very node that it asks. */
export function asksOwnMetrics(url: string): boolean {
  return pathOf(url) === METRICS && !OF_LEADER.test(url);
}

function partitionsJson(partitions: NodeState['partitions']): object {
  if (partitions.length < 2) return {};
  return { partitions: partitions.map(({ leader, ...rest }) => ({ ...rest, leader: leader ?? null })) };
}

function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}
