/**
 * Background work of the log: retention, deletion, deletion on empty; in bounded steps, and continued after a restart.
 */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { ReadEvent } from '../../src/log/events.ts';
import { Log } from '../../src/log/log.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { FAMILY } from '../../src/storage/keys.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { FROM_START, type HeldEngine, openHarness, readAll, TestClock, texts, turn } from '../support/log-harness.ts';

const DAY_MS = 86_400_000;

async function withStream(config: Parameters<Awaited<ReturnType<typeof openHarness>>['log']['createStream']>[2]) {
  const harness = await openHarness();
  const { it: stream } = await harness.log.createStream(harness.basin, 'a', config);
  const append = (...bodies: string[]) => harness.log.append([{ stream, drafts: [texts(...bodies)] }]);
  return { ...harness, stream, append };
}

/** Moves the clock and waits until due work is done. */
async function pass(
  harness: { clock: TestClock; log: { backgroundSettled(): Promise<void> } },
  ms: number,
): Promise<void> {
  for (let left = ms; left > 0; left -= 60_000) {
    harness.clock.advance(Math.min(left, 60_000));
    await turn();
    await harness.log.backgroundSettled();
  }
}

function blocksOf({ engine }: { engine: HeldEngine }): Promise<number> {
  return blocksIn(engine);
}

async function blocksIn(engine: Engine): Promise<number> {
  return (await engine.scan({ from: Buffer.of(5), to: Buffer.of(6), limit: 100_000 })).length;
}

describe('retention by age', () => {
  test('hides a record from readers at the moment it expires, and frees its space', async () => {
    const harness = await withStream({ retentionAgeSeconds: 100 });
    const { log, stream, append, clock } = harness;
    await append('old');
    clock.advance(50_000);
    await append('young');
    clock.advance(49_999);
    expect((await readAll(log, stream, { count: 9 })).map(({ body }) => body)).toEqual(['old', 'young']);
    clock.advance(2);
    expect((await readAll(log, stream, { count: 9 })).map(({ body }) => body)).toEqual(['young']);
    const [gap] = await events(log.read(stream, { ...FROM_START, count: 9 }, new AbortController().signal));
    expect(gap).toEqual({ type: 'gap', from: 0, to: 1 });
    await log.backgroundSettled();
    await pass(harness, 2_000);
    expect(await blocksOf(harness)).toBe(1);
    await pass(harness, 60_000);
    expect(await blocksOf(harness)).toBe(0);
    expect((await log.checkTail(stream)).seqNum).toBe(2);
    await append('next');
    expect((await readAll(log, stream, { count: 9 })).map(({ seqNum }) => seqNum)).toEqual([2]);
  });

  test('applies a later reconfiguration to stored records', async () => {
    const harness = await withStream({ retentionAgeSeconds: 100 });
    const { log, stream, append, clock, basin } = harness;
    await append('r0');
    clock.advance(10_000);
    await append('r1');
    await log.reconfigureStream(basin, 'a', { retentionAgeSeconds: 5 });
    expect((await readAll(log, stream, { count: 9 })).map(({ body }) => body)).toEqual(['r1']);
    await log.reconfigureStream(basin, 'a', { retentionAgeSeconds: undefined });
    await pass(harness, 3 * DAY_MS);
    expect(await readAll(log, stream, { count: 9 })).not.toEqual([]);
  });

  test('ignores timestamps of the client', async () => {
    const harness = await withStream({ retentionAgeSeconds: 100 });
    await harness.log.appendRecords({
      stream: harness.stream,
      records: [{ headers: [], body: Buffer.from('r0'), timestamp: 1 }],
    });
    expect(await readAll(harness.log, harness.stream, { count: 9 })).toHaveLength(1);
  });

  test('deletes nothing for a day when the wall clock jumps ahead, unless an operator confirms it', async () => {
    const harness = await withStream({ retentionAgeSeconds: 100 });
    const { log, stream, append, clock } = harness;
    await append('r0');
    clock.wallMs += 10 * DAY_MS;
    await pass(harness, 60_000);
    expect(await readAll(log, stream, { count: 9 })).toHaveLength(1);
    log.confirmClock();
    expect(await readAll(log, stream, { count: 9 })).toHaveLength(0);
  });

  test('does not trust a clock that is days ahead at the start', async () => {
    const harness = await withStream({ retentionAgeSeconds: 100 });
    await harness.append('r0');
    await pass(harness, 60_000);
    await harness.log.close();
    harness.clock.wallMs += 3 * DAY_MS;
    const after = await harness.reopen();
    const stream = await after.log.getStream(after.basin, 'a');
    await after.log.backgroundSettled();
    expect(await readAll(after.log, stream, { count: 9 })).toHaveLength(1);
    await pass({ clock: harness.clock, log: after.log }, DAY_MS + 60_000);
    expect(await readAll(after.log, stream, { count: 9 })).toHaveLength(0);
  });
});

test('retention by bytes keeps the newest blocks that fit, soon after an append went over it', async () => {
  const harness = await withStream({ retentionBytes: 350 });
  const { log, stream, append } = harness;
  for (let i = 0; i < 5; i++) await append('x'.repeat(92));
  await log.backgroundSettled();
  expect((await readAll(log, stream)).map(({ seqNum }) => seqNum)).toEqual([2, 3, 4]);
  expect(await blocksOf(harness)).toBe(3);
});

describe('deletion of a stream', () => {
  test('refuses calls at once, lets followers read what came before, and frees the name afterwards', async () => {
    const harness = await withStream({});
    const { log, stream, append, basin, engine } = harness;
    for (let i = 0; i < 700; i++) await append(`r${i}`);
    const follower = log.read(stream, FROM_START, new AbortController().signal);
    const seen: ReadEvent[] = [];
    const ended = (async () => {
      for await (const event of follower) seen.push(event);
    })().catch((error: unknown) => error);
    while (!seen.some(({ type }) => type === 'caught_up')) await turn();
    engine.hold();
    const last = append('last');
    const deleted = log.deleteStream(basin, 'a');
    while (engine.waiting === 0) await turn();
    await turn();
    const late = expect(append('late')).rejects.toMatchObject({ code: 'stream_deletion_pending' });
    engine.release();
    await Promise.all([last, deleted, late]);
    expect(await ended).toMatchObject({ code: 'stream_deletion_pending' });
    const lastEvent = seen.at(-1);
    expect(lastEvent?.type === 'records' && lastEvent.block.firstSeq).toBe(700);
    await log.backgroundSettled();
    expect(await blocksOf(harness)).toBe(0);
    await expect(log.getStream(basin, 'a')).rejects.toMatchObject({ code: 'stream_not_found' });
    const again = await log.createStream(basin, 'a', {});
    expect(again.it.id).not.toBe(stream.id);
    expect(await log.checkTail(again.it)).toEqual({ seqNum: 0, timestamp: 0 });
    await expect(append('old one')).rejects.toMatchObject({ code: 'stream_deletion_pending' });
  });

  test.each([1, 2, 3])(
    'continues after a restart when the purge is cut off in its transaction %i',
    async (survived) => {
      const harness = await withStream({ retentionAgeSeconds: 60 });
      const { log, append, basin, engine } = harness;
      for (let i = 0; i < 1_200; i++) await append(`r${i}`);
      await log.backgroundSettled();
      engine.hold();
      const cut = log.deleteStream(basin, 'a').catch(() => {});
      for (let i = 0; i < survived; i++) await engine.settleOne();
      await engine.settleOne('fail');
      await cut;
      const after = await harness.reopen();
      await after.log.backgroundSettled();
      expect(await blocksOf(after)).toBe(0);
      const { streams } = await after.log.listStreams(after.basin, { prefix: '', startAfter: '', limit: 9 });
      expect(streams).toEqual([]);
      expect(await after.engine.scan({ from: Buffer.of(9), to: Buffer.of(10), limit: 9 })).toEqual([]);
    },
  );
});

test('a trim that runs while its stream is deleted writes nothing after the removal', async () => {
  const { log, basin, stream, append, engine } = await withStream({});
  await append('r0');
  await log.backgroundSettled();
  const scan = engine.scan.bind(engine);
  let trimming = true;
  engine.scan = async (wanted) => {
    const entries = await scan(wanted);
    if (!trimming) return entries;
    // The trim has seen its blocks: now the whole stream is deleted.
    trimming = false;
    await log.deleteStream(basin, 'a');
    await log.backgroundSettled();
    return entries;
  };
  await log.trim(stream, 1);
  expect(trimming).toBe(false);
  expect(await scan({ from: Buffer.of(4), to: Buffer.of(6), limit: 9 })).toEqual([]);
});

test('a trim whose stream loses a write meanwhile finishes, and the background work frees the space', async () => {
  const harness = await withStream({});
  const { log, stream, append, engine } = harness;
  await append('r0');
  await append('r1');
  await log.backgroundSettled();
  const scan = engine.scan.bind(engine);
  let failed: Promise<unknown> | undefined;
  engine.scan = async (wanted) => {
    const entries = await scan(wanted);
    if (failed !== undefined) return entries;
    engine.hold();
    failed = append('lost').catch(({ code }: { code: string }) => code);
    await engine.settleOne('fail');
    engine.release();
    return entries;
  };
  await log.trim(stream, 1);
  expect(await failed).toBe('storage');
  await log.backgroundSettled();
  expect(await blocksOf(harness)).toBe(1);
  expect((await readAll(log, stream)).map(({ body }) => body)).toEqual(['r1']);
});

test('a stream whose removal becomes durable during a lookup is missing, not damaged', async () => {
  const before = await openHarness();
  await before.log.createStream(before.basin, 'a', {});
  const { log, basin, engine } = await before.reopen();
  const get = engine.get.bind(engine);
  engine.get = async (key) => {
    const value = await get(key);
    if (key[0] !== FAMILY.streams) return value;
    engine.get = get;
    const state = await engine.scan({ from: Buffer.of(FAMILY.streamStates), to: Buffer.of(FAMILY.blocks), limit: 1 });
    await engine.commit([key, ...state.map((entry) => entry.key)].map((gone) => ({ type: 'delete', key: gone })));
    return value;
  };
  await expect(Promise.resolve(log.openStream(basin, 'a', 'read'))).rejects.toMatchObject({ code: 'stream_not_found' });
});

test('a stream that only waits for its first append has nothing to trim, and nothing of it is written', async () => {
  const { log, engine, basin, stream } = await openHarness();
  await log.reconfigureBasin(basin.name, { defaultStream: { deleteOnEmptyMinAgeSeconds: 1 } });
  const before = engine.transactions.length;
  await expect(log.trim(await stream('unmade'), 0)).rejects.toMatchObject({ code: 'stream_not_found' });
  await log.backgroundSettled();
  expect(engine.transactions.length).toBe(before);
});

test('a full store that could not drop its oldest records tries again a second later', async () => {
  const engine = openMemoryEngine({ storeBytesMax: 40_000, reserveBytes: 10_000 });
  const clock = new TestClock();
  const errors: unknown[] = [];
  const onBackgroundError = (error: unknown) => errors.push(error);
  const log = await Log.open(engine, { clock, whenFull: 'drop-oldest', onFatal: () => {}, onBackgroundError });
  const { it: basin } = await log.createBasin('basin-one', {});
  const { it: stream } = await log.createStream(basin, 'a', { retentionAgeSeconds: undefined });
  await log.backgroundSettled();
  const append = async () => {
    const open = await log.openStream(basin, 'a', 'append');
    return log.append([{ stream: open, drafts: [texts(randomBytes(2_000).toString('hex'))] }]);
  };
  const stat = engine.stat.bind(engine);
  engine.stat = () => Promise.reject(new Error('told to fail'));
  const fill = async () => {
    for (;;) await append();
  };
  await expect(fill()).rejects.toMatchObject({ code: 'storage_full' });
  await turn();
  await log.backgroundSettled();
  expect(errors).toHaveLength(1);
  engine.stat = stat;
  clock.advance(999);
  await turn();
  await log.backgroundSettled();
  await expect(append()).rejects.toMatchObject({ code: 'storage_full' });
  clock.advance(1);
  await turn();
  await log.backgroundSettled();
  for (let turns = 0; turns < 9; turns++) await turn();
  await append();
  expect(await blocksIn(engine)).toBeLessThan((await log.checkTail(stream)).seqNum);
});

describe('deletion of basins', () => {
  test('deletes its streams, refuses new ones meanwhile, and frees the name', async () => {
    const { log, engine } = await openHarness();
    const { it: basin } = await log.createBasin('basin-two', { createStreamOnAppend: true });
    await Promise.all(Array.from({ length: 300 }, (_, i) => log.createStream(basin, `s${i}`, {})));
    const waiting = await log.openStream(basin, 'waiting', 'append');
    engine.hold();
    const deleted = log.deleteBasin('basin-two');
    await turn();
    const calls = [
      () => log.createStream(basin, 'x', {}),
      () => log.ensureStream(basin, 's1', {}),
      () => log.reconfigureStream(basin, 's1', {}),
      () => log.ensureBasin('basin-two', {}),
      () => log.createBasin('basin-two', {}),
      () => log.reconfigureBasin('basin-two', {}),
      async () => log.openStream(basin, 'y', 'append'),
    ];
    const codes = Promise.all(calls.map((call) => call().then(Object, ({ code }: { code: string }) => code)));
    await turn();
    engine.release();
    expect(await codes).toEqual(calls.map(() => 'basin_deletion_pending'));
    await expect(log.append([{ stream: waiting, drafts: [texts('x')] }])).rejects.toMatchObject({
      code: 'basin_deletion_pending',
    });
    await deleted;
    await log.backgroundSettled();
    expect(log.basin('basin-two')).toBeUndefined();
    const again = await log.createBasin('basin-two', {});
    expect(again.it.number).not.toBe(basin.number);
    expect((await log.listStreams(again.it, { prefix: '', startAfter: '', limit: 9 })).streams).toEqual([]);
  });
});

describe('deletion on empty', () => {
  test('deletes a stream without writes when it is old enough, and keeps one with records', async () => {
    const harness = await withStream({ deleteOnEmptyMinAgeSeconds: 100, retentionAgeSeconds: undefined });
    const { log, basin, stream, append } = harness;
    await log.createStream(basin, 'empty', { deleteOnEmptyMinAgeSeconds: 100 });
    await append('r0');
    await pass(harness, 99_000);
    expect((await log.getStream(basin, 'empty')).name).toBe('empty');
    await pass(harness, 120_000);
    await expect(log.getStream(basin, 'empty')).rejects.toMatchObject({ code: 'stream_not_found' });
    await pass(harness, 3_600_000);
    await log.trim(stream, 1);
    await log.backgroundSettled();
    await expect(log.getStream(basin, 'a')).rejects.toMatchObject({ code: 'stream_not_found' });
  });

  test('is cancelled by a write that comes first', async () => {
    const harness = await withStream({ deleteOnEmptyMinAgeSeconds: 100 });
    const { log, basin, append } = harness;
    await pass(harness, 90_000);
    await append('r0');
    await pass(harness, 600_000);
    expect((await log.getStream(basin, 'a')).name).toBe('a');
  });

  test('also deletes a stream that became empty because its records expired', async () => {
    const harness = await withStream({ deleteOnEmptyMinAgeSeconds: 100, retentionAgeSeconds: 300 });
    const { log, basin, append } = harness;
    await append('r0');
    await pass(harness, 299_000);
    expect((await log.getStream(basin, 'a')).name).toBe('a');
    await pass(harness, 700_000);
    await expect(log.getStream(basin, 'a')).rejects.toMatchObject({ code: 'stream_not_found' });
  });
});

async function events(reading: AsyncGenerator<ReadEvent>): Promise<ReadEvent[]> {
  const all: ReadEvent[] = [];
  for await (const event of reading) all.push(event);
  return all;
}
