/** Routes of our own for the operator: health and readiness, metrics for Prometheus, and confirming the clock. */

import type { QueryNames } from '../../encoding/known-names.ts';
import type { Log } from '../../log/log.ts';
import type { Clock } from '../../model/clock.ts';
import type { ClusterView } from '../../model/cluster-state.ts';
import { TailraceError } from '../../model/error.ts';
import type { Metrics } from '../../observe/metrics.ts';
import { type AuthorizeDeps, authorize, authorizeUncounted } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { type ReplyDeps, reply, replyJson } from '../reply.ts';
import type { Route } from '../router.ts';

export interface OperatorDeps extends AuthorizeDeps, ReplyDeps {
  readonly log: Pick<Log, 'stat' | 'confirmClock'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly metrics: Pick<Metrics, 'text'>;
  /** Undefined for a server that is no node of a cluster. */
  readonly cluster?: Pick<ClusterView, 'problems'> | undefined;
}

/** `of=leader` has a node of a cluster pass the call on: it changes nothing for the server that answers. */
const SCRAPED: QueryNames = { once: ['of'] };
const LEADER = 'leader';
const TEXT = 'text/plain; charset=utf-8';
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * `/metrics` is what Prometheus scrapes; `/v1/metrics` is the usage metrics of S2. Probes of health come with parameters of
 * their own, which change nothing.
 */
export function operatorRoutes(deps: OperatorDeps): readonly Route[] {
  const health = (exchange: Exchange): Promise<void> => answerHealth(exchange, deps);
  return [
    {
      method: 'GET',
      path: '/health',
      call: 'health',
      query: 'any',
      action: 'health',
      whileStopping: true,
      handle: health,
    },
    { method: 'GET', path: '/ping', call: 'ping', query: 'any', action: 'health', whileStopping: true, handle: health },
    {
      method: 'GET',
      path: '/readyz',
      call: 'readiness',
      query: 'any',
      action: 'health',
      whileStopping: true,
      handle: (exchange) => answerReady(exchange, deps),
    },
    {
      method: 'GET',
      path: '/metrics',
      call: 'scrape-metrics',
      query: SCRAPED,
      action: 'account-metrics',
      whileStopping: true,
      handle: (exchange) => scrape(exchange, deps),
    },
    {
      method: 'POST',
      path: '/v1/clock/confirm',
      call: 'confirm-clock',
      action: 'confirm-clock',
      handle: (exchange) => confirmClock(exchange, deps),
    },
  ];
}

/** For supervisors, without a token: 503 when only a restart helps. */
async function answerHealth(exchange: Exchange, { log, replyContext }: OperatorDeps): Promise<void> {
  const { state } = (await log.stat()).engine;
  const broken = state === 'read_only' || state === 'closed';
  const body = broken ? 'the store failed and takes no writes until a restart' : 'OK';
  reply(exchange, { status: broken ? 503 : 200, contentType: TEXT, body }, replyContext);
}

/** For load balancers, without a token: 503 when requests should go to another server. */
async function answerReady(exchange: Exchange, { log, cluster, replyContext }: OperatorDeps): Promise<void> {
  const { state } = (await log.stat()).engine;
  const ready = !replyContext.closing() && state !== 'closed';
  const problems = cluster === undefined ? {} : { problems: cluster.problems() };
  const writes = state === 'open' ? 'ok' : state;
  const body = JSON.stringify({ status: ready ? 'ready' : 'draining', writes, ...problems });
  reply(exchange, { status: ready ? 200 : 503, contentType: 'application/json', body }, replyContext);
}

/**
 * The metrics tell more than a stranger should know, so they take a token. A scrape every few seconds is not use of the
 * account, and is not counted.
 */
async function scrape(exchange: Exchange, deps: OperatorDeps): Promise<void> {
  const principal = authorizeUncounted(exchange, deps, { operation: 'account-metrics' });
  const of = new URLSearchParams(exchange.query).get('of') ?? LEADER;
  if (of !== LEADER) throw new TailraceError('bad_query', '`of` must be `leader`');
  const body = await deps.metrics.text((basin) => principal.allows('account-metrics', basin));
  reply(exchange, { status: 200, contentType: PROMETHEUS_TEXT, body }, deps.replyContext);
}

/**
 * An operator says that the clock of the machine is right. Returns the time, and whether expiry had waited for this.
 */
function confirmClock(exchange: Exchange, deps: OperatorDeps): void {
  authorize(exchange, deps, { operation: 'maintain' });
  const wasPaused = deps.log.confirmClock();
  replyJson(exchange, 200, { clock: new Date(deps.clock.now()).toISOString(), was_paused: wasPaused }, deps);
}
