/**
 * What each HTTP route requires of its callers: the authorization matrix and the audit log are both tested from this
 * table. A route without a row, or a row without a route, fails their tests.
 */

import { allRoutes, type RouteDeps } from '../../src/http/routes/all-routes.ts';
import type { GrantedOperation } from '../../src/model/operation.ts';
import type { Signal } from '../../src/model/record.ts';
import type { TestInput } from './s2s-client.ts';

/** The kinds of resources that a call is about. */
export interface Names {
  readonly basin: string;
  readonly stream: string;
  readonly id: string;
}

export interface AccessRow {
  /** Every one of these operations; or no token at all, any token, or the root token. */
  readonly needs: readonly GrantedOperation[] | 'nothing' | 'any token' | 'root';
  /** What the call names: a token whose scope does not include it is refused. */
  readonly about: readonly (keyof Names)[];
  readonly body?: (names: Names) => unknown;
  /** Instead of a body: what is appended, in any form. */
  readonly input?: TestInput;
  readonly query?: string;
  /** OTLP data, which short-lived tokens are for. */
  readonly isOtlp?: boolean;
}

const BASIN = ['basin'] as const;
const STREAM = ['basin', 'stream'] as const;
const ID = ['id'] as const;

/** Method and path, followed by what distinguishes several rows of a route. */
export const ACCESS_ROWS: Readonly<Record<string, AccessRow>> = {
  'POST /v1/logs': otlp('logs'),
  'POST /v1/traces': otlp('traces'),
  'POST /v1/metrics': otlp('metrics'),
  'POST /v1/traces/otlp': otlp('traces'),
  'POST /otlp/v1/logs': otlp('logs'),
  'POST /otlp/v1/traces': otlp('traces'),
  'POST /otlp/v1/metrics': otlp('metrics'),
  'POST /api/v1/otlp/v1/logs': otlp('logs'),
  'POST /api/v1/otlp/v1/traces': otlp('traces'),
  'POST /api/v1/otlp/v1/metrics': otlp('metrics'),
  'POST /api/public/otel/v1/logs': otlp('logs'),
  'POST /api/public/otel/v1/traces': otlp('traces'),
  'POST /v1development/profiles': { needs: 'nothing', about: [] },
  'GET /': { needs: 'nothing', about: [] },
  'GET /assets/{file}': { needs: 'nothing', about: [] },
  'GET /openapi.json': { needs: 'nothing', about: [] },
  'GET /asyncapi.json': { needs: 'nothing', about: [] },
  'GET /llms.txt': { needs: 'nothing', about: [] },
  'GET /llms-full.txt': { needs: 'nothing', about: [] },
  'GET /health': { needs: 'nothing', about: [] },
  'GET /ping': { needs: 'nothing', about: [] },
  'GET /readyz': { needs: 'nothing', about: [] },
  'GET /metrics': { needs: ['account-metrics'], about: [] },
  'GET /v1/backup': { needs: 'root', about: [] },
  'GET /v1/audit': { needs: 'root', about: [] },
  'POST /v1/clock/confirm': { needs: 'root', about: [] },
  'GET /v1/cluster': { needs: ['account-metrics'], about: [] },
  'POST /v1/cluster/drain': { needs: 'root', about: [], body: () => ({ node: 'http://node', drain: true }) },
  'POST /v1/cluster/move': { needs: 'root', about: BASIN, body: ({ basin }) => ({ basin, partition: 1 }) },
  'GET /v1/whoami': { needs: 'any token', about: [] },
  'GET /v1/basins': { needs: ['list-basins'], about: [] },
  'POST /v1/basins': { needs: ['create-basin'], about: BASIN, body: ({ basin }) => ({ basin }) },
  'GET /v1/basins/{basin}': { needs: ['get-basin-config'], about: BASIN },
  'PUT /v1/basins/{basin}': { needs: ['create-basin', 'reconfigure-basin'], about: BASIN },
  'PATCH /v1/basins/{basin}': { needs: ['reconfigure-basin'], about: BASIN, body: () => ({}) },
  'DELETE /v1/basins/{basin}': { needs: ['delete-basin'], about: BASIN },
  'GET /v1/locations': { needs: ['list-locations'], about: [] },
  'GET /v1/locations/default': { needs: ['get-default-location'], about: [] },
  'PUT /v1/locations/default': { needs: ['set-default-location'], about: [], body: () => 'local' },
  'GET /v1/streams': { needs: ['list-streams'], about: BASIN },
  'POST /v1/streams': { needs: ['create-stream'], about: STREAM, body: ({ stream }) => ({ stream }) },
  'GET /v1/streams/{stream}': { needs: ['get-stream-config'], about: STREAM },
  'PUT /v1/streams/{stream}': { needs: ['create-stream', 'reconfigure-stream'], about: STREAM },
  'PATCH /v1/streams/{stream}': { needs: ['reconfigure-stream'], about: STREAM, body: () => ({}) },
  'DELETE /v1/streams/{stream}': { needs: ['delete-stream'], about: STREAM },
  'POST /v1/streams/{stream}/records': { needs: ['append'], about: STREAM, input: { records: [{ body: 'x' }] } },
  'POST /v1/streams/{stream}/records of a fence': { needs: ['fence'], about: STREAM, input: command('fence', 'f') },
  'POST /v1/streams/{stream}/records of a trim': {
    needs: ['trim'],
    about: STREAM,
    input: command('trim', '\0'.repeat(8)),
  },
  'GET /v1/streams/{stream}/records': { needs: ['read'], about: STREAM, query: '?seq_num=0&count=1&clamp=true' },
  'GET /v1/records': { needs: ['read'], about: BASIN, query: '?prefix=' },
  'GET /v1/streams/{stream}/aggregate': { needs: ['read'], about: STREAM, query: '?by=level' },
  'GET /v1/streams/{stream}/readers': { needs: ['read'], about: STREAM },
  'GET /v1/streams/{stream}/records/tail': { needs: ['check-tail'], about: STREAM },
  'GET /v1/access-tokens': { needs: ['list-access-tokens'], about: [] },
  'POST /v1/access-tokens': {
    needs: ['issue-access-token'],
    about: ID,
    body: ({ id }) => ({ id, scope: { ops: ['issue-access-token'] } }),
  },
  'GET /v1/access-tokens/{id}': { needs: ['list-access-tokens'], about: ID },
  'DELETE /v1/access-tokens/{id}': { needs: ['revoke-access-token'], about: ID },
  'POST /v1/access-tokens/{id}/rotate': { needs: ['issue-access-token', 'revoke-access-token'], about: ID },
  'POST /v1/ingest-token/exchange': { needs: 'nothing', about: [] },
  'POST /v1/ingest-token/keys/rotate': { needs: 'root', about: [] },
  'POST /v1/tickets': {
    needs: ['read'],
    about: STREAM,
    body: ({ basin, stream }) => ({ basin, stream, operation: 'read' }),
  },
  'POST /v1/logins': { needs: 'any token', about: [] },
  'POST /v1/logins/exchange': { needs: 'nothing', about: [] },
  'DELETE /v1/logins/current': { needs: 'any token', about: [] },
  'GET /dashboard': { needs: 'nothing', about: [] },
  'GET /v1/metrics': { needs: ['account-metrics'], about: [] },
  'GET /v1/metrics/{basin}': { needs: ['basin-metrics'], about: BASIN },
  'GET /v1/senders': { needs: ['account-metrics'], about: [] },
  'GET /v1/senders/{basin}': { needs: ['basin-metrics'], about: BASIN },
  'GET /v1/metrics/{basin}/{stream}': { needs: ['stream-metrics'], about: STREAM },
};

/** Method and path of every route, as rows are named. */
export function routeTargets(): readonly string[] {
  // The handlers are not called, so nothing below them is needed.
  const routes = allRoutes({} as RouteDeps).flatMap((group) => group.routes);
  return routes.map(({ method, path }) => `${method} ${path}`);
}

/** The route of a row. */
export function targetOf(row: string): string {
  return row.split(' ', 2).join(' ');
}

/** Method and path of a call, with the names inserted. */
export function callOf(row: string, { query = '' }: AccessRow, names: Names): { method: string; path: string } {
  const [method = '', path = ''] = row.split(' ');
  const filled = path.replace('{basin}', names.basin).replace('{stream}', names.stream).replace('{id}', names.id);
  return { method, path: filled + query };
}

function otlp(signal: Signal): AccessRow {
  return { needs: ['append'], about: STREAM, isOtlp: true, body: ({ stream }) => otlpBody(signal, stream) };
}

/** One item for each stream. */
export function otlpBody(signal: Signal, ...streams: readonly string[]): unknown {
  const { resources, scopes, items, item } = OTLP[signal];
  const sent = streams.map((stream) => ({
    resource: { attributes: [{ key: 's2.stream', value: { stringValue: stream } }] },
    [scopes]: [{ [items]: [item] }],
  }));
  return { [resources]: sent };
}

const OTLP = {
  logs: { resources: 'resourceLogs', scopes: 'scopeLogs', items: 'logRecords', item: { body: { stringValue: 'x' } } },
  traces: {
    resources: 'resourceSpans',
    scopes: 'scopeSpans',
    items: 'spans',
    item: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), name: 'x' },
  },
  metrics: {
    resources: 'resourceMetrics',
    scopes: 'scopeMetrics',
    items: 'metrics',
    item: { name: 'x', gauge: { dataPoints: [{ asInt: '1' }] } },
  },
} as const satisfies Record<Signal, object>;

function command(name: string, body: string): TestInput {
  return { records: [{ headers: [['', name]], body }] };
}
