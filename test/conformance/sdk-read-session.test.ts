/** Read sessions of the official SDK, on both of its transports: catching up, following, waiting, bounds, ends. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AppendInput, AppendRecord, type ReadInput, type S2, type S2Basin, type S2Stream } from '@s2-dev/streamstore';
import { failureOf, sdkOf, TRANSPORTS, take, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

const BASE = 1_700_000_000_000;
const FROM_START: ReadInput = { start: { from: { seqNum: 0 } } };

let server: TestServer;
let s2: S2;
let basin: S2Basin;
const opened: S2Stream[] = [];

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  await s2.basins.create({ basin: 'session-basin' });
  basin = s2.basin('session-basin');
});

afterAll(async () => {
  await Promise.all(opened.map((stream) => stream.close()));
  await server.stop();
});

/** A stream with ten records, for each test its own; all are closed at the end. */
async function ten(forceTransport: 'fetch' | 's2s'): Promise<S2Stream> {
  const name = `ten-${opened.length}`;
  await basin.streams.create({ stream: name });
  const stream = basin.stream(name, { forceTransport });
  opened.push(stream);
  const records = Array.from({ length: 10 }, (_, i) => AppendRecord.string({ body: `r${i}`, timestamp: BASE + i }));
  await stream.append(AppendInput.create(records));
  return stream;
}

describe.each(TRANSPORTS)('read sessions over %s', (forceTransport) => {
  let stream: S2Stream;

  beforeEach(async () => {
    stream = await ten(forceTransport);
  });

  test('one that follows gets what is there, is told that it caught up, then gets what comes', async () => {
    const session = await stream.readSession(FROM_START);
    const seen = await take(session, 10);
    expect(seen.map(({ body }) => body)).toEqual(Array.from({ length: 10 }, (_, i) => `r${i}`));
    expect(seen[3]?.timestamp).toEqual(new Date(BASE + 3));
    expect(await session.caughtUp()).toEqual({ seqNum: 10, timestamp: new Date(BASE + 9) });
    expect(session.isCaughtUp()).toBe(true);
    for (const body of ['a', 'b', 'c']) {
      const ack = await stream.append(textBatch([body]));
      const [record] = await take(session, 1);
      expect(record).toMatchObject({ body, seqNum: ack.start.seqNum, timestamp: ack.end.timestamp });
    }
    expect(session.nextReadPosition()?.seqNum).toBe(13);
    await session.cancel();
  });

  test('one at the tail is told the tail at once, and follows', async () => {
    const session = await stream.readSession({});
    expect(await session.caughtUp()).toMatchObject({ seqNum: 10 });
    const reading = take(session, 2);
    await stream.append(textBatch(['a', 'b']));
    expect((await reading).map(({ seqNum }) => seqNum)).toEqual([10, 11]);
    await session.cancel();
  });

  test.each<[string, ReadInput, number[]]>([
    ['count', { ...FROM_START, stop: { limits: { count: 4 } } }, [0, 1, 2, 3]],
    ['bytes', { ...FROM_START, stop: { limits: { bytes: 35 } } }, [0, 1, 2]],
    ['until', { ...FROM_START, stop: { untilTimestamp: BASE + 5 } }, [0, 1, 2, 3, 4]],
    ['the tail', { start: { from: { tailOffset: 3 } }, stop: { limits: { count: 50 } } }, [7, 8, 9]],
    [
      'the tail, from a time',
      { start: { from: { timestamp: BASE + 6 } }, stop: { limits: { count: 50 } } },
      [6, 7, 8, 9],
    ],
    ['no wait', { ...FROM_START, stop: { waitSecs: 0 } }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ])('one ends at %s', async (_, input, wanted) => {
    const session = await stream.readSession(input);
    expect((await take(session)).map(({ seqNum }) => seqNum)).toEqual(wanted);
  });
});

describe.each(TRANSPORTS)('bounds and waiting of read sessions over %s', (forceTransport) => {
  let stream: S2Stream;

  beforeEach(async () => {
    stream = await ten(forceTransport);
  });

  test('a bound holds over what is there and what comes', async () => {
    const session = await stream.readSession({ ...FROM_START, stop: { limits: { count: 12 }, waitSecs: 60 } });
    await take(session, 10);
    await stream.append(textBatch(['a', 'b', 'c']));
    expect((await take(session)).map(({ body }) => body)).toEqual(['a', 'b']);
  });

  test('waiting ends when nothing comes, and data renews it', async () => {
    const session = await stream.readSession({ start: { from: { tailOffset: 0 } }, stop: { waitSecs: 1 } });
    await session.caughtUp();
    await stream.append(textBatch(['a']));
    expect((await take(session)).map(({ body }) => body)).toEqual(['a']);
  });

  test.each<[string, ReadInput]>([
    ['the tail with a bound', { start: { from: { tailOffset: 0 } }, stop: { limits: { count: 1 } } }],
    ['beyond the tail', { start: { from: { seqNum: 11 } } }],
    ['beyond the last time', { start: { from: { timestamp: BASE + 10 } } }],
    [
      'beyond the tail, clamped, with a bound',
      { start: { from: { seqNum: 99 }, clamp: true }, stop: { limits: { bytes: 9 } } },
    ],
  ])('a start at %s is out of range', async (_, input) => {
    const failure = failureOf(stream.readSession(input).then((session) => take(session)));
    expect(await failure).toMatchObject({ status: 416, tail: { seqNum: 10, timestamp: new Date(BASE + 9) } });
  });

  test('a clamped start follows from the tail', async () => {
    const session = await stream.readSession({ start: { from: { seqNum: 99 }, clamp: true } });
    expect(await session.caughtUp()).toMatchObject({ seqNum: 10 });
    await stream.append(textBatch(['a']));
    expect(await take(session, 1)).toMatchObject([{ seqNum: 10, body: 'a' }]);
    await session.cancel();
  });
});

describe.each(TRANSPORTS)('what read sessions over %s carry', (forceTransport) => {
  let stream: S2Stream;

  beforeEach(async () => {
    stream = await ten(forceTransport);
  });

  test('bytes come as bytes, and commands not at all where the reader says so', async () => {
    const body = Uint8Array.from({ length: 256 }, (_, i) => i);
    await stream.append(
      AppendInput.create([AppendRecord.fence('t'), AppendRecord.bytes({ body, headers: [['k', body]] })]),
    );
    const input = { start: { from: { seqNum: 9 } }, stop: { limits: { count: 3 } }, ignoreCommandRecords: true };
    const records = await take(await stream.readSession(input, { as: 'bytes' }));
    expect(records.map(({ seqNum }) => seqNum)).toEqual([9, 11]);
    expect(Buffer.compare(records[1]?.body ?? Buffer.of(), body)).toBe(0);
    expect(Buffer.compare(records[1]?.headers[0]?.[1] ?? Buffer.of(), body)).toBe(0);
  });

  test('ten thousand records come whole to five readers while they are written', async () => {
    const sessions = await Promise.all(Array.from({ length: 5 }, () => stream.readSession(FROM_START)));
    const reading = sessions.map((session) => take(session, 10_010));
    for (let i = 0; i < 50; i++) {
      await Promise.all(
        [0, 1].map((half) => stream.append(textBatch(Array.from({ length: 100 }, () => `${i}/${half}`)))),
      );
    }
    for (const records of await Promise.all(reading)) {
      expect(records.map(({ seqNum }) => seqNum)).toEqual(Array.from({ length: 10_010 }, (_, i) => i));
    }
    await Promise.all(sessions.map((session) => session.cancel()));
  });

  test('a trim is felt by those who begin behind it', async () => {
    await stream.append(AppendInput.create([AppendRecord.trim(8)]));
    const session = await stream.readSession({ ...FROM_START, stop: { limits: { count: 3 } } });
    expect((await take(session)).map(({ seqNum }) => seqNum)).toEqual([8, 9, 10]);
  });

  test('deletion ends a follower with 409', async () => {
    const session = await stream.readSession(FROM_START);
    await take(session, 10);
    await session.caughtUp();
    const rest = failureOf(take(session));
    await basin.streams.delete({ stream: stream.name });
    // Over SSE the SDK calls every failure event a 503.
    expect(await rest).toMatchObject({ status: forceTransport === 's2s' ? 409 : 503 });
  });

  test('a stream that is not there refuses the session', async () => {
    const session = basin.stream('nobody', { forceTransport }).readSession(FROM_START);
    expect(await failureOf(session.then((it) => take(it)))).toMatchObject({ status: 404, code: 'stream_not_found' });
  });
});
