/**
 * Tokens at long-lived requests: who may open which, and that everything opened with a token ends with it: SSE, s2s
 * reads and appends, WebSocket readers.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const ALL = { basins: { prefix: '' }, streams: { prefix: '' } };

let server: TestServer;
let root: RecordsClient;
let issued = 0;

beforeAll(async () => {
  server = await startServer();
  root = new RecordsClient(server);
  await root.texts('open', 'r0');
  await root.texts('tenant/mine', 'hidden prefix');
});

afterAll(async () => {
  await server.stop();
});

/** The id and secret of a new token. */
async function issue(scope: object, more: object = {}): Promise<{ id: string; token: string }> {
  const id = `session-${issued++}`;
  const [status, body] = await root.control('POST', '/v1/access-tokens', { id, scope, ...more });
  expect([status, body]).toEqual([201, { access_token: expect.any(String) }]);
  return { id, token: (body as { access_token: string }).access_token };
}

/** Everything that can stay open, opened with a token and at the tail; each returns how it ended. */
async function openAll(token: string) {
  const target = { port: server.port, token };
  const connection = new S2sConnection(target);
  const reading = connection.read('open', 'seq_num=0');
  for (let i = 0; i < 2; i++) await reading.nextFrame();
  const writing = connection.append('written');
  writing.sendInputs({ records: [{ body: 'x' }] });
  await writing.nextAck();
  const events = await new RecordsClient(target).sse('open', '?seq_num=0');
  for (let i = 0; i < 2; i++) await events.next();
  const socket = new Reader(`ws://127.0.0.1:${server.port}/v1/streams/open/records?seq_num=0`, [], {
    headers: { authorization: `Bearer ${token}` },
  });
  await socket.until('caught_up');
  return {
    ended: async () => ({
      reading: (await reading.restOfBatches()).end,
      writing: (await writing.restOfAcks()).end,
      events: (await events.rest()).map(({ event, data }) => [event, JSON.parse(data).code]),
      socket: (await socket.ended).code,
    }),
    close: () => connection.close(),
  };
}

const TERMINAL = { status: 401, json: { code: 'authn', message: expect.any(String) } };
const ENDS = { reading: TERMINAL, writing: TERMINAL, events: [['error', 'authn']], socket: 1008 };

describe('everything that a token opened', () => {
  const scope = { ...ALL, ops: ['read', 'append'] };

  test('ends when the token is revoked, while requests of another token continue', async () => {
    const [mine, other] = [await issue(scope), await issue(scope)];
    const [open, left] = [await openAll(mine.token), await openAll(other.token)];
    expect((await root.control('DELETE', `/v1/access-tokens/${mine.id}`))[0]).toBe(204);
    expect(await open.ended()).toEqual(ENDS);
    await root.control('DELETE', `/v1/access-tokens/${other.id}`);
    expect(await left.ended()).toEqual(ENDS);
    open.close();
    left.close();
  });

  test('ends when the token is rotated', async () => {
    const { id, token } = await issue(scope);
    const open = await openAll(token);
    expect((await root.control('POST', `/v1/access-tokens/${id}/rotate`))[0]).toBe(200);
    expect(await open.ended()).toEqual(ENDS);
    open.close();
  });

  test('ends when the token expires', async () => {
    const { token } = await issue(scope, { expires_at: new Date(Date.now() + 4_000).toISOString() });
    const open = await openAll(token);
    expect(await open.ended()).toEqual(ENDS);
    open.close();
  }, 30_000);
});

describe('a token may open the right sessions', () => {
  test.each([
    ['no operation of streams', { ...ALL, ops: ['list-basins'] }, 403, 403],
    ['read only', { ...ALL, op_groups: { stream: { read: true } } }, 200, 403],
    ['append only', { ...ALL, ops: ['append'] }, 403, 200],
    ['another basin', { ...ALL, basins: { exact: 'elsewhere-1' }, ops: ['read', 'append'] }, 403, 403],
    ['another stream', { ...ALL, streams: { exact: 'closed' }, ops: ['read', 'append'] }, 403, 403],
    ['that stream', { ...ALL, streams: { exact: 'open' }, ops: ['read', 'append'] }, 200, 200],
  ])('with %s', async (_, scope, reads, appends) => {
    const { token } = await issue(scope);
    const target = { port: server.port, token };
    const connection = new S2sConnection(target);
    const [reading, writing] = [connection.read('open', 'seq_num=0&count=1'), connection.append('open')];
    writing.halfClose();
    expect([await reading.status, await writing.status]).toEqual([reads, appends]);
    const events = await new RecordsClient(target).sse('open', '?seq_num=0&count=1');
    expect(events.status).toBe(reads);
    events.destroy();
    const url = `ws://127.0.0.1:${server.port}/v1/streams/open/records?seq_num=0&count=1&basin=telemetry`;
    const socket = new Reader(url, [], {
      headers: { authorization: `Bearer ${token}` },
    });
    if (reads === 200) expect((await socket.ended).code).toBe(1000);
    else expect((await socket.refused).status).toBe(403);
    connection.close();
  });
});

test('a prefixed token sees only its own names, at every endpoint and in every message', async () => {
  const scope = { ...ALL, streams: { prefix: 'tenant/' }, op_groups: { stream: { read: true, write: true } } };
  const { token } = await issue(scope, { auto_prefix_streams: true });
  const mine = new RecordsClient({ port: server.port, token });
  expect(await mine.bodies('mine')).toEqual(['hidden prefix']);
  const socket = new Reader(`ws://127.0.0.1:${server.port}/v1/streams/mine/records?seq_num=0&count=1`, [], {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(await socket.until('hello')).toMatchObject({ stream: 'mine' });
  expect((await socket.ended).code).toBe(1000);
  for (const answer of [await mine.read('ghost'), await mine.tail('ghost'), await mine.read('tenant/mine')]) {
    expect(answer[0]).toBe(404);
    expect(JSON.stringify(answer[1])).not.toContain('tenant/ghost');
    expect(JSON.stringify(answer[1])).not.toContain('tenant/tenant');
  }
});

test('commands need operations of their own, in unary appends and in sessions', async () => {
  const { token } = await issue({ ...ALL, ops: ['append'] });
  const mine = new RecordsClient({ port: server.port, token });
  const fence = { records: [{ headers: [['', 'fence']], body: 'f' }] };
  expect((await mine.append('commands', { records: [{ body: 'x' }] }))[0]).toBe(200);
  expect(await mine.append('commands', fence)).toMatchObject([403, { code: 'permission_denied' }]);
  const connection = new S2sConnection({ port: server.port, token });
  const session = connection.append('commands');
  session.sendInputs({ records: [{ body: 'y' }] }, { records: [{ headers: [['', 'trim']], body: '\0'.repeat(8) }] });
  await session.nextAck();
  expect((await session.restOfAcks()).end).toMatchObject({ status: 403, json: { code: 'permission_denied' } });
  connection.close();

  const fencer = new RecordsClient({ port: server.port, token: (await issue({ ...ALL, ops: ['fence'] })).token });
  expect((await fencer.append('commands', fence))[0]).toBe(200);
  expect((await fencer.append('commands', { records: [{ body: 'x' }] }))[0]).toBe(403);
});
