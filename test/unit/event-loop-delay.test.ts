/** How late the event loop is: what each scraper sees of it. */

import { expect, test } from '@jest/globals';
import { EventLoopDelay, eventLoopMetrics } from '../../src/observe/event-loop-delay.ts';

/** The step of the timer, which is in what the runtime measures. */
const STEP_NS = 20e6;

/** A histogram that holds what the test puts in. */
function measured() {
  let values: number[] = [];
  const at = (share: number): number => [...values].sort((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? 0;
  return {
    add: (...ms: number[]) => values.push(...ms.map((each) => each * 1e6 + STEP_NS)),
    percentile: (percent: number) => at(percent / 100),
    reset: () => {
      values = [];
    },
    get max() {
      return at(1);
    },
    get count() {
      return values.length;
    },
  };
}

test('a stall is seen by the scrape that comes after it, and no longer by the one after that', () => {
  let now = 0;
  const histogram = measured();
  const delay = new EventLoopDelay(histogram, () => now);
  histogram.add(0, 0, 0, 250);
  now = 15_000;
  expect(delay.look()).toEqual({ p50: 0, p99: 0.25, max: 0.25 });
  now = 30_000;
  expect(delay.look()).toEqual({ p50: 0, p99: 0, max: 0 });
});

test('a second scraper sees the stall too, although the first one came before it', () => {
  let now = 0;
  const histogram = measured();
  const delay = new EventLoopDelay(histogram, () => now);
  histogram.add(300);
  now = 10_000;
  expect(delay.look().max).toBe(0.3);
  now = 19_999;
  histogram.add(1);
  expect(delay.look()).toEqual({ p50: 0.3, p99: 0.3, max: 0.3 });
  now = 20_000;
  expect(delay.look()).toEqual({ p50: 0.001, p99: 0.001, max: 0.001 });
});

test('what the runtime measures of a loop that is not late is nothing, and never less', () => {
  const histogram = measured();
  histogram.add(-1, 0);
  expect(new EventLoopDelay(histogram, () => 0).look()).toEqual({ p50: 0, p99: 0, max: 0 });
});

test('the gauges of one scrape show one look', async () => {
  let looks = 0;
  const metrics = eventLoopMetrics({
    look: () => {
      looks++;
      return { p50: looks, p99: looks, max: looks };
    },
  });
  const values = metrics.map((metric) => (metric.type === 'histogram' ? [] : metric.read()));
  expect((await Promise.all(values)).map((value) => [...value][0]?.[1])).toEqual([1, 1, 1]);
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all(metrics.map((metric) => (metric.type === 'histogram' ? [] : metric.read())));
  expect(looks).toBe(2);
});

test('a real loop that is blocked is late by the time that it was blocked', async () => {
  const delay = EventLoopDelay.start(() => performance.now());
  // The timer of the runtime must have begun before the loop is blocked.
  do {
    await new Promise((resolve) => setImmediate(resolve));
    for (const until = performance.now() + 150; performance.now() < until; );
  } while (delay.look().max <= 0.1);
  delay.close();
  delay.close();
});
