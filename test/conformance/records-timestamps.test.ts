/** Which timestamp a record gets: modes, the cap, and monotonic order. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { codeOf, type JsonAck, outcome, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
});

afterAll(async () => {
  await server.stop();
});

const FUTURE_MS = 60_000;

/** A new stream with this configuration. */
function timestamping(config: object) {
  return { 's2-stream-config': JSON.stringify({ timestamping: config }) };
}

const timed = (...timestamps: readonly (number | undefined)[]) => ({
  records: timestamps.map((timestamp) => ({ body: 'x', ...(timestamp === undefined ? {} : { timestamp }) })),
});

async function times(stream: string): Promise<readonly number[]> {
  return (await s2.batch(stream, '?seq_num=0')).records.map(({ timestamp }) => timestamp);
}

async function append(stream: string, input: object, headers = {}): Promise<JsonAck> {
  const [status, ack] = await s2.append(stream, input, headers);
  expect([status, ack]).toEqual([200, expect.anything()]);
  return ack as JsonAck;
}

describe('client-prefer, the default mode,', () => {
  test("keeps the client's timestamp, and takes the server's time without one", async () => {
    const now = Date.now();
    await append('prefer', timed(now, undefined));
    const [first, second = 0] = await times('prefer');
    expect(first).toBe(now);
    expect(second).toBeGreaterThanOrEqual(now);
    expect(second).toBeLessThanOrEqual(Date.now());
  });

  test('keeps a timestamp of the past, but never one below the one before', async () => {
    const ack = await append('past', timed(5, 5, 3, 9));
    expect(await times('past')).toEqual([5, 5, 5, 9]);
    expect([ack.start.timestamp, ack.end.timestamp, ack.tail.timestamp]).toEqual([5, 9, 9]);
    await append('past', timed(7, 0, 10));
    expect((await times('past')).slice(4)).toEqual([9, 9, 10]);
  });

  test('accepts 0 as a timestamp', async () => {
    await append('zero', timed(0));
    expect(await times('zero')).toEqual([0]);
    expect(await s2.tail('zero')).toEqual([200, { tail: { seq_num: 1, timestamp: 0 } }]);
  });

  test('caps a timestamp ahead of the server', async () => {
    const before = Date.now();
    await append('capped', timed(before + FUTURE_MS, undefined));
    const [first = 0, second = 0] = await times('capped');
    expect(first).toBeGreaterThanOrEqual(before);
    expect(first).toBeLessThanOrEqual(Date.now());
    expect(second).toBe(first);
  });
});

test('an uncapped stream keeps timestamps of the future, and later records have at least that time', async () => {
  const ahead = Date.now() + FUTURE_MS;
  await append('uncapped', timed(ahead, undefined), timestamping({ uncapped: true }));
  await append('uncapped', timed(undefined, 1, ahead + 1));
  expect(await times('uncapped')).toEqual([ahead, ahead, ahead, ahead, ahead + 1]);
});

test('an uncapped stream keeps timestamps up to 2^53 - 1', async () => {
  await append('largest', timed(2 ** 53 - 1), timestamping({ uncapped: true }));
  expect(await times('largest')).toEqual([2 ** 53 - 1]);
  expect(await s2.tail('largest')).toEqual([200, { tail: { seq_num: 1, timestamp: 2 ** 53 - 1 } }]);
  const larger = await s2.post('largest', '{"records":[{"timestamp":9007199254740992}]}');
  expect(codeOf(outcome(larger))).toEqual([422, 'invalid']);
  expect((await s2.batch('largest', '?timestamp=9007199254740991')).records).toHaveLength(1);
});

test('client-require refuses the whole batch when a record has no timestamp', async () => {
  const required = timestamping({ mode: 'client-require' });
  await append('required', timed(1), required);
  const refused = await s2.append('required', timed(2, undefined));
  expect(refused).toEqual([
    422,
    { code: 'invalid', message: expect.stringContaining('record timestamp was required but was missing') },
  ]);
  expect(codeOf(await s2.append('required', { records: [{ body: 'x', timestamp: null }] }))).toEqual([422, 'invalid']);
  expect(await times('required')).toEqual([1]);
});

test('client-require refuses a condition before it looks at timestamps', async () => {
  await append('order', timed(1), timestamping({ mode: 'client-require' }));
  expect(await s2.append('order', { ...timed(undefined), match_seq_num: 5 })).toEqual([412, { seq_num_mismatch: 1 }]);
});

test("arrival takes the server's time whatever the client sends, once per batch", async () => {
  const before = Date.now();
  await append('arrival', timed(5, before + FUTURE_MS, undefined), timestamping({ mode: 'arrival' }));
  const [first = 0, ...others] = await times('arrival');
  expect(first).toBeGreaterThanOrEqual(before);
  expect(first).toBeLessThanOrEqual(Date.now());
  expect(others).toEqual([first, first]);
});

test('a read from a timestamp begins with the first record at or after it', async () => {
  await append('from', timed(10, 20, 20));
  await append('from', timed(20, 30));
  const first = async (query: string) => (await s2.batch('from', query)).records[0]?.seq_num;
  expect(await first('?timestamp=0')).toBe(0);
  expect(await first('?timestamp=11')).toBe(1);
  expect(await first('?timestamp=20')).toBe(1);
  expect(await first('?timestamp=21')).toBe(4);
  expect(await first('?timestamp=30')).toBe(4);
  expect(await s2.read('from', '?timestamp=31')).toEqual([416, { tail: { seq_num: 5, timestamp: 30 } }]);
});
