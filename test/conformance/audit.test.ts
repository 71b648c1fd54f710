/**
 * The audit log: every action of the control plane leaves one line, whether it succeeds or fails, every refused
 * authorization leaves one at every protocol, and no line holds a secret. Generated from the table of routes: a route
 * without an action in this file fails.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { GRANTED_OPERATIONS, type GrantedOperation } from '../../src/model/operation.ts';
import type { LogFields } from '../../src/observe/logger.ts';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';
import { createServer, type TailraceServer } from '../../src/server.ts';
import { TokenBook } from '../support/access-callers.ts';
import { type AccessRequest, formsOf, openProtocols, type Protocols } from '../support/access-forms.ts';
import { ACCESS_ROWS, type AccessRow, type Names, otlpBody } from '../support/access-rows.ts';
import { ClusterInMemory } from '../support/cluster-view.ts';
import { HeldDeletions } from '../support/held-deletions.ts';
import { call } from '../support/http-call.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { S2sConnection } from '../support/s2s-client.ts';
import { Reader } from '../support/socket-reader.ts';

const rootToken = 'token-of-a-test-that-reads-what-is-audited';
const BASIN = 'audit-basin';

/** The name of an action, what must exist before it, and how the same call fails. */
interface Expected {
  readonly action: string;
  readonly needs?: readonly (keyof Names)[];
  /** The call is repeated, names a missing resource, or has another body. */
  readonly fails?: 'again' | 'missing' | (() => unknown);
}

const LINES: Readonly<Record<string, Expected | 'only refusals'>> = {
  'POST /v1/logs': 'only refusals',
  'POST /v1/traces': 'only refusals',
  'POST /v1/metrics': 'only refusals',
  'POST /v1/traces/otlp': 'only refusals',
  'POST /otlp/v1/logs': 'only refusals',
  'POST /otlp/v1/traces': 'only refusals',
  'POST /otlp/v1/metrics': 'only refusals',
  'POST /api/v1/otlp/v1/logs': 'only refusals',
  'POST /api/v1/otlp/v1/traces': 'only refusals',
  'POST /api/v1/otlp/v1/metrics': 'only refusals',
  'POST /api/public/otel/v1/logs': 'only refusals',
  'POST /api/public/otel/v1/traces': 'only refusals',
  'POST /v1development/profiles': 'only refusals',
  ...onlyRefusals('/', '/assets/{file}', '/health', '/ping', '/readyz', '/metrics'),
  ...onlyRefusals('/openapi.json', '/asyncapi.json', '/llms.txt', '/llms-full.txt'),
  ...onlyRefusals('/v1/audit', '/v1/cluster', '/v1/whoami', '/v1/senders', '/v1/metrics'),
  ...onlyRefusals('/v1/locations', '/v1/locations/default'),
  'GET /v1/backup': { action: 'backup' },
  'POST /v1/clock/confirm': { action: 'confirm-clock' },
  'POST /v1/cluster/drain': { action: 'drain-node', fails: () => ({ node: 1 }) },
  'POST /v1/cluster/move': { action: 'move-basin', fails: () => ({ basin: BASIN, partition: -1 }) },
  'GET /v1/basins': 'only refusals',
  'POST /v1/basins': { action: 'create-basin', fails: 'again' },
  'GET /v1/basins/{basin}': 'only refusals',
  'PUT /v1/basins/{basin}': { action: 'ensure-basin', fails: () => ({ config: 'none' }) },
  'PATCH /v1/basins/{basin}': { action: 'reconfigure-basin', needs: ['basin'], fails: 'missing' },
  'DELETE /v1/basins/{basin}': { action: 'delete-basin', needs: ['basin'], fails: 'missing' },
  'PUT /v1/locations/default': { action: 'set-default-location', fails: () => 'elsewhere' },
  'GET /v1/streams': 'only refusals',
  'POST /v1/streams': { action: 'create-stream', needs: ['basin'], fails: 'again' },
  'GET /v1/streams/{stream}': 'only refusals',
  'PUT /v1/streams/{stream}': { action: 'ensure-stream', needs: ['basin'], fails: 'missing' },
  'PATCH /v1/streams/{stream}': { action: 'reconfigure-stream', needs: ['basin', 'stream'], fails: 'missing' },
  'DELETE /v1/streams/{stream}': { action: 'delete-stream', needs: ['basin', 'stream'], fails: 'missing' },
  'POST /v1/streams/{stream}/records': 'only refusals',
  'POST /v1/streams/{stream}/records of a fence': { action: 'fence', needs: ['basin', 'stream'], fails: 'missing' },
  'POST /v1/streams/{stream}/records of a trim': { action: 'trim', needs: ['basin', 'stream'], fails: 'missing' },
  'GET /v1/streams/{stream}/records': 'only refusals',
  'GET /v1/records': 'only refusals',
  'GET /v1/streams/{stream}/aggregate': 'only refusals',
  'GET /v1/streams/{stream}/readers': 'only refusals',
  'GET /v1/streams/{stream}/records/tail': 'only refusals',
  'GET /v1/access-tokens': 'only refusals',
  'POST /v1/access-tokens': { action: 'issue-access-token', fails: 'again' },
  'GET /v1/access-tokens/{id}': 'only refusals',
  'DELETE /v1/access-tokens/{id}': { action: 'revoke-access-token', needs: ['id'], fails: 'missing' },
  'POST /v1/access-tokens/{id}/rotate': { action: 'rotate-access-token', needs: ['id'], fails: 'missing' },
  'POST /v1/ingest-token/exchange': { action: 'exchange-token', fails: () => ({ credential: rootToken }) },
  'POST /v1/ingest-token/keys/rotate': { action: 'rotate-signing-key', fails: () => ({ void_old: 'yes' }) },
  'POST /v1/tickets': {
    action: 'issue-ticket',
    fails: () => ({ basin: BASIN, stream: 's', prefix: 's', operation: 'read' }),
  },
  'POST /v1/logins': { action: 'issue-login', fails: () => ({ stream: 's' }) },
  'POST /v1/logins/exchange': { action: 'exchange-login' },
  'DELETE /v1/logins/current': { action: 'end-session' },
  'GET /dashboard': 'only refusals',
  'GET /v1/senders/{basin}': 'only refusals',
  'GET /v1/metrics/{basin}': 'only refusals',
  'GET /v1/metrics/{basin}/{stream}': 'only refusals',
};

function onlyRefusals(...paths: readonly string[]): Record<string, 'only refusals'> {
  return Object.fromEntries(paths.map((path) => [`GET ${path}`, 'only refusals']));
}

let dataDir: string;
let server: TailraceServer;
let port: number;
let protocols: Protocols;
let book: TokenBook;
let count = 0;
let skippedMs = 0;
const lines: Record<string, unknown>[] = [];
const told: string[] = [];
/** Ids of calls that must have left one line. */
const written = new Set<string>();
const secrets: string[] = [rootToken];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-audit-'));
  const take = (fields: LogFields, message: string): void => {
    told.push(JSON.stringify([fields, message]));
    if (fields.audit === true) lines.push(JSON.parse(JSON.stringify(fields)) as Record<string, unknown>);
  };
  const logger = { debug: take, info: take, warn: take, error: take };
  // Only a limited number of refusals is written per second: each row has a second of its own.
  const clock = { ...SYSTEM_CLOCK, monotonicMs: () => SYSTEM_CLOCK.monotonicMs() + skippedMs };
  const wrapEngine = new HeldDeletions().wrap;
  const shown = { cluster: new ClusterInMemory(2) };
  server = await createServer({ port: 0, dataDir, rootToken }, { logger, clock, wrapEngine }, shown);
  const address = await server.listen();
  port = address.port;
  protocols = await openProtocols(port, address.grpc?.url);
  book = new TokenBook(port, rootToken);
});

afterAll(async () => {
  await protocols.close();
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

test('every row of the table has its action, and every action a row', () => {
  expect(Object.keys(LINES).sort()).toEqual(Object.keys(ACCESS_ROWS).sort());
});

const rows = Object.entries(ACCESS_ROWS);

describe.each(rows)('the audit log of %s', (row, needs) => {
  const expected = LINES[row];

  test('has one line when the call succeeds, and one when it fails', async () => {
    if (expected === undefined || expected === 'only refusals') {
      const id = newId(0);
      await ask(row, needs, await prepared([]), `Bearer ${rootToken}`, id);
      await marker();
      expect(linesOf(id)).toEqual([]);
      return;
    }
    const { action, fails } = expected;
    const names = await prepared(expected.needs ?? []);
    const subject = { action, principal: 'root', protocol: 'http', ...namesIn(row, needs, names) };
    const done = newId();
    await ask(row, await withSecret(row, needs), names, `Bearer ${rootToken}`, done);
    const principal = row.endsWith('/exchange') ? { principal: expect.any(String) } : {};
    expect(await lineOf(done)).toMatchObject({ ...subject, outcome: 'done', ...principal });
    if (fails === undefined) return;
    const failed = newId();
    const others = fails === 'missing' ? await prepared([]) : names;
    const body = typeof fails === 'function' ? { ...needs, body: fails } : needs;
    await ask(row, body, others, `Bearer ${rootToken}`, failed);
    const line = await lineOf(failed);
    expect(line).toMatchObject({ action, principal: 'root', outcome: 'failed', error: expect.any(String) });
    expect(['authn', 'permission_denied']).not.toContain(line?.error);
  });

  if (needs.needs === 'nothing') return;

  test.each(formsOf(row))('has one line when the call is refused over %s', async (form, send) => {
    skippedMs += 1_000;
    const names = await prepared([]);
    const lacking = await book.issue({ ops: GRANTED_OPERATIONS.filter((one) => !isNeeded(needs, one)) });
    secrets.push(lacking.secret);
    const cases = [
      [undefined, { error: 'authn', principal: 'none' }],
      ['unknown-token', { error: 'authn', principal: 'unknown' }],
      ...(needs.needs === 'any token'
        ? []
        : [
            [
              lacking.secret,
              { error: 'permission_denied', principal: lacking.id, principalNumber: expect.any(Number) },
            ],
          ]),
    ] as const;
    for (const [secret, who] of cases) {
      const id = newId();
      const credential = secret === undefined ? {} : { header: `Bearer ${secret as string}` };
      await send({ row, needs, names, credential, correlationId: id }, protocols);
      const protocol = /^(sse|s2s|websocket|grpc)/.exec(form)?.[1] ?? (needs.isOtlp ? 'otlp' : 'http');
      expect(await lineOf(id)).toMatchObject({
        audit: true,
        outcome: 'refused',
        protocol,
        sender: '127.0.0.1',
        ...(who as object),
      });
    }
  });
});

test('a session that ends because its token is revoked leaves one line at each protocol', async () => {
  skippedMs += 1_000;
  await book.control('PUT', `/v1/basins/${BASIN}-open`, { config: { create_stream_on_append: true } });
  const { id, secret } = await book.issue();
  secrets.push(secret);
  const target = { port, token: secret };
  const client = new RecordsClient(target, `${BASIN}-open`);
  await client.texts('open', 'x');
  const basin = { 's2-basin': `${BASIN}-open` };
  const connection = new S2sConnection(target);
  const reading = connection.read('open', 'seq_num=0', basin);
  await reading.nextFrame();
  const writing = connection.append('open', basin);
  writing.sendInputs({ records: [{ body: 'y' }] });
  await writing.nextAck();
  const events = await client.sse('open', '?seq_num=0');
  await events.next();
  const socket = new Reader(`ws://127.0.0.1:${port}/v1/streams/open/records?seq_num=0`, [], {
    headers: { ...basin, authorization: `Bearer ${secret}` },
  });
  await socket.until('caught_up');
  await book.control('DELETE', `/v1/access-tokens/${id}`);
  await Promise.all([reading.restOfBatches(), writing.restOfAcks(), events.rest(), socket.ended]);
  await marker();
  const ends = lines.filter(({ principal, outcome }) => principal === id && outcome === 'refused');
  expect(ends.map(({ protocol, action }) => `${protocol} ${action}`).sort()).toEqual([
    's2s append',
    's2s read',
    'sse read',
    'websocket read',
  ]);
  for (const end of ends) expect(end).toMatchObject({ basin: `${BASIN}-open`, stream: 'open', error: 'authn' });
  connection.close();
});

test('commands in sessions leave lines, and records leave none', async () => {
  skippedMs += 1_000;
  const names = await prepared(['basin', 'stream']);
  const connection = new S2sConnection({ port, token: rootToken });
  const id = newId(3);
  const session = connection.append(names.stream, { 's2-basin': names.basin, 'x-correlation-id': id });
  session.sendInputs(
    { records: [{ body: 'x' }] },
    { records: [{ headers: [['', 'fence']], body: 'f' }] },
    { records: [{ headers: [['', 'trim']], body: '\0'.repeat(8) }], fencingToken: 'f' },
    { records: [{ headers: [['', 'fence']], body: 'g' }], fencingToken: 'wrong' },
  );
  session.halfClose();
  await session.restOfAcks();
  await marker();
  expect(linesOf(id).map(({ action, outcome, error, protocol }) => [action, outcome, error, protocol])).toEqual([
    ['fence', 'done', undefined, 's2s'],
    ['trim', 'done', undefined, 's2s'],
    ['fence', 'failed', 'fencing_token_mismatch', 's2s'],
  ]);
  connection.close();
});

test('streams that a token may not write to leave a line for the request', async () => {
  skippedMs += 1_000;
  await book.control('PUT', `/v1/basins/${BASIN}-part`, { config: { create_stream_on_append: true } });
  const { secret, id: principal } = await book.issue({ ops: ['append'], streams: { exact: 'mine' } });
  secrets.push(secret);
  const id = newId();
  const headers = { 's2-basin': `${BASIN}-part`, 'content-type': 'application/json', 'x-correlation-id': id };
  const body = JSON.stringify(otlpBody('logs', 'mine', 'yours'));
  const answer = await call(port, {
    path: '/v1/logs',
    headers: { ...headers, authorization: `Bearer ${secret}` },
    body,
  });
  expect(answer.status).toBe(200);
  const subject = { action: 'append', principal, stream: 'yours', basin: `${BASIN}-part`, protocol: 'otlp' };
  expect(await lineOf(id)).toMatchObject({ ...subject, outcome: 'refused', error: 'permission_denied' });
});

test.each([
  ['credential', '/v1/ingest-token/exchange', 'exchange-token'],
  ['login', '/v1/logins/exchange', 'exchange-login'],
])('the exchange of an unknown %s leaves a line', async (field, path, action) => {
  skippedMs += 1_000;
  const id = newId();
  const headers = { 'content-type': 'application/json', 'x-correlation-id': id };
  expect((await call(port, { path, headers, body: `{"${field}":"unknown-credential"}` })).status).toBe(401);
  expect(await lineOf(id)).toMatchObject({ action, outcome: 'refused', principal: 'unknown' });
  expect(told.join()).not.toContain('unknown-credential');
});

test('a request that is refused because of its origin leaves a line', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-audit-open-'));
  const taken: LogFields[] = [];
  const take = (fields: LogFields): void => void taken.push(fields);
  const open = await createServer(
    { port: 0, dataDir: dir, noAuth: true },
    { logger: { debug: take, info: take, warn: take, error: take } },
  );
  const at = await open.listen();
  const id = { 'x-correlation-id': 'from-elsewhere' };
  await call(at.port, { method: 'GET', path: '/v1/basins', headers: { ...id, host: 'evil.example' } });
  await call(at.port, { path: '/v1/logs', headers: { ...id, origin: 'https://evil.example' }, body: '{}' });
  await call(at.port, { method: 'PUT', path: '/v1/basins/made-by-anyone', headers: id });
  await open.close();
  await rm(dir, { recursive: true, force: true });
  expect(taken.filter(({ audit }) => audit === true)).toMatchObject([
    { action: 'list-basins', outcome: 'refused', error: 'permission_denied', principal: 'none', protocol: 'http' },
    { action: 'append', outcome: 'refused', error: 'permission_denied', principal: 'none', protocol: 'otlp' },
    { action: 'ensure-basin', outcome: 'done', principal: 'anyone', basin: 'made-by-anyone' },
  ]);
});

test('no call left a second line, and no line holds a secret', async () => {
  await marker();
  for (const id of written) expect([id, linesOf(id).length]).toEqual([id, 1]);
  secrets.push(...(await Promise.all([book.token(), book.ticket(''), book.token().then((one) => book.jwt(one))])));
  await marker();
  for (const secret of secrets) expect(told.filter((line) => line.includes(secret))).toEqual([]);
  expect(lines.length).toBeGreaterThan(written.size);
});

/** A session may be opened with any append operation. */
function isNeeded({ needs, input }: AccessRow, operation: GrantedOperation): boolean {
  return input === undefined ? needs.includes(operation) : ['append', 'fence', 'trim'].includes(operation);
}

/** An id for a call that leaves this number of lines. */
function newId(many = 1): string {
  const id = `audited-${count++}`;
  if (many === 1) written.add(id);
  return id;
}

/** Names of missing resources, except for the requested ones. */
async function prepared(there: readonly (keyof Names)[]): Promise<Names> {
  const names = { basin: `${BASIN}-${count++}`, stream: `stream-${count++}`, id: `id-${count++}` };
  if (there.includes('basin')) await book.control('PUT', `/v1/basins/${names.basin}`);
  if (there.includes('stream')) await asRoot('PUT', `/v1/streams/${names.stream}`, names.basin);
  if (there.includes('id')) await book.control('POST', '/v1/access-tokens', { id: names.id, scope: { ops: ['read'] } });
  return names;
}

async function asRoot(method: string, path: string, basin: string): Promise<void> {
  const headers = { authorization: `Bearer ${rootToken}`, 's2-basin': basin };
  expect((await call(port, { method, path, headers })).status).toBeLessThan(300);
}

/** What is exchanged is in the body. */
async function withSecret(row: string, needs: AccessRow): Promise<AccessRow> {
  if (row === 'POST /v1/logins/exchange') {
    const { login } = (await book.control('POST', '/v1/logins')) as { login: string };
    secrets.push(login);
    return { ...needs, body: () => ({ login }) };
  }
  if (!row.endsWith('/exchange')) return needs;
  const credential = await book.token();
  return { ...needs, body: () => ({ credential }) };
}

function ask(row: string, needs: AccessRow, names: Names, header: string, correlationId: string): Promise<unknown> {
  const whole: AccessRequest = { row, needs, names, credential: { header }, correlationId };
  const [[, form] = []] = formsOf(row);
  if (form === undefined) throw new Error(`${row} has no form`);
  return form(whole, protocols);
}

/** The names that a line must contain. */
function namesIn(row: string, { about }: AccessRow, names: Names): object {
  return {
    ...(about.includes('basin') ? { basin: names.basin } : {}),
    ...(about.includes('stream') ? { stream: names.stream } : {}),
    ...(about.includes('id') ? { tokenId: names.id } : {}),
    ...(row.endsWith('/exchange') ? {} : { sender: '127.0.0.1' }),
  };
}

function linesOf(id: string): readonly Record<string, unknown>[] {
  return lines.filter(({ correlationId }) => correlationId === id);
}

/** The line of a call, which may come a turn after its response. */
async function lineOf(id: string): Promise<Record<string, unknown> | undefined> {
  for (let turns = 0; turns < 10_000 && linesOf(id).length === 0; turns++) await nextTurn();
  return linesOf(id)[0];
}

/** Resolves when every earlier response has left its line. */
async function marker(): Promise<void> {
  const id = newId();
  const headers = { authorization: `Bearer ${rootToken}`, 'x-correlation-id': id };
  await call(port, { path: '/v1/clock/confirm', headers });
  expect(await lineOf(id)).toBeDefined();
}
