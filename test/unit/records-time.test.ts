/** How time affects a read, on a clock that the test moves: heartbeats, and the end of a wait. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OpenStream } from '../../src/log/stream.ts';
import { type ComposedServer, createServer } from '../../src/server.ts';
import { RecordsClient, type SseEvent, type SseStream } from '../support/records-calls.ts';
import { ManualClock } from '../support/socket-clock.ts';

let dataDir: string;
let server: ComposedServer;
let s2: RecordsClient;
const clock = new ManualClock();

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-test-'));
  server = await createServer({ dataDir, port: 0, noAuth: true, logLevel: 'silent' }, { clock });
  const { port } = await server.listen();
  s2 = new RecordsClient({ port, token: '' });
});

afterAll(async () => {
  // Everything that close() waits for becomes due at once.
  const closed = server.close();
  const timer = setInterval(() => clock.advance(1_000), 1);
  await closed;
  clearInterval(timer);
  await rm(dataDir, { recursive: true, force: true });
});

const DONE = { event: 'message', data: '[DONE]' };

async function pinged(stream: SseStream): Promise<{ timestamp: number; tail: unknown }> {
  const event = await stream.next();
  expect(event?.event).toBe('ping');
  return JSON.parse(event?.data ?? '');
}

/** The next event, which must hold records; by then the server has started the next wait. */
async function batched(stream: SseStream): Promise<SseEvent> {
  const event = await stream.next();
  expect(event?.event).toBe('batch');
  await settled();
  return event as SseEvent;
}

/** Waits until this many readers wait at the tail of a stream. */
async function untilFollowed(name: string, count: number): Promise<void> {
  const basin = server.log.basin('telemetry');
  const stream = basin === undefined ? undefined : await server.log.getStream(basin, name);
  if (!(stream instanceof OpenStream)) throw new Error('the stream is not open');
  while (stream.followers.size !== count) await new Promise((resolve) => setImmediate(resolve));
  await settled();
}

/** Some turns of the event loop, which the server shares with this test. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('heartbeats', () => {
  test('come after 5 to 15 s of silence, with the position of the client', async () => {
    const first = await s2.texts('silence', 'a');
    const stream = await s2.sse('silence');
    expect((await pinged(stream)).tail).toEqual(first.tail);
    clock.advance(4_999);
    const { tail } = await s2.texts('silence', 'b');
    // Nothing came before: that would have been too early.
    await batched(stream);
    let spokeAt = clock.now();
    clock.advance(300_000);
    await s2.texts('silence', 'c');
    let pings = 0;
    for (let event = await stream.next(); event?.event === 'ping'; event = await stream.next()) {
      const ping = JSON.parse(event.data) as { timestamp: number; tail: unknown };
      expect(ping.tail).toEqual(tail);
      expect(ping.timestamp - spokeAt).toBeGreaterThanOrEqual(5_000);
      expect(ping.timestamp - spokeAt).toBeLessThanOrEqual(15_000);
      spokeAt = ping.timestamp;
      pings++;
    }
    expect(pings).toBeGreaterThanOrEqual(20);
    stream.destroy();
  });

  test('are delayed by data', async () => {
    await s2.texts('data', 'a');
    const stream = await s2.sse('data');
    await pinged(stream);
    for (let i = 0; i < 20; i++) {
      clock.advance(4_000);
      await s2.texts('data', String(i));
      await batched(stream);
    }
    clock.advance(15_000);
    await pinged(stream);
    stream.destroy();
  });
});

describe('a wait', () => {
  test('ends when its time is over, and restarts with data only', async () => {
    await s2.texts('wait', 'a');
    const stream = await s2.sse('wait', '?seq_num=0&wait=20');
    await batched(stream);
    await pinged(stream);
    for (let i = 0; i < 3; i++) {
      clock.advance(19_999);
      // Heartbeats in between do not count.
      await pinged(stream);
      await s2.texts('wait', String(i));
      for (let event = await stream.next(); event?.event !== 'batch'; event = await stream.next()) {
        expect(event?.event).toBe('ping');
      }
      await settled();
    }
    clock.advance(20_000);
    const last = (await stream.rest()).at(-1);
    expect(last).toMatchObject(DONE);
  });

  test('of a unary read is at most a minute', async () => {
    await s2.texts('minute', 'a');
    let isOver = false;
    const waiting = s2.read('minute', '?seq_num=1&wait=4294967295').finally(() => {
      isOver = true;
    });
    await untilFollowed('minute', 1);
    clock.advance(59_999);
    // This response comes after the response of the read, if there was one.
    await s2.tail('minute');
    expect(isOver).toBe(false);
    clock.advance(1);
    expect(await waiting).toEqual([200, { records: [] }]);
  });
});

describe('a client that disconnects leaves nothing', () => {
  test('of a unary read that waited', async () => {
    await s2.texts('gone', 'a');
    const abort = new AbortController();
    const url = `http://127.0.0.1:${server.address?.port}${s2.path('gone', '?seq_num=1&wait=60')}`;
    const waiting = fetch(url, { headers: s2.headers(), signal: abort.signal });
    await untilFollowed('gone', 1);
    abort.abort();
    await expect(waiting).rejects.toThrow();
    await untilFollowed('gone', 0);
  });

  test('of a session that followed', async () => {
    await s2.texts('left', 'b');
    const streams = await Promise.all(['', '?wait=60', '?seq_num=0'].map((query) => s2.sse('left', query)));
    await untilFollowed('left', 3);
    for (const stream of streams) stream.destroy();
    await untilFollowed('left', 0);
  });
});
