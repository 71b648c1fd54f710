/** Gauges of stored bytes: by stream and minute, by basin and hour, and correct also after an unclean stop. */

import { describe, expect, test } from '@jest/globals';
import { HeldEngine, turn } from '../support/log-harness.ts';
import { DAY, HOUR, MINUTE, openUsage, rowCount, T0, testClock, type UsageHarness } from '../support/usage-harness.ts';

/** Metered bytes: 8 plus the body. */
const RECORD = 10;
const BODY = RECORD - 8;

async function streamStored(harness: UsageHarness, name: string, start: number, end: number) {
  const stream = await harness.log.getStream(harness.basin, name);
  return harness.usage.streamStorage(stream, { start: T0 + start, end: T0 + end });
}

async function basinStored({ usage, basin }: UsageHarness, start: number, end: number) {
  return usage.basinStorage(basin, { start: T0 + start, end: T0 + end });
}

async function sumOfStreams({ log, basin }: UsageHarness): Promise<number> {
  let bytes = 0;
  for (let from: string | undefined = ''; from !== undefined; ) {
    from = await log.visitStored(basin, from, (_name, stored) => {
      bytes += stored;
    });
  }
  return bytes;
}

describe('a stream', () => {
  test('has a point for each minute since it was created, also for minutes without any change', async () => {
    const harness = await openUsage();
    const { append, pass } = harness;
    await append('a', BODY);
    await pass(MINUTE);
    await append('a', BODY);
    await append('a', BODY);
    await pass(3 * MINUTE);
    await append('a', BODY);
    const points = [10, 30, 30, 30, 40].map((bytes, minute) => [T0 + minute * MINUTE, bytes]);
    expect(await streamStored(harness, 'a', 0, 4 * MINUTE)).toEqual(points);
    expect(await streamStored(harness, 'a', -DAY, HOUR)).toEqual(points);
    expect(await streamStored(harness, 'a', 90, 150)).toEqual(points.slice(1, 3));
    expect(await streamStored(harness, 'a', -DAY, -HOUR)).toEqual([]);
  });

  test('that did not change for longer than samples are kept still shows its bytes', async () => {
    const harness = await openUsage();
    await harness.append('a', BODY);
    await harness.pass(30 * DAY);
    await harness.pass(MINUTE);
    const now = 30 * DAY;
    expect(await streamStored(harness, 'a', now - 120, now)).toEqual(
      [0, 1, 2].map((i) => [T0 + now - 120 + i * 60, 10]),
    );
  });

  test('that is trimmed shrinks', async () => {
    const harness = await openUsage();
    const { append, pass, log, basin } = harness;
    for (let i = 0; i < 5; i++) await append('a', BODY);
    await pass(MINUTE);
    await log.trim(await log.getStream(basin, 'a'), 3);
    await pass(MINUTE);
    expect(await streamStored(harness, 'a', 0, 2 * MINUTE)).toEqual([
      [T0, 50],
      [T0 + MINUTE, 20],
      [T0 + 2 * MINUTE, 20],
    ]);
  });

  test('costs a row for each hour in which it changed, however often it changed, and no row when idle', async () => {
    const { append, pass, engine } = await openUsage();
    for (let minute = 0; minute < 90; minute++) {
      await append('a', BODY);
      await pass(MINUTE);
    }
    await append('b', BODY);
    await pass(5 * HOUR);
    expect(await rowCount(engine, 'streamStorage')).toBe(3);
  });

  test('waits for its turn when too many streams changed at once, and is not forgotten', async () => {
    const harness = await openUsage();
    const { log, basin, usage, engine, pass } = harness;
    const stream = await log.openStream(basin, 'a', 'append');
    for (let i = 1; i <= 5_000; i++) usage.stored({ ...stream, id: String(1_000 + i), basin, name: `s${i}` }, 0, i);
    await pass(MINUTE);
    expect(await rowCount(engine, 'streamStorage')).toBe(2_000);
    await pass(2 * MINUTE);
    await pass(MINUTE);
    expect(await rowCount(engine, 'streamStorage')).toBe(5_000);
  });
});

describe('a basin', () => {
  test('has the sum of its streams for each hour', async () => {
    const harness = await openUsage();
    const { append, pass, log, basin } = harness;
    await append('a', BODY);
    await append('b', BODY);
    await pass(HOUR);
    await append('b', BODY);
    await pass(3 * HOUR);
    await log.deleteStream(basin, 'b');
    await log.backgroundSettled();
    const points = [20, 30, 30, 30, 10].map((bytes, hour) => [T0 + hour * HOUR, bytes]);
    expect(await basinStored(harness, 0, 4 * HOUR)).toEqual(points);
    expect(await basinStored(harness, -DAY, DAY)).toEqual(points);
    expect(await basinStored(harness, 2 * HOUR, 2 * HOUR)).toEqual(points.slice(2, 3));
    await harness.stop();
  });

  test('is correct after a restart, after kill -9, and after a kill during the count that follows', async () => {
    const first = await openUsage();
    for (let i = 0; i < 700; i++) await first.append(`stream-${i}`, BODY);
    await first.pass(MINUTE);
    await first.append('stream-0', BODY);
    const bytes = 701 * RECORD;
    const second = await openUsage(new HeldEngine(first.engine.inner), first.clock);
    expect((await basinStored(second, 0, 0)).at(-1)).toEqual([T0, bytes]);
    const third = await openUsage(new HeldEngine(first.engine.inner), first.clock);
    await third.stop();
    const fourth = await openUsage(new HeldEngine(first.engine.inner), first.clock);
    expect((await basinStored(fourth, 0, 0)).at(-1)).toEqual([T0, bytes]);
    await fourth.stop();
    const fifth = await openUsage(new HeldEngine(first.engine.inner), first.clock);
    await fifth.append('stream-1', BODY);
    expect((await basinStored(fifth, 0, 0)).at(-1)).toEqual([T0, bytes + RECORD]);
    await fifth.stop();
  });

  test('that is created again under the same name starts with nothing', async () => {
    const { log, usage, basin, append, pass } = await openUsage();
    await append('a', BODY);
    await pass(MINUTE);
    await log.deleteBasin('basin-one');
    await log.backgroundSettled();
    const { it } = await log.createBasin('basin-one', {});
    expect(it.number).not.toBe(basin.number);
    const range = { start: T0, end: T0 + HOUR };
    expect((await usage.basinStorage(it, range)).map(([, bytes]) => bytes)).toEqual([0]);
    expect(await usage.basin(it, range, 'minute')).toEqual(new Map());
  });
});

describe('the count after kill -9', () => {
  test('is correct when streams change, come and go during the count', async () => {
    const first = await openUsage();
    const names = Array.from({ length: 225 }, (_, i) => `stream-${String(i).padStart(3, '0')}`);
    await Promise.all(names.map((name) => first.append(name, BODY)));
    let pages = 0;
    let release = (): void => {};
    const second: UsageHarness = await openUsage(new HeldEngine(first.engine.inner), first.clock, (log) => ({
      visitStored: async (basin, startAfter, visit) => {
        pages++;
        const page: [name: string, bytes: number][] = [];
        const look = (): Promise<string | undefined> =>
          log.visitStored(basin, startAfter, (name, bytes) => page.push([name, bytes]));
        // Every second page is being read while streams change.
        const early = pages % 2 === 0 ? await look() : undefined;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        const last = pages % 2 === 0 ? early : await look();
        for (const [name, bytes] of page) visit(name, bytes);
        return last;
      },
    }));
    for (let page = 1; pages === page; page++) {
      // Before, at and after the name that the count has reached; each page has 64 of these names.
      const at = (page - 1) * 64;
      for (const index of [0, at - 1, at, at + 25, 224]) {
        const name = names[index];
        if (name !== undefined) await second.append(name, BODY);
      }
      await second.append(`fresh-${page}`, BODY);
      await second.append(`zzz-${page}`, BODY);
      await second.append(`${names[at + 12]}-between`, BODY);
      await second.log.deleteStream(second.basin, names[at + 5] ?? '');
      await second.log.deleteStream(second.basin, names[page + 20] ?? '');
      await second.log.backgroundSettled();
      release();
      for (let turns = 0; turns < 100 && pages === page; turns++) await turn();
    }
    expect(pages).toBe(4);
    const bytes = await sumOfStreams(second);
    expect(bytes).toBeGreaterThan(215 * RECORD);
    expect((await basinStored(second, 0, 0)).at(-1)?.[1]).toBe(bytes);
    await second.stop();
  });
});

describe('active basins', () => {
  test('are those that had a stream in the range, also deleted ones', async () => {
    const harness = await openUsage(new HeldEngine(), testClock());
    const { log, usage, append, pass, basin } = harness;
    await log.ensureBasin('basin-two', {});
    await append('a', BODY);
    await pass(2 * HOUR);
    const { it: late } = await log.ensureBasin('basin-zzz', {});
    await log.createStream(late, 'empty', {});
    const active = (start: number, end: number): Promise<readonly string[]> =>
      usage.activeBasins({ start: T0 + start, end: T0 + end });
    expect(await active(0, 3 * HOUR)).toEqual(['basin-one', 'basin-zzz']);
    expect(await active(0, HOUR)).toEqual(['basin-one']);
    expect(await active(-DAY, -HOUR)).toEqual([]);
    await log.deleteBasin(basin.name);
    await log.backgroundSettled();
    await pass(2 * HOUR);
    expect(await active(0, HOUR)).toEqual(['basin-one']);
    expect(await active(4 * HOUR, 4 * HOUR)).toEqual(['basin-zzz']);
    await harness.stop();
  });
});
