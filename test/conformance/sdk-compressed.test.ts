/**
 * Sessions of the official SDK with compressed frames: it compresses without asking first, and gets the compression it
 * requested.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AppendInput, AppendRecord } from '@s2-dev/streamstore';
import { startCountingProxy } from '../support/counting-proxy.ts';
import { sdkOf, take } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

const BATCHES = 20;
/** Text that compresses well, and bytes that do not. */
const TEXT = 'the same words again and again '.repeat(2_000);
const NOISE = Uint8Array.from({ length: 50_000 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 13);

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

test.each(['none', 'gzip'] as const)('%s frames carry the same records both ways', async (compression) => {
  const proxy = await startCountingProxy(server.port);
  const target = { port: proxy.port, token: server.token };
  const basin = sdkOf(target, { compression }).basin('telemetry');
  const stream = basin.stream(`packed-${compression}`, { forceTransport: 's2s' });
  const session = await stream.appendSession();
  const tickets = [];
  for (let i = 0; i < BATCHES; i++) {
    const records = [
      AppendRecord.string({ body: TEXT }),
      AppendRecord.bytes({ body: NOISE }),
      AppendRecord.string({ body: `${i}` }),
    ];
    tickets.push(await session.submit(AppendInput.create(records)));
  }
  await session.close();
  expect((await Promise.all(tickets.map((ticket) => ticket.ack()))).at(-1)?.end.seqNum).toBe(3 * BATCHES);
  const stop = { limits: { count: 3 * BATCHES } };
  const reading = await stream.readSession({ start: { from: { seqNum: 0 } }, stop }, { as: 'bytes' });
  const records = await take(reading);
  expect(records.map(({ seqNum }) => seqNum)).toEqual(Array.from({ length: 3 * BATCHES }, (_, i) => i));
  expect(records.every(({ body }, i) => Buffer.compare(body, expectedBody(i)) === 0)).toBe(true);
  await stream.close();
  const plain = BATCHES * (TEXT.length + NOISE.length);
  // Both ways, so that neither side can have left its frames uncompressed.
  for (const bytes of Object.values(proxy.counted)) {
    if (compression === 'none') expect(bytes).toBeGreaterThan(plain);
    else expect(bytes).toBeLessThan(plain * 0.7);
  }
  proxy.close();
});

function expectedBody(seqNum: number): Uint8Array {
  if (seqNum % 3 === 0) return Buffer.from(TEXT);
  return seqNum % 3 === 1 ? NOISE : Buffer.from(String(Math.floor(seqNum / 3)));
}
