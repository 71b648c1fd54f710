/** Streams over HTTP: statuses, codes, bodies, and the state afterwards. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: ControlClient;
const basin = 'control-streams';

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
  await s2.call(`PUT /basins/${basin}`, {
    body: { config: { default_stream_config: { retention_policy: { age: 3600 }, timestamping: { uncapped: true } } } },
  });
});

afterAll(async () => {
  await server.stop();
});

const RESOLVED = {
  storage_class: 'express',
  retention_policy: { age: 3600 },
  timestamping: { mode: 'client-prefer', uncapped: true },
  delete_on_empty: { min_age_secs: 0 },
  retention_bytes: null,
};

describe('creating a stream', () => {
  test('returns the stream, with each setting resolved and frozen', async () => {
    const config = { timestamping: { mode: 'arrival' }, retention_policy: { infinite: {} } };
    const headers = { 's2-request-token': 'token' };
    const made = await s2.call('POST /streams', { basin, headers, body: { stream: 'create/one', config } });
    expect(made).toMatchObject({ status: 201, result: 'created' });
    expect(made.body).toEqual({
      name: 'create/one',
      created_at: expect.stringMatching(/Z$/),
      deleted_at: null,
      cipher: null,
    });
    const resolved = {
      ...RESOLVED,
      retention_policy: { infinite: {} },
      timestamping: { mode: 'arrival', uncapped: true },
    };
    expect((await s2.call('GET /streams/create%2Fone', { basin })).body).toEqual(resolved);
    await s2.call(`PATCH /basins/${basin}`, { body: { default_stream_config: { timestamping: { uncapped: false } } } });
    expect((await s2.call('GET /streams/create%2Fone', { basin })).body).toEqual(resolved);
    const again = await s2.call('POST /streams', { basin, headers, body: { stream: 'create/one', config } });
    expect(again).toEqual({ status: 201, result: 'noop', body: made.body });
    await s2.call(`PATCH /basins/${basin}`, { body: { default_stream_config: { timestamping: { uncapped: true } } } });
    expect(await s2.refusal('POST /streams', { basin, body: { stream: 'create/one', config } })).toBe(
      '409 resource_already_exists',
    );
    expect(await s2.refusal('POST /streams', { basin, headers, body: { stream: 'create/one' } })).toBe(
      '409 resource_already_exists',
    );
    const { body } = await s2.call('POST /streams', { basin, body: { stream: 'create/one' } });
    expect(body).toMatchObject({ message: `stream \`create/one\` already exists in basin \`${basin}\`` });
  });

  test.each([
    ['an empty basin header', { headers: { 's2-basin': '' }, body: { stream: 'x' } }, '400 bad_header'],
    ['a bad basin header', { basin: 'NO', body: { stream: 'x' } }, '400 bad_header'],
    ['a missing basin', { basin: 'no-such-basin', body: { stream: 'x' } }, '404 basin_not_found'],
    ['an empty name', { basin, body: { stream: '' } }, '400 bad_json'],
    ['a dot', { basin, body: { stream: '.' } }, '400 bad_json'],
    ['a NUL', { basin, body: { stream: 'a\0b' } }, '400 bad_json'],
    ['513 bytes', { basin, body: { stream: `${'é'.repeat(256)}x` } }, '400 bad_json'],
    ['a number for a name', { basin, body: { stream: 7 } }, '400 bad_json'],
    ['an age of 0', { basin, body: { stream: 'x', config: { retention_policy: { age: 0 } } } }, '422 invalid'],
    ['0 bytes to keep', { basin, body: { stream: 'x', config: { retention_bytes: 0 } } }, '422 invalid'],
    [
      'a long token',
      { basin, headers: { 's2-request-token': 'x'.repeat(37) }, body: { stream: 'x' } },
      '400 bad_header',
    ],
  ])('is refused with %s', async (_, more, refusal) => {
    expect(await s2.refusal('POST /streams', more)).toBe(refusal);
    expect(await s2.refusal('GET /streams/x', { basin })).toBe('404 stream_not_found');
  });

  test('accepts names of 512 bytes, of dots, slashes, percent signs and control characters', async () => {
    for (const stream of ['é'.repeat(256), '...', 'a/b//c', '%2F', 'a b\n\u0001', '😀']) {
      expect((await s2.call('POST /streams', { basin, body: { stream } })).status).toBe(201);
      expect((await s2.call(`GET /streams/${encodeURIComponent(stream)}`, { basin })).status).toBe(200);
    }
  });

  test('in a basin with a cipher gives it the cipher, permanently', async () => {
    await s2.call('PUT /basins/control-sealed', { body: { config: { stream_cipher: 'aes-256-gcm' } } });
    const made = await s2.call('POST /streams', { basin: 'control-sealed', body: { stream: 'a' } });
    expect(made.body).toMatchObject({ cipher: 'aes-256-gcm' });
    await s2.call('PATCH /basins/control-sealed', { body: { stream_cipher: null } });
    expect((await s2.call('GET /streams', { basin: 'control-sealed' })).body).toMatchObject({
      streams: [{ name: 'a', cipher: 'aes-256-gcm' }],
    });
    const later = await s2.call('POST /streams', { basin: 'control-sealed', body: { stream: 'b' } });
    expect(later.body).toMatchObject({ cipher: null });
  });
});

describe('ensuring and reconfiguring a stream', () => {
  test('creates, replaces or leaves it alone; what GET returns can be written back', async () => {
    const target = 'PUT /streams/ensured';
    expect(await s2.call(target, { basin })).toMatchObject({ status: 201, result: 'created' });
    expect(await s2.call(target, { basin, body: 'null' })).toMatchObject({ status: 200, result: 'noop' });
    const body = { timestamping: { mode: 'client-require' }, retention_bytes: 500 };
    expect(await s2.call(target, { basin, body })).toMatchObject({ status: 200, result: 'updated' });
    const shown = await s2.call('GET /streams/ensured', { basin });
    expect(shown.body).toEqual({
      ...RESOLVED,
      timestamping: { mode: 'client-require', uncapped: true },
      retention_bytes: 500,
    });
    expect((await s2.call(target, { basin, body: shown.body })).result).toBe('noop');
    expect((await s2.call(target, { basin })).result).toBe('updated');
    expect((await s2.call('GET /streams/ensured', { basin })).body).toEqual({ ...RESOLVED, retention_bytes: 500 });
  });

  test('by a patch keeps what it does not name, and null falls back to the basin', async () => {
    await s2.call('PUT /streams/patched', { basin, body: { storage_class: 'standard', retention_policy: { age: 5 } } });
    const patch = async (body: unknown) => (await s2.call('PATCH /streams/patched', { basin, body })).body;
    expect(await patch({ delete_on_empty: { min_age_secs: 9 } })).toEqual({
      ...RESOLVED,
      storage_class: 'standard',
      retention_policy: { age: 5 },
      delete_on_empty: { min_age_secs: 9 },
    });
    expect(await patch({ retention_policy: null, delete_on_empty: null, timestamping: { uncapped: false } })).toEqual({
      ...RESOLVED,
      storage_class: 'standard',
      timestamping: { mode: 'client-prefer', uncapped: false },
    });
    expect(await patch({})).toEqual((await s2.call('GET /streams/patched', { basin })).body);
  });

  test.each([
    ['PUT /streams/x', { basin: 'no-such-basin' }, '404 basin_not_found'],
    ['PUT /streams/x', { basin, body: { storage_class: 'glacier' } }, '422 invalid'],
    ['PUT /streams/x', { basin, body: [] }, '400 bad_json'],
    ['PUT /streams/.', { basin }, '400 bad_path'],
    ['PUT /streams/a%00b', { basin }, '400 bad_path'],
    ['PATCH /streams/ghost', { basin, body: {} }, '404 stream_not_found'],
    ['PATCH /streams/ghost', { basin: 'no-such-basin', body: {} }, '404 basin_not_found'],
    ['PATCH /streams/ghost', { basin }, '400 bad_json'],
    ['GET /streams/ghost', { basin }, '404 stream_not_found'],
    ['DELETE /streams/ghost', { basin }, '404 stream_not_found'],
    ['GET /streams/ghost/', { basin }, '404 not_found'],
    ['POST /streams/ghost', { basin, body: {} }, '405 method_not_allowed'],
  ])('responds to %s with %j by %s', async (target, more, refusal) => {
    expect(await s2.refusal(target, more)).toBe(refusal);
  });
});

describe('deleting a stream', () => {
  test('frees the name, and the new stream starts at 0', async () => {
    await s2.call(`PATCH /basins/${basin}`, { body: { create_stream_on_append: true } });
    const append = () => s2.call('POST /streams/gone/records', { basin, body: { records: [{ body: 'x' }] } });
    expect((await append()).body).toMatchObject({ end: { seq_num: 1 } });
    expect(await s2.call('DELETE /streams/gone', { basin })).toEqual({ status: 202, body: null, result: undefined });
    await s2.untilGone('GET /streams/gone', { basin });
    expect((await append()).body).toMatchObject({ end: { seq_num: 1 } });
  });
});

describe('a list of streams', () => {
  test('has 2,500 names in pages ordered by their bytes, and 5,000 concurrent creates make each once', async () => {
    const body = { config: {} };
    await s2.call('PUT /basins/control-many', { body });
    // Beyond the basic plane UTF-16 has another order than UTF-8.
    const marks = ['\u{10000}', '\uffee', 'é', 'z', 'a/'];
    const names = Array.from({ length: 2_500 }, (_, i) => `${marks[i % 5]}${String(i).padStart(4, '0')}`);
    const answers = await Promise.all(
      [...names, ...names].map((stream) => s2.call('POST /streams', { basin: 'control-many', body: { stream } })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2_500);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(2_500);
    const listed: string[] = [];
    for (let more = true; more; ) {
      const after = listed.length === 0 ? '' : `?start_after=${encodeURIComponent(listed.at(-1) ?? '')}`;
      const page = (await s2.call(`GET /streams${after}`, { basin: 'control-many' })).body as {
        streams: { name: string }[];
        has_more: boolean;
      };
      listed.push(...page.streams.map(({ name }) => name));
      more = page.has_more;
    }
    expect(listed).toEqual([...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    const prefix = encodeURIComponent('é');
    const page = (await s2.call(`GET /streams?prefix=${prefix}&limit=2`, { basin: 'control-many' })).body;
    expect(page).toMatchObject({ streams: [{ name: 'é0002' }, { name: 'é0007' }], has_more: true });
  }, 60_000);

  test.each([
    ['?limit=1.5', '400 bad_query'],
    ['?prefix=a%00', '400 bad_query'],
    [`?start_after=${'x'.repeat(513)}`, '400 bad_query'],
    ['?prefix=a&prefix=b', '400 bad_query'],
  ])('is refused with %s', async (query, refusal) => {
    expect(await s2.refusal(`GET /streams${query}`, { basin })).toBe(refusal);
  });
});
