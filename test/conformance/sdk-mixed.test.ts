/** OTLP and S2 into one stream: one contiguous order for every reader, batches in one piece, conditions across both. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AppendInput, AppendRecord, type S2Stream } from '@s2-dev/streamstore';
import { call } from '../support/http-call.ts';
import { failureOf, sdkOf, TRANSPORTS, take, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

const REQUESTS = 30;
const PER_REQUEST = 7;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

function streamOf(name: string, forceTransport: 'fetch' | 's2s' = 's2s'): S2Stream {
  return sdkOf(server).basin('telemetry').stream(name, { forceTransport });
}

async function sendLogs(stream: string, names: readonly string[]): Promise<void> {
  const attributes = [{ key: 's2.stream', value: { stringValue: stream } }];
  const logRecords = names.map((name) => ({ timeUnixNano: '1700000000000000000', body: { stringValue: name } }));
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  expect((await call(server.port, { path: '/v1/logs', headers, body })).status).toBe(200);
}

/** The name of a record of either kind: names have 5 characters, and are at some place in an OTLP body. */
function nameOf(body: Uint8Array): string {
  return /[so]\d\d\.\d/.exec(Buffer.from(body).toString('latin1'))?.[0] ?? '';
}

function namesOf(kind: 's' | 'o', request: number): string[] {
  return Array.from({ length: PER_REQUEST }, (_, i) => `${kind}${String(request).padStart(2, '0')}.${i}`);
}

test('every reader sees the same order, and every batch contiguous', async () => {
  const stream = streamOf('mixed');
  await sendLogs('mixed', namesOf('o', 0));
  const followers = TRANSPORTS.map((transport) => streamOf('mixed', transport));
  const total = PER_REQUEST * (1 + 2 * REQUESTS);
  const following = followers.map(async (follower) => {
    const session = await follower.readSession({ start: { from: { seqNum: 0 } } }, { as: 'bytes' });
    const records = await take(session, total);
    await session.cancel();
    return records;
  });
  const session = await stream.appendSession();
  await Promise.all(
    Array.from({ length: REQUESTS }, async (_, i) => {
      const ticket = session.submit(textBatch(namesOf('s', i)));
      await Promise.all([sendLogs('mixed', namesOf('o', i + 1)), ticket.then((it) => it.ack())]);
    }),
  );
  await session.close();
  const orders = (await Promise.all(following)).map((records) => {
    expect(records.map(({ seqNum }) => seqNum)).toEqual(Array.from({ length: total }, (_, i) => i));
    return records.map(({ body }) => nameOf(body));
  });
  const [order = []] = orders;
  for (const other of orders) expect(other).toEqual(order);
  for (let i = 0; i < total; i += PER_REQUEST) {
    const [first = ''] = order.slice(i);
    expect(order.slice(i, i + PER_REQUEST)).toEqual(namesOf(first[0] === 's' ? 's' : 'o', Number(first.slice(1, 3))));
  }
  expect(new Set(order).size).toBe(total);
  await Promise.all([stream, ...followers].map((it) => it.close()));
});

test('a condition counts records of the other protocol, and a fence does not stop senders without a token', async () => {
  const stream = streamOf('conditional');
  await stream.append(textBatch(['a', 'b'], { matchSeqNum: 0 }));
  await sendLogs('conditional', namesOf('o', 1));
  expect(await failureOf(stream.append(textBatch(['c'], { matchSeqNum: 2 })))).toMatchObject({
    status: 412,
    expectedSeqNum: 2 + PER_REQUEST,
  });
  await stream.append(textBatch(['c'], { matchSeqNum: 2 + PER_REQUEST }));
  await stream.append(AppendInput.create([AppendRecord.fence('mine'), AppendRecord.trim(2)]));
  await sendLogs('conditional', namesOf('o', 2));
  expect(await failureOf(stream.append(textBatch(['d'], { fencingToken: 'yours' })))).toMatchObject({
    expectedFencingToken: 'mine',
  });
  const { records } = await stream.read({ start: { from: { seqNum: 0 } } });
  expect(records.map(({ seqNum }) => seqNum)).toEqual(Array.from({ length: 2 * PER_REQUEST + 3 }, (_, i) => i + 2));
  await stream.close();
});
