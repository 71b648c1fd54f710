/** Bodies of the control plane: their forms and lengths, absent bodies, our own fields, and tokens for repeats. */

import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { call } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const basin = 'control-bodies';
const MiB = 1024 * 1024;

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

describe('bodies', () => {
  const sent = async (body: string | Uint8Array, headers: Record<string, string> = {}) => {
    const common = { authorization: `Bearer ${server.token}`, 's2-basin': basin, 'content-type': 'application/json' };
    const answer = await call(server.port, { path: '/v1/streams', headers: { ...common, ...headers }, body });
    const { code, name } = JSON.parse(answer.body.toString()) as Record<string, unknown>;
    return [answer.status, code ?? name];
  };

  test.each(['application/json; charset=utf-8', 'Application/JSON', 'application/merge-patch+json, text/plain'])(
    'of type %s are read as JSON',
    async (type) => {
      const stream = `type ${type}`;
      expect(await sent(JSON.stringify({ stream }), { 'content-type': type })).toEqual([201, stream]);
    },
  );

  test.each(['text/json', 'application/x-www-form-urlencoded', 'text/plain, application/json', '', 's2s/proto'])(
    'of type %j are refused',
    async (type) => {
      expect(await sent('{"stream":"untyped"}', { 'content-type': type })).toEqual([400, 'bad_json']);
    },
  );

  test.each([
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[{"stream":"a"}]'],
    ['text', '"stream"'],
    ['two values', '{"stream":"twice"}{}'],
    ['a byte order mark', '\ufeff{"stream":"marked"}'],
    ['a comma too many', '{"stream":"comma",}'],
    ['bytes that are no UTF-8', Buffer.from('{"stream":"\xff"}', 'latin1')],
    ['half a surrogate pair', '{"stream":"a\\ud800"}'],
    ['a name of null', '{"stream":null}'],
    ['an age that is no whole number', '{"stream":"age","config":{"retention_policy":{"age":60.0}}}'],
    ['an age with an exponent', '{"stream":"age","config":{"retention_policy":{"age":6e1}}}'],
    ['an age in text', '{"stream":"age","config":{"retention_policy":{"age":"60"}}}'],
    ['an age above 2^64', '{"stream":"age","config":{"retention_policy":{"age":18446744073709551616}}}'],
    ['more than is taken', `{"stream":"long","ignored":"${'x'.repeat(4 * MiB)}"}`],
  ])('of %s are refused', async (_, body) => {
    expect(await sent(body)).toEqual([400, 'bad_json']);
    expect((await s2.call('GET /streams?prefix=age', { basin })).body).toMatchObject({ streams: [] });
  });

  test('are measured after decompression, and the error says so', async () => {
    const zipped = gzipSync(`{"stream":"long","ignored":"${'x'.repeat(4 * MiB)}"}`);
    expect(await sent(zipped, { 'content-encoding': 'gzip' })).toEqual([400, 'bad_json']);
    const long = await s2.call('POST /streams', { basin, body: { stream: 'x', ignored: 'x'.repeat(4 * MiB) } });
    expect(long.body).toMatchObject({ code: 'bad_json', message: expect.stringContaining('length limit exceeded') });
    expect(await sent(gzipSync('{"stream":"zipped"}'), { 'content-encoding': 'gzip' })).toEqual([201, 'zipped']);
  });

  const keys = { issuer: 'https://issuer.example', audience: 'a' };
  test.each<[string, unknown, number]>([
    ['otlp_limits.streams_max', { otlp_limits: { streams_max: 'many' } }, 400],
    ['otlp_limits.profile', { otlp_limits: { profile: 'none-such' } }, 422],
    ['otlp_dedupe_window', { otlp_dedupe_window: -1 }, 400],
    ['oidc.issuer', { oidc: { ...keys, issuer: 'http://issuer.example', jwks_uri: 'https://a' } }, 422],
    ['oidc.jwks_uri', { oidc: keys }, 422],
    ['oidc.jwks', { oidc: { ...keys, jwks: { keys: [{ kty: 'oct', k: 'x' }] } } }, 422],
    ['otlp_limits', { otlp_limits: { no_such_limit: 1 } }, 400],
  ])('with a wrong %s are refused with the name of the field', async (field, body, status) => {
    const answer = await s2.call(`PATCH /basins/${basin}`, { body });
    expect([answer.status, (answer.body as { field?: string }).field]).toEqual([status, field]);
  });

  test('without a wrong field are refused without a name of one', async () => {
    const answer = await s2.call('PATCH /basins/not-there', { body: {} });
    expect(answer.body).toEqual({ code: 'basin_not_found', message: expect.any(String) });
  });

  test('may hold any numbers in unknown fields, and the last of two equal fields counts', async () => {
    expect(await sent('{"later":1.5e3,"stream":"first","deep":[-0.1],"stream":"last"}')).toEqual([201, 'last']);
  });

  test('may hold numbers above 2^53 - 1, which count as 2^53 - 1', async () => {
    const config =
      '{"retention_policy":{"age":18446744073709549568},"delete_on_empty":{"min_age_secs":9007199254740993}}';
    expect(await sent(`{"stream":"ages","config":${config}}`)).toEqual([201, 'ages']);
    expect((await s2.call('GET /streams/ages', { basin })).body).toMatchObject({
      retention_policy: { age: 2 ** 53 - 1 },
      delete_on_empty: { min_age_secs: 2 ** 53 - 1 },
    });
    expect((await s2.call('POST /streams/ages/records', { basin, body: { records: [{ body: 'a' }] } })).status).toBe(
      200,
    );
    expect((await s2.call('GET /streams/ages/records?seq_num=0', { basin })).body).toMatchObject({
      records: [{ seq_num: 0, body: 'a' }],
    });
  });
});

describe('optional bodies', () => {
  test.each([
    ['without one', {}],
    ['of null', { body: 'null' }],
    ['of nothing', { body: '' }],
    ['without a content type', { body: '{"storage_class":"standard"}', headers: { 'content-type': undefined } }],
  ])('mean all defaults for PUT %s', async (what, { body, headers = {} }: { body?: string; headers?: object }) => {
    const path = `/v1/streams/${encodeURIComponent(`put ${what}`)}`;
    const common = { authorization: `Bearer ${server.token}`, 's2-basin': basin };
    const type = body === undefined || 'content-type' in headers ? {} : { 'content-type': 'application/json' };
    const put = () =>
      call(server.port, {
        method: 'PUT',
        path,
        headers: { ...common, ...type },
        ...(body === undefined ? {} : { body }),
      });
    const [first, second] = [await put(), await put()];
    expect([first.status, first.headers['s2-provision-result']]).toEqual([201, 'created']);
    expect([second.status, second.headers['s2-provision-result']]).toEqual([200, 'noop']);
    expect(second.body).toEqual(first.body);
    const { body: config } = await s2.call(`GET ${path.slice(3)}`, { basin });
    expect(config).toMatchObject({ storage_class: 'express', retention_policy: { age: 604_800 } });
  });

  test('may be absent over HTTP/2 as well', async () => {
    const connection = await connectHttp2(server.url);
    try {
      const headers = { authorization: `Bearer ${server.token}`, 's2-basin': basin };
      const path = '/v1/streams/over-http2';
      const made = await connection.call({ method: 'PUT', path, headers });
      expect([made.status, made.headers['s2-provision-result']]).toEqual([201, 'created']);
      const typed = { ...headers, 'content-type': 'application/json' };
      const again = await connection.call({ method: 'PUT', path, headers: typed });
      expect([again.status, again.headers['s2-provision-result']]).toEqual([200, 'noop']);
      const patched = await connection.call({ method: 'PATCH', path, headers: typed, body: '{"retention_bytes":9}' });
      expect([patched.status, JSON.parse(patched.body.toString())]).toMatchObject([200, { retention_bytes: 9 }]);
      const gone = await connection.call({ method: 'DELETE', path, headers });
      expect([gone.status, gone.body.length, gone.headers['content-length']]).toEqual([202, 0, '0']);
    } finally {
      await connection.close();
    }
  });
});

describe('our own fields', () => {
  test('stay unchanged for a client that does not know them, and are removed by null', async () => {
    const target = '/streams/own-fields';
    await s2.call(`PUT ${target}`, { basin, body: { retention_bytes: 500 } });
    await s2.call(`PATCH ${target}`, { basin, body: { storage_class: 'standard' } });
    await s2.call(`PUT ${target}`, { basin });
    expect((await s2.call(`GET ${target}`, { basin })).body).toMatchObject({ retention_bytes: 500 });
    expect((await s2.call(`PUT ${target}`, { basin, body: { retention_bytes: null } })).result).toBe('updated');
    expect((await s2.call(`GET ${target}`, { basin })).body).toMatchObject({ retention_bytes: null });
  });

  test('of a basin too, and a stream without a bound keeps having none after what GET returned is written back', async () => {
    const oidc = { issuer: 'https://issuer.example', jwks_uri: 'https://issuer.example/keys', audience: 'a' };
    const config = { otlp_default_stream: 'all', default_stream_config: { retention_bytes: 700 }, oidc };
    await s2.call('PUT /basins/own-fields', { body: { config } });
    await s2.call('PUT /basins/own-fields', { body: { config: { create_stream_on_read: true } } });
    expect((await s2.call('GET /basins/own-fields')).body).toMatchObject(config);
    await s2.call('PUT /streams/bound', { basin: 'own-fields' });
    await s2.call('PUT /streams/boundless', { basin: 'own-fields', body: { retention_bytes: null } });
    for (const [name, bytes] of [
      ['bound', 700],
      ['boundless', null],
    ]) {
      const { body } = await s2.call(`GET /streams/${name}`, { basin: 'own-fields' });
      expect(body).toMatchObject({ retention_bytes: bytes });
      expect((await s2.call(`PUT /streams/${name}`, { basin: 'own-fields', body })).result).toBe('noop');
    }
    const cleared = { otlp_default_stream: '', default_stream_config: { retention_bytes: null }, oidc: null };
    await s2.call('PUT /basins/own-fields', { body: { config: cleared } });
    expect((await s2.call('GET /basins/own-fields')).body).toMatchObject(cleared);
    expect((await s2.call('PUT /basins/own-fields', { body: { config: cleared } })).result).toBe('noop');
  });
});

describe('request tokens', () => {
  test('of the same bytes are the same, the empty one included; another config or another token is a conflict', async () => {
    for (const token of ['', 'x'.repeat(36), '+/='.repeat(8)]) {
      const headers = { 's2-request-token': token };
      const body = { stream: `token ${token}`, config: { retention_policy: { age: 60 } } };
      const made = await s2.call('POST /streams', { basin, headers, body });
      expect(made).toMatchObject({ status: 201, result: 'created' });
      const same = { ...body, config: { timestamping: null, retention_policy: { age: 60 }, ignored: 1 } };
      const again = await s2.call('POST /streams', { basin, headers, body: same });
      expect(again).toEqual({ status: 201, result: 'noop', body: made.body });
      const other = { headers: { 's2-request-token': 'other' }, body };
      expect(await s2.refusal('POST /streams', { basin, ...other })).toBe('409 resource_already_exists');
      expect(await s2.refusal('POST /streams', { basin, headers, body: { stream: body.stream } })).toBe(
        '409 resource_already_exists',
      );
    }
  });

  test('find the stream on a repeat although the basin and the stream were changed meanwhile', async () => {
    const headers = { 's2-request-token': 'stays' };
    const body = { stream: 'replayed' };
    const made = await s2.call('POST /streams', { basin, headers, body });
    await s2.call('PATCH /streams/replayed', { basin, body: { storage_class: 'standard' } });
    await s2.call('PUT /streams/replayed', { basin, body: { retention_policy: { infinite: {} } } });
    await s2.call(`PATCH /basins/${basin}`, { body: { default_stream_config: { timestamping: { mode: 'arrival' } } } });
    const again = await s2.call('POST /streams', { basin, headers, body });
    expect(again).toEqual({ status: 201, result: 'noop', body: made.body });
    await s2.call(`PATCH /basins/${basin}`, { body: { default_stream_config: null } });
  });
});
