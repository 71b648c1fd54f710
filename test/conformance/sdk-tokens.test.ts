/** Access tokens with the official SDK: issued, listed, used within their scope, revoked. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AccessTokenScope, AppendInput, AppendRecord, type S2 } from '@s2-dev/streamstore';
import { failureOf, sdkOf, TRANSPORTS, take, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

const BASIN = 'token-basin';
const DENIED = { status: 403, code: 'permission_denied' };
const EVERYTHING = { basins: { prefix: '' }, streams: { prefix: '' }, accessTokens: { prefix: '' } };
const IN_BASIN: AccessTokenScope = { basins: { exact: BASIN }, streams: { prefix: '' } };

let server: TestServer;
let s2: S2;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  await s2.basins.create({ basin: BASIN });
  await s2.basins.create({ basin: 'other-basin' });
  for (const stream of ['open', 'tenant/a', 'tenant/b']) await s2.basin(BASIN).streams.create({ stream });
  await s2
    .basin(BASIN)
    .stream('open')
    .append(textBatch(['a']));
});

afterAll(async () => {
  await server.stop();
});

/** A client with a token of this scope. */
async function holder(id: string, scope: AccessTokenScope, more: { autoPrefixStreams?: boolean } = {}): Promise<S2> {
  const { accessToken } = await s2.accessTokens.issue({ id, scope, ...more });
  return sdkOf({ port: server.port, token: accessToken });
}

describe('the list of tokens', () => {
  test('has each token until it is revoked, in pages without repetition', async () => {
    const ids = ['list-a', 'list-b', 'list-c'];
    for (const id of ids) await holder(id, { ...IN_BASIN, ops: ['read', 'check-tail'] });
    const page = await s2.accessTokens.list({ prefix: 'list-', limit: 2 });
    expect([page.accessTokens.map(({ id }) => id), page.hasMore]).toEqual([ids.slice(0, 2), true]);
    expect(page.accessTokens[0]).toMatchObject({ autoPrefixStreams: false, scope: { basins: { exact: BASIN } } });
    expect([...(page.accessTokens[0]?.scope.ops ?? [])].sort()).toEqual(['check-tail', 'read']);
    const all = [];
    for await (const { id } of s2.accessTokens.listAll({ prefix: 'list-', limit: 1 })) all.push(id);
    expect(all).toEqual(ids);
    const again = s2.accessTokens.issue({ id: 'list-a', scope: { ...IN_BASIN, ops: ['read'] } });
    expect(await failureOf(again)).toMatchObject({ status: 409, code: 'resource_already_exists' });
    await s2.accessTokens.revoke({ id: 'list-b' });
    const left = await s2.accessTokens.list({ prefix: 'list-' });
    expect([left.accessTokens.map(({ id }) => id), left.hasMore]).toEqual([['list-a', 'list-c'], false]);
    const gone = { status: 404, code: 'access_token_not_found' };
    expect(await failureOf(s2.accessTokens.revoke({ id: 'list-b' }))).toMatchObject(gone);
  });

  test('has no token without operations, or with prefixes of nothing, because it is refused', async () => {
    const nothing = s2.accessTokens.issue({ id: 'no-ops', scope: { ...EVERYTHING } });
    expect(await failureOf(nothing)).toMatchObject({
      status: 422,
      code: 'invalid',
      message: expect.stringContaining('Access token permissions cannot be empty'),
    });
    const scope: AccessTokenScope = { basins: { exact: BASIN }, streams: { exact: 'open' }, ops: ['read'] };
    expect(await failureOf(holder('exact-prefix', scope, { autoPrefixStreams: true }))).toMatchObject({
      status: 422,
      message: expect.stringContaining('Auto prefixing is only allowed for streams with prefix matching'),
    });
  });
});

describe.each(TRANSPORTS)('a token over %s', (forceTransport) => {
  test('that may read reads its basin, and nothing else', async () => {
    const reader = await holder(`reader-${forceTransport}`, { ...IN_BASIN, ops: ['read', 'check-tail'] });
    const stream = reader.basin(BASIN).stream('open', { forceTransport });
    const session = await stream.readSession({ start: { from: { seqNum: 0 } }, stop: { limits: { count: 1 } } });
    expect((await take(session)).map(({ body }) => body)).toEqual(['a']);
    expect((await stream.checkTail()).tail.seqNum).toBeGreaterThan(0);
    expect(await failureOf(stream.append(textBatch(['x'])))).toMatchObject(DENIED);
    const appending = stream.appendSession().then((it) => it.submit(textBatch(['x'])));
    expect(await failureOf(appending.then((ticket) => ticket.ack()))).toMatchObject(DENIED);
    // Whether it exists is hidden from this token.
    for (const basin of ['other-basin', 'no-such-basin'])
      expect(await failureOf(reader.basin(basin).stream('open').checkTail())).toMatchObject(DENIED);
    expect(await failureOf(reader.basins.create({ basin: 'stolen-basin' }))).toMatchObject(DENIED);
    expect(await failureOf(reader.accessTokens.list())).toMatchObject(DENIED);
    await stream.close();
  });

  test('needs an operation of its own for each command', async () => {
    const appender = await holder(`appender-${forceTransport}`, { ...IN_BASIN, ops: ['append'] });
    const stream = appender.basin(BASIN).stream('open', { forceTransport });
    const before = (await s2.basin(BASIN).stream('open').checkTail()).tail.seqNum;
    const session = await stream.appendSession();
    await (await session.submit(textBatch(['b']))).ack();
    const fenced = AppendInput.create([AppendRecord.fence('mine')]);
    expect(await failureOf(session.submit(fenced).then((ticket) => ticket.ack()))).toMatchObject(DENIED);
    expect(await failureOf(stream.append(AppendInput.create([AppendRecord.trim(1)])))).toMatchObject(DENIED);
    expect((await s2.basin(BASIN).stream('open').checkTail()).tail.seqNum).toBe(before + 1);
    await stream.close();
  });
});

test('a tenant sees its streams under their short names, and only those', async () => {
  const scope: AccessTokenScope = {
    basins: { exact: BASIN },
    streams: { prefix: 'tenant/' },
    opGroups: { stream: { read: true, write: true }, basin: { read: true, write: true } },
  };
  const tenant = (await holder('tenant', scope, { autoPrefixStreams: true })).basin(BASIN);
  expect((await tenant.streams.list()).streams.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(await tenant.streams.create({ stream: 'c' })).toMatchObject({ name: 'c' });
  await tenant.stream('c').append(textBatch(['mine']));
  const full = (await s2.basin(BASIN).streams.list({ prefix: 'tenant/' })).streams.map(({ name }) => name);
  expect(full).toEqual(['tenant/a', 'tenant/b', 'tenant/c']);
  const { records } = await s2
    .basin(BASIN)
    .stream('tenant/c')
    .read({ start: { from: { seqNum: 0 } } });
  expect(records.map(({ body }) => body)).toEqual(['mine']);
  expect(await failureOf(tenant.stream('open').read())).toMatchObject({ status: 404, code: 'stream_not_found' });
});

test('a token cannot issue more than it holds', async () => {
  const scope: AccessTokenScope = {
    ...IN_BASIN,
    accessTokens: { prefix: 'team-' },
    ops: ['read', 'issue-access-token'],
  };
  const lead = await holder('lead', scope);
  await lead.accessTokens.issue({ id: 'team-reader', scope: { ...IN_BASIN, ops: ['read'] } });
  const wider: readonly (readonly [id: string, scope: AccessTokenScope])[] = [
    ['team-appender', { ...IN_BASIN, ops: ['append'] }],
    ['team-wide', { ...IN_BASIN, basins: { prefix: '' }, ops: ['read'] }],
    ['elsewhere', { ...IN_BASIN, ops: ['read'] }],
  ];
  for (const [id, wanted] of wider)
    expect(await failureOf(lead.accessTokens.issue({ id, scope: wanted }))).toMatchObject(DENIED);
});

test('a revoked token is unknown at once', async () => {
  const scope: AccessTokenScope = { ...IN_BASIN, ops: ['read', 'check-tail'] };
  const reader = await holder('short-lived', scope);
  const stream = reader.basin(BASIN).stream('open');
  await stream.checkTail();
  await s2.accessTokens.revoke({ id: 'short-lived' });
  expect(await failureOf(stream.checkTail())).toMatchObject({ status: 401, code: 'authn' });
  await stream.close();
});
