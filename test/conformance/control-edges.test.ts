/** The control plane with unusual calls: names, paths and queries, and which error comes first. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

const basin = 'control-edges';

let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
  await s2.call(`PUT /basins/${basin}`);
});

afterAll(async () => {
  await server.stop();
});

describe('the first error of a call', () => {
  const long = { 's2-request-token': 'x'.repeat(37) };
  const unknown = { authorization: 'Bearer unknown' };

  test.each([
    ['a header before the body', 'POST /streams', { basin, headers: long, body: '{' }, '400 bad_header'],
    ['the basin before the path', 'GET /streams/%ff', { basin: 'NO' }, '400 bad_header'],
    ['the basin before the query', 'GET /streams?limit=x', { basin: 'NO' }, '400 bad_header'],
    ['the path before the body', 'PUT /streams/%ff', { basin, body: '{' }, '400 bad_path'],
    ['the token before the body', 'POST /streams', { basin, headers: unknown, body: '{' }, '401 authn'],
    ['the token before the body', 'POST /basins', { headers: unknown, body: '{' }, '401 authn'],
    ['the token before the query', 'GET /basins?limit=x', { headers: unknown }, '401 authn'],
    ['the token before the state', 'GET /basins/missing-basin', { headers: unknown }, '401 authn'],
    ['the token before the state', 'DELETE /streams/ghost', { basin, headers: unknown }, '401 authn'],
    ['the body before the sense', 'PUT /basins/bad-body', { body: { location: 'far', config: 7 } }, '400 bad_json'],
    ['the query before the state', 'GET /streams?limit=x', { basin: 'missing-basin' }, '400 bad_query'],
    [
      'the sense before the state',
      'PUT /streams/x',
      { basin: 'missing-basin', body: { retention_policy: { age: 0 } } },
      '422 invalid',
    ],
    [
      'the sense before the state',
      'PATCH /basins/missing-basin',
      { body: { default_stream_config: { storage_class: 'glacier' } } },
      '422 invalid',
    ],
  ])('comes in the order of %s: %s', async (_, target, more, refusal) => {
    expect(await s2.refusal(target, more)).toBe(refusal);
  });

  test.each([
    ['GET /streams', '404 basin_not_found'],
    ['POST /streams', '404 basin_not_found'],
    ['PUT /streams/x', '404 basin_not_found'],
    ['PATCH /streams/x', '404 basin_not_found'],
    ['GET /streams/x', '404 stream_not_found'],
    ['DELETE /streams/x', '404 stream_not_found'],
  ])('of %s in a missing basin is %s', async (target, refusal) => {
    const body = target.startsWith('P') ? { body: { stream: 'x' } } : {};
    expect(await s2.refusal(target, { basin: 'missing-basin', ...body })).toBe(refusal);
  });
});

describe('names and paths', () => {
  const odd = [
    'a/b',
    '/',
    '%',
    '%2F',
    '?',
    '#',
    ' ',
    '\u0001\n\t\u007f',
    '..a',
    '...',
    '日本',
    '\u{1f600}',
    'é'.repeat(256),
  ];

  test('of any bytes except NUL are returned as they were sent', async () => {
    const info: unknown[] = [];
    for (const stream of odd) {
      const { status, body } = await s2.call(`PUT /streams/${encodeURIComponent(stream)}`, { basin });
      expect([status, body]).toMatchObject([201, { name: stream }]);
      info.push(body);
      const patched = await s2.call(`PATCH /streams/${encodeURIComponent(stream)}`, { basin, body: {} });
      expect(patched.status).toBe(200);
      const listed = await s2.call(`GET /streams?prefix=${encodeURIComponent(stream)}&limit=1`, { basin });
      expect(listed.body).toMatchObject({ streams: [body] });
    }
    expect(new Set(info.map((one) => JSON.stringify(one))).size).toBe(odd.length);
  });

  test.each([
    ['GET /basins/', '404 not_found'],
    ['POST /basins/', '404 not_found'],
    [`GET /basins/${basin}/`, '404 not_found'],
    [`DELETE /basins/${basin}/`, '404 not_found'],
    [`GET /basins//${basin}`, '404 not_found'],
    ['GET /streams/', '404 not_found'],
    ['PUT /streams/', '404 not_found'],
    ['DELETE /streams/', '404 not_found'],
    ['GET /streams/a/b', '404 not_found'],
    ['GET /locations/', '404 not_found'],
    ['GET /locations/local', '404 not_found'],
    ['PUT /locations/default/', '404 not_found'],
    [`GET /metrics/${basin}/`, '404 not_found'],
    ['DELETE /basins', '405 method_not_allowed'],
    ['PUT /streams', '405 method_not_allowed'],
    ['POST /locations', '405 method_not_allowed'],
    ['PATCH /locations/default', '405 method_not_allowed'],
    ['GET /basins/.', '400 bad_path'],
    ['PUT /basins/a-much-too-long-name-for-a-basin-is-one-of-49-byte', '400 bad_path'],
    ['PUT /basins/-begins-so', '400 bad_path'],
    ['PUT /basins/ends-so-', '400 bad_path'],
    ['PUT /basins/with%2Fslash', '400 bad_path'],
    ['PUT /streams/%2E', '400 bad_path'],
    ['PUT /streams/%2e%2E', '400 bad_path'],
    ['PUT /streams/a%00', '400 bad_path'],
    ['PUT /streams/%c3%28', '400 bad_path'],
    ['PUT /streams/%ed%a0%80', '400 bad_path'],
    ['PUT /streams/%zz', '400 bad_path'],
    [`PUT /streams/${'x'.repeat(513)}`, '400 bad_path'],
  ])('of %s are %s', async (target, refusal) => {
    expect(await s2.refusal(target, { basin, ...(target.startsWith('P') ? { body: {} } : {}) })).toBe(refusal);
  });
});

describe('the parameters of a list', () => {
  const list = async (query: string) => {
    const { body } = await s2.call(`GET /streams${query}`, { basin: 'listed-edges' });
    const { streams, has_more: more } = body as { streams: { name: string }[]; has_more: boolean };
    return [streams.map(({ name }) => name).join(' '), more];
  };

  beforeAll(async () => {
    await s2.call('PUT /basins/listed-edges');
    for (const stream of ['a', 'b/1', 'b/2', 'b/3', 'c']) {
      await s2.call('POST /streams', { basin: 'listed-edges', body: { stream } });
    }
  });

  test.each([
    ['', 'a b/1 b/2 b/3 c', false],
    ['?limit=', undefined, undefined],
    ['?limit=5', 'a b/1 b/2 b/3 c', false],
    ['?limit=4', 'a b/1 b/2 b/3', true],
    ['?limit=0', 'a b/1 b/2 b/3 c', false],
    ['?limit=18446744073709551615', 'a b/1 b/2 b/3 c', false],
    ['?prefix=b%2F&limit=3', 'b/1 b/2 b/3', false],
    ['?prefix=b%2F&limit=2', 'b/1 b/2', true],
    ['?prefix=b%2F&start_after=a', 'b/1 b/2 b/3', false],
    ['?prefix=b%2F&start_after=b%2F', 'b/1 b/2 b/3', false],
    ['?prefix=b%2F&start_after=b%2F1&limit=1', 'b/2', true],
    ['?prefix=b%2F&start_after=b%2F3', '', false],
    ['?prefix=b%2F&start_after=c', '', false],
    ['?prefix=&start_after=c', '', false],
    ['?start_after=..&prefix=.', '', false],
    ['?limit=2&unknown=1', undefined, undefined],
  ])('are applied: %s', async (query, names, more) => {
    if (names === undefined) {
      expect(await s2.refusal(`GET /streams${query}`, { basin: 'listed-edges' })).toBe('400 bad_query');
    } else {
      expect(await list(query)).toEqual([names, more]);
    }
  });

  test.each([
    ['?prefix=a%00', 'stream prefix must not contain NUL bytes'],
    ['?start_after=%00', 'stream start-after must not contain NUL bytes'],
    ['?limit=-1', 'limit'],
    ['?limit=%2B1', 'limit'],
    ['?limit=1&limit=1', 'limit'],
    ['?start_after=a&start_after=a', 'start_after'],
  ])('are refused with a reason: %s', async (query, why) => {
    const { status, body } = await s2.call(`GET /streams${query}`, { basin: 'listed-edges' });
    expect([status, body]).toEqual([400, { code: 'bad_query', message: expect.stringContaining(why) }]);
  });
});
