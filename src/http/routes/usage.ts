/** S2's usage metrics of the account, of basins and of streams. What does not exist has none, and is no error. */

import type { Basin } from '../../log/basins.ts';
import type { Log } from '../../log/log.ts';
import type { Stream } from '../../log/stream.ts';
import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import { USAGE_HOURS_SECONDS, USAGE_MINUTES_SECONDS, USAGE_POINT_BYTES_MAX } from '../../model/limits.ts';
import { basinNameFault, streamNameFault } from '../../model/names.ts';
import { GRANTED_OPERATIONS } from '../../model/operation.ts';
import { STORAGE_CLASSES } from '../../model/stream-config.ts';
import { INTERVAL_SECONDS, type MetricLevel } from '../../model/usage.ts';
import { mergeMetrics } from '../../s2/merge-metrics.ts';
import {
  accumulationJson,
  labelJson,
  METRICS_PARAMETERS,
  type MetricJson,
  type MetricsQuery,
  metricsResponse,
  parseMetricsQuery,
  storageJson,
} from '../../s2/metrics-query.ts';
import { APPEND_BYTES, APPEND_OPS, READ_BYTES, READ_OPS } from '../../usage/tally.ts';
import type { Usage } from '../../usage/usage.ts';
import { type AccountDeps, accountMetrics, operationMetrics } from '../account-part.ts';
import { type AuthorizeDeps, authorize } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { reserveAnswer } from '../held-answer.ts';
import { type ReplyDeps, reply } from '../reply.ts';
import { nameInPath, type Route } from '../router.ts';

export interface UsageRouteDeps extends AccountDeps, AuthorizeDeps, ReplyDeps {
  readonly log: Pick<Log, 'basin' | 'getStream'>;
  readonly usage: Usage;
  readonly clock: Pick<Clock, 'now'>;
}

export function usageRoutes(deps: UsageRouteDeps): readonly Route[] {
  const path = '/v1/metrics';
  return [
    {
      method: 'GET',
      path,
      call: 'account-metrics',
      query: METRICS_PARAMETERS,
      action: 'account-metrics',
      handle: (exchange) => account(exchange, deps),
    },
    {
      method: 'GET',
      path: `${path}/{basin}`,
      call: 'basin-metrics',
      query: METRICS_PARAMETERS,
      action: 'basin-metrics',
      handle: (exchange, [segment = '']) => basin(exchange, segment, deps),
    },
    {
      method: 'GET',
      path: `${path}/{basin}/{stream}`,
      call: 'stream-metrics',
      query: METRICS_PARAMETERS,
      action: 'stream-metrics',
      handle: (exchange, [basinSegment = '', segment = '']) => stream(exchange, basinSegment, segment, deps),
    },
  ];
}

async function account(exchange: Exchange, deps: UsageRouteDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'account-metrics' });
  const query = queryOf(exchange, 'account', deps);
  const mayKnow = (name: string): boolean => principal.allows('account-metrics', name);
  replyWith(exchange, await wholeAccount(query, mayKnow, deps), deps);
}

async function basin(exchange: Exchange, segment: string, deps: UsageRouteDeps): Promise<void> {
  const name = nameInPath(segment, basinNameFault);
  authorize(exchange, deps, { operation: 'basin-metrics', basin: name });
  const query = queryOf(exchange, 'basin', deps);
  const found = deps.log.basin(name);
  replyWith(exchange, found === undefined ? [] : await basinMetrics(found, query, deps), deps);
}

async function stream(exchange: Exchange, basinSegment: string, segment: string, deps: UsageRouteDeps): Promise<void> {
  const basinName = nameInPath(basinSegment, basinNameFault);
  const name = nameInPath(segment, streamNameFault);
  const principal = authorize(exchange, deps, { operation: 'stream-metrics', basin: basinName, stream: name });
  const whole = principal.absolute(name);
  const fault = streamNameFault(whole);
  if (fault !== undefined) throw new TailraceError('bad_path', fault);
  const { range } = queryOf(exchange, 'stream', deps);
  const found = await existing(basinName, whole, deps);
  replyWith(exchange, found === undefined ? [] : [storageJson(await deps.usage.streamStorage(found, range))], deps);
}

/** Of all partitions, without the basins that the caller may not know. */
async function wholeAccount(
  query: MetricsQuery<'account'>,
  mayKnow: (basin: string) => boolean,
  { usage, others }: UsageRouteDeps,
): Promise<readonly MetricJson[]> {
  const own = accountMetrics(query, usage);
  const [first, rest] = await Promise.all([own, others?.usage(query) ?? []]);
  return mergeMetrics([first, ...rest]).map((metric) =>
    'label' in metric ? labelJson(metric.label.name, metric.label.values.filter(mayKnow)) : metric,
  );
}

async function basinMetrics(
  basin: Basin,
  { set, range, interval }: MetricsQuery<'basin'>,
  { usage }: UsageRouteDeps,
): Promise<readonly MetricJson[]> {
  if (set === 'storage') return [storageJson(await usage.basinStorage(basin, range))];
  const series = await usage.basin(basin, range, interval);
  switch (set) {
    case 'append-ops':
      return STORAGE_CLASSES.map((name) =>
        accumulationJson(name, 'operations', interval, series.get(APPEND_OPS[name])),
      );
    case 'append-throughput':
      return STORAGE_CLASSES.map((name) => accumulationJson(name, 'bytes', interval, series.get(APPEND_BYTES[name])));
    case 'read-ops':
      return [
        accumulationJson('unary', 'operations', interval, series.get(READ_OPS.unary)),
        accumulationJson('streaming', 'operations', interval, series.get(READ_OPS.streaming)),
      ];
    case 'read-throughput':
      return [accumulationJson('read', 'bytes', interval, series.get(READ_BYTES))];
    case 'basin-ops':
      return operationMetrics(series, interval);
  }
}

/** @throws TailraceError `bad_query`, `invalid`; `overloaded` when there is no memory for what it asks for */
function queryOf<L extends MetricLevel>(exchange: Exchange, level: L, deps: UsageRouteDeps): MetricsQuery<L> {
  const query = parseMetricsQuery(new URLSearchParams(exchange.query), level, Math.floor(deps.clock.now() / 1_000));
  reserveAnswer(exchange, bytesMaxOf(query), deps.replyContext.memory);
  return query;
}

/** Storage has a point for each bucket; counts have one for each minute or hour that is kept, in each of their series. */
function bytesMaxOf({ set, range, interval }: MetricsQuery<MetricLevel>): number {
  const buckets = Math.ceil((range.end - range.start) / INTERVAL_SECONDS[interval]) + 2;
  if (set === 'storage') return buckets * USAGE_POINT_BYTES_MAX;
  const kept = Math.min(
    buckets,
    USAGE_MINUTES_SECONDS / INTERVAL_SECONDS.minute + USAGE_HOURS_SECONDS / INTERVAL_SECONDS.hour,
  );
  const series = set === 'account-ops' || set === 'basin-ops' ? GRANTED_OPERATIONS.length : STORAGE_CLASSES.length;
  return kept * series * USAGE_POINT_BYTES_MAX;
}

/** Undefined for a stream that is not there, or not any more. */
async function existing(basinName: string, name: string, { log }: UsageRouteDeps): Promise<Stream | undefined> {
  const found = log.basin(basinName);
  if (found === undefined) return undefined;
  try {
    return await log.getStream(found, name);
  } catch (error) {
    const isGone =
      error instanceof TailraceError && (error.code === 'stream_not_found' || error.code === 'stream_deletion_pending');
    if (isGone) return undefined;
    throw error;
  }
}

function replyWith(exchange: Exchange, values: readonly MetricJson[], deps: UsageRouteDeps): void {
  reply(exchange, { status: 200, contentType: 'application/json', body: metricsResponse(values) }, deps.replyContext);
}
