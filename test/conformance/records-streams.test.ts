/** Streams that appends and reads make, what they are made with, and those that are being deleted (S2 API §4.5, §5.3). */

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

describe('streams that are made by the way', () => {
  test('by an append, where the basin says so', async () => {
    const s2 = await makeBasin(server, 'auto-append', { create_stream_on_append: true });
    expect(codeOf(await s2.read('a', '?seq_num=0'))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await s2.tail('a'))).toEqual([404, 'stream_not_found']);
    expect((await s2.append('a', ONE))[0]).toBe(200);
    expect(await s2.bodies('a')).toEqual(['x']);
  });

  test('by a read or a look at the tail, where the basin says so; then there is nothing to read', async () => {
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

  test('by neither, where it does not', async () => {
    const s2 = await makeBasin(server, 'auto-nothing', {});
    expect(codeOf(await s2.append('a', ONE))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await s2.read('a', '?seq_num=0'))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await s2.tail('a'))).toEqual([404, 'stream_not_found']);
  });

  test('once, however many come at the same time', async () => {
    const s2 = await makeBasin(server, 'auto-race', { create_stream_on_append: true, create_stream_on_read: true });
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? s2.tail('a') : s2.append('a', ONE))),
    );
    expect(outcomes.map(([status]) => status)).toEqual(outcomes.map(() => 200));
    expect(await s2.bodies('a')).toHaveLength(20);
  });

  test('never by a call that is refused for what it says', async () => {
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

  test('have what the header says over what the basin says, and keep it', async () => {
    const s2 = await makeBasin(server, 'auto-config', {
      create_stream_on_append: true,
      create_stream_on_read: true,
      default_stream_config: { retention_policy: { age: 1_000 }, timestamping: { mode: 'arrival' } },
    });
    await s2.append('plain', ONE);
    await s2.append('empty', ONE, header({}));
    await s2.append('given', ONE, header({ timestamping: { uncapped: true }, nobody: { knows: 'this' } }));
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
    // To a stream that is there it means nothing, but it is looked at.
    await s2.append('plain', ONE, header({ timestamping: { mode: 'client-require' } }));
    expect(await configOf(s2, 'plain')).toMatchObject([200, { timestamping: { mode: 'arrival' } }]);
    const age0 = { 's2-stream-config': '{"retention_policy":{"age":0}}' };
    expect(codeOf(await s2.append('plain', ONE, age0))).toEqual([400, 'bad_header']);
    expect(codeOf(await s2.read('plain', '?seq_num=0', age0))).toEqual([400, 'bad_header']);
  });
});

describe('deletion', () => {
  test('a stream that is being deleted refuses appends, reads and tails', async () => {
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

  test('a waiting read of a stream that is deleted is told so', async () => {
    const s2 = await makeBasin(server, 'deletion-wait', { create_stream_on_append: true });
    await s2.texts('a', 'x');
    const events = await s2.sse('a', '?seq_num=1');
    expect((await events.next())?.event).toBe('ping');
    const waiting = s2.read('a', '?seq_num=1&wait=60');
    // Later on the same server: by then the read above stands at the tail.
    expect((await s2.read('a', '?seq_num=0'))[0]).toBe(200);
    expect((await s2.control('DELETE', '/v1/streams/a'))[0]).toBe(202);
    const last = (await events.rest()).at(-1);
    expect([last?.event, JSON.parse(last?.data ?? '')]).toMatchObject(['error', { code: 'stream_deletion_pending' }]);
    const [status, body] = await waiting;
    if (status === 409) expect(body).toMatchObject({ code: 'stream_deletion_pending' });
    else expect([status, body]).toMatchObject([200, { records: [{ headers: [['', 'trim']] }] }]);
  });

  test('a basin that is being deleted makes no more streams', async () => {
    const s2 = await makeBasin(server, 'deletion-basin', { create_stream_on_append: true });
    expect((await s2.control('DELETE', `/v1/basins/${s2.basin}`))[0]).toBe(202);
    const refused = codeOf(await s2.append('new', ONE));
    expect([
      [409, 'basin_deletion_pending'],
      [404, 'basin_not_found'],
    ]).toContainEqual(refused);
  });
});
