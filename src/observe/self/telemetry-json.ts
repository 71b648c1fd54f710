/** The server's own metrics and spans as OTLP requests in JSON. Names and labels are those of `/metrics`. */

import { VERSION } from '../../model/version.ts';
import type { Distribution, Labelled, ScrapedMetric } from '../scraped-metric.ts';
import type { RequestSpan } from './request-spans.ts';

/** The stream of it, in a Tailrace. */
const SELF_STREAM = 'tailrace/self';

/** A request, with how many data points or spans are in it. */
export interface SelfRequest {
  readonly signal: 'metrics' | 'traces';
  readonly json: string;
  readonly items: number;
}

const CUMULATIVE = 2;
const SERVER_SPAN = 2;
const ERROR_STATUS = 2;
const SCOPE = { name: 'tailrace', version: VERSION };
/** HTTP semantic conventions: others are `_OTHER`, because a client may write anything there. */
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE']);
/** A request that was refused for something else than what the client did. */
const SERVER_ERROR = 500;

/** `instance` tells this start of the server from others. */
export async function metricsRequest(
  metrics: readonly ScrapedMetric[],
  { instance, startMs, nowMs }: { readonly instance: string; readonly startMs: number; readonly nowMs: number },
): Promise<SelfRequest> {
  const times = { startTimeUnixNano: nanos(startMs), timeUnixNano: nanos(nowMs) };
  // All begin before one is waited for: what serves several of them is looked up once.
  const found = await Promise.all(metrics.map((metric) => metricOf(metric, times)));
  const known = found.filter(({ items }) => items > 0);
  const scopeMetrics = [{ scope: SCOPE, metrics: known.map(({ json }) => json) }];
  const content = { resourceMetrics: [{ resource: resource(instance), scopeMetrics }] };
  return {
    signal: 'metrics',
    json: JSON.stringify(content),
    items: known.reduce((sum, { items }) => sum + items, 0),
  };
}

export function spansRequest(spans: readonly RequestSpan[], instance: string): SelfRequest {
  const scopeSpans = [{ scope: SCOPE, spans: spans.map(spanOf) }];
  const content = { resourceSpans: [{ resource: resource(instance), scopeSpans }] };
  return { signal: 'traces', json: JSON.stringify(content), items: spans.length };
}

interface Times {
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
}

async function metricOf(metric: ScrapedMetric, times: Times): Promise<{ json: object; items: number }> {
  const { name, help: description } = metric;
  if (metric.type === 'histogram') {
    const dataPoints = [...metric.distributions()].map(([labels, distribution]) => ({
      ...histogramOf(distribution),
      ...times,
      attributes: attributes(labels),
    }));
    const histogram = { aggregationTemporality: CUMULATIVE, dataPoints };
    return { json: { name, description, histogram }, items: dataPoints.length };
  }
  const dataPoints = pointsOf(
    await metric.read(),
    metric.type === 'counter' ? times : { timeUnixNano: times.timeUnixNano },
  );
  const items = dataPoints.length;
  if (metric.type === 'gauge') return { json: { name, description, gauge: { dataPoints } }, items };
  const sum = { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints };
  return { json: { name, description, sum }, items };
}

function histogramOf(distribution: Distribution): object {
  const { bounds: explicitBounds, sum } = distribution;
  const upTo = distribution.cumulative();
  const bucketCounts = upTo.map((count, i) => String(count - (upTo[i - 1] ?? 0)));
  return { count: String(upTo.at(-1) ?? 0), sum, bucketCounts, explicitBounds };
}

function pointsOf(values: Labelled, times: Partial<Times>): readonly object[] {
  return [...values].map(([labels, asDouble]) => ({ ...times, asDouble, attributes: attributes(labels) }));
}

function spanOf({ traceId, spanId, parentSpanId, startMs, durationMs, route, error, ...end }: RequestSpan): object {
  const method = METHODS.has(end.method) ? end.method : '_OTHER';
  const { status = 0 } = end;
  const isFault = status >= SERVER_ERROR;
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name: route === undefined ? method : `${method} ${route}`,
    kind: SERVER_SPAN,
    startTimeUnixNano: nanos(startMs),
    endTimeUnixNano: nanos(startMs, durationMs),
    attributes: attributes({
      'http.request.method': method,
      'http.route': route,
      'http.response.status_code': end.status,
      'http.request.body.size': end.requestBytes,
      'http.response.body.size': end.responseBytes,
      'url.scheme': end.scheme,
      'network.protocol.name': 'http',
      'network.protocol.version': end.httpVersion,
      'error.type': error,
    }),
    ...(isFault ? { status: { code: ERROR_STATUS } } : {}),
  };
}

function resource(instance: string): object {
  return {
    attributes: attributes({
      'service.name': 'tailrace',
      'service.version': VERSION,
      'service.instance.id': instance,
      'process.runtime.name': 'nodejs',
      'process.runtime.version': process.versions.node,
      's2.stream': SELF_STREAM,
    }),
  };
}

function attributes(values: Readonly<Record<string, string | number | undefined>>): readonly object[] {
  return Object.entries(values).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [{ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }];
  });
}

/** Nanoseconds since the epoch are more than a number holds. */
function nanos(ms: number, afterMs = 0): string {
  return String(BigInt(ms) * 1_000_000n + BigInt(Math.round(afterMs * 1_000)) * 1_000n);
}
