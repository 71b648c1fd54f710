/** Rates of streams: what the last minute had, in a limited number of counters. */

import { describe, expect, test } from '@jest/globals';
import type { Stream } from '../../src/log/stream.ts';
import { StreamRates } from '../../src/usage/stream-rates.ts';
import { TestClock } from '../support/log-harness.ts';

function rated(max?: number) {
  const clock = new TestClock();
  const rates = new StreamRates(clock, max);
  const add = (id: string, records: number) => rates.observer.appended({ id } as Stream, 's2', records, 10 * records);
  const rateOf = (id: string) => rates.rateOf(id)?.recordsPerSecond;
  return { clock, rates, add, rateOf };
}

describe('the rate of a stream', () => {
  test('is over the last minute, of records and of bytes', () => {
    const { clock, rates, add } = rated();
    clock.advance(600_000);
    for (let second = 0; second < 120; second++) {
      add('1', 3);
      clock.advance(1_000);
    }
    expect(rates.rateOf('1')?.recordsPerSecond).toBeCloseTo(3, 6);
    expect(rates.rateOf('1')?.meteredBytesPerSecond).toBeCloseTo(30, 5);
  });

  test('goes back to nothing within a minute', () => {
    const { clock, add, rateOf } = rated();
    clock.advance(600_000);
    add('1', 60);
    clock.advance(54_999);
    expect(rateOf('1')).toBeGreaterThan(0.9);
    clock.advance(5_001);
    expect(rateOf('1')).toBe(0);
    add('1', 6);
    clock.advance(5_000);
    expect(rateOf('1')).toBeCloseTo(6 / 55, 6);
  });

  test('of a process that began lately is over its time', () => {
    const { clock, add, rateOf } = rated();
    add('1', 20);
    expect(rateOf('1')).toBe(20);
    clock.advance(10_000);
    expect(rateOf('1')).toBe(2);
    expect(rateOf('other')).toBe(0);
  });

  test('is not known of one that is one too many, until others are quiet', () => {
    const { clock, add, rateOf } = rated(2);
    clock.advance(600_000);
    add('1', 1);
    clock.advance(5_000);
    add('2', 1);
    expect([rateOf('1'), rateOf('3')]).toEqual([expect.any(Number), 0]);
    add('3', 1);
    expect([rateOf('1'), rateOf('3')]).toEqual([expect.any(Number), undefined]);
    clock.advance(55_000);
    add('3', 55);
    expect([rateOf('3'), rateOf('1')]).toEqual([1, undefined]);
    clock.advance(5_000);
    expect(rateOf('1')).toBe(0);
  });
});
