/**
 * Basins and streams during their deletion, and right after it: the background work is held until a test releases it.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer, type TailraceServer } from '../../src/server.ts';
import { ControlClient } from '../support/control-calls.ts';
import { HeldDeletions } from '../support/held-deletions.ts';

const rootToken = 'token-of-a-test-that-holds-deletions';

let dataDir: string;
let server: TailraceServer;
let s2: ControlClient;
const deletions = new HeldDeletions();

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-pending-'));
  server = await createServer({ port: 0, dataDir, rootToken, logLevel: 'silent' }, { wrapEngine: deletions.wrap });
  const { url } = await server.listen();
  s2 = new ControlClient({ url, token: rootToken });
});

afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

/** Releases deletions; a repeated DELETE wakes the background work. */
async function purge(target: string, more: { basin?: string } = {}): Promise<void> {
  deletions.isHeld = false;
  try {
    expect((await s2.call(`DELETE ${target}`, more)).status).toBe(202);
    await s2.untilGone(`GET ${target}`, more);
  } finally {
    deletions.isHeld = true;
  }
}

describe('a basin that is being deleted', () => {
  const basin = 'pending-basin';
  const pending = '409 basin_deletion_pending';
  const headers = { 's2-request-token': 'token' };

  beforeAll(async () => {
    const config = { create_stream_on_append: true, create_stream_on_read: true };
    await s2.call('POST /basins', { headers, body: { basin, config } });
    await s2.call('POST /streams', { basin, body: { stream: 'kept' } });
    expect(await s2.call(`DELETE /basins/${basin}`)).toEqual({ status: 202, body: null, result: undefined });
  });

  test.each([
    [`PUT /basins/${basin}`, {}],
    [`PATCH /basins/${basin}`, { body: {} }],
    ['POST /basins', { body: { basin } }],
    [
      'POST /basins',
      { headers, body: { basin, config: { create_stream_on_append: true, create_stream_on_read: true } } },
    ],
    ['POST /streams', { basin, body: { stream: 'new' } }],
    ['POST /streams', { basin, body: { stream: 'kept' } }],
    ['PUT /streams/new', { basin }],
    ['PUT /streams/kept', { basin }],
    ['PATCH /streams/kept', { basin, body: {} }],
    ['POST /streams/new/records', { basin, body: { records: [{ body: 'a' }] } }],
    ['GET /streams/new/records?seq_num=0&clamp=true', { basin }],
  ])('refuses %s with %j', async (target, more) => {
    expect(await s2.refusal(target, more)).toBe(pending);
  });

  test('is shown and listed unchanged, with the time of the first deletion', async () => {
    const list = async () => (await s2.call(`GET /basins?prefix=${basin}`)).body;
    const listed = await list();
    expect(listed).toEqual({
      basins: [
        {
          name: basin,
          location: 'local',
          created_at: expect.any(String),
          deleted_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          state: 'deleting',
        },
      ],
      has_more: false,
    });
    expect(await s2.call(`DELETE /basins/${basin}`)).toMatchObject({ status: 202, body: null });
    expect(await list()).toEqual(listed);
    const { status, body } = await s2.call(`GET /basins/${basin}`);
    expect([status, body]).toMatchObject([200, { create_stream_on_append: true, create_stream_on_read: true }]);
    const { body: streams } = await s2.call('GET /streams', { basin });
    expect(streams).toMatchObject({ streams: [{ name: 'kept' }], has_more: false });
  });

  test('leaves nothing: the name is free, and what was asked before is decided anew', async () => {
    const before = (await s2.call(`GET /basins?prefix=${basin}`)).body as { basins: { created_at: string }[] };
    await purge(`/basins/${basin}`);
    expect((await s2.call(`GET /basins?prefix=${basin}`)).body).toEqual({ basins: [], has_more: false });
    for (const [target, more] of [
      [`DELETE /basins/${basin}`, {}],
      [`PATCH /basins/${basin}`, { body: {} }],
      ['GET /streams', { basin }],
    ] as const) {
      expect(await s2.refusal(target, more)).toBe('404 basin_not_found');
    }
    const made = await s2.call('POST /basins', { headers, body: { basin } });
    expect(made).toMatchObject({ status: 201, result: 'created', body: { deleted_at: null, state: 'active' } });
    const { created_at: createdAt } = made.body as { created_at: string };
    expect(Date.parse(createdAt)).toBeGreaterThanOrEqual(Date.parse(before.basins[0]?.created_at ?? ''));
    expect((await s2.call('GET /streams', { basin })).body).toEqual({ streams: [], has_more: false });
    expect((await s2.call(`GET /basins/${basin}`)).body).toMatchObject({ create_stream_on_append: false });
  });
});

describe('a stream that is being deleted', () => {
  const basin = 'pending-streams';
  const pending = '409 stream_deletion_pending';
  const headers = { 's2-request-token': 'token' };
  const records = { basin, body: { records: [{ body: 'a' }, { body: 'b' }] } };

  beforeAll(async () => {
    await s2.call(`PUT /basins/${basin}`, { body: { config: { create_stream_on_append: true } } });
    await s2.call('POST /streams', { basin, headers, body: { stream: 'going' } });
    expect((await s2.call('POST /streams/going/records', records)).status).toBe(200);
    const gone = await s2.call('DELETE /streams/going', { basin });
    expect(gone).toEqual({ status: 202, body: null, result: undefined });
  });

  test.each([
    ['GET /streams/going', { basin }],
    ['PUT /streams/going', { basin }],
    ['PATCH /streams/going', { basin, body: {} }],
    ['POST /streams', { basin, body: { stream: 'going' } }],
    ['POST /streams', { basin, headers, body: { stream: 'going' } }],
    ['POST /streams/going/records', records],
    ['GET /streams/going/records?seq_num=0', { basin }],
    ['GET /streams/going/records/tail', { basin }],
  ])('refuses %s with %j', async (target, more) => {
    expect(await s2.refusal(target, more)).toBe(pending);
  });

  test('is listed with the time of the first deletion, and DELETE may be repeated', async () => {
    const list = async () => (await s2.call('GET /streams', { basin })).body;
    const listed = await list();
    expect(listed).toEqual({
      streams: [{ name: 'going', created_at: expect.any(String), deleted_at: expect.any(String), cipher: null }],
      has_more: false,
    });
    expect((await s2.call('DELETE /streams/going', { basin })).status).toBe(202);
    expect(await list()).toEqual(listed);
  });

  test('leaves nothing: the name is free, and a new stream begins at 0', async () => {
    await purge('/streams/going', { basin });
    expect((await s2.call('GET /streams', { basin })).body).toEqual({ streams: [], has_more: false });
    expect(await s2.refusal('DELETE /streams/going', { basin })).toBe('404 stream_not_found');
    const made = await s2.call('POST /streams', { basin, headers, body: { stream: 'going' } });
    expect(made).toMatchObject({ status: 201, result: 'created' });
    expect((await s2.call('GET /streams/going/records/tail', { basin })).body).toMatchObject({ tail: { seq_num: 0 } });
    expect((await s2.call('POST /streams/going/records', records)).body).toMatchObject({
      start: { seq_num: 0 },
      end: { seq_num: 2 },
    });
  });
});
