/** Tickets over real sockets: what pages open with them, once, and what is refused. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const ALL = { basins: { prefix: '' }, streams: { prefix: '' } };

let server: TestServer;
let root: RecordsClient;
let issued = 0;

beforeAll(async () => {
  server = await startServer({ args: ['--log-level', 'trace'] });
  root = new RecordsClient(server);
  await root.texts('open', 'r0');
  await root.texts('tenant/mine', 'mine');
});

afterAll(async () => {
  await server.stop();
});

async function issue(scope: object, more: object = {}): Promise<{ id: string; client: RecordsClient }> {
  const id = `ticketed-${issued++}`;
  const [status, body] = await root.control('POST', '/v1/access-tokens', { id, scope, ...more });
  expect(status).toBe(201);
  const { access_token: token } = body as { access_token: string };
  return { id, client: new RecordsClient({ port: server.port, token }) };
}

/** Requests a ticket; by default for the stream `open` of the default basin. */
async function ask(client: RecordsClient, wanted: object = {}): Promise<readonly [number, Record<string, string>]> {
  const body = { basin: 'telemetry', stream: 'open', operation: 'read', ...wanted };
  const [status, answer] = await client.control('POST', '/v1/tickets', body);
  return [status, answer as Record<string, string>];
}

async function ticket(client: RecordsClient, wanted: object = {}): Promise<string> {
  const [status, body] = await ask(client, wanted);
  expect([status, body]).toEqual([201, { ticket: expect.any(String), expires_at: expect.any(String) }]);
  return body.ticket ?? '';
}

/** Opens a socket as a page does, with only a URL. */
function socket(secret: string, stream = 'open', more = ''): Reader {
  const path = `/v1/streams/${encodeURIComponent(stream)}/records?seq_num=0&count=1&ticket=${secret}${more}`;
  return new Reader(`ws://127.0.0.1:${server.port}${path}`, [], { origin: server.url });
}

async function socketEnd(secret: string, stream?: string, more?: string): Promise<number> {
  return (await socket(secret, stream, more).ended).code;
}

/** The same for an EventSource: the status of the response. */
async function eventsStatus(secret: string, stream = 'open'): Promise<number> {
  const path = `/v1/streams/${encodeURIComponent(stream)}/records?seq_num=0&count=1&ticket=${secret}`;
  const answer = await fetch(`${server.url}${path}`, { headers: { accept: 'text/event-stream' } });
  await answer.body?.cancel();
  return answer.status;
}

describe('a ticket', () => {
  test('opens one socket, and no second one', async () => {
    const secret = await ticket(root);
    const reader = socket(secret);
    expect(await reader.until('hello')).toMatchObject({ stream: 'open', basin: 'telemetry' });
    expect((await reader.ended).code).toBe(1000);
    const replay = socket(secret);
    expect(await replay.until('error')).toMatchObject({ code: 'authn' });
    expect((await replay.ended).code).toBe(4401);
  });

  test('opens one stream of events, and no second one', async () => {
    const secret = await ticket(root);
    expect(await eventsStatus(secret)).toBe(200);
    expect(await eventsStatus(secret)).toBe(401);
    expect(await socketEnd(secret)).toBe(4401);
  });

  test('for a prefix opens a stream with that prefix', async () => {
    const wanted = { stream: undefined, prefix: 'tenant/' };
    expect(await socketEnd(await ticket(root, wanted), 'tenant/mine')).toBe(1000);
    expect(await eventsStatus(await ticket(root, wanted), 'tenant/mine')).toBe(200);
    expect(await eventsStatus(await ticket(root, wanted))).toBe(401);
  });

  test('for another stream or basin opens nothing, and is used up', async () => {
    const secret = await ticket(root, { stream: 'tenant/mine' });
    expect(await socketEnd(secret)).toBe(4401);
    expect(await socketEnd(secret, 'tenant/mine')).toBe(4401);
    expect(await eventsStatus(await ticket(root, { stream: 'tenant/mine' }))).toBe(401);
    expect(await socketEnd(await ticket(root), 'open', '&basin=elsewhere')).toBe(4401);
  });

  test('opens only live reads', async () => {
    const secret = await ticket(root);
    for (const path of ['/v1/streams/open/records', '/v1/streams/open/records/tail', '/v1/streams']) {
      const answer = await fetch(`${server.url}${path}?ticket=${secret}`, { headers: { 's2-basin': 'telemetry' } });
      expect([path, answer.status]).toEqual([path, 401]);
    }
    const bearer = new RecordsClient({ port: server.port, token: secret });
    expect((await bearer.read('open'))[0]).toBe(401);
  });

  test('that is invalid is a plain 401 without an Origin', async () => {
    const url = `ws://127.0.0.1:${server.port}/v1/streams/open/records?ticket=tkt_0`;
    expect((await new Reader(url).refused).status).toBe(401);
  });
});

describe('the issuing token of a ticket', () => {
  const scope = { ...ALL, ops: ['read'] };

  test('ends what the ticket opened when it is revoked', async () => {
    const { id, client } = await issue(scope);
    const path = `/v1/streams/open/records?seq_num=0&ticket=${await ticket(client)}`;
    const reader = new Reader(`ws://127.0.0.1:${server.port}${path}`, [], { origin: server.url });
    await reader.until('caught_up');
    expect((await root.control('DELETE', `/v1/access-tokens/${id}`))[0]).toBe(204);
    expect((await reader.ended).code).toBe(1008);
  });

  test('ends its unused tickets too, also when it is rotated or created again', async () => {
    const [revoked, rotated] = [await issue(scope), await issue(scope)];
    const [one, two] = [await ticket(revoked.client), await ticket(rotated.client)];
    await root.control('DELETE', `/v1/access-tokens/${revoked.id}`);
    await root.control('POST', '/v1/access-tokens', { id: revoked.id, scope });
    await root.control('POST', `/v1/access-tokens/${rotated.id}/rotate`);
    expect([await socketEnd(one), await eventsStatus(two)]).toEqual([4401, 401]);
  });

  test('applies its prefix to the names of the ticket', async () => {
    const { client } = await issue({ ...scope, streams: { prefix: 'tenant/' } }, { auto_prefix_streams: true });
    expect(await socketEnd(await ticket(client, { stream: 'mine' }), 'mine')).toBe(1000);
    expect(await eventsStatus(await ticket(client, { stream: undefined, prefix: '' }), 'mine')).toBe(200);
    expect(await eventsStatus(await ticket(client, { stream: 'mine' }), 'tenant/mine')).toBe(401);
  });

  test('must allow what the ticket opens', async () => {
    const appender = await issue({ ...ALL, ops: ['append'] });
    const narrow = await issue({
      ...ALL,
      basins: { exact: 'telemetry' },
      streams: { prefix: 'tenant/' },
      ops: ['read'],
    });
    expect((await ask(appender.client))[0]).toBe(403);
    expect((await ask(narrow.client))[0]).toBe(403);
    expect((await ask(narrow.client, { basin: 'elsewhere', stream: 'tenant/mine' }))[0]).toBe(403);
    expect((await ask(narrow.client, { stream: 'tenant/mine' }))[0]).toBe(201);
    for (const [prefix, status] of [
      ['', 403],
      ['ten', 403],
      ['tenant/', 201],
      ['tenant/m', 201],
    ] as const) {
      expect([prefix, (await ask(narrow.client, { stream: undefined, prefix }))[0]]).toEqual([prefix, status]);
    }
    expect((await ask(new RecordsClient({ port: server.port, token: 'unknown' })))[0]).toBe(401);
  });
});

test.each([
  ['another operation', { operation: 'append' }, 400],
  ['no operation', { operation: undefined }, 400],
  ['no basin', { basin: undefined }, 400],
  ['a basin that cannot be', { basin: 'X' }, 400],
  ['an empty stream', { stream: '' }, 400],
  ['neither stream nor prefix', { stream: undefined }, 422],
  ['both of them', { prefix: 'o' }, 422],
  ['a prefix longer than any name', { stream: undefined, prefix: 'x'.repeat(513) }, 400],
])('a ticket request with %s is refused', async (_name, wanted, status) => {
  expect((await ask(root, wanted))[0]).toBe(status);
});

test('no ticket is in a log line', async () => {
  const secret = await ticket(root, { stream: 'tenant/mine' });
  await eventsStatus(secret);
  await socketEnd(secret);
  await eventsStatus(await ticket(root));
  expect(server.stderr() + server.stdout()).toContain('/v1/streams/open/records');
  expect(server.stderr() + server.stdout()).not.toContain('tkt_');
});
