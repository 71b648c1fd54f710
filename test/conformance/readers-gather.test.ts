/** Thousands of appends of one record each come back as few batches, on every protocol of S2, and equal the log. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type JsonBatch, RecordsClient } from '../support/records-calls.ts';
import { decodeBatch, S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const RECORDS = 20_000;
const BATCHES_MAX = 25;

let server: TestServer;
let connection: S2sConnection;
let s2: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  connection = new S2sConnection(server);
  s2 = new RecordsClient(server);
  const writer = connection.append('small');
  for (let i = 0; i < RECORDS; i += 1_000) {
    writer.sendInputs(...Array.from({ length: 1_000 }, (_, k) => ({ records: [{ body: `r${i + k}` }] })));
    for (let k = 0; k < 1_000; k++) await writer.nextAck();
  }
  writer.halfClose();
}, 120_000);

afterAll(async () => {
  connection.close();
  await server.stop();
});

const QUERY = `seq_num=0&count=${RECORDS}`;

/** What a read gave, batch by batch. */
function expectLog(batches: readonly (readonly string[])[]): void {
  expect(batches.flat()).toEqual(Array.from({ length: RECORDS }, (_, i) => `r${i}`));
  expect(batches.length).toBeLessThanOrEqual(BATCHES_MAX);
  expect(Math.max(...batches.map((bodies) => bodies.length))).toBeLessThanOrEqual(1_000);
}

function overSocket(protocol: string): Reader {
  const url = `ws://127.0.0.1:${server.port}/v1/streams/small/records?${QUERY}`;
  return new Reader(url, protocol, { headers: { authorization: `Bearer ${server.token}` } });
}

test('over s2s', async () => {
  const { batches, end } = await connection.read('small', QUERY).restOfBatches();
  expect(end).toBe('clean');
  expectLog(batches.map(({ records }) => records.map(({ body }) => body.toString())));
  expect(batches.at(-1)?.tail?.seqNum).toBe(RECORDS);
  expect(batches.slice(0, -1).every(({ tail }) => tail === undefined)).toBe(true);
});

test('over SSE, with ids that count them', async () => {
  const events = await (await s2.sse('small', `?${QUERY}`)).rest();
  expect(events.at(-1)?.data).toBe('[DONE]');
  const batches = events.slice(0, -1).map(({ data }) => JSON.parse(data) as JsonBatch);
  expectLog(batches.map(({ records }) => records.map(({ body = '' }) => body)));
  const bytes = Array.from({ length: RECORDS }, (_, i) => 8 + `r${i}`.length).reduce((sum, size) => sum + size, 0);
  expect(events.at(-2)?.id).toBe(`${RECORDS - 1},${RECORDS},${bytes}`);
  expect(batches.at(-1)?.tail?.seq_num).toBe(RECORDS);
});

test('over a WebSocket as s2.proto', async () => {
  const reader = overSocket('s2.proto');
  expect((await reader.ended).code).toBe(1000);
  const batches = reader.got.slice(1).map((frame) => decodeBatch(frame as Buffer));
  expectLog(batches.map(({ records }) => records.map(({ body }) => body.toString())));
});

test('over a WebSocket as s2.json', async () => {
  const reader = overSocket('s2.json');
  expect((await reader.ended).code).toBe(1000);
  const batches = reader.got.slice(1) as unknown as (JsonBatch & { readonly next: { readonly seq_num: number } })[];
  expectLog(batches.map(({ records }) => records.map(({ body = '' }) => body)));
  expect(batches.map(({ next }) => next.seq_num)).toEqual(
    batches.map(({ records }) => (records.at(-1)?.seq_num ?? 0) + 1),
  );
});
