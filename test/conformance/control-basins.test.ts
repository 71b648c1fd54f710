/** Basins and locations over HTTP: statuses, codes, bodies, and the state afterwards. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import fc from '../support/fast-check.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
});

afterAll(async () => {
  await server.stop();
});

const NOTHING_SET = {
  storage_class: 'express',
  retention_policy: null,
  timestamping: null,
  delete_on_empty: null,
  retention_bytes: null,
};

describe('creating a basin', () => {
  test('returns the basin, and only a repeated token with the same settings is not a conflict', async () => {
    const body = { basin: 'create-one', config: { create_stream_on_append: true, unknown: { deep: [1] } }, later: 1 };
    const headers = { 's2-request-token': 'x'.repeat(36) };
    const made = await s2.call('POST /basins', { body, headers });
    expect(made).toMatchObject({ status: 201, result: 'created' });
    expect(made.body).toEqual({
      name: 'create-one',
      location: 'local',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      deleted_at: null,
      state: 'active',
    });
    const again = await s2.call('POST /basins', { body, headers });
    expect(again).toEqual({ status: 200, result: 'noop', body: made.body });
    expect(await s2.refusal('POST /basins', { body })).toBe('409 resource_already_exists');
    const other = { ...body, config: { create_stream_on_append: false } };
    expect(await s2.refusal('POST /basins', { body: other, headers })).toBe('409 resource_already_exists');
    await s2.call('PUT /basins/create-one', { body: { config: {} } });
    expect((await s2.call('POST /basins', { body, headers })).result).toBe('noop');
  });

  test.each([
    ['no body', undefined, {}, '400 bad_json'],
    ['no JSON', '{', {}, '400 bad_json'],
    ['another content type', { basin: 'refused-1' }, { 'content-type': 'text/plain' }, '400 bad_json'],
    ['a name that is too short', { basin: 'short' }, {}, '400 bad_json'],
    ['a name in capitals', { basin: 'REFUSED-1' }, {}, '400 bad_json'],
    ['no name', {}, {}, '400 bad_json'],
    ['a flag that is text', { basin: 'refused-1', config: { create_stream_on_read: 'yes' } }, {}, '400 bad_json'],
    ['a configuration that is a list', { basin: 'refused-1', config: [] }, {}, '400 bad_json'],
    ['an age below 0', defaults({ retention_policy: { age: -1 } }), {}, '400 bad_json'],
    ['half an age', defaults({ retention_policy: { age: 1.5 } }), {}, '400 bad_json'],
    ['an unknown mode', defaults({ timestamping: { mode: 'later' } }), {}, '400 bad_json'],
    ['an unknown cipher', { basin: 'refused-1', config: { stream_cipher: 'rot-13' } }, {}, '400 bad_json'],
    ['an age of 0', defaults({ retention_policy: { age: 0 } }), {}, '422 invalid'],
    ['an unknown storage class', defaults({ storage_class: 'glacier' }), {}, '422 invalid'],
    ['an unknown location', { basin: 'refused-1', location: 'aws:us-east-1' }, {}, '422 invalid'],
    ['a location that is no name', { basin: 'refused-1', location: 'a b' }, {}, '400 bad_json'],
    ['a token of 37 bytes', { basin: 'refused-1' }, { 's2-request-token': 'x'.repeat(37) }, '400 bad_header'],
  ] as const)('is refused with %s', async (_, body, headers, refusal) => {
    expect(await s2.refusal('POST /basins', { headers, ...(body === undefined ? {} : { body }) })).toBe(refusal);
    expect(await s2.refusal('GET /basins/refused-1')).toBe('404 basin_not_found');
  });

  test('ignores an unknown field that is nested 50,000 levels deep', async () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const body = `{"basin":"create-deep","ignored":${deep},"config":{"ignored":${deep}}}`;
    expect((await s2.call('POST /basins', { body })).status).toBe(201);
  });

  test('works a thousand times at once, and creates each once', async () => {
    const names = Array.from({ length: 500 }, (_, i) => `burst-${String(i).padStart(4, '0')}`);
    const twice = [...names, ...names];
    const statuses = await Promise.all(
      twice.map(async (basin) => (await s2.call('POST /basins', { body: { basin } })).status),
    );
    expect(statuses.filter((status) => status === 201)).toHaveLength(500);
    expect(statuses.filter((status) => status === 409)).toHaveLength(500);
    const { body } = await s2.call('GET /basins?prefix=burst-');
    expect((body as { basins: { name: string }[] }).basins.map(({ name }) => name)).toEqual(names);
  });
});

describe('ensuring a basin', () => {
  test.each([
    ['nothing', {}],
    ['null', { body: 'null' }],
    ['an empty object', { body: {} }],
    ['empty settings', { body: { config: {} } }],
  ])('uses all defaults with %s', async (name, more) => {
    const target = `PUT /basins/ensure-${name.replaceAll(' ', '-')}`;
    expect(await s2.call(target, more)).toMatchObject({ status: 201, result: 'created' });
    expect(await s2.call(target, more)).toMatchObject({ status: 200, result: 'noop' });
  });

  test('replaces the config, keeps the creation time, and cannot change the location', async () => {
    const made = await s2.call('PUT /basins/ensure-replace', { body: { config: { create_stream_on_read: true } } });
    const config = { default_stream_config: { timestamping: { uncapped: true } } };
    const updated = await s2.call('PUT /basins/ensure-replace', { body: { config, location: 'local' } });
    expect(updated).toEqual({ status: 200, result: 'updated', body: made.body });
    expect((await s2.call('GET /basins/ensure-replace')).body).toEqual({
      default_stream_config: { ...NOTHING_SET, timestamping: { mode: null, uncapped: true } },
      stream_cipher: null,
      create_stream_on_append: false,
      create_stream_on_read: false,
      otlp_default_stream: '',
      oidc: null,
    });
    const moved = { body: { location: 'elsewhere' } };
    expect(await s2.refusal('PUT /basins/ensure-replace', moved)).toBe('422 invalid');
    expect(await s2.refusal('PUT /basins/Ensure')).toBe('400 bad_path');
  });

  test('with what GET returned changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(basinConfigs, async (config) => {
        await s2.call('PUT /basins/ensure-any', { body: { config } });
        const { body } = await s2.call('GET /basins/ensure-any');
        expect(body).toMatchObject(config.stream_cipher === undefined ? {} : { stream_cipher: config.stream_cipher });
        const put = await s2.call('PUT /basins/ensure-any', { body: { config: body } });
        expect(put).toMatchObject({ status: 200, result: 'noop' });
      }),
      { numRuns: 60 },
    );
  });
});

describe('reconfiguring a basin', () => {
  test('keeps what is absent, unsets null, sets a value, and merges objects', async () => {
    const patch = async (body: unknown) => (await s2.call('PATCH /basins/patch-one', { body })).body;
    const leaves = {
      storage_class: 'standard',
      retention_policy: { age: 60 },
      timestamping: { mode: 'arrival', uncapped: true },
      delete_on_empty: { min_age_secs: 5 },
      retention_bytes: 1000,
    };
    const flags = { create_stream_on_append: true, create_stream_on_read: true, otlp_default_stream: '{service.name}' };
    await s2.call('PUT /basins/patch-one', {
      body: { config: { default_stream_config: leaves, stream_cipher: 'aes-256-gcm', ...flags } },
    });
    const all = { default_stream_config: leaves, stream_cipher: 'aes-256-gcm', ...flags, oidc: null };
    expect(await patch({})).toEqual(all);
    expect(await patch({ create_stream_on_append: null, create_stream_on_read: null })).toEqual(all);
    expect(await patch({ default_stream_config: { timestamping: { mode: null } } })).toMatchObject({
      default_stream_config: { ...leaves, timestamping: { mode: null, uncapped: true } },
    });
    expect(
      await patch({ default_stream_config: { timestamping: null, retention_policy: { infinite: {} } } }),
    ).toMatchObject({
      default_stream_config: { ...leaves, timestamping: null, retention_policy: { infinite: {} } },
    });
    expect(await patch({ stream_cipher: null, default_stream_config: null })).toEqual({
      ...all,
      stream_cipher: null,
      default_stream_config: NOTHING_SET,
    });
    expect((await s2.call('GET /basins/patch-one')).body).toMatchObject({ default_stream_config: NOTHING_SET });
  });

  test.each([
    ['PATCH /basins/patch-ghost', {}, '404 basin_not_found'],
    ['PATCH /basins/patch-one', { default_stream_config: { retention_policy: { age: 0 } } }, '422 invalid'],
    ['PATCH /basins/patch-one', { default_stream_config: 7 }, '400 bad_json'],
    ['PATCH /basins/P', {}, '400 bad_path'],
    ['PATCH /basins', {}, '405 method_not_allowed'],
    ['GET /basins/', {}, '404 not_found'],
    ['GET /basins/%ff%ffabcdef', {}, '400 bad_path'],
  ] as const)('responds to %s with %j by %s', async (target, body, refusal) => {
    expect(await s2.refusal(target, { body })).toBe(refusal);
  });
});

describe('deleting a basin', () => {
  test('is 202 until it is done, shows in lists, refuses new streams, and frees the name', async () => {
    const basin = 'delete-one';
    await s2.call(`PUT /basins/${basin}`);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => s2.call('POST /streams', { basin, body: { stream: `s${i}` } })),
    );
    const answers = await Promise.all([
      s2.call(`DELETE /basins/${basin}`),
      s2.call(`DELETE /basins/${basin}`),
      s2.refusal(`PUT /basins/${basin}`),
      s2.refusal(`PATCH /basins/${basin}`, { body: {} }),
      s2.refusal('POST /basins', { body: { basin } }),
    ]);
    expect(answers.slice(0, 2)).toEqual([1, 2].map(() => ({ status: 202, body: null, result: undefined })));
    // The purge may be faster than these calls: then the name is free again.
    for (const late of answers.slice(2))
      expect(['409 basin_deletion_pending', '404 basin_not_found', 201]).toContain(late);
    await s2.untilGone(`GET /basins/${basin}`);
    expect(await s2.refusal(`DELETE /basins/${basin}`)).toBe('404 basin_not_found');
    expect((await s2.call(`PUT /basins/${basin}`)).status).toBe(201);
    expect((await s2.call('GET /streams', { basin })).body).toEqual({ streams: [], has_more: false });
  });
});

describe('a list of basins', () => {
  test.each([
    ['?limit=-1', '400 bad_query'],
    ['?limit=x', '400 bad_query'],
    ['?limit=1&limit=2', '400 bad_query'],
    ['?prefix=list-b&unknown=1', '400 bad_query'],
    ['?prefix=UPPER', '400 bad_query'],
    [`?prefix=${'x'.repeat(49)}`, '400 bad_query'],
  ])('is refused with %s', async (query, refusal) => {
    expect(await s2.refusal(`GET /basins${query}`)).toBe(refusal);
  });

  test('has ordered pages, starting after start_after, within the prefix', async () => {
    const names = ['list-a00', 'list-b00', 'list-b01', 'list-c00'];
    for (const name of names) await s2.call(`PUT /basins/${name}`);
    const list = async (query: string) => {
      const { basins, has_more } = (await s2.call(`GET /basins?${query}`)).body as {
        basins: { name: string }[];
        has_more: boolean;
      };
      return [basins.map(({ name }) => name), has_more];
    };
    expect(await list('prefix=list-&limit=2')).toEqual([['list-a00', 'list-b00'], true]);
    expect(await list('prefix=list-&limit=2&start_after=list-b00')).toEqual([['list-b01', 'list-c00'], false]);
    expect(await list('prefix=list-b&start_after=list-a00')).toEqual([['list-b00', 'list-b01'], false]);
    expect(await list('prefix=list-&limit=0')).toEqual([names, false]);
  });
});

describe('locations', () => {
  test('are one, which is the default', async () => {
    const info = {
      name: 'local',
      is_private: true,
      storage_classes: ['standard', 'express'],
      default_storage_class: 'express',
    };
    expect((await s2.call('GET /locations')).body).toEqual([info]);
    expect((await s2.call('GET /locations/default')).body).toEqual(info);
    expect(await s2.call('PUT /locations/default', { body: '"local"' })).toMatchObject({ status: 200, body: info });
    expect(await s2.refusal('PUT /locations/default', { body: '"moon"' })).toBe('422 invalid');
    expect(await s2.refusal('PUT /locations/default', { body: '{}' })).toBe('400 bad_json');
  });
});

function defaults(leaves: object): object {
  return { basin: 'refused-1', config: { default_stream_config: leaves } };
}

const seconds = fc.integer({ min: 1, max: 2 ** 53 - 1 });

const leaves = fc.record(
  {
    storage_class: fc.constantFrom('standard', 'express', null),
    retention_policy: fc.oneof(fc.record({ age: seconds }), fc.constantFrom({ infinite: {} }, null)),
    timestamping: fc.option(
      fc.record(
        { mode: fc.constantFrom('arrival', 'client-prefer', 'client-require', null), uncapped: fc.boolean() },
        { requiredKeys: [] },
      ),
    ),
    delete_on_empty: fc.option(fc.record({ min_age_secs: fc.maxSafeNat() })),
    retention_bytes: fc.option(seconds),
  },
  { requiredKeys: [] },
);

const basinConfigs = fc.record(
  {
    default_stream_config: fc.option(leaves),
    stream_cipher: fc.constantFrom('aes-256-gcm', 'aegis-256', null),
    create_stream_on_append: fc.boolean(),
    create_stream_on_read: fc.boolean(),
    otlp_default_stream: fc.constantFrom('', '{service.name}'),
    otlp_service_routing: fc.constantFrom(true, false, null),
    otlp_limits: fc.constantFrom(
      null,
      {},
      { profile: 'smll', streams_max: null },
      { profile: null, span_links_max: 3 },
    ),
    otlp_rates: fc.constantFrom(null, { bytes_per_second: 5 }),
    otlp_dedupe_window: fc.constantFrom(null, 0, 7),
    oidc: fc.constantFrom(null, {
      issuer: 'https://issuer.example',
      jwks_uri: 'https://issuer.example/keys',
      audience: 'tailrace',
    }),
  },
  { requiredKeys: [] },
);
