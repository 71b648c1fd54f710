/** Read sessions over s2s from outside: catching up, following, bounds, and how they end. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { http1Session, S2sConnection, type S2sSession, type TestBatch } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let connection: S2sConnection;
let records: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  connection = new S2sConnection(server);
  records = new RecordsClient(server);
});

afterAll(async () => {
  connection.close();
  await server.stop();
});

const PROTOCOLS: readonly (readonly [string, (stream: string, query?: string) => S2sSession])[] = [
  ['HTTP/2', (stream, query) => connection.read(stream, query)],
  ['HTTP/1.1', (stream, query) => http1Session(server, 'GET', stream, query)],
];

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `record ${from + i}`);
}

function bodiesOf(batches: readonly TestBatch[]): string[] {
  return batches.flatMap((batch) => batch.records.map(({ body }) => body.toString()));
}

/** Appends so many records, 1000 at a time. */
async function fill(stream: string, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1_000) {
    await records.texts(stream, ...numbered(at, Math.min(count, at + 1_000)));
  }
}

describe.each(PROTOCOLS)('over %s', (protocol, open) => {
  test('catches up, says at once that it has, and follows', async () => {
    const stream = `follow ${protocol}`;
    await records.texts(stream, 'a', 'b');
    const session = open(stream, 'seq_num=0');
    expect(await session.status).toBe(200);
    expect(await session.headers).toMatchObject({
      'content-type': 's2s/proto',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    const caughtUp = await session.nextBatch();
    expect(bodiesOf([caughtUp])).toEqual(['a', 'b']);
    expect(caughtUp.tail?.seqNum).toBe(2);
    const heartbeat = await session.nextBatch();
    expect(heartbeat).toEqual({ records: [], tail: caughtUp.tail });
    await records.texts(stream, 'c');
    const live = await session.nextBatch();
    expect(bodiesOf([live])).toEqual(['c']);
    expect([live.records[0]?.seqNum, live.tail?.seqNum]).toEqual([2, 3]);
    session.cancel();
  });

  test('at the tail of a stream that is empty, the heartbeat comes first', async () => {
    const stream = `from the tail ${protocol}`;
    await records.texts(stream, 'old');
    const session = open(stream);
    expect(await session.nextBatch()).toMatchObject({ records: [], tail: { seqNum: 1 } });
    await records.texts(stream, 'new');
    expect(bodiesOf([await session.nextBatch()])).toEqual(['new']);
    session.cancel();
  });

  test('a bounded read ends cleanly', async () => {
    const stream = `bounded ${protocol}`;
    await records.texts(stream, 'a', 'b', 'c');
    const { batches, end } = await open(stream, 'seq_num=0&count=2').restOfBatches();
    expect(end).toBe('clean');
    expect(bodiesOf(batches)).toEqual(['a', 'b']);
  });

  test('a start beyond the tail is an ordinary answer', async () => {
    const stream = `beyond ${protocol}`;
    await records.texts(stream, 'a');
    const refusal = await open(stream, 'seq_num=2').refusal();
    expect(refusal).toEqual({ status: 416, json: { tail: { seq_num: 1, timestamp: expect.any(Number) } } });
    expect((await open(stream, 'seq_num=1&count=1').refusal()).status).toBe(416);
  });
});

describe('batches', () => {
  test('have 1000 records at most, and everything in order', async () => {
    await fill('many', 4_500);
    const { batches, end } = await connection.read('many', 'seq_num=0&count=4500').restOfBatches();
    expect(end).toBe('clean');
    expect(bodiesOf(batches)).toEqual(numbered(0, 4_500));
    for (const batch of batches) expect(batch.records.length).toBeLessThanOrEqual(1_000);
    expect(batches.at(-1)?.tail?.seqNum).toBe(4_500);
    expect(batches[0]?.tail).toBeUndefined();
  });

  test('a record of a MiB fits', async () => {
    const body = 'x'.repeat(1_048_576 - 8);
    await records.texts('largest', body);
    const { batches } = await connection.read('largest', 'seq_num=0&count=1').restOfBatches();
    expect(batches[0]?.records[0]?.body.toString()).toBe(body);
  });

  test('headers that take twice their size: what fits without a tail comes without one', async () => {
    const headers = Array.from({ length: 262_142 }, () => ['a', 'b']);
    await records.append('headers', { records: [{ headers }] });
    const { batches } = await connection.read('headers', 'seq_num=0&count=1').restOfBatches();
    expect(batches.map((batch) => [batch.records.length, batch.tail])).toEqual([[1, undefined]]);
    expect(batches[0]?.records[0]?.headers.length).toBe(262_142);
  });

  test('OTLP records come as the records that they are', async () => {
    const body = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'line' } }] }] }] };
    const resource = { attributes: [{ key: 's2.stream', value: { stringValue: 'otlp' } }] };
    const request = { resourceLogs: [{ ...body.resourceLogs[0], resource }] };
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    await fetch(`${server.url}/v1/logs`, { method: 'POST', headers, body: JSON.stringify(request) });
    const { batches } = await connection.read('otlp', 'seq_num=0&count=1').restOfBatches();
    expect(batches[0]?.records[0]?.headers.length).toBe(2);
    expect(batches[0]?.records[0]?.body.length).toBeGreaterThan(0);
  });
});

describe('compression', () => {
  test('gzip for who takes it, from 1 KiB on; never for heartbeats and ends', async () => {
    await fill('zipped', 300);
    const session = connection.read('zipped', 'seq_num=0', { 'accept-encoding': 'zstd, gzip' });
    const first = await session.nextFrame();
    expect(first?.flag).toBe(0x40);
    expect((await session.nextFrame())?.flag).toBe(0);
    await records.texts('zipped', 'small');
    expect((await session.nextFrame())?.flag).toBe(0);
    await records.texts('zipped', ...numbered(0, 1_000));
    expect((await session.nextFrame())?.flag).toBe(0x40);
    session.cancel();
  });

  test.each([[undefined], ['zstd'], ['gzip;q=0'], ['br']])('none for accept-encoding %s', async (coding) => {
    await fill('not zipped', 300);
    const headers = coding === undefined ? {} : { 'accept-encoding': coding };
    const session = connection.read('not zipped', 'seq_num=0&count=300', headers);
    expect((await session.nextFrame())?.flag).toBe(0);
    session.cancel();
  });

  test('followers with and without see the same', async () => {
    await records.texts('both', 'first');
    const zipped = connection.read('both', 'seq_num=0', { 'accept-encoding': 'gzip' });
    const plain = connection.read('both', 'seq_num=0');
    await Promise.all([zipped.records(1), plain.records(1)]);
    await fill('both', 2_500);
    const bodies = (await zipped.records(2_500)).map(({ body }) => body.toString());
    expect(bodies).toEqual(numbered(0, 2_500));
    expect((await plain.records(2_500)).map(({ body }) => body.toString())).toEqual(bodies);
    zipped.cancel();
    plain.cancel();
  });
});

describe('bounds over the whole session', () => {
  test('count is cut within a live batch', async () => {
    await records.texts('live count', 'a', 'b');
    const session = connection.read('live count', 'seq_num=0&count=5&wait=30');
    expect(bodiesOf([await session.nextBatch()])).toEqual(['a', 'b']);
    expect((await session.nextBatch()).records).toEqual([]);
    await records.texts('live count', 'c', 'd', 'e', 'f', 'g');
    const { batches, end } = await session.restOfBatches();
    expect([bodiesOf(batches), end]).toEqual([['c', 'd', 'e'], 'clean']);
    expect(batches[0]?.tail).toBeUndefined();
  });

  test('bytes are strict: the record that would exceed them is not sent', async () => {
    await records.texts('live bytes', 'ab');
    // 8 bytes and the body.
    const session = connection.read('live bytes', 'seq_num=0&bytes=25&wait=30');
    expect(bodiesOf([await session.nextBatch()])).toEqual(['ab']);
    expect((await session.nextBatch()).records).toEqual([]);
    await records.texts('live bytes', 'cd', 'ef');
    const { batches, end } = await session.restOfBatches();
    expect([bodiesOf(batches), end]).toEqual([['cd'], 'clean']);
  });

  test('until ends a session before the record that is too late', async () => {
    await records.append('live until', { records: [{ body: 'early', timestamp: 1_000 }] });
    const session = connection.read('live until', 'seq_num=0&until=2000&wait=30');
    expect(bodiesOf([await session.nextBatch()])).toEqual(['early']);
    expect((await session.nextBatch()).records).toEqual([]);
    const late = [
      { body: 'in time', timestamp: 1_999 },
      { body: 'late', timestamp: 2_000 },
    ];
    await records.append('live until', { records: late });
    const { batches, end } = await session.restOfBatches();
    expect([bodiesOf(batches), end]).toEqual([['in time'], 'clean']);
  });

  test('without permission to wait it ends at the tail', async () => {
    await records.texts('no wait', 'a');
    const { batches, end } = await connection.read('no wait', 'seq_num=0&wait=0').restOfBatches();
    expect([bodiesOf(batches), end]).toEqual([['a'], 'clean']);
    expect(await connection.read('no wait', 'wait=0').restOfBatches()).toEqual({ batches: [], end: 'clean' });
  });

  test('a wait that passes ends it cleanly, behind a heartbeat', async () => {
    await records.texts('short wait', 'a');
    const { batches, end } = await connection.read('short wait', 'seq_num=0&count=10&wait=1').restOfBatches();
    expect([bodiesOf(batches), end]).toEqual([['a'], 'clean']);
    expect(batches.length).toBe(2);
  });

  test.each(['count=0', 'bytes=0', 'count=0&wait=30', 'seq_num=99&count=0'])(
    '%s: an end without a frame',
    async (q) => {
      await records.texts('exhausted', 'a');
      expect(await connection.read('exhausted', q).restOfBatches()).toEqual({ batches: [], end: 'clean' });
    },
  );

  test('clamp brings a start beyond the tail to it', async () => {
    await records.texts('clamped', 'a');
    const session = connection.read('clamped', 'seq_num=99&clamp=true');
    expect(await session.nextBatch()).toMatchObject({ records: [], tail: { seqNum: 1 } });
    session.cancel();
  });
});

describe('refused calls', () => {
  test.each([
    ['seq_num=1&tail_offset=1', 422, 'invalid'],
    ['seq_num=x', 400, 'bad_query'],
    ['timestamp=5&until=5', 422, 'invalid'],
  ])('%s', async (query, status, code) => {
    await records.texts('refusals', 'a');
    expect(await connection.read('refusals', query).refusal()).toMatchObject({ status, json: { code } });
  });

  test('a stream that is not there', async () => {
    const refusal = await connection.read('never written').refusal();
    expect(refusal).toMatchObject({ status: 404, json: { code: 'stream_not_found' } });
  });
});

describe('slow and lost clients', () => {
  test('a follower that reads nothing for a while misses nothing', async () => {
    const padding = 'x'.repeat(1_000);
    await records.texts('slow', 'first');
    const session = connection.read('slow', 'seq_num=0');
    await session.records(1);
    session.pause();
    let count = 0;
    // More than windows, buffers and the queue of a follower hold together.
    for (let round = 0; round < 50; round++) {
      await records.texts('slow', ...numbered(count, count + 900).map((text) => `${text} ${padding}`));
      count += 900;
    }
    session.resume();
    const bodies = (await session.records(count)).map(({ body }) => body.toString().slice(0, -1_001));
    expect(bodies).toEqual(numbered(0, count));
    await records.texts('slow', 'last');
    expect((await session.records(1))[0]?.body.toString()).toBe('last');
    session.cancel();
  });

  test('many sessions that take nothing leave their connection good for others', async () => {
    for (let i = 0; i < 2; i++) await records.texts('heavy', 'x'.repeat(1_000_000));
    const crowded = new S2sConnection(server);
    const stalled: S2sSession[] = [];
    for (let i = 0; i < 60; i++) {
      const session = crowded.read('heavy', 'seq_num=0');
      stalled.push(session);
      expect(await session.status).toBe(200);
      session.pause();
    }
    const one = crowded.read('heavy', 'seq_num=0&count=2');
    expect(bodiesOf((await one.restOfBatches()).batches).length).toBe(2);
    const [first] = stalled;
    first?.resume();
    expect((await first?.records(2))?.length).toBe(2);
    crowded.close();
  });

  test('resets in the middle leave the connection and its other sessions alone', async () => {
    await fill('lost', 3_000);
    const steady = connection.read('lost', 'seq_num=0');
    for (let round = 0; round < 20; round++) {
      const session = connection.read('lost', 'seq_num=0');
      if (round % 2 === 0) await session.nextBatch();
      session.cancel();
    }
    expect((await steady.records(3_000)).length).toBe(3_000);
    await records.texts('lost', 'afterwards');
    expect((await steady.records(1))[0]?.body.toString()).toBe('afterwards');
    steady.cancel();
    expect(server.stderr()).not.toMatch(/error|fault/i);
  });
});
