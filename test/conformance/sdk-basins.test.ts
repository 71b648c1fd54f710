/** Basins and locations with the official SDK: what each call returns, changes and refuses. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { S2 } from '@s2-dev/streamstore';
import { failureOf, sdkOf, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: S2;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
});

afterAll(async () => {
  await server.stop();
});

describe('basins', () => {
  test('are created once, listed, and returned with the given config', async () => {
    const config = {
      createStreamOnAppend: true,
      createStreamOnRead: true,
      streamCipher: 'aes-256-gcm' as const,
      defaultStreamConfig: { retentionPolicy: { infinite: {} }, deleteOnEmpty: { minAgeSecs: 3_600 } },
    };
    const made = await s2.basins.create({ basin: 'created-one', config });
    expect(made).toMatchObject({ name: 'created-one', location: 'local', deletedAt: null });
    expect(Math.abs(made.createdAt.getTime() - Date.now())).toBeLessThan(600_000);
    expect(await failureOf(s2.basins.create({ basin: 'created-one', config }))).toMatchObject({
      status: 409,
      code: 'resource_already_exists',
      message: expect.stringContaining('already exists'),
    });
    const { basins } = await s2.basins.list({ prefix: 'created-' });
    expect(basins).toEqual([made]);
    expect(await s2.basins.getConfig({ basin: 'created-one' })).toMatchObject({
      ...config,
      defaultStreamConfig: { ...config.defaultStreamConfig, storageClass: 'express' },
    });
  });

  test('are created by ensure, which then finds nothing to do, then replaces the whole config', async () => {
    const config = { createStreamOnAppend: true, defaultStreamConfig: { timestamping: { uncapped: true } } };
    const first = await s2.basins.ensure({ basin: 'ensured-one', config });
    expect(first).toMatchObject({ result: 'created', basin: { name: 'ensured-one' } });
    expect(await s2.basins.ensure({ basin: 'ensured-one', config })).toEqual({ ...first, result: 'noop' });
    const updated = await s2.basins.ensure({ basin: 'ensured-one', config: { createStreamOnRead: true } });
    expect(updated).toEqual({ ...first, result: 'updated' });
    const now = await s2.basins.getConfig({ basin: 'ensured-one' });
    expect(now).toMatchObject({ createStreamOnAppend: false, createStreamOnRead: true });
    expect(now.defaultStreamConfig?.timestamping?.uncapped ?? null).toBeNull();
    expect(await s2.basins.ensure({ basin: 'ensured-one', config: now })).toEqual({ ...first, result: 'noop' });
  });

  test('keep what reconfigure does not name and unset what is null', async () => {
    const config = {
      createStreamOnAppend: true,
      defaultStreamConfig: { retentionPolicy: { ageSecs: 60 }, timestamping: { mode: 'arrival' as const } },
    };
    await s2.basins.create({ basin: 'changed-one', config });
    await s2.basins.reconfigure({
      basin: 'changed-one',
      createStreamOnRead: true,
      defaultStreamConfig: { timestamping: { mode: null, uncapped: true } },
    });
    const changed = await s2.basins.getConfig({ basin: 'changed-one' });
    expect(changed).toMatchObject({ createStreamOnAppend: true, createStreamOnRead: true });
    expect(changed.defaultStreamConfig).toMatchObject({
      retentionPolicy: { ageSecs: 60 },
      timestamping: { uncapped: true },
    });
    expect(changed.defaultStreamConfig?.timestamping?.mode ?? null).toBeNull();
    await s2.basins.reconfigure({ basin: 'changed-one', defaultStreamConfig: null });
    const cleared = await s2.basins.getConfig({ basin: 'changed-one' });
    expect(cleared.defaultStreamConfig?.retentionPolicy ?? null).toBeNull();
    expect(cleared.defaultStreamConfig?.storageClass).toBe('express');
  });
});

describe('many basins and deleted basins', () => {
  test('are listed in ordered pages, with and without prefix, and by listAll', async () => {
    const names = Array.from({ length: 7 }, (_, i) => `paged-basin-${i}`);
    await Promise.all(names.map((name) => s2.basins.create({ basin: name })));
    const page = await s2.basins.list({ prefix: 'paged-', limit: 3 });
    expect([page.basins.map(({ name }) => name), page.hasMore]).toEqual([names.slice(0, 3), true]);
    const rest = await s2.basins.list({ prefix: 'paged-', startAfter: 'paged-basin-2', limit: 4 });
    expect([rest.basins.map(({ name }) => name), rest.hasMore]).toEqual([names.slice(3), false]);
    const all = [];
    for await (const { name } of s2.basins.listAll({ prefix: 'paged-', limit: 2 })) all.push(name);
    expect(all).toEqual(names);
  });

  test('refuse changes and streams during their deletion, and are listed as deleting', async () => {
    await s2.basins.create({ basin: 'deleted-one', config: { createStreamOnAppend: true } });
    await s2
      .basin('deleted-one')
      .stream('held')
      .append(textBatch(['a']));
    await s2.basins.delete({ basin: 'deleted-one' });
    const gone = { status: 404, code: 'basin_not_found' };
    const pending = { status: 409, code: 'basin_deletion_pending' };
    const answers = [pending, gone].map((answer) => expect.objectContaining(answer));
    expect(answers).toContainEqual(
      await failureOf(s2.basins.reconfigure({ basin: 'deleted-one', createStreamOnRead: true })),
    );
    expect(answers).toContainEqual(await failureOf(s2.basin('deleted-one').streams.create({ stream: 'another' })));
    expect(answers).toContainEqual(
      await failureOf(
        s2
          .basin('deleted-one')
          .stream('fresh')
          .append(textBatch(['b'])),
      ),
    );
    const { basins } = await s2.basins.list({ prefix: 'deleted-one' });
    for (const { deletedAt } of basins) expect(deletedAt).toBeInstanceOf(Date);
  });
});

describe('a call about basins', () => {
  test.each([
    ['an unknown one', () => s2.basins.getConfig({ basin: 'missing-basin' }), 404, 'basin_not_found'],
    ['changing an unknown one', () => s2.basins.reconfigure({ basin: 'missing-basin' }), 404, 'basin_not_found'],
    ['deleting an unknown one', () => s2.basins.delete({ basin: 'missing-basin' }), 404, 'basin_not_found'],
    ['streams of an unknown one', () => s2.basin('missing-basin').streams.list(), 404, 'basin_not_found'],
    ['a bad name in a body', () => s2.basins.create({ basin: 'Bad_Name' }), 400, 'bad_json'],
    ['a bad name in a path', () => s2.basins.getConfig({ basin: 'short' }), 400, 'bad_path'],
    ['an unknown location', () => s2.basins.create({ basin: 'far-away', location: 'aws:mars' }), 422, 'invalid'],
    [
      'no age at all',
      () =>
        s2.basins.create({
          basin: 'ageless-one',
          config: { defaultStreamConfig: { retentionPolicy: { ageSecs: 0 } } },
        }),
      422,
      'invalid',
    ],
  ])('is refused: %s', async (_, request, status, code) => {
    expect(await failureOf(request())).toMatchObject({ status, code, message: expect.stringMatching(/./) });
  });
});

describe('locations', () => {
  const local = { name: 'local', isPrivate: true };

  test('are one, which is the default', async () => {
    expect(await s2.locations.list()).toEqual([expect.objectContaining(local)]);
    expect(await s2.locations.getDefault()).toMatchObject(local);
    expect(await s2.locations.setDefault({ location: 'local' })).toMatchObject(local);
  });

  test('allow no other default', async () => {
    expect(await failureOf(s2.locations.setDefault({ location: 'aws:mars' }))).toMatchObject({
      status: expect.any(Number),
      code: expect.stringMatching(/./),
    });
    expect(await s2.locations.getDefault()).toMatchObject(local);
  });
});
