/** Getting into the page: logins that work once, and the sessions that they begin, which end with what they came from. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';
import { createServer, type TailraceServer } from '../../src/server.ts';
import { call } from '../support/http-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { type JsonBatch, type Outcome, RecordsClient } from '../support/records-calls.ts';
import { Reader } from '../support/socket-reader.ts';

const ROOT_TOKEN = 'root-token-of-the-test-that-signs-in-to-the-page';
const ALL = { basins: { prefix: '' }, streams: { prefix: '' } };
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const EXCHANGE_BYTES_MAX = 16 * 1024;

let dataDir: string;
let server: TailraceServer;
let port: number;
let root: RecordsClient;
let issued = 0;
/** How far the clock of the server is ahead. */
let aheadMs = 0;
const opened: Reader[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-login-'));
  const quiet = (): void => {};
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const clock = { ...SYSTEM_CLOCK, now: () => SYSTEM_CLOCK.now() + aheadMs };
  server = await createServer({ port: 0, grpcPort: 0, dataDir, rootToken: ROOT_TOKEN }, { logger, clock });
  ({ port } = await server.listen());
  root = clientWith(ROOT_TOKEN);
  await root.texts('open', 'r0');
  await root.texts('tenant/mine', 'mine');
});

afterEach(() => {
  for (const reader of opened.splice(0)) reader.socket.terminate();
});

afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

function clientWith(token: string): RecordsClient {
  return new RecordsClient({ port, token });
}

/** The id of a new access token, and a client with it. */
async function issue(scope: object, more: object = {}): Promise<{ id: string; client: RecordsClient }> {
  const id = `signed-in-${issued++}`;
  const [status, body] = await root.control('POST', '/v1/access-tokens', { id, scope, ...more });
  expect([id, status]).toEqual([id, 201]);
  return { id, client: clientWith((body as { access_token: string }).access_token) };
}

async function login(as: RecordsClient): Promise<string> {
  const [status, body] = await as.control('POST', '/v1/logins');
  expect([status, body]).toEqual([201, { login: expect.stringMatching(/^lgn_/), expires_at: expect.any(String) }]);
  return (body as { login: string }).login;
}

/** As the page does, without a token. */
async function exchange(secret: string, padding = 0): Promise<Outcome> {
  const body = JSON.stringify({ login: secret }) + ' '.repeat(padding);
  const answer = await call(port, {
    path: '/v1/logins/exchange',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return [answer.status, JSON.parse(answer.body.toString())];
}

/** The caller's session, as the page has it. */
async function signIn(as: RecordsClient): Promise<RecordsClient> {
  const [status, body] = await exchange(await login(as));
  expect([status, body]).toEqual([200, { access_token: expect.any(String), expires_at: expect.any(String) }]);
  return clientWith((body as { access_token: string }).access_token);
}

async function whoami(client: RecordsClient): Promise<Outcome> {
  return client.control('GET', '/v1/whoami');
}

/** A socket at the tail of the stream `open`, which shows the session as pages do. */
async function openSocket({ server: { token } }: RecordsClient): Promise<Reader> {
  const url = `ws://127.0.0.1:${port}/v1/streams/open/records?seq_num=0`;
  const reader = new Reader(url, ['s2.json', `bearer.${token}`]);
  opened.push(reader);
  await reader.until('caught_up');
  return reader;
}

async function revoke(id: string): Promise<void> {
  expect((await root.control('DELETE', `/v1/access-tokens/${id}`))[0]).toBe(204);
}

describe('a login', () => {
  test('begins one session, and no second one', async () => {
    const secret = await login(root);
    expect((await exchange(secret))[0]).toBe(200);
    expect(await exchange(secret)).toEqual([401, { code: 'authn', message: expect.stringMatching(/tailrace open/) }]);
  });

  test('is good for a minute and no longer', async () => {
    const [early, late] = [await login(root), await login(root)];
    aheadMs += MINUTE_MS - 10_000;
    expect((await exchange(early))[0]).toBe(200);
    aheadMs += 10_000;
    expect((await exchange(late))[0]).toBe(401);
  });

  test('that was made up is refused, and says what to do', async () => {
    for (const wrong of ['', 'lgn_0', `lgn_${'0'.repeat(48)}`, ROOT_TOKEN]) {
      expect(await exchange(wrong)).toEqual([401, { code: 'authn', message: expect.stringMatching(/was used/) }]);
    }
  });

  test('is no token, and a token is no login', async () => {
    const { client } = await issue({ ...ALL, ops: ['read'] });
    expect((await exchange(client.server.token))[0]).toBe(401);
    expect((await whoami(clientWith(await login(client))))[0]).toBe(401);
  });

  test('ends with the token that asked for it', async () => {
    const { id, client } = await issue({ ...ALL, ops: ['read'] });
    const secret = await login(client);
    await revoke(id);
    expect((await exchange(secret))[0]).toBe(401);
  });

  test('takes a body of at most 16 KiB, and no field that it does not know', async () => {
    const secret = await login(root);
    const bytes = JSON.stringify({ login: secret }).length;
    expect((await exchange(secret, EXCHANGE_BYTES_MAX - bytes + 1))[0]).toBe(400);
    expect((await exchange(secret, EXCHANGE_BYTES_MAX - bytes))[0]).toBe(200);
    expect((await root.control('POST', '/v1/logins', { streams: 'open' }))[0]).toBe(400);
  });

  test('is one of at most 100 that a token has and does not use', async () => {
    const { client } = await issue({ ...ALL, ops: ['read'] });
    const first = await login(client);
    for (let i = 1; i < 100; i++) await login(client);
    expect((await client.control('POST', '/v1/logins'))[0]).toBe(429);
    await login(root);
    expect((await exchange(first))[0]).toBe(200);
    await login(client);
  });

  test('and its session are in answers that no cache keeps', async () => {
    const made = await call(port, { path: '/v1/logins', headers: root.headers() });
    const { login: secret } = JSON.parse(made.body.toString()) as { login: string };
    const headers = { 'content-type': 'application/json' };
    const answer = await call(port, { path: '/v1/logins/exchange', headers, body: JSON.stringify({ login: secret }) });
    expect([made.headers['cache-control'], answer.headers['cache-control']]).toEqual(['no-store', 'no-store']);
  });
});

describe('a session', () => {
  test('of the root token is root, and says that it is a session', async () => {
    const page = await signIn(root);
    const [status, who] = await whoami(page);
    expect([status, who]).toMatchObject([200, { id: 'root', root: true, session: true }]);
    const left = Date.parse((who as { session_expires_at: string }).session_expires_at) - SYSTEM_CLOCK.now() - aheadMs;
    expect(Math.abs(left - 12 * HOUR_MS)).toBeLessThan(MINUTE_MS);
    expect((await page.control('GET', '/v1/access-tokens'))[0]).toBe(200);
    expect((await whoami(root))[1]).not.toHaveProperty('session');
  });

  test('of an access token may what the token may, under the names that it knows', async () => {
    const scope = { basins: { exact: 'telemetry' }, streams: { prefix: 'tenant/' }, ops: ['read'] };
    const { id, client } = await issue(scope, { auto_prefix_streams: true });
    const page = await signIn(client);
    expect((await whoami(page))[1]).toMatchObject({ id, root: false, session: true, auto_prefix_streams: true });
    const [, batch] = await page.read('mine', '?seq_num=0');
    expect((batch as JsonBatch).records.map(({ body }) => body)).toEqual(['mine']);
    expect((await page.append('mine', { records: [{ body: 'x' }] }))[0]).toBe(403);
    expect((await page.control('GET', '/v1/access-tokens'))[0]).toBe(403);
    const wide = { id: `wide-${issued++}`, scope: { ...ALL, ops: ['read'] } };
    expect((await page.control('POST', '/v1/access-tokens', wide))[0]).toBe(403);
  });

  test('issues no token that does more than its own', async () => {
    const { client } = await issue({ ...ALL, access_tokens: { prefix: 'p/' }, ops: ['issue-access-token', 'read'] });
    const page = await signIn(client);
    const ask = (id: string, ops: readonly string[]) =>
      page.control('POST', '/v1/access-tokens', { id, scope: { ...ALL, ops } });
    expect((await ask(`p/${issued++}`, ['read']))[0]).toBe(201);
    expect((await ask(`p/${issued++}`, ['read', 'append']))[0]).toBe(403);
    expect((await ask(`q/${issued++}`, ['read']))[0]).toBe(403);
  });
});

describe('the end of a session:', () => {
  test.each(['revoked', 'rotated'])('it ends when its token is %s, with the socket that it opened', async (how) => {
    const { id, client } = await issue({ ...ALL, ops: ['read'] });
    const page = await signIn(client);
    const socket = await openSocket(page);
    if (how === 'revoked') await revoke(id);
    else expect((await root.control('POST', `/v1/access-tokens/${id}/rotate`))[0]).toBe(200);
    expect((await socket.ended).code).toBe(1008);
    expect((await whoami(page))[0]).toBe(401);
  });

  test('it ends when its token expires, with the socket that it opened', async () => {
    const expires_at = new Date(SYSTEM_CLOCK.now() + aheadMs + MINUTE_MS).toISOString();
    const { client } = await issue({ ...ALL, ops: ['read'] }, { expires_at });
    const page = await signIn(client);
    expect((await whoami(page))[1]).toMatchObject({ session_expires_at: expires_at });
    const socket = await openSocket(page);
    aheadMs += MINUTE_MS;
    expect((await socket.ended).code).toBe(1008);
    expect((await whoami(page))[0]).toBe(401);
  });

  test('one of a token that is revoked does not come back with a token under the same id', async () => {
    const { id, client } = await issue({ ...ALL, ops: ['read'] });
    const page = await signIn(client);
    await revoke(id);
    await root.control('POST', '/v1/access-tokens', { id, scope: { ...ALL, ops: ['read'] } });
    expect((await whoami(page))[0]).toBe(401);
  });

  test.each(['root', 'an access token'])(
    'one of %s ends by signing out, with the socket that it opened',
    async (of) => {
      const as = of === 'root' ? root : (await issue({ ...ALL, ops: ['read'] })).client;
      const [page, other] = [await signIn(as), await signIn(as)];
      const [socket, kept] = [await openSocket(page), await openSocket(other)];
      expect((await page.control('DELETE', '/v1/logins/current'))[0]).toBe(204);
      expect((await socket.ended).code).toBe(1008);
      expect((await page.control('DELETE', '/v1/logins/current'))[0]).toBe(401);
      // Another session of the same token, and the token, go on.
      expect([(await whoami(other))[0], (await whoami(as))[0]]).toEqual([200, 200]);
      expect(kept.socket.readyState).toBe(kept.socket.OPEN);
    },
  );

  test('it takes the tickets and the logins with it that it asked for', async () => {
    const page = await signIn(root);
    const wanted = { basin: 'telemetry', stream: 'open', operation: 'read' };
    const [, body] = await page.control('POST', '/v1/tickets', wanted);
    const made = await login(page);
    await page.control('DELETE', '/v1/logins/current');
    const path = `/v1/streams/open/records?seq_num=0&count=1&ticket=${(body as { ticket: string }).ticket}`;
    const events = await call(port, { method: 'GET', path, headers: { accept: 'text/event-stream' } });
    expect([events.status, (await exchange(made))[0]]).toEqual([401, 401]);
  });

  test('it comes 12 hours after its last use, and an open socket uses it', async () => {
    const [used, idle, watching] = [await signIn(root), await signIn(root), await signIn(root)];
    await openSocket(watching);
    aheadMs += 11 * HOUR_MS;
    expect((await whoami(used))[0]).toBe(200);
    aheadMs += HOUR_MS;
    expect([(await whoami(used))[0], (await whoami(idle))[0], (await whoami(watching))[0]]).toEqual([200, 401, 200]);
    aheadMs += 12 * HOUR_MS;
    expect((await whoami(used))[0]).toBe(401);
  });

  test('one of more than 100 of its token makes way, the one that is idle for the longest time', async () => {
    const { client } = await issue({ ...ALL, ops: ['read'] });
    const [first, second] = [await signIn(client), await signIn(client)];
    for (let i = 2; i < 100; i++) await signIn(client);
    expect((await whoami(first))[0]).toBe(200);
    const last = await signIn(client);
    const statuses = [first, second, last].map(async (page) => (await whoami(page))[0]);
    expect(await Promise.all(statuses)).toEqual([200, 401, 200]);
  });

  test('a token does not sign out, neither itself nor its sessions', async () => {
    const { client } = await issue({ ...ALL, ops: ['read'] });
    const page = await signIn(client);
    expect((await client.control('DELETE', '/v1/logins/current'))[0]).toBe(204);
    expect([(await whoami(client))[0], (await whoami(page))[0]]).toEqual([200, 200]);
  });
});

test('a flood of strangers with made-up logins and slow bodies keeps no operator and no sender out', async () => {
  const slow: Http2Connection[] = [];
  for (const streams of [200, 100]) {
    const connection = await connectHttp2(`http://127.0.0.1:${port}`);
    slow.push(connection);
    for (let i = 0; i < streams; i++) {
      const headers = { 'content-type': 'application/json' };
      const stream = connection.open({ path: '/v1/logins/exchange', headers });
      stream.on('error', () => {});
      stream.write('{');
    }
    // What was sent before a ping was read before its answer.
    await new Promise<void>((resolve) => void connection.session.ping(() => resolve()));
  }
  const wrong = Array.from({ length: 200 }, (_, i) => exchange(`lgn_${String(i).padStart(48, '0')}`));
  const page = await signIn(root);
  expect((await whoami(page))[0]).toBe(200);
  expect((await page.append('open', { records: [{ body: 'sent' }] }))[0]).toBe(200);
  expect((await Promise.all(wrong)).map(([status]) => status)).toEqual(wrong.map(() => 401));
  for (const connection of slow) await connection.close();
});

test('the address /dashboard leads to the page, whatever stands behind it', async () => {
  for (const method of ['GET', 'HEAD']) {
    const answer = await call(port, { method, path: '/dashboard?from=bookmark', headers: {} });
    expect([answer.status, answer.headers.location, answer.body.length]).toEqual([302, '/', 0]);
  }
  expect((await call(port, { path: '/dashboard' })).status).toBe(405);
});

test('a server without authentication needs no login, and says so', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-login-open-'));
  const quiet = (): void => {};
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const open = await createServer({ port: 0, grpcPort: 0, dataDir: dir, noAuth: true }, { logger });
  try {
    const at = await open.listen();
    const client = new RecordsClient({ port: at.port, token: '' });
    const refusal = { code: 'invalid', message: expect.stringMatching(/open its page without a login/) };
    expect((await client.control('POST', '/v1/logins'))[1]).toEqual(refusal);
    expect((await client.control('POST', '/v1/logins/exchange', { login: 'lgn_0' }))[1]).toEqual(refusal);
    expect((await client.control('DELETE', '/v1/logins/current'))[0]).toBe(204);
    expect(open.issueLogin()).toBeUndefined();
  } finally {
    await open.close();
    await rm(dir, { recursive: true, force: true });
  }
});
