/** How much work is taken: what the server gets done in time, by a clock that the test moves. */

import { beforeEach, expect, test } from '@jest/globals';
import { Workload } from '../../src/http/workload.ts';
import {
  TURN_REQUEST_BYTES,
  WORK_BODY_COMES_MS,
  WORK_BYTES_AT_FIRST,
  WORK_BYTES_MAX,
  WORK_BYTES_MIN,
  WORK_TARGET_MS,
} from '../../src/model/limits.ts';
import { ManualClock } from '../support/socket-clock.ts';

const MiB = 1024 * 1024;
const COST = MiB + TURN_REQUEST_BYTES;
const LARGE = { bytes: MiB, isEncoded: false };
const REFUSED = expect.objectContaining({ code: 'overloaded' });

let clock: ManualClock;
let workload: Workload;

beforeEach(() => {
  clock = new ManualClock();
  workload = new Workload(clock);
});

/** Takes requests of 1 MiB until one is refused; those that were taken. */
function fill(holder: string) {
  const taken = [];
  for (;;) {
    try {
      const work = workload.begin(holder, LARGE);
      work.came(MiB);
      taken.push(work);
    } catch (error) {
      expect(error).toEqual(REFUSED);
      return taken;
    }
  }
}

test('one caller gets four fifths of what may be under way, and each other one is still let in', () => {
  fill('one');
  expect(workload.usedBytes).toBeGreaterThan(0.8 * WORK_BYTES_AT_FIRST - COST);
  expect(workload.usedBytes).toBeLessThanOrEqual(0.8 * WORK_BYTES_AT_FIRST);
  expect(() => workload.begin('two', LARGE)).not.toThrow();
  expect(() => workload.begin('three', LARGE)).not.toThrow();
  expect(() => workload.begin('one', LARGE)).toThrow(REFUSED);
});

test('no caller is let in while as much is under way as gets done in time, and all are once it is done', () => {
  const taken = Array.from({ length: Math.ceil(WORK_BYTES_AT_FIRST / COST) }, (_, i) => workload.begin(`${i}`, LARGE));
  expect(() => workload.begin('new', LARGE)).toThrow(REFUSED);
  expect(() => workload.expectTimely('new')).toThrow(REFUSED);
  taken[0]?.end();
  expect(() => workload.expectTimely('new')).not.toThrow();
  for (const work of taken) work.end();
  expect(workload.usedBytes).toBe(0);
});

test('a server that gets nothing done takes less and less, down to the least', () => {
  fill('one');
  clock.advance(WORK_TARGET_MS);
  expect(() => workload.begin('one', LARGE)).toThrow(REFUSED);
  expect(workload.limitBytes).toBeLessThan(WORK_BYTES_AT_FIRST / 2);
  clock.advance(60_000);
  expect(() => workload.begin('one', LARGE)).toThrow(REFUSED);
  expect(workload.limitBytes).toBe(WORK_BYTES_MIN);
});

test.each([
  [20, 20],
  [100, 100],
  [1_000, WORK_BYTES_MAX / MiB],
])('a server that does %i MiB in the target time takes %i MiB of work', (done, expected) => {
  let under = fill('one');
  const stepMs = 10;
  for (let ms = 0, owed = 0; ms < 10_000; ms += stepMs) {
    clock.advance(stepMs);
    for (owed += (done * stepMs) / WORK_TARGET_MS; owed >= 1; owed--) {
      under.shift()?.end();
      under = [...under, ...fill('one')];
    }
  }
  expect(workload.limitBytes / MiB).toBeGreaterThan(expected * 0.9);
  expect(workload.limitBytes / MiB).toBeLessThan(expected * 1.1);
});

test('a server with little to do learns nothing from that', () => {
  for (let ms = 0; ms < 10_000; ms += 100) {
    const work = workload.begin('one', { bytes: 1, isEncoded: false });
    work.came(1);
    clock.advance(100);
    work.end();
  }
  expect(workload.limitBytes).toBe(WORK_BYTES_AT_FIRST);
});

test('a body that does not come counts for a short time only, and again when it is there', () => {
  const slow = Array.from({ length: 12 }, () => workload.begin('slow', LARGE));
  clock.advance(WORK_BODY_COMES_MS - 1);
  workload.expectTimely('slow');
  expect(workload.usedBytes).toBe(12 * COST);
  clock.advance(1);
  workload.expectTimely('slow');
  expect(workload.usedBytes).toBe(0);
  slow[0]?.came(MiB);
  expect(workload.usedBytes).toBe(COST);
  for (const work of [...slow, ...slow]) work.end();
  slow[1]?.came(MiB);
  expect(workload.usedBytes).toBe(0);
});

test('a large body counts as one piece of its work, and a compressed one as more than what comes', () => {
  const work = workload.begin('one', { bytes: 60 * MiB, isEncoded: false });
  expect(workload.usedBytes).toBe(COST);
  work.came(60 * MiB);
  expect(workload.usedBytes).toBe(COST);
  workload.begin('two', { bytes: 1_000, isEncoded: true });
  expect(workload.usedBytes).toBeGreaterThan(COST + TURN_REQUEST_BYTES + 1_000);
});
