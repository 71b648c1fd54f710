/** Usage metrics for any traffic: minutes, hours and days have the same sums, and gauges have the last sample. */

import { expect, test } from '@jest/globals';
import { INTERVAL_SECONDS, USAGE_INTERVALS, type UsagePoint } from '../../src/model/usage.ts';
import { accumulate, gauge } from '../../src/usage/series.ts';
import { APPEND_BYTES, APPEND_OPS } from '../../src/usage/tally.ts';
import fc from '../support/fast-check.ts';
import { HeldEngine } from '../support/log-harness.ts';
import { DAY, HOUR, MINUTE, openUsage, T0, total } from '../support/usage-harness.ts';

type Step =
  | { readonly type: 'append'; readonly bytes: number }
  | { readonly type: 'pass'; readonly seconds: number }
  | { readonly type: 'flush' | 'restart' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('append' as const), bytes: fc.nat({ max: 50 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      seconds: fc.constantFrom(7, 60, 61, 1_800, HOUR, 5 * HOUR),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('flush' as const, 'restart' as const) }) },
);

test('every interval has the same sums for any operations, times and restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      let harness = await openUsage();
      const expected = new Map<number, { ops: number; bytes: number }>();
      for (const one of steps) {
        if (one.type === 'append') {
          await harness.append('a', one.bytes);
          const second = Math.floor(harness.clock.now() / 1_000);
          const minute = second - (second % MINUTE);
          const { ops, bytes } = expected.get(minute) ?? { ops: 0, bytes: 0 };
          expected.set(minute, { ops: ops + 1, bytes: bytes + one.bytes + 8 });
        } else if (one.type === 'pass') {
          await harness.pass(one.seconds);
        } else if (one.type === 'flush') {
          await harness.usage.flush();
        } else {
          await harness.stop();
          harness = await openUsage(new HeldEngine(harness.engine.inner), harness.clock);
        }
      }
      const all = { start: T0, end: T0 + 30 * DAY };
      const { usage, basin } = harness;
      for (const interval of USAGE_INTERVALS) {
        const folded = (pick: (one: { ops: number; bytes: number }) => number): UsagePoint[] => {
          const buckets = new Map<number, number>();
          for (const [minute, one] of expected) {
            const bucket = minute - (minute % INTERVAL_SECONDS[interval]);
            buckets.set(bucket, (buckets.get(bucket) ?? 0) + pick(one));
          }
          return [...buckets].sort(([a], [b]) => a - b);
        };
        const series = await usage.basin(basin, all, interval);
        expect(series.get(APPEND_OPS.express) ?? []).toEqual(folded(({ ops }) => ops));
        expect(series.get(APPEND_BYTES.express) ?? []).toEqual(folded(({ bytes }) => bytes));
      }
      const stored = [...expected.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      const now = Math.floor(harness.clock.now() / 1_000);
      expect((await usage.basinStorage(basin, { start: now, end: now })).at(-1)?.[1] ?? 0).toBe(stored);
      await harness.stop();
    }),
    { numRuns: 60 },
  );
});

test('folding keeps the sum, and puts each second into its bucket', () => {
  const counted = fc.array(fc.record({ second: fc.nat({ max: 10 * DAY }), count: fc.integer({ min: 1, max: 1_000 }) }));
  fc.assert(
    fc.property(counted, fc.constantFrom(...Object.values(INTERVAL_SECONDS)), (all, seconds) => {
      const input = all.map(({ second, count }) => ({ second, counts: new Map([['x', count]]) }));
      const points = accumulate(input, seconds).get('x');
      expect(total(points)).toBe(all.reduce((sum, { count }) => sum + count, 0));
      for (const [bucket, value] of points ?? []) {
        const within = all.filter(({ second }) => second >= bucket && second < bucket + seconds);
        expect(value).toBe(within.reduce((sum, { count }) => sum + count, 0));
      }
    }),
  );
});

test('a gauge has a point for each bucket from its first sample on: the last sample until then', () => {
  const samples = fc.array(fc.tuple(fc.nat({ max: DAY }), fc.nat()));
  fc.assert(
    fc.property(
      samples,
      fc.nat({ max: DAY }),
      fc.nat({ max: DAY }),
      fc.nat({ max: DAY }),
      (given, start, length, now) => {
        const sorted = given.toSorted(([a], [b]) => a - b);
        const points = gauge(sorted, { start, end: start + length }, HOUR, now);
        const expected: UsagePoint[] = [];
        for (let bucket = start - (start % HOUR); bucket <= Math.min(start + length, now); bucket += HOUR) {
          const last = sorted.findLast(([second]) => second < bucket + HOUR);
          if (last !== undefined) expected.push([bucket, last[1]]);
        }
        expect(points).toEqual(expected);
      },
    ),
  );
});
