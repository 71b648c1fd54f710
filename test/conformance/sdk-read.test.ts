/** Unary reads by way of the official SDK: where they start, where they stop, and what a read of nothing answers. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppendInput, AppendRecord, type ReadInput, type S2, type S2Basin, type S2Stream } from '@s2-dev/streamstore';
import { failureOf, sdkOf, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

const BASE = 1_700_000_000_000;
/** Two records share each timestamp. */
const TIMES = Array.from({ length: 10 }, (_, i) => BASE + Math.floor(i / 2) * 1_000);
const TAIL = { seqNum: 10, timestamp: new Date(BASE + 4_000) };

let server: TestServer;
let s2: S2;
let basin: S2Basin;
let stream: S2Stream;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  await s2.basins.create({ basin: 'read-basin' });
  basin = s2.basin('read-basin');
  await basin.streams.create({ stream: 'ten' });
  await basin.streams.create({ stream: 'empty' });
  stream = basin.stream('ten');
  // Bodies of 2 bytes, so each record meters 10.
  const records = TIMES.map((timestamp, i) => AppendRecord.string({ body: `r${i}`, timestamp }));
  await stream.append(AppendInput.create(records));
});

afterAll(async () => {
  await server.stop();
});

const seqNums = async (input: ReadInput): Promise<number[]> =>
  (await stream.read(input)).records.map(({ seqNum }) => seqNum);

describe('where a read starts and stops', () => {
  test.each<[string, ReadInput, number[]]>([
    ['at a number', { start: { from: { seqNum: 7 } } }, [7, 8, 9]],
    ['at a time, with the first record of that time', { start: { from: { timestamp: BASE + 3_000 } } }, [6, 7, 8, 9]],
    ['at a time between two', { start: { from: { timestamp: BASE + 2_001 } } }, [6, 7, 8, 9]],
    ['before the tail', { start: { from: { tailOffset: 2 } } }, [8, 9]],
    ['further before the tail than there is', { start: { from: { tailOffset: 99 } } }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['count', { start: { from: { seqNum: 2 } }, stop: { limits: { count: 3 } } }, [2, 3, 4]],
    ['bytes, exact', { start: { from: { seqNum: 2 } }, stop: { limits: { bytes: 30 } } }, [2, 3, 4]],
    ['bytes, one too few', { start: { from: { seqNum: 2 } }, stop: { limits: { bytes: 29 } } }, [2, 3]],
    ['bytes that no record fits', { start: { from: { seqNum: 2 } }, stop: { limits: { bytes: 9 } } }, []],
    ['until', { start: { from: { seqNum: 1 } }, stop: { untilTimestamp: BASE + 2_000 } }, [1, 2, 3]],
    ['until what has passed', { start: { from: { seqNum: 5 } }, stop: { untilTimestamp: BASE } }, []],
    [
      'the first bound of three',
      { start: { from: { seqNum: 0 } }, stop: { limits: { count: 4, bytes: 1_000 }, untilTimestamp: BASE + 1_000 } },
      [0, 1],
    ],
    ['no records at all, beyond the tail', { start: { from: { seqNum: 99 } }, stop: { limits: { count: 0 } } }, []],
    ['no bytes at all, at the tail', { start: { from: { tailOffset: 0 } }, stop: { limits: { bytes: 0 } } }, []],
  ])('%s', async (_, input, wanted) => {
    expect(await seqNums(input)).toEqual(wanted);
  });

  test('records and tail are exact, as text and as bytes', async () => {
    const text = await stream.read({ start: { from: { seqNum: 8 } } });
    expect(text).toEqual({
      records: [8, 9].map((i) => ({ seqNum: i, body: `r${i}`, headers: [], timestamp: new Date(TIMES[i] ?? 0) })),
      tail: TAIL,
    });
    const bytes = await stream.read({ start: { from: { seqNum: 8 } } }, { as: 'bytes' });
    expect(bytes.records.map(({ body }) => Buffer.from(body).toString())).toEqual(['r8', 'r9']);
    expect(bytes.tail).toEqual(TAIL);
  });
});

describe('a start that nothing is at', () => {
  test.each<[string, ReadInput]>([
    ['the tail', { start: { from: { seqNum: 10 } } }],
    ['no start', {}],
    ['tail offset 0', { start: { from: { tailOffset: 0 } } }],
    ['beyond the tail', { start: { from: { seqNum: 11 } } }],
    ['beyond the last time', { start: { from: { timestamp: BASE + 4_001 } } }],
    ['beyond it, clamped to the tail', { start: { from: { seqNum: 99 }, clamp: true } }],
    ['beyond the tail with time to wait', { start: { from: { seqNum: 11 } }, stop: { waitSecs: 1 } }],
  ])('%s is out of range, and told the tail', async (_, input) => {
    expect(await failureOf(stream.read(input))).toMatchObject({
      name: 'RangeNotSatisfiableError',
      status: 416,
      tail: TAIL,
    });
    const empty = failureOf(basin.stream('empty').read(input));
    expect(await empty).toMatchObject({ status: 416, tail: { seqNum: 0, timestamp: new Date(0) } });
  });

  test('clamped, with time to wait, it answers nothing when the time is over', async () => {
    const start = { from: { seqNum: 99 }, clamp: true };
    expect((await stream.read({ start, stop: { waitSecs: 1 } })).records).toEqual([]);
  });

  test('with time to wait, it answers the next batch', async () => {
    await basin.streams.create({ stream: 'awaited' });
    const awaited = basin.stream('awaited');
    const reading = awaited.read({ start: { from: { seqNum: 0 } }, stop: { waitSecs: 20, limits: { count: 2 } } });
    await awaited.append(textBatch(['a', 'b', 'c']));
    expect((await reading).records.map(({ body }) => body)).toEqual(['a', 'b']);
  });

  test('a start at or behind until is refused before anything else', async () => {
    const input = { start: { from: { timestamp: BASE } }, stop: { untilTimestamp: BASE } };
    expect(await failureOf(basin.stream('nobody').read(input))).toMatchObject({ status: 422, code: 'invalid' });
  });
});

describe('pages', () => {
  test('a batch holds 1,000 records or 1 MiB, and the next goes on behind it', async () => {
    await basin.streams.create({ stream: 'long' });
    const long = basin.stream('long');
    for (let i = 0; i < 3; i++) await long.append(textBatch(Array.from({ length: 700 }, (_, j) => `${i * 700 + j}`)));
    const first = await long.read({ start: { from: { seqNum: 0 } }, stop: { limits: { count: 5_000 } } });
    expect(first.records).toHaveLength(1_000);
    const rest = await long.read({ start: { from: { seqNum: 1_000 } } });
    const last = await long.read({ start: { from: { seqNum: 2_000 } } });
    const all = [...first.records, ...rest.records, ...last.records];
    expect(all.map(({ body }) => body)).toEqual(Array.from({ length: 2_100 }, (_, i) => `${i}`));
    const large = Array.from({ length: 4 }, () => AppendRecord.bytes({ body: new Uint8Array(400_000) }));
    for (const record of large) await long.append(AppendInput.create([record]));
    const batch = await long.read({ start: { from: { seqNum: 2_100 } } }, { as: 'bytes' });
    expect(batch.records.map(({ seqNum }) => seqNum)).toEqual([2_100, 2_101]);
  });
});

describe('creation on read', () => {
  test('a read makes the stream and finds it empty; its tail does so too', async () => {
    const defaultStreamConfig = { retentionPolicy: { ageSecs: 90 } };
    await s2.basins.create({ basin: 'making-basin', config: { createStreamOnRead: true, defaultStreamConfig } });
    const making = s2.basin('making-basin');
    const streamConfig = { timestamping: { mode: 'arrival' as const } };
    expect(await failureOf(making.stream('read').read({ streamConfig }))).toMatchObject({ status: 416 });
    expect(await making.streams.getConfig({ stream: 'read' })).toMatchObject({
      ...defaultStreamConfig,
      ...{ timestamping: { mode: 'arrival', uncapped: false } },
    });
    expect((await making.stream('tail').checkTail()).tail.seqNum).toBe(0);
    expect(await making.streams.getConfig({ stream: 'tail' })).toMatchObject(defaultStreamConfig);
    expect(await failureOf(making.stream('append').append(textBatch(['a'])))).toMatchObject({ status: 404 });
  });
});
