/** Usage metrics: counted per minute, written each minute and when the server stops, kept for the promised time. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { APPEND_BYTES, APPEND_OPS } from '../../src/usage/tally.ts';
import { HeldEngine } from '../support/log-harness.ts';
import { DAY, HOUR, MINUTE, openUsage, rowCount, T0, testClock, total, usageRows } from '../support/usage-harness.ts';

const ALL = { start: T0, end: T0 + 200 * DAY };

describe('an operation', () => {
  test('is counted in its minute, whether it is already written or not', async () => {
    const { usage, basin, append, pass, stop } = await openUsage();
    await append('a', 10);
    await append('a', 10);
    await pass(MINUTE);
    await append('b', 12);
    const bytes = (await usage.basin(basin, ALL, 'minute')).get(APPEND_BYTES.express);
    expect(bytes).toEqual([
      [T0, 36],
      [T0 + MINUTE, 20],
    ]);
    await pass(HOUR);
    expect((await usage.basin(basin, ALL, 'minute')).get(APPEND_BYTES.express)).toEqual(bytes);
    expect((await usage.basin(basin, ALL, 'hour')).get(APPEND_OPS.express)).toEqual([[T0, 3]]);
    expect((await usage.basin(basin, ALL, 'day')).get(APPEND_OPS.express)).toEqual([[T0, 3]]);
    await stop();
  });

  test('of one minute adds up across flushes and restarts', async () => {
    const first = await openUsage();
    await first.append('a', 1);
    await first.usage.flush();
    await first.append('a', 1);
    await first.stop();
    const second = await openUsage(new HeldEngine(first.engine.inner), first.clock);
    await second.append('a', 1);
    await second.usage.flush();
    await second.usage.flush();
    expect((await second.usage.basin(second.basin, ALL, 'minute')).get(APPEND_OPS.express)).toEqual([[T0, 3]]);
    await second.stop();
  });

  test('is lost by kill -9 for the last minute at most', async () => {
    const first = await openUsage();
    await first.append('a', 1);
    await first.pass(MINUTE);
    await first.append('a', 1);
    const second = await openUsage(new HeldEngine(first.engine.inner), first.clock);
    expect((await second.usage.basin(second.basin, ALL, 'hour')).get(APPEND_OPS.express)).toEqual([[T0, 1]]);
  });

  test('is returned for the buckets that a range touches, both ends included', async () => {
    const { usage, basin, append, pass } = await openUsage();
    for (let i = 0; i < 4; i++) {
      await append('a', 1);
      await pass(MINUTE);
    }
    const minutes = async (start: number, end: number): Promise<unknown> =>
      (await usage.basin(basin, { start: T0 + start, end: T0 + end }, 'minute')).get(APPEND_OPS.express)?.length ?? 0;
    expect(await minutes(30, 30)).toBe(1);
    expect(await minutes(59, 60)).toBe(2);
    expect(await minutes(60, 179)).toBe(2);
    expect(await minutes(240, 300)).toBe(0);
    expect(await minutes(-60, 239)).toBe(4);
  });

  test('is not counted when its basin does not exist or its kind is unknown', async () => {
    const { usage, engine, pass } = await openUsage();
    for (let i = 0; i < 1_000; i++) usage.operation('list-streams', `basin-none-${i}`);
    usage.operation('no-such-thing', 'basin-one');
    usage.operation('append', 'basin-one');
    await pass(MINUTE);
    expect(await rowCount(engine, 'minutes')).toBe(0);
    usage.operation('list-basins');
    usage.operation('list-streams', 'basin-one');
    await pass(MINUTE);
    expect(await rowCount(engine, 'minutes')).toBe(2);
    expect([...(await usage.account(ALL, 'hour'))]).toEqual([['op/list-basins', [[T0, 1]]]]);
  });
});

describe('writing counts', () => {
  test('takes one transaction a minute while something happens, and none while nothing does', async () => {
    const { engine, append, pass } = await openUsage();
    for (let i = 0; i < 50; i++) await append(`stream-${i % 5}`, 1);
    const before = engine.transactions.length;
    await pass(MINUTE);
    const flushes = engine.transactions.slice(before).filter((transaction) => usageRows(transaction) > 0);
    expect(flushes).toHaveLength(1);
    const idle = engine.transactions.length;
    for (let i = 0; i < 30; i++) await pass(MINUTE);
    expect(
      engine.transactions
        .slice(idle)
        .map(usageRows)
        .filter((rows) => rows > 0),
    ).toEqual([]);
  });

  test('is repeated when it fails, and counts nothing twice', async () => {
    let failing = true;
    const { usage, basin, append, pass, errors, stop } = await openUsage(new HeldEngine(), testClock(), (log) => ({
      commitRows: (rows) =>
        failing ? Promise.reject(new TailraceError('storage_full', 'told to fail')) : log.commitRows(rows),
    }));
    for (let i = 0; i < 3; i++) {
      await append('a', 1);
      await pass(MINUTE);
    }
    expect(errors.length).toBeGreaterThanOrEqual(3);
    expect((await usage.basin(basin, ALL, 'minute')).get(APPEND_OPS.express)).toHaveLength(3);
    failing = false;
    await pass(MINUTE);
    expect((await usage.basin(basin, ALL, 'minute')).get(APPEND_OPS.express)).toEqual([
      [T0, 1],
      [T0 + MINUTE, 1],
      [T0 + 2 * MINUTE, 1],
    ]);
    await stop();
  });

  test('keeps no more than an hour of minutes in memory while the store refuses writes', async () => {
    const { usage, basin, append, pass } = await openUsage(new HeldEngine(), testClock(), () => ({
      commitRows: () => Promise.reject(new TailraceError('storage', 'told to fail')),
    }));
    for (let i = 0; i < 100; i++) {
      await append('a', 1);
      await pass(MINUTE);
    }
    const points = (await usage.basin(basin, ALL, 'minute')).get(APPEND_OPS.express);
    expect(points?.length).toBeLessThanOrEqual(61);
    expect(total(points)).toBe(100);
  });

  test('happens a last time when the server stops, and only once', async () => {
    const { engine, usage, append, stop } = await openUsage();
    await append('a', 1);
    await stop();
    const transactions = engine.transactions.length;
    await usage.close();
    expect(engine.transactions).toHaveLength(transactions);
    expect(await rowCount(engine, 'shutdown')).toBe(1);
  });
});

describe('expiry of counts', () => {
  test('deletes minutes after a week and keeps hours with the same sums until no query can reach them', async () => {
    const { engine, usage, basin, append, pass } = await openUsage();
    for (let i = 0; i < 90; i++) {
      await append('a', 1);
      await pass(MINUTE);
    }
    const hours = [
      [T0, 60],
      [T0 + HOUR, 30],
    ];
    expect((await usage.basin(basin, ALL, 'hour')).get(APPEND_OPS.express)).toEqual(hours);
    await pass(7 * DAY + 2 * HOUR);
    usage.operation('list-basins');
    await pass(MINUTE);
    expect(await rowCount(engine, 'minutes')).toBe(1);
    expect((await usage.basin(basin, ALL, 'hour')).get(APPEND_OPS.express)).toEqual(hours);
    // Deleted minutes are answered from the hour: no count is missing.
    expect((await usage.basin(basin, ALL, 'minute')).get(APPEND_OPS.express)).toEqual(hours);
    await pass(92 * DAY);
    usage.operation('list-basins');
    await pass(MINUTE);
    expect(await usage.basin(basin, ALL, 'day')).toEqual(new Map());
    expect([await rowCount(engine, 'hours'), await rowCount(engine, 'streamStorage')]).toEqual([1, 0]);
    // A gauge keeps its value until its next sample.
    expect(await rowCount(engine, 'basinStorage')).toBe(1);
    const now = T0 + 99 * DAY;
    expect((await usage.basinStorage(basin, { start: now, end: now })).map(([, bytes]) => bytes)).toEqual([90 * 9]);
  });

  test('does not follow a wall clock that jumps ahead', async () => {
    const { engine, clock, append, pass } = await openUsage();
    await append('a', 1);
    await pass(MINUTE);
    clock.wallMs += 200 * DAY * 1_000;
    await append('a', 1);
    await pass(MINUTE);
    expect([await rowCount(engine, 'minutes'), await rowCount(engine, 'hours')]).toEqual([2, 1]);
  });
});
