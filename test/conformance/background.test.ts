/** Retention, trims and deletion on empty on a real server, on its own clock. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: ControlClient;
const basin = 'background-1';

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
  await s2.call(`PUT /basins/${basin}`, { body: { config: { create_stream_on_append: true } } });
});

afterAll(async () => {
  await server.stop();
});

async function append(stream: string, record: object = { body: 'x' }): Promise<void> {
  const answer = await s2.call(`POST /streams/${stream}/records`, { basin, body: { records: [record] } });
  expect(answer.status).toBe(200);
}

async function seqNums(stream: string): Promise<number[]> {
  const { body } = await s2.call(`GET /streams/${stream}/records?seq_num=0`, { basin });
  return (body as { records: { seq_num: number }[] }).records.map(({ seq_num }) => seq_num);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not happen');
}

test('records expire by their arrival, whatever their timestamps are, and the tail stays', async () => {
  await s2.call('PUT /streams/short', { basin, body: { retention_policy: { age: 2 } } });
  await append('short', { body: 'old', timestamp: 5 });
  expect(await seqNums('short')).toEqual([0]);
  await until(async () => (await seqNums('short')).length === 0);
  expect((await s2.call('GET /streams/short/records/tail', { basin })).body).toEqual({
    tail: { seq_num: 1, timestamp: 5 },
  });
  expect((await s2.call('GET /streams/short/records?timestamp=5', { basin })).status).toBe(416);
  await append('short');
  expect(await seqNums('short')).toEqual([1]);
});

test('records beyond retention_bytes are deleted, the oldest first', async () => {
  await s2.call('PUT /streams/small', { basin, body: { retention_bytes: 1_000 } });
  for (let i = 0; i < 5; i++) await append('small', { body: 'x'.repeat(292) });
  await until(async () => (await seqNums('small')).length === 3);
  expect(await seqNums('small')).toEqual([2, 3, 4]);
});

test('an empty stream is deleted after its time, a trimmed one too, and one with records stays', async () => {
  const body = { delete_on_empty: { min_age_secs: 1 }, retention_policy: { infinite: {} } };
  for (const stream of ['empty', 'trimmed', 'filled']) await s2.call(`PUT /streams/${stream}`, { basin, body });
  await append('filled');
  await append('trimmed');
  const all = Buffer.alloc(8, 0xff).toString('base64');
  const trim = { headers: [['', Buffer.from('trim').toString('base64')]], body: all };
  const sent = await s2.call('POST /streams/trimmed/records', {
    basin,
    headers: { 's2-format': 'base64' },
    body: { records: [trim] },
  });
  expect(sent.status).toBe(200);
  await s2.untilGone('GET /streams/empty', { basin });
  await s2.untilGone('GET /streams/trimmed', { basin });
  expect(await seqNums('filled')).toEqual([0]);
}, 30_000);
