/** To let a basin trust an outside issuer is to issue tokens: a token cannot grant what it does not hold itself. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { makeKey, TestIssuer } from '../support/oidc-issuer.ts';
import { startServer, type TestServer } from '../support/server.ts';

const BASIN = 'trust-basin';
const EVERYTHING = { prefix: '' };
const GROUPS = { account: { read: true, write: true }, basin: { read: true, write: true } };
const MAY_TRUST = { basins: { exact: BASIN }, streams: EVERYTHING, op_groups: GROUPS, ops: ['append'] };

let server: TestServer;
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await TestIssuer.start(await makeKey('first'));
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
  await issuer.stop();
});

const TOO_LITTLE: readonly (readonly [string, object])[] = [
  ['no append', { scope: { ...MAY_TRUST, ops: [] } }],
  ['one stream alone', { scope: { ...MAY_TRUST, streams: { exact: 'logs' } } }],
  ['streams with a prefix', { scope: { ...MAY_TRUST, streams: { prefix: 'mine/' } } }],
  ['no streams', { scope: { ...MAY_TRUST, streams: null } }],
  ['prefixed streams', { scope: { ...MAY_TRUST, streams: { prefix: 'mine/' } }, auto_prefix_streams: true }],
  ['attributes', { scope: MAY_TRUST, resource_attributes: { tenant: 'a' } }],
  ['a fixed stream', { scope: MAY_TRUST, stream: 'logs' }],
  ['a quota', { scope: MAY_TRUST, limits: { spans_per_minute: 5 } }],
  ['an end', { scope: MAY_TRUST, expires_at: '2100-01-01T00:00:00Z' }],
];

test.each(TOO_LITTLE)('a token with %s sets no issuer, by any request', async (_kind, request) => {
  const secret = await issue(request);
  const oidc = issuer.trustedFor('trust');
  const before = await send(server.token, 'PUT', `/v1/basins/${BASIN}`, { config: {} });
  expect(before.status).toBeLessThan(300);
  for (const [method, path, body] of [
    ['PATCH', `/v1/basins/${BASIN}`, { oidc }],
    ['PUT', `/v1/basins/${BASIN}`, { config: { oidc } }],
    ['POST', '/v1/basins', { basin: BASIN, config: { oidc } }],
  ] as const) {
    const answer = await send(secret, method, path, body);
    expect([method, answer.status, answer.body]).toMatchObject([method, 403, { code: 'permission_denied' }]);
  }
  expect((await send(server.token, 'GET', `/v1/basins/${BASIN}`)).body).toMatchObject({ oidc: null });
  // It may still change what else it may change.
  expect((await send(secret, 'PATCH', `/v1/basins/${BASIN}`, { create_stream_on_read: false })).status).toBe(200);
});

test('a token that holds everything may set an issuer; then others may repeat it and remove it, but not set it again', async () => {
  const oidc = issuer.trustedFor('trust');
  const able = await issue({ scope: MAY_TRUST });
  const unable = await issue({ scope: { ...MAY_TRUST, ops: [] } });
  expect((await send(able, 'PATCH', `/v1/basins/${BASIN}`, { oidc })).status).toBe(200);
  expect((await send(unable, 'PATCH', `/v1/basins/${BASIN}`, { oidc })).status).toBe(200);
  const other = issuer.trustedFor('another-audience');
  expect((await send(unable, 'PATCH', `/v1/basins/${BASIN}`, { oidc: other })).status).toBe(403);
  expect((await send(unable, 'PATCH', `/v1/basins/${BASIN}`, { oidc: null })).body).toMatchObject({ oidc: null });
  expect((await send(unable, 'PATCH', `/v1/basins/${BASIN}`, { oidc })).status).toBe(403);
});

let issued = 0;

async function issue(request: object): Promise<string> {
  const answer = await send(server.token, 'POST', '/v1/access-tokens', { id: `trust-${issued++}`, ...request });
  expect(answer.status).toBe(201);
  return (answer.body as { access_token: string }).access_token;
}

async function send(secret: string, method: string, path: string, body?: unknown) {
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await call(server.port, { method, path, headers, ...sent });
  return { status: answer.status, body: JSON.parse(answer.body.toString()) as unknown };
}
