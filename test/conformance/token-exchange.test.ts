/** Short-lived tokens: what they allow, and that no forged or ended token is accepted. */

import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { type CallResponse, call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const EXCHANGE = '/v1/ingest-token/exchange';
const LOGS = { resourceLogs: [{ resource: {}, scopeLogs: [{ logRecords: [{ body: { stringValue: 'hello' } }] }] }] };

let server: TestServer;
let dataDir: string;
let ids = 0;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-exchange-'));
  server = await startServer({ dataDir });
  for (const basin of ['exchange-one', 'exchange-two']) {
    const config = { create_stream_on_append: true, otlp_default_stream: 'logs' };
    await json('PUT', `/v1/basins/${basin}`, { config });
  }
});

afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

function json(
  method: string,
  path: string,
  body?: unknown,
  secret = server.token,
  basin?: string,
): Promise<CallResponse> {
  return call(server.port, {
    method,
    path,
    headers: {
      ...(secret === '' ? {} : { authorization: `Bearer ${secret}` }),
      ...(basin === undefined ? {} : { 's2-basin': basin }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

function parsed({ body }: CallResponse) {
  return JSON.parse(body.toString()) as Record<string, string>;
}

/** An access token of one basin with every stream operation. */
async function issue(more: object = {}): Promise<{ id: string; secret: string }> {
  const id = `exchanged-${ids++}`;
  const groups = { stream: { read: true, write: true }, basin: { read: true } };
  const scope = {
    basins: { exact: 'exchange-one' },
    streams: { prefix: '' },
    op_groups: groups,
    ops: ['create-stream'],
  };
  const answer = await json('POST', '/v1/access-tokens', { id, scope, ...more });
  expect(answer.status).toBe(201);
  return { id, secret: parsed(answer).access_token ?? '' };
}

async function exchanged(secret: string): Promise<string> {
  const answer = await json('POST', EXCHANGE, { credential: secret }, '');
  expect(answer.status).toBe(200);
  return parsed(answer).token ?? '';
}

/** The response of the OTLP logs endpoint to a bearer token. */
async function statusOf(jwt: string, basin?: string): Promise<number> {
  return (await json('POST', '/v1/logs', LOGS, jwt, basin)).status;
}

/** The same claims under another head and key. */
function resigned(jwt: string, alg: string, key: KeyObject | Uint8Array, claims: JWTPayload = {}): Promise<string> {
  const { kid } = decodeProtectedHeader(jwt);
  const head = kid === undefined ? { alg } : { alg, kid };
  return new SignJWT({ ...decodeJwt(jwt), ...claims }).setProtectedHeader(head).sign(key);
}

describe('an exchange', () => {
  test('returns a JWT of fifteen minutes for the project', async () => {
    const { id, secret } = await issue({ resource_attributes: { 'project.id': 'shop' } });
    const before = Date.now();
    const answer = await json('POST', EXCHANGE, { credential: secret }, '');
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
    const { token = '', projectId, expiresAt = '' } = parsed(answer);
    expect(projectId).toBe('shop');
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'EdDSA', typ: 'JWT', kid: expect.any(String) });
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({ sub: 'shop', iss: 'tailrace', tid: id, rot: 0 });
    expect((claims.exp ?? 0) * 1_000).toBe(Date.parse(expiresAt));
    const lives = Date.parse(expiresAt) - before;
    expect(lives).toBeGreaterThan(14 * 60_000);
    expect(lives).toBeLessThan(16 * 60_000);
    expect(token).not.toContain(secret);
  });

  test('uses the basin as the project when the token has none, and the default basin when it has no basin', async () => {
    const one = await issue();
    expect(parsed(await json('POST', EXCHANGE, { credential: one.secret }, '')).projectId).toBe('exchange-one');
    const scope = { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['append'] };
    const all = await issue({ scope });
    expect(parsed(await json('POST', EXCHANGE, { credential: all.secret }, '')).projectId).toBe('telemetry');
  });

  test('returns a JWT that never outlives its access token', async () => {
    const expires_at = new Date(Date.now() + 120_000).toISOString();
    const { secret } = await issue({ expires_at });
    const { expiresAt = '' } = parsed(await json('POST', EXCHANGE, { credential: secret }, ''));
    expect(Date.parse(expiresAt)).toBeLessThanOrEqual(Date.parse(expires_at));
  });

  test.each([
    ['an unknown credential', { credential: `trk_${'0'.repeat(48)}` }, 401, 'authn'],
    ['an empty credential', { credential: '' }, 401, 'authn'],
    ['no credential', {}, 400, 'bad_json'],
    ['a credential that is no text', { credential: 7 }, 400, 'bad_json'],
  ])('refuses %s', async (_name, body, status, code) => {
    const answer = await json('POST', EXCHANGE, body, '');
    expect([answer.status, parsed(answer).code]).toEqual([status, code]);
  });

  test('refuses the root token, a token that may not append, and a JWT', async () => {
    const root = await json('POST', EXCHANGE, { credential: server.token }, '');
    expect([root.status, parsed(root).code]).toEqual([422, 'invalid']);
    const reader = await issue({ scope: { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['read'] } });
    expect((await json('POST', EXCHANGE, { credential: reader.secret }, '')).status).toBe(403);
    const jwt = await exchanged((await issue()).secret);
    expect((await json('POST', EXCHANGE, { credential: jwt }, '')).status).toBe(401);
  });
});

describe('a JWT', () => {
  test('sends to the basin of its token, with its project on every resource', async () => {
    const { secret } = await issue({ resource_attributes: { 'project.id': 'shop' }, stream: 'stamped' });
    const jwt = await exchanged(secret);
    const forged = { attributes: [{ key: 'project.id', value: { stringValue: 'bank' } }] };
    const logs = { resourceLogs: [{ ...LOGS.resourceLogs[0], resource: forged }] };
    expect((await json('POST', '/v1/logs', logs, jwt)).status).toBe(200);
    const path = '/v1/streams/stamped/records?seq_num=0';
    const { body } = await json('GET', path, undefined, server.token, 'exchange-one');
    expect(body.toString()).toContain('shop');
    expect(body.toString()).not.toContain('bank');
  });

  test('is stamped with the basin where the token names no project', async () => {
    const jwt = await exchanged((await issue({ stream: 'by-basin' })).secret);
    expect(await statusOf(jwt)).toBe(200);
    const path = '/v1/streams/by-basin/records?seq_num=0';
    const { body } = await json('GET', path, undefined, server.token, 'exchange-one');
    expect(body.toString()).toMatch(/project\.id.{1,20}exchange-one/);
  });

  test('allows no more than its token, and nothing at other endpoints', async () => {
    const jwt = await exchanged((await issue()).secret);
    expect(await statusOf(jwt, 'exchange-two')).toBe(403);
    for (const [method, path, body] of [
      ['GET', '/v1/streams'],
      ['GET', '/v1/whoami'],
      ['GET', '/v1/streams/logs/records'],
      ['POST', '/v1/streams/logs/records', { records: [{ body: 'x' }] }],
      ['POST', '/v1/access-tokens', { id: 'x', scope: { ops: ['append'] } }],
    ] as const) {
      expect([path, (await json(method, path, body, jwt, 'exchange-one')).status]).toEqual([path, 401]);
    }
  });

  test('ends when its token is revoked, and a new token with that id does not revive it', async () => {
    const { id, secret } = await issue();
    const jwt = await exchanged(secret);
    expect(await statusOf(jwt)).toBe(200);
    await json('DELETE', `/v1/access-tokens/${id}`);
    expect(await statusOf(jwt)).toBe(401);
    await issue({ id });
    expect(await statusOf(jwt)).toBe(401);
  });

  test('ends when its token is rotated', async () => {
    const { id, secret } = await issue();
    const jwt = await exchanged(secret);
    expect((await json('POST', `/v1/access-tokens/${id}/rotate`)).status).toBe(200);
    expect(await statusOf(jwt)).toBe(401);
    expect((await json('POST', EXCHANGE, { credential: secret }, '')).status).toBe(401);
  });
});

describe('the signing key', () => {
  const ROTATE = '/v1/ingest-token/keys/rotate';

  /** The response to a rotation. */
  async function rotated(body?: unknown): Promise<{ kid: string; verifying: { kid: string; until: string | null }[] }> {
    const answer = await json('POST', ROTATE, body);
    expect([answer.status, answer.body.toString()]).toEqual([200, expect.stringContaining('"created_at":"2')]);
    return JSON.parse(answer.body.toString()) as Awaited<ReturnType<typeof rotated>>;
  }

  test('is replaced by request; JWTs of the old key remain valid, also after a restart', async () => {
    const { secret } = await issue();
    const before = await exchanged(secret);
    for (const body of [undefined, {}, { void_old: false }]) {
      const { kid, verifying } = await rotated(body);
      expect(verifying.at(-1)).toEqual({ kid, until: null });
      const old = verifying.find((key) => key.kid === decodeProtectedHeader(before).kid);
      expect(Date.parse(old?.until ?? '')).toBeGreaterThan(Date.now() + 59 * 60_000);
      const after = await exchanged(secret);
      expect(decodeProtectedHeader(after).kid).toBe(kid);
      for (const jwt of [before, after]) expect(await statusOf(jwt)).toBe(200);
    }
    await server.stop();
    server = await startServer({ dataDir });
    expect(await statusOf(before)).toBe(200);
  });

  test('ends every issued JWT when it is voided, used or not, and permanently', async () => {
    const { secret } = await issue();
    const [used, unused] = [await exchanged(secret), await exchanged(secret)];
    expect(await statusOf(used)).toBe(200);
    const { kid, verifying } = await rotated({ void_old: true });
    expect(verifying).toEqual([{ kid, until: null }]);
    for (const jwt of [used, unused]) expect(await statusOf(jwt)).toBe(401);
    const { privateKey } = generateKeyPairSync('ed25519');
    expect(await statusOf(await resigned(used, 'EdDSA', privateKey))).toBe(401);
    // It was durable before the response.
    await server.kill();
    server = await startServer({ dataDir });
    for (const jwt of [used, unused]) expect(await statusOf(jwt)).toBe(401);
    const after = await exchanged(secret);
    expect([decodeProtectedHeader(after).kid, await statusOf(after)]).toEqual([kid, 200]);
  });

  test('is rotated only by the root token, and not by an ambiguous body', async () => {
    const groups = { account: { read: true, write: true }, stream: { read: true, write: true } };
    const all = { basins: { prefix: '' }, streams: { prefix: '' }, access_tokens: { prefix: '' }, op_groups: groups };
    const { secret } = await issue({ scope: all });
    const jwt = await exchanged(secret);
    expect((await json('POST', ROTATE, undefined, secret)).status).toBe(403);
    for (const other of [jwt, '']) expect((await json('POST', ROTATE, undefined, other)).status).toBe(401);
    for (const body of [{ 'void-old': true }, { void_old: 'yes' }, { void_old: null }, [], true]) {
      const answer = await json('POST', ROTATE, body);
      expect([answer.status, parsed(answer).code]).toEqual([400, 'bad_json']);
    }
    const headers = { authorization: `Bearer ${server.token}` };
    const untyped = await call(server.port, { path: ROTATE, headers, body: '{"void_old":true}' });
    expect([untyped.status, parsed(untyped).code]).toEqual([400, 'bad_json']);
    expect(await statusOf(jwt)).toBe(200);
  });
});

test('a JWT of the longest project is as valid as any', async () => {
  const project = 'p'.repeat(4_096 - 'project.id'.length);
  const jwt = await exchanged((await issue({ resource_attributes: { 'project.id': project } })).secret);
  expect([jwt.length > 5_000, await statusOf(jwt)]).toEqual([true, 200]);
});

describe('a JWT is refused', () => {
  let jwt: string;

  beforeAll(async () => {
    jwt = await exchanged((await issue()).secret);
    expect(await statusOf(jwt)).toBe(200);
  });

  test('without a signature', async () => {
    const unsecured = new UnsecuredJWT(decodeJwt(jwt)).encode();
    expect(await statusOf(unsecured)).toBe(401);
    expect(await statusOf(`${unsecured}AAAA`)).toBe(401);
  });

  test('with another algorithm, also with public data as the secret', async () => {
    const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    expect(await statusOf(await resigned(jwt, 'HS256', Buffer.from(x, 'base64url')))).toBe(401);
    expect(
      await statusOf(await resigned(jwt, 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)),
    ).toBe(401);
  });

  test('with another key under our key id', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    expect(createPublicKey(privateKey).asymmetricKeyType).toBe('ed25519');
    expect(await statusOf(await resigned(jwt, 'EdDSA', privateKey))).toBe(401);
  });

  test('with an unknown key', async () => {
    const [, claims = '', signature = ''] = jwt.split('.');
    const head = { alg: 'EdDSA', kid: randomBytes(9).toString('base64url') };
    expect(await statusOf(`${Buffer.from(JSON.stringify(head)).toString('base64url')}.${claims}.${signature}`)).toBe(
      401,
    );
  });

  test('when it was changed', async () => {
    const [head = '', , signature = ''] = jwt.split('.');
    const claims = Buffer.from(JSON.stringify({ ...decodeJwt(jwt), sub: 'bank' })).toString('base64url');
    expect(await statusOf(`${head}.${claims}.${signature}`)).toBe(401);
    const other = signature.startsWith('A') ? 'B' : 'A';
    expect(await statusOf(`${jwt.slice(0, -signature.length)}${other}${signature.slice(1)}`)).toBe(401);
  });

  test('when it has expired, which its sender is told each time, and the log for each access token', async () => {
    const expires = { expires_at: new Date(Date.now() + 2_000).toISOString() };
    const tokens = [await issue(expires), await issue(expires)];
    const jwts = [await exchanged(tokens[0]?.secret ?? ''), await exchanged(tokens[1]?.secret ?? '')];
    for (const [at, jwt] of jwts.entries()) {
      while ((await statusOf(jwt)) === 200);
      const message = `the short-lived token of access token \`${tokens[at]?.id}\` has expired: exchange the access token again`;
      for (let i = 0; i < 2; i++) {
        const answer = await json('POST', '/v1/logs', LOGS, jwt);
        expect([answer.status, answer.body.toString()]).toEqual([401, expect.stringContaining(message)]);
      }
      const warnings = server
        .stderr()
        .split('\n')
        .filter((line) => line.includes(`refused POST /v1/logs: ${message}`));
      expect(warnings).toHaveLength(1);
    }
  });

  test('when it is longer than any of ours', async () => {
    expect(await statusOf(`${jwt}${'A'.repeat(9_000)}`)).toBe(401);
  });
});

test('a JWT outlives a restart', async () => {
  const jwt = await exchanged((await issue()).secret);
  await server.stop();
  server = await startServer({ dataDir });
  expect(await statusOf(jwt)).toBe(200);
});
