/** Streams that appends and reads create, their config, and streams during their deletion. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { codeOf, makeBasin, outcome, type RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

const configOf = (s2: RecordsClient, stream: string) => s2.control('GET', `/v1/streams/${stream}`);
const header = (config: object) => ({ 's2-stream-config': JSON.stringify(config) });
const ONE = { records: [{ body: 'x' }] };

describe('a missing stream is created', () => {
  test('by an append, where the basin allows it', async () => {
    const s2 = await makeBasin(server, 'auto-append', { create_stream_on_append: true });
    expect(codeOf(await s2.read('a', '?seq_num=0'))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await s2.tail('a'))).toEqual([404, 'stream_not_found']);
    expect((await s2.append('a', ONE))[0]).toBe(200);
    expect(await s2.bodies('a')).toEqual(['x']);
  });

  test('by a read or a tail check, where the basin allows it; then there is nothing to read', async () => {
    const s2 = await makeBasin(server, 'auto-read', { create_stream_on_read: true });
    expect(codeOf(await s2.append('a', ONE))).toEqual([404, 'stream_not_found']);
    const empty = { tail: { seq_num: 0, timestamp: 0 } };
    expect(await s2.read('a', '?seq_num=0')).toEqual([416, empty]);
    expect(await s2.read('b', '?count=0')).toEqual([200, { records: [] }]);
    expect(await s2.tail('c')).toEqual([200, empty]);
    const events = await s2.sse('d', '?seq_num=0');
    expect((await events.next())?.event).toBe('ping');
    events.destroy();
    for (const name of ['a', 'b', 'c', 'd']) expect((await s2.append(name, ONE))[0]).toBe(200);
  });

  test('by neither, where the basin does not allow it', async () => {
    const s2 = await makeBasin(server, 'auto-nothing', {});
    expect(codeOf(await s2.append('a', ONE))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await s2.read('a', '?seq_num=0'))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await s2.tail('a'))).toEqual([404, 'stream_not_found']);
  });

  test('once, for any number of concurrent calls', async () => {
    const s2 = await makeBasin(server, 'auto-race', { create_stream_on_append: true, create_stream_on_read: true });
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? s2.tail('a') : s2.append('a', ONE))),
    );
    expect(outcomes.map(([status]) => status)).toEqual(outcomes.map(() => 200));
    expect(await s2.bodies('a')).toHaveLength(20);
  });

  test('never by a call that is refused for its content', async () => {
    const s2 = await makeBasin(server, 'auto-refuse', { create_stream_on_append: true, create_stream_on_read: true });
    const refused = [
      await s2.read('a', '?seq_num=0&timestamp=0'),
      await s2.read('a', '?timestamp=5&until=5'),
      await s2.read('a', '?count=x'),
      await s2.read('a', '?seq_num=0', { 's2-stream-config': 'no' }),
      await s2.read('a', '?seq_num=0', { 's2-stream-config': '{"storage_class":7}' }),
      await s2.read('a', '?seq_num=0', { 's2-stream-config': '{"retention_policy":{"age":0}}' }),
      await s2.read('a', '?seq_num=0', { 's2-format': 'no' }),
      await s2.append('a', { records: [] }),
      await s2.append('a', { records: [{ headers: [['', 'what']] }] }),
      await s2.append('a', ONE, { 's2-stream-config': '{"timestamping":{"mode":"never"}}' }),
      await s2.append('a', ONE, { 's2-encryption-key': '' }),
      outcome(await s2.post('a', '{')),
    ];
    expect(refused.map(([status]) => status)).toEqual([422, 422, 400, 400, 400, 400, 400, 422, 422, 400, 400, 400]);
    expect(await s2.control('GET', '/v1/streams')).toMatchObject([200, { streams: [] }]);
  });

  test('with the config of the header over that of the basin, and keeps it', async () => {
    const s2 = await makeBasin(server, 'auto-config', {
      create_stream_on_append: true,
      create_stream_on_read: true,
      default_stream_config: { retention_policy: { age: 1_000 }, timestamping: { mode: 'arrival' } },
    });
    await s2.append('plain', ONE);
    await s2.append('empty', ONE, header({}));
    await s2.append('given', ONE, header({ timestamping: { uncapped: true }, unknown: { field: 'ignored' } }));
    await s2.read('read', '?seq_num=0', header({ retention_policy: { infinite: {} } }));
    await s2.tail('tail');
    const expected = [
      ['plain', { retention_policy: { age: 1_000 }, timestamping: { mode: 'arrival', uncapped: false } }],
      ['empty', { retention_policy: { age: 1_000 }, timestamping: { mode: 'arrival', uncapped: false } }],
      ['given', { retention_policy: { age: 1_000 }, timestamping: { mode: 'arrival', uncapped: true } }],
      ['read', { retention_policy: { infinite: {} }, timestamping: { mode: 'arrival', uncapped: false } }],
      ['tail', { retention_policy: { age: 1_000 }, timestamping: { mode: 'arrival', uncapped: false } }],
    ] as const;
    for (const [name, config] of expected) expect(await configOf(s2, name)).toMatchObject([200, config]);
    // An existing stream ignores the header, but the header is validated.
    await s2.append('plain', ONE, header({ timestamping: { mode: 'client-require' } }));
    expect(await configOf(s2, 'plain')).toMatchObject([200, { timestamping: { mode: 'arrival' } }]);
    const age0 = { 's2-stream-config': '{"retention_policy":{"age":0}}' };
    expect(codeOf(await s2.append('plain', ONE, age0))).toEqual([400, 'bad_header']);
    expect(codeOf(await s2.read('plain', '?seq_num=0', age0))).toEqual([400, 'bad_header']);
  });
});

describe('deletion', () => {
  test('of a stream refuses appends, reads and tail checks meanwhile', async () => {
    const s2 = await makeBasin(server, 'deletion', { create_stream_on_append: true, create_stream_on_read: true });
    await s2.texts('a', 'x');
    expect((await s2.control('DELETE', '/v1/streams/a'))[0]).toBe(202);
    const outcomes = [await s2.append('a', ONE), await s2.read('a', '?seq_num=0'), await s2.tail('a')];
    for (const refused of outcomes) {
      // Its records may be gone already: then it is a new stream.
      if (refused[0] === 409) expect(codeOf(refused)).toEqual([409, 'stream_deletion_pending']);
      else expect([200, 416]).toContain(refused[0]);
    }
  });

  test('of a stream is told to a waiting read', async () => {
    const s2 = await makeBasin(server, 'deletion-wait', { create_stream_on_append: true });
    await s2.texts('a', 'x');
    const events = await s2.sse('a', '?seq_num=1');
    expect((await events.next())?.event).toBe('ping');
    const waiting = s2.read('a', '?seq_num=1&wait=60');
    // Later on the same server: by then the read above waits at the tail.
    expect((await s2.read('a', '?seq_num=0'))[0]).toBe(200);
    expect((await s2.control('DELETE', '/v1/streams/a'))[0]).toBe(202);
    const last = (await events.rest()).at(-1);
    expect([last?.event, JSON.parse(last?.data ?? '')]).toMatchObject(['error', { code: 'stream_deletion_pending' }]);
    const [status, body] = await waiting;
    if (status === 409) expect(body).toMatchObject({ code: 'stream_deletion_pending' });
    else expect([status, body]).toMatchObject([200, { records: [{ headers: [['', 'trim']] }] }]);
  });

  test('of a basin keeps it from creating more streams', async () => {
    const s2 = await makeBasin(server, 'deletion-basin', { create_stream_on_append: true });
    expect((await s2.control('DELETE', `/v1/basins/${s2.basin}`))[0]).toBe(202);
    const refused = codeOf(await s2.append('new', ONE));
    expect([
      [409, 'basin_deletion_pending'],
      [404, 'basin_not_found'],
    ]).toContainEqual(refused);
  });
});
