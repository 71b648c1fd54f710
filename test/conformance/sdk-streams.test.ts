/** Streams with the official SDK: what each call returns, changes and refuses, and how configs resolve. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { S2, S2Basin } from '@s2-dev/streamstore';
import { failureOf, sdkOf, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: S2;
let basin: S2Basin;

const RESOLVED = {
  storageClass: 'express',
  retentionPolicy: { ageSecs: 604_800 },
  timestamping: { mode: 'client-prefer', uncapped: false },
  deleteOnEmpty: { minAgeSecs: 0 },
  // Our own field, which the SDK passes on.
  retentionBytes: null,
};

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  await s2.basins.create({ basin: 'control-basin' });
  basin = s2.basin('control-basin');
});

afterAll(async () => {
  await server.stop();
});

describe('streams', () => {
  test('are created once with every field resolved', async () => {
    const made = await basin.streams.create({ stream: 'plain' });
    expect(made).toMatchObject({ name: 'plain', deletedAt: null, cipher: null });
    expect(await basin.streams.getConfig({ stream: 'plain' })).toEqual(RESOLVED);
    expect(await failureOf(basin.streams.create({ stream: 'plain' }))).toMatchObject({
      status: 409,
      code: 'resource_already_exists',
    });
    expect(await basin.stream('plain').checkTail()).toEqual({ tail: { seqNum: 0, timestamp: new Date(0) } });
  });

  test('resolve their config against the basin when they are created, and keep it', async () => {
    const defaultStreamConfig = { retentionPolicy: { ageSecs: 90 }, timestamping: { mode: 'arrival' as const } };
    await s2.basins.create({ basin: 'frozen-basin', config: { defaultStreamConfig } });
    const frozen = s2.basin('frozen-basin');
    await frozen.streams.create({ stream: 'old', config: { timestamping: { uncapped: true } } });
    await s2.basins.reconfigure({ basin: 'frozen-basin', defaultStreamConfig: null });
    await frozen.streams.create({ stream: 'new' });
    expect(await frozen.streams.getConfig({ stream: 'new' })).toEqual(RESOLVED);
    const old = { ...RESOLVED, retentionPolicy: { ageSecs: 90 }, timestamping: { mode: 'arrival', uncapped: true } };
    expect(await frozen.streams.getConfig({ stream: 'old' })).toEqual(old);
  });

  test('are created by ensure, which then finds nothing to do, then replaces', async () => {
    const config = { storageClass: 'standard' as const, retentionPolicy: { infinite: {} } };
    const first = await basin.streams.ensure({ stream: 'ensured', config });
    expect(first).toMatchObject({ result: 'created', stream: { name: 'ensured' } });
    expect(await basin.streams.ensure({ stream: 'ensured', config })).toEqual({ ...first, result: 'noop' });
    const stored = await basin.streams.getConfig({ stream: 'ensured' });
    expect(stored).toEqual({ ...RESOLVED, ...config });
    expect(await basin.streams.ensure({ stream: 'ensured', config: stored })).toEqual({ ...first, result: 'noop' });
    expect(await basin.streams.ensure({ stream: 'ensured' })).toEqual({ ...first, result: 'updated' });
    expect(await basin.streams.getConfig({ stream: 'ensured' })).toEqual(RESOLVED);
  });

  test('change what reconfigure names and resolve what it unsets', async () => {
    await basin.streams.create({ stream: 'changed', config: { deleteOnEmpty: { minAgeSecs: 60 } } });
    const timestamping = { mode: 'client-require' as const };
    const retentionPolicy = { ageSecs: 10 };
    expect(await basin.streams.reconfigure({ stream: 'changed', timestamping, retentionPolicy })).toEqual({
      ...RESOLVED,
      retentionPolicy,
      timestamping: { mode: 'client-require', uncapped: false },
      deleteOnEmpty: { minAgeSecs: 60 },
    });
    const back = await basin.streams.reconfigure({
      stream: 'changed',
      timestamping: { mode: null },
      retentionPolicy: null,
      deleteOnEmpty: null,
    });
    expect(back).toEqual(RESOLVED);
    expect(await basin.streams.getConfig({ stream: 'changed' })).toEqual(RESOLVED);
  });
});

describe('many streams and deleted streams', () => {
  test('are listed in pages ordered by bytes, and by listAll', async () => {
    const names = ['list/a', 'list/b', 'list/z', 'list/é', 'list/日', 'list/\uffee', 'list/\u{1f600}'];
    await Promise.all([...names].reverse().map((stream) => basin.streams.create({ stream })));
    const page = await basin.streams.list({ prefix: 'list/', limit: 2 });
    expect([page.streams.map(({ name }) => name), page.hasMore]).toEqual([names.slice(0, 2), true]);
    const rest = await basin.streams.list({ prefix: 'list/', startAfter: 'list/b', limit: 1_000 });
    expect([rest.streams.map(({ name }) => name), rest.hasMore]).toEqual([names.slice(2), false]);
    const all = [];
    for await (const { name } of basin.streams.listAll({ prefix: 'list/', limit: 3 })) all.push(name);
    expect(all).toEqual(names);
  });

  test('refuse everything until they are gone; the name then starts at 0', async () => {
    await basin.streams.create({ stream: 'deleted' });
    await basin.stream('deleted').append(textBatch(['a', 'b']));
    await basin.streams.delete({ stream: 'deleted' });
    const failure = await failureOf(basin.stream('deleted').append(textBatch(['c'])));
    expect([
      { status: 409, code: 'stream_deletion_pending' },
      { status: 404, code: 'stream_not_found' },
    ]).toContainEqual({ status: failure.status, code: failure.code });
    const listed = (await basin.streams.list({ prefix: 'deleted' })).streams;
    for (const { deletedAt } of listed) expect(deletedAt).toBeInstanceOf(Date);
    await created('deleted');
    expect((await basin.stream('deleted').checkTail()).tail).toEqual({ seqNum: 0, timestamp: new Date(0) });
    expect((await basin.stream('deleted').append(textBatch(['d']))).start.seqNum).toBe(0);
  });

  /** Creates a stream as soon as the one being deleted is gone. */
  async function created(stream: string): Promise<void> {
    for (;;) {
      const failure = await basin.streams.create({ stream }).then(
        () => undefined,
        (error: { code: string }) => error.code,
      );
      if (failure === undefined) return;
      expect(failure).toBe('stream_deletion_pending');
    }
  }
});

describe('a call about streams', () => {
  test.each([
    ['an unknown one', () => basin.streams.getConfig({ stream: 'missing' }), 404, 'stream_not_found'],
    ['changing an unknown one', () => basin.streams.reconfigure({ stream: 'missing' }), 404, 'stream_not_found'],
    ['deleting an unknown one', () => basin.streams.delete({ stream: 'missing' }), 404, 'stream_not_found'],
    ['appending to it', () => basin.stream('missing').append(textBatch(['a'])), 404, 'stream_not_found'],
    ['reading it', () => basin.stream('missing').read(), 404, 'stream_not_found'],
    ['its tail', () => basin.stream('missing').checkTail(), 404, 'stream_not_found'],
    [
      'no age at all',
      () => basin.streams.create({ stream: 'ageless', config: { retentionPolicy: { ageSecs: 0 } } }),
      422,
      'invalid',
    ],
    [
      'an unknown storage class',
      () => basin.streams.create({ stream: 'classless', config: { storageClass: 'gold' as 'express' } }),
      422,
      'invalid',
    ],
  ])('is refused: %s', async (_, request, status, code) => {
    expect(await failureOf(request())).toMatchObject({ status, code, message: expect.stringMatching(/./) });
  });
});
