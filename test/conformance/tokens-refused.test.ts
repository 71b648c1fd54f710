/**
 * What a request cannot obtain: tokens that make no sense, more than the issuer holds, and records that a tenant's
 * token must not write. Next to each is a request that is just valid.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { encodeInput, http1Session, S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const ALL = { basins: { prefix: '' }, streams: { prefix: '' }, access_tokens: { prefix: '' } };
const READ = { ...ALL, ops: ['read'] };

let server: TestServer;
let root: RecordsClient;
let ids = 0;

beforeAll(async () => {
  server = await startServer();
  root = new RecordsClient(server);
});

afterAll(async () => {
  await server.stop();
});

/** Status and code. */
async function asked(by: RecordsClient, request: unknown): Promise<readonly [number, unknown]> {
  const [status, body] = await by.control('POST', '/v1/access-tokens', request);
  return [status, (body as { code?: unknown }).code];
}

async function holder(scope: object, more: object = {}): Promise<{ id: string; client: RecordsClient }> {
  const id = `holder-${ids++}`;
  const [status, body] = await root.control('POST', '/v1/access-tokens', { id, scope, ...more });
  expect([status, body]).toEqual([201, { access_token: expect.any(String) }]);
  return {
    id,
    client: new RecordsClient({ port: server.port, token: (body as { access_token: string }).access_token }),
  };
}

const id = (): string => `asked-${ids++}`;
const attributes = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));

/** What is wrong with a request, its body, and how it is refused. */
const WRONG: readonly (readonly [string, () => unknown, number, string])[] = [
  ['that is no object', () => [], 400, 'bad_json'],
  ['that is nothing', () => null, 400, 'bad_json'],
  ['without an id', () => ({ scope: READ }), 400, 'bad_json'],
  ['with an id that is a number', () => ({ id: 7, scope: READ }), 400, 'bad_json'],
  ['with an empty id', () => ({ id: '', scope: READ }), 400, 'bad_json'],
  ['with an id of 97 bytes', () => ({ id: 'x'.repeat(97), scope: READ }), 400, 'bad_json'],
  ['with an id of 49 letters of two bytes', () => ({ id: 'é'.repeat(49), scope: READ }), 400, 'bad_json'],
  ['with an id that a path cannot hold', () => ({ id: '..', scope: READ }), 400, 'bad_json'],
  ['without a scope', () => ({ id: id() }), 400, 'bad_json'],
  ['with a scope that is a list', () => ({ id: id(), scope: [] }), 400, 'bad_json'],
  ['with an empty scope', () => ({ id: id(), scope: {} }), 422, 'invalid'],
  ['with names but no operations', () => ({ id: id(), scope: { ...ALL, ops: [] } }), 422, 'invalid'],
  [
    'with groups that allow nothing',
    () => ({ id: id(), scope: { ...ALL, op_groups: { stream: { read: false } } } }),
    422,
    'invalid',
  ],
  ['for an operation that there is not', () => ({ id: id(), scope: { ...ALL, ops: ['fly'] } }), 400, 'bad_json'],
  ['for one of the root token', () => ({ id: id(), scope: { ...ALL, ops: ['backup'] } }), 400, 'bad_json'],
  ['for the other one', () => ({ id: id(), scope: { ...ALL, ops: ['maintain'] } }), 400, 'bad_json'],
  ['for an operation in capitals', () => ({ id: id(), scope: { ...ALL, ops: ['READ'] } }), 400, 'bad_json'],
  ['for an operation that is no text', () => ({ id: id(), scope: { ...ALL, ops: [1] } }), 400, 'bad_json'],
  ['with operations that are no list', () => ({ id: id(), scope: { ...ALL, ops: 'read' } }), 400, 'bad_json'],
  [
    'for a set of both kinds',
    () => ({ id: id(), scope: { ...READ, basins: { exact: 'a', prefix: 'a' } } }),
    400,
    'bad_json',
  ],
  ['for a set of no kind', () => ({ id: id(), scope: { ...READ, streams: {} } }), 400, 'bad_json'],
  ['for a set that is text', () => ({ id: id(), scope: { ...READ, streams: 'all' } }), 400, 'bad_json'],
  ['for a basin that cannot be', () => ({ id: id(), scope: { ...READ, basins: { exact: 'NO' } } }), 422, 'invalid'],
  [
    'for a prefix longer than a name',
    () => ({ id: id(), scope: { ...READ, streams: { prefix: 'x'.repeat(513) } } }),
    422,
    'invalid',
  ],
  ['that is over', () => ({ id: id(), scope: READ, expires_at: '2001-01-01T00:00:00Z' }), 422, 'invalid'],
  ['that ends at no time', () => ({ id: id(), scope: READ, expires_at: 'tomorrow' }), 400, 'bad_json'],
  ['that ends at a number', () => ({ id: id(), scope: READ, expires_at: 2e12 }), 400, 'bad_json'],
  [
    'that ends on the 31st of June',
    () => ({ id: id(), scope: READ, expires_at: '2099-06-31T25:00:00Z' }),
    400,
    'bad_json',
  ],
  ['with a prefix in capitals', () => ({ id: id(), scope: READ, prefix: 'TRK' }), 422, 'invalid'],
  ['with a prefix of nine letters', () => ({ id: id(), scope: READ, prefix: 'abcdefghi' }), 422, 'invalid'],
  ['with 33 attributes', () => ({ id: id(), scope: READ, resource_attributes: attributes(33) }), 422, 'invalid'],
  [
    'with an attribute of 4097 bytes',
    () => ({ id: id(), scope: READ, resource_attributes: { k: 'v'.repeat(4_096) } }),
    422,
    'invalid',
  ],
  [
    'with an attribute without a key',
    () => ({ id: id(), scope: READ, resource_attributes: { '': 'v' } }),
    422,
    'invalid',
  ],
  [
    'with an attribute that is a number',
    () => ({ id: id(), scope: READ, resource_attributes: { k: 1 } }),
    400,
    'bad_json',
  ],
  ['with a limit of nothing', () => ({ id: id(), scope: READ, limits: { spans_per_minute: 0 } }), 400, 'bad_json'],
  ['with unknown limits', () => ({ id: id(), scope: READ, limits: { profile: 'gold' } }), 422, 'invalid'],
  [
    'of auto-prefix without a prefix',
    () => ({ id: id(), scope: { ...READ, streams: { exact: 'a' } }, auto_prefix_streams: true }),
    422,
    'invalid',
  ],
];

describe('a request for a token', () => {
  test.each(WRONG)('%s is refused', async (_, request, status, code) => {
    expect(await asked(root, request())).toEqual([status, code]);
  });

  test.each<readonly [string, () => object]>([
    ['an id of 96 bytes', () => ({ id: `${id()}-`.padEnd(96, 'x') })],
    ['an id of 48 letters of two bytes', () => ({ id: 'é'.repeat(48) })],
    ['a stream prefix as long as a name', () => ({ scope: { ...READ, streams: { prefix: 'x'.repeat(512) } } })],
    ['an end in a minute', () => ({ expires_at: new Date(Date.now() + 60_000).toISOString() })],
    ['a prefix of two letters, and of eight', () => ({ prefix: ids % 2 === 0 ? 'ab' : 'abcdefgh' })],
    ['32 attributes', () => ({ resource_attributes: attributes(32) })],
    ['an attribute of 4096 bytes', () => ({ resource_attributes: { k: 'v'.repeat(4_095) } })],
  ])('%s is accepted', async (_, more) => {
    expect((await asked(root, { id: id(), scope: READ, ...more() }))[0]).toBe(201);
  });

  test('for otel:write, the name in other receivers, gives append', async () => {
    const { id: own, client } = await holder({ ...ALL, ops: ['otel:write', 'append', 'read'] });
    const [, shown] = await root.control('GET', `/v1/access-tokens/${own}`);
    expect(shown).toMatchObject({ scope: { ops: ['append', 'read'] } });
    expect((await client.append('by-otel', { records: [{ body: 'x' }] }))[0]).toBe(200);
    const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] };
    const headers = { ...client.headers(), 'content-type': 'application/json' };
    expect((await call(server.port, { path: '/v1/logs', headers, body: JSON.stringify(logs) })).status).toBe(200);
  });
});

describe('a holder', () => {
  const IN_TEAM = { basins: { prefix: 'team-' }, streams: { prefix: 'a/' }, access_tokens: { prefix: 'team/' } };
  const MAY = ['read', 'append', 'issue-access-token', 'revoke-access-token'];
  const ENDS = '2098-01-01T00:00:00Z';
  let lead: RecordsClient;

  beforeAll(async () => {
    const bonds = { resource_attributes: { tenant: 'a' }, stream: 'a/fixed', limits: { spans_per_minute: 9 } };
    ({ client: lead } = await holder({ ...IN_TEAM, ops: MAY }, { expires_at: ENDS, ...bonds }));
  });

  const GOOD = { ...IN_TEAM, ops: ['read'] };
  test.each<readonly [string, object]>([
    ['another operation', { scope: { ...GOOD, ops: ['read', 'trim'] } }],
    ['a group that holds more', { scope: { ...GOOD, op_groups: { stream: { read: true } } } }],
    ['all basins', { scope: { ...GOOD, basins: { prefix: '' } } }],
    ['a basin elsewhere', { scope: { ...GOOD, basins: { exact: 'other-basin' } } }],
    ['a shorter prefix of streams', { scope: { ...GOOD, streams: { prefix: 'a' } } }],
    ['another stream', { scope: { ...GOOD, streams: { exact: 'b' } } }],
    ['tokens of others', { scope: { ...GOOD, access_tokens: { prefix: '' } } }],
    ['an id of others', { id: 'others' }],
    ['the id of the root token', { id: 'root' }],
    ['a later end', { expires_at: '2098-01-01T00:00:01Z' }],
    ['an end a nanosecond later', { expires_at: '2098-01-01T00:00:00.000000001Z' }],
    ['another tenant', { resource_attributes: { tenant: 'b' } }],
    ['no tenant', { resource_attributes: { tenant: '' } }],
    ['another fixed stream', { stream: 'a/other' }],
    ['a higher limit', { limits: { spans_per_minute: 10 } }],
    ['a higher limit by a name', { limits: { profile: 'frametail-pro' } }],
  ])('cannot issue %s', async (_, more) => {
    const [status] = await asked(lead, { id: `team/${ids++}`, scope: GOOD, ...more });
    expect(status).toBe(403);
  });

  test('may issue everything it holds, bound by the same restrictions', async () => {
    const id = `team/${ids++}`;
    expect((await asked(lead, { id, scope: GOOD }))[0]).toBe(201);
    const [, shown] = await root.control('GET', `/v1/access-tokens/${encodeURIComponent(id)}`);
    const bonds = { resource_attributes: { tenant: 'a' }, stream: 'a/fixed', limits: { spans_per_minute: 9 } };
    expect(shown).toMatchObject({ expires_at: ENDS, ...bonds });
  });

  test('gets no secret of a token that may do more, and cannot revoke tokens of others', async () => {
    const wide = `team/${ids++}`;
    expect((await asked(root, { id: wide, scope: { ...ALL, ops: ['trim'] } }))[0]).toBe(201);
    const other = (await holder(READ)).id;
    for (const target of [
      `POST /v1/access-tokens/${encodeURIComponent(wide)}/rotate`,
      `POST /v1/access-tokens/${other}/rotate`,
      `DELETE /v1/access-tokens/${other}`,
    ]) {
      const [method = '', path = ''] = target.split(' ');
      expect([target, (await lead.control(method, path))[0]]).toEqual([target, 403]);
    }
  });
});

describe('a token that sets attributes', () => {
  const SCOPE = { basins: { exact: 'telemetry' }, streams: { prefix: '' }, ops: ['append', 'read', 'create-stream'] };

  test('cannot append over S2 endpoints, where a record could carry forged attributes', async () => {
    const { client } = await holder(SCOPE, { resource_attributes: { tenant: 'a' } });
    await root.texts('stamped-s2', 'there');
    const input = { records: [{ body: 'forged' }] };
    expect(await client.append('stamped-s2', input)).toMatchObject([403, { code: 'permission_denied' }]);
    const asProto = await client.post('stamped-s2', encodeInput(input), { 'content-type': 'application/protobuf' });
    expect(asProto.status).toBe(403);
    const connection = new S2sConnection(client.server);
    for (const session of [connection.append('stamped-s2'), http1Session(client.server, 'POST', 'stamped-s2')]) {
      session.halfClose();
      expect(await session.status).toBe(403);
    }
    connection.close();
    expect(await client.bodies('stamped-s2')).toEqual(['there']);
  });

  test('sets them in JSON that repeats their keys', async () => {
    const { client } = await holder(SCOPE, { resource_attributes: { tenant: 'mine' }, stream: 'stamped-twice' });
    const forged = '{"key":"tenant","value":{"stringValue":"forged"}}';
    const nested =
      '{"key":"deep","value":{"kvlistValue":{"values":[{"key":"tenant","value":{"stringValue":"nested"}}]}}}';
    const kept = '{"key":"Tenant","value":{"stringValue":"other case"}}';
    const late = '{"value":{"intValue":"7"},"key":"ten\\u0061nt"}';
    const send = async (part: string): Promise<readonly [number, string]> => {
      const body = `{"resourceLogs":[{${part},"scopeLogs":[{"logRecords":[{}]}]}]}`;
      const headers = { ...client.headers(), 'content-type': 'application/json' };
      const answer = await call(server.port, { path: '/v1/logs', headers, body });
      return [answer.status, answer.body.toString()];
    };
    const resource = `"resource":{"attributes":[${forged},${nested},${late},${kept},${forged}]}`;
    expect(await send(resource)).toEqual([200, '{}']);
    // A name that appears twice is ambiguous, so it is refused.
    for (const twice of [`${resource},${resource}`, `"resource":{"attributes":[],"attributes":[${forged}]}`]) {
      expect((await send(twice))[0]).toBe(400);
    }
    const { body } = await call(server.port, {
      method: 'GET',
      path: '/v1/streams/stamped-twice/records?seq_num=0',
      headers: root.headers({ 's2-format': 'base64' }),
    });
    const { records } = JSON.parse(body.toString()) as { records: { body: string }[] };
    const texts = records.map((record) => Buffer.from(record.body, 'base64').toString('latin1'));
    expect(texts).toHaveLength(1);
    expect(texts[0]).not.toContain('forged');
    for (const there of ['mine', 'nested', 'other case']) expect(texts[0]).toContain(there);
  });
});

test.each([
  ['2098-01-01T00:00:00Z'],
  ['2098-01-01T00:00:00.5Z'],
  ['2098-01-01T00:00:00.000Z'],
  ['2098-01-01T00:00:00.120Z'],
  ['2098-01-01T00:00:00.123456789Z'],
  ['2098-01-01T00:00:00.1234567891234Z', '2098-01-01T00:00:00.123456789Z'],
  ['2098-01-01T02:00:00.25+02:00', '2098-01-01T00:00:00.25Z'],
  ['9999-12-31T23:59:59.999999999Z'],
])('a token that expires at %s is shown to do so, also when it is rotated', async (given, shown = given) => {
  const { id: one, client } = await holder(READ, { expires_at: given });
  const path = `/v1/access-tokens/${encodeURIComponent(one)}`;
  expect(await root.control('GET', path)).toMatchObject([200, { expires_at: shown }]);
  expect(await client.control('GET', '/v1/whoami')).toMatchObject([200, { expires_at: shown }]);
  const listed = await root.control('GET', `/v1/access-tokens?prefix=${encodeURIComponent(one)}&limit=1`);
  expect(listed).toMatchObject([200, { access_tokens: [{ expires_at: shown }] }]);
  expect((await root.control('POST', `${path}/rotate`))[0]).toBe(200);
  expect(await root.control('GET', path)).toMatchObject([200, { expires_at: shown }]);
});

test.each(['2098-02-30T00:00:00Z', '9999-12-31T23:59:59-01:00', '1969-12-31T23:59:59.9Z', '2098-01-01T00:00:00.Z'])(
  'a token cannot expire at %s, which is no time',
  async (expires_at) => {
    expect(await asked(root, { id: id(), scope: READ, expires_at })).toEqual([400, 'bad_json']);
  },
);
