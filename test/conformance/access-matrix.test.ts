/**
 * R14 (reliability.md): every route of the table × every kind of credential. A route without a row here fails, and so does
 * a row without a route. What is allowed is told by the absence of 401 and 403: the answers themselves are held elsewhere.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { allRoutes } from '../../src/http/all-routes.ts';
import type { HttpDeps } from '../../src/http/door.ts';
import type { GrantedOperation } from '../../src/model/operation.ts';
import { type CallAnswer, call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const MINE = 'matrix-mine';
const OTHER = 'matrix-other';

/** What a route needs: an operation, whether on a basin or token, or nothing, or the root token. */
interface Row {
  readonly operations: readonly GrantedOperation[] | 'nothing' | 'any token' | 'root';
  /** Is it about the basin of the call, so that a token of another basin may not? */
  readonly inBasin?: boolean;
  readonly body?: unknown;
  readonly query?: string;
}

const RECORDS = { records: [{ body: 'x' }] };
const TOKEN = { id: 'matrix/new', scope: { ops: ['read'] } };

const ROWS: Readonly<Record<string, Row>> = {
  'POST /v1/logs': { operations: ['append'], inBasin: true, body: {} },
  'POST /v1/traces': { operations: ['append'], inBasin: true, body: {} },
  'POST /v1/metrics': { operations: ['append'], inBasin: true, body: {} },
  'POST /otlp/v1/logs': { operations: ['append'], inBasin: true, body: {} },
  'POST /otlp/v1/traces': { operations: ['append'], inBasin: true, body: {} },
  'POST /otlp/v1/metrics': { operations: ['append'], inBasin: true, body: {} },
  'POST /v1development/profiles': { operations: 'nothing' },
  'GET /health': { operations: 'nothing' },
  'GET /ping': { operations: 'nothing' },
  'GET /readyz': { operations: 'nothing' },
  'GET /metrics': { operations: ['account-metrics'] },
  'GET /v1/backup': { operations: 'root' },
  'POST /v1/clock/confirm': { operations: 'root' },
  'GET /v1/whoami': { operations: 'any token' },
  'GET /v1/basins': { operations: ['list-basins'] },
  'POST /v1/basins': { operations: ['create-basin'], inBasin: true, body: { basin: MINE } },
  'GET /v1/basins/{basin}': { operations: ['get-basin-config'], inBasin: true },
  'PUT /v1/basins/{basin}': { operations: ['create-basin', 'reconfigure-basin'], inBasin: true },
  'PATCH /v1/basins/{basin}': { operations: ['reconfigure-basin'], inBasin: true, body: {} },
  'DELETE /v1/basins/{basin}': { operations: ['delete-basin'], inBasin: true },
  'GET /v1/locations': { operations: ['list-locations'] },
  'GET /v1/locations/default': { operations: ['get-default-location'] },
  'PUT /v1/locations/default': { operations: ['set-default-location'], body: 'local' },
  'GET /v1/streams': { operations: ['list-streams'], inBasin: true },
  'POST /v1/streams': { operations: ['create-stream'], inBasin: true, body: { stream: 's' } },
  'GET /v1/streams/{stream}': { operations: ['get-stream-config'], inBasin: true },
  'PUT /v1/streams/{stream}': { operations: ['create-stream', 'reconfigure-stream'], inBasin: true },
  'PATCH /v1/streams/{stream}': { operations: ['reconfigure-stream'], inBasin: true, body: {} },
  'DELETE /v1/streams/{stream}': { operations: ['delete-stream'], inBasin: true },
  'POST /v1/streams/{stream}/records': { operations: ['append'], inBasin: true, body: RECORDS },
  'GET /v1/streams/{stream}/records': { operations: ['read'], inBasin: true, query: '?seq_num=0&count=1' },
  'GET /v1/streams/{stream}/records/tail': { operations: ['check-tail'], inBasin: true },
  'GET /v1/access-tokens': { operations: ['list-access-tokens'] },
  'POST /v1/access-tokens': { operations: ['issue-access-token'], body: TOKEN },
  'GET /v1/access-tokens/{id}': { operations: ['list-access-tokens'] },
  'DELETE /v1/access-tokens/{id}': { operations: ['revoke-access-token'] },
  'POST /v1/access-tokens/{id}/rotate': { operations: ['issue-access-token', 'revoke-access-token'] },
  'POST /v1/ingest-token/exchange': { operations: 'nothing' },
  'POST /v1/tickets': {
    operations: ['read'],
    inBasin: true,
    body: { basin: MINE, stream: 's', operation: 'read' },
  },
  'GET /v1/metrics': { operations: ['account-metrics'] },
  'GET /v1/metrics/{basin}': { operations: ['basin-metrics'], inBasin: true },
  'GET /v1/metrics/{basin}/{stream}': { operations: ['stream-metrics'], inBasin: true },
};

const EVERYTHING = { prefix: '' };
const EVERY_GROUP = {
  account: { read: true, write: true },
  basin: { read: true, write: true },
  stream: { read: true, write: true },
};

const READS = new Set<GrantedOperation>([
  'list-basins',
  'list-access-tokens',
  'account-metrics',
  'list-locations',
  'get-default-location',
  'get-basin-config',
  'list-streams',
  'basin-metrics',
  'get-stream-config',
  'check-tail',
  'read',
  'stream-metrics',
]);

let server: TestServer;
let port: number;
const secrets = new Map<string, string>();

beforeAll(async () => {
  server = await startServer();
  port = Number(new URL(server.url).port);
  secrets.set('root', server.token);
  for (const basin of [MINE, OTHER]) await send('PUT', `/v1/basins/${basin}`, server.token);
  const all = { basins: EVERYTHING, streams: EVERYTHING, access_tokens: EVERYTHING };
  await issue('every operation', { ...all, op_groups: EVERY_GROUP });
  await issue('another basin', { ...all, basins: { exact: OTHER }, op_groups: EVERY_GROUP });
  await issue('no streams', { ...all, streams: null, op_groups: EVERY_GROUP });
  await issue('read only', {
    ...all,
    op_groups: { account: { read: true }, basin: { read: true }, stream: { read: true } },
  });
  await issue('append only', { ...all, ops: ['append'] });
  await issue('revoked', { ...all, op_groups: EVERY_GROUP });
  await send('DELETE', '/v1/access-tokens/revoked', server.token);
  const soon = new Date(Date.now() + 300).toISOString();
  await issue('expired', { ...all, op_groups: EVERY_GROUP }, { expires_at: soon });
  while ((await send('GET', '/v1/whoami', secretOf('expired'))).status !== 401);
  secrets.set('unknown', `trk_${'0'.repeat(48)}`);
});

afterAll(async () => {
  await server.stop();
});

test('every route has a row, and every row a route', () => {
  // The handlers are not called, so nothing below them is needed.
  const routes = allRoutes({} as HttpDeps).map(({ method, path }) => `${method} ${path}`);
  expect(routes.sort()).toEqual(Object.keys(ROWS).sort());
});

describe.each(Object.entries(ROWS))('%s', (target, row) => {
  test.each([
    [undefined, 'unknown'],
    ['unknown', 'unknown'],
    ['revoked', 'unknown'],
    ['expired', 'unknown'],
    ['root', 'allowed'],
    ['every operation', allowedFor(row, () => true)],
    ['another basin', row.inBasin === true ? 'denied' : allowedFor(row, () => true)],
    ['read only', allowedFor(row, (operation) => READS.has(operation))],
    ['append only', allowedFor(row, (operation) => operation === 'append')],
  ] as const)('with the token %s', async (kind, expected) => {
    const [method = '', path = ''] = target.split(' ');
    // Each call gets a name of its own, so that what one deletes another does not miss.
    const name = `m${Math.random().toString(36).slice(2, 10)}`;
    const basin = method === 'DELETE' ? 'matrix-gone' : MINE;
    const filled = path.replace('{basin}', basin).replace('{stream}', name).replace('{id}', name);
    const wanted = row.operations === 'nothing' ? 'allowed' : expected;
    const { status } = await send(method, filled + (row.query ?? ''), kind && secretOf(kind), row.body);
    expect({ status, is: outcomeOf(status) }).toEqual({ status, is: wanted });
  });
});

test('a stream outside of the scope is denied like one that is not there', async () => {
  for (const target of Object.keys(ROWS).filter((one) => one.includes('{stream}'))) {
    const [method = '', path = ''] = target.split(' ');
    const filled = path.replace('{basin}', MINE).replace('{stream}', 'there');
    const { status } = await send(method, filled, secretOf('no streams'), ROWS[target]?.body);
    expect([target, status]).toEqual([target, 403]);
  }
});

function allowedFor({ operations }: Row, holds: (operation: GrantedOperation) => boolean): 'allowed' | 'denied' {
  if (operations === 'nothing' || operations === 'any token') return 'allowed';
  if (operations === 'root') return 'denied';
  return operations.every(holds) ? 'allowed' : 'denied';
}

function outcomeOf(status: number): 'unknown' | 'denied' | 'allowed' {
  if (status === 401) return 'unknown';
  return status === 403 ? 'denied' : 'allowed';
}

function secretOf(kind: string): string {
  const secret = secrets.get(kind);
  if (secret === undefined) throw new Error(`there is no token ${kind}`);
  return secret;
}

async function issue(id: string, scope: object, more: object = {}): Promise<void> {
  const { status, body } = await send('POST', '/v1/access-tokens', server.token, { id, scope, ...more });
  expect([status, id]).toEqual([201, id]);
  secrets.set(id, (JSON.parse(body.toString()) as { access_token: string }).access_token);
}

function send(method: string, path: string, secret?: string, body?: unknown): Promise<CallAnswer> {
  return call(port, {
    method,
    path,
    headers: {
      's2-basin': MINE,
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}
