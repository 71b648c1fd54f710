/** Append sessions and the producer of the official SDK, over both of its transports: order, pipelining, failures. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  AppendInput,
  AppendRecord,
  BatchTransform,
  Producer,
  type S2,
  type S2Basin,
  type S2Stream,
} from '@s2-dev/streamstore';
import { failureOf, sdkOf, TRANSPORTS, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

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

/** A stream for each test; all are closed at the end. */
async function fresh(forceTransport: 'fetch' | 's2s'): Promise<S2Stream> {
  const name = `stream-${opened.length}`;
  await basin.streams.create({ stream: name });
  const stream = basin.stream(name, { forceTransport });
  opened.push(stream);
  return stream;
}

async function bodies(stream: S2Stream): Promise<string[]> {
  const { tail } = await stream.checkTail();
  if (tail.seqNum === 0) return [];
  return (await stream.read({ start: { from: { seqNum: 0 } } })).records.map(({ body }) => body);
}

describe.each(TRANSPORTS)('append sessions over %s', (forceTransport) => {
  let stream: S2Stream;

  beforeEach(async () => {
    stream = await fresh(forceTransport);
  });

  test('acknowledge every batch in the order of submission', async () => {
    const session = await stream.appendSession({ maxInflightBatches: 50 });
    const batches = Array.from({ length: 120 }, (_, i) => Array.from({ length: 1 + (i % 5) }, (_x, j) => `${i}.${j}`));
    const acks = session.acks();
    const tickets = [];
    for (const batch of batches) tickets.push(await session.submit(textBatch(batch)));
    await session.close();
    let next = 0;
    for (const [i, ticket] of tickets.entries()) {
      const ack = await ticket.ack();
      expect([ack.start.seqNum, ack.end.seqNum]).toEqual([next, next + (batches[i]?.length ?? 0)]);
      next = ack.end.seqNum;
    }
    const seen = [];
    for await (const ack of acks) seen.push(ack.end.seqNum);
    expect(seen.at(-1)).toBe(next);
    expect(session.lastAckedPosition()?.end.seqNum).toBe(next);
    expect(await bodies(stream)).toEqual(batches.flat());
  });

  test('check each pipelined condition against the batch before', async () => {
    const session = await stream.appendSession();
    const tickets = [];
    for (let i = 0; i < 30; i++) tickets.push(await session.submit(textBatch([`${i}`], { matchSeqNum: i })));
    const ends = await Promise.all(tickets.map(async (ticket) => (await ticket.ack()).end.seqNum));
    expect(ends).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    await session.close();
  });

  test('with four good batches and a stale number return four acks and the failure, and append nothing after it', async () => {
    const session = await stream.appendSession();
    const acks: number[] = [];
    const reading = (async () => {
      for await (const ack of session.acks()) acks.push(ack.end.seqNum);
    })();
    const tickets = [];
    for (let i = 0; i < 4; i++) tickets.push(await session.submit(textBatch([`${i}`], { matchSeqNum: i })));
    const outcomes = [
      session.submit(textBatch(['stale'], { matchSeqNum: 2 })),
      session.submit(textBatch(['after'])),
    ].map((submitted) => failureOf(submitted.then((ticket) => ticket.ack())));
    for (const [i, ticket] of tickets.entries()) expect((await ticket.ack()).end.seqNum).toBe(i + 1);
    const mismatch = { name: 'SeqNumMismatchError', status: 412, expectedSeqNum: 4 };
    expect(await outcomes[0]).toMatchObject(mismatch);
    expect(await outcomes[1]).toMatchObject({ status: 412 });
    expect(session.failureCause()).toMatchObject(mismatch);
    await Promise.allSettled([reading, session.close()]);
    expect(acks).toEqual([1, 2, 3, 4]);
    expect(await bodies(stream)).toEqual(['0', '1', '2', '3']);
    expect((await stream.append(textBatch(['after']))).start.seqNum).toBe(4);
  });
});

describe.each(TRANSPORTS)('an append session over %s', (forceTransport) => {
  let stream: S2Stream;

  beforeEach(async () => {
    stream = await fresh(forceTransport);
  });

  test('ends when another client sets a fence', async () => {
    const session = await stream.appendSession();
    await (await session.submit(AppendInput.create([AppendRecord.fence('first')]))).ack();
    await (await session.submit(textBatch(['a'], { fencingToken: 'first' }))).ack();
    await stream.append(AppendInput.create([AppendRecord.fence('second')]));
    const late = session.submit(textBatch(['late'], { fencingToken: 'first' }));
    expect(await failureOf(late.then((ticket) => ticket.ack()))).toMatchObject({
      name: 'FencingTokenMismatchError',
      expectedFencingToken: 'second',
    });
    expect(await bodies(stream)).toEqual(['first', 'a', 'second']);
  });

  test('ends with 422 for a bad record', async () => {
    const session = await stream.appendSession();
    await (await session.submit(textBatch(['good']))).ack();
    const bad = AppendInput.create([AppendRecord.string({ body: 'x', headers: [['', 'dance']] })]);
    const failure = failureOf(session.submit(bad).then((ticket) => ticket.ack()));
    expect(await failure).toMatchObject({ status: 422, code: 'invalid' });
    expect(await bodies(stream)).toEqual(['good']);
  });

  test('is refused for a missing stream', async () => {
    const session = basin.stream('missing', { forceTransport }).appendSession();
    const failure = failureOf(session.then((it) => it.submit(textBatch(['a']))).then((ticket) => ticket.ack()));
    expect(await failure).toMatchObject({ status: 404, code: 'stream_not_found' });
  });

  test('carries bytes and text, large ones too', async () => {
    const session = await stream.appendSession();
    const body = Uint8Array.from({ length: 700_000 }, (_, i) => i);
    await (
      await session.submit(AppendInput.create([AppendRecord.bytes({ body, headers: [['k', body.slice(0, 9)]] })]))
    ).ack();
    await (await session.submit(textBatch(['text']))).ack();
    await session.close();
    const { records } = await stream.read({ start: { from: { seqNum: 0 } } }, { as: 'bytes' });
    expect(records.map((record) => record.body.length)).toEqual([700_000, 4]);
    expect(Buffer.compare(records[0]?.body ?? Buffer.of(), body)).toBe(0);
    expect(Buffer.from(records[0]?.headers[0]?.[1] ?? []).equals(body.slice(0, 9))).toBe(true);
  });

  test('creates the stream where the basin allows it, with the config of the session', async () => {
    await s2.basins.ensure({ basin: 'making-basin', config: { createStreamOnAppend: true } });
    const making = s2.basin('making-basin');
    const made = making.stream(`made-${forceTransport}`, { forceTransport });
    const session = await made.appendSession({ streamConfig: { retentionPolicy: { infinite: {} } } });
    await (await session.submit(textBatch(['a']))).ack();
    await session.close();
    const config = await making.streams.getConfig({ stream: `made-${forceTransport}` });
    expect(config.retentionPolicy).toEqual({ infinite: {} });
    await made.close();
  });
});

describe.each(TRANSPORTS)('the producer over %s', (forceTransport) => {
  test('tells each record its own number, and no record is missing', async () => {
    const name = `produced-${forceTransport}`;
    await basin.streams.create({ stream: name });
    const stream = basin.stream(name, { forceTransport });
    const batches = new BatchTransform({ lingerDurationMillis: 1, maxBatchRecords: 17, matchSeqNum: 0 });
    const producer = new Producer(batches, await stream.appendSession({ maxInflightBatches: 8 }));
    const tickets = [];
    for (let i = 0; i < 300; i++) tickets.push(await producer.submit(AppendRecord.string({ body: String(i) })));
    await producer.flush();
    const acks = await Promise.all(tickets.map((ticket) => ticket.ack()));
    expect(acks.map((ack) => ack.seqNum())).toEqual(Array.from({ length: 300 }, (_, i) => i));
    await producer.close();
    expect(await bodies(stream)).toEqual(Array.from({ length: 300 }, (_, i) => String(i)));
    await stream.close();
  });
});
