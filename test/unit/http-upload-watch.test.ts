/** The minimum speed of uploads, on a clock that the test moves. */

import { expect, test } from '@jest/globals';
import { UploadWatch } from '../../src/http/body/upload-watch.ts';
import { BODY_RATE_BYTES_PER_SECOND_MIN, BODY_RATE_WINDOW_MS } from '../../src/model/limits.ts';
import { ManualClock } from '../support/socket-clock.ts';

const WINDOW_BYTES = (BODY_RATE_BYTES_PER_SECOND_MIN * BODY_RATE_WINDOW_MS) / 1_000;

class Body {
  received = 0;
  cuts = 0;
  tooSlow(): void {
    this.cuts++;
  }
}

test('a body that brings too few bytes in a window is cut once', () => {
  const clock = new ManualClock();
  const watch = new UploadWatch(clock);
  const body = new Body();
  watch.add(body);
  body.received = WINDOW_BYTES - 1;
  clock.advance(BODY_RATE_WINDOW_MS - 1);
  expect(body.cuts).toBe(0);
  clock.advance(3 * BODY_RATE_WINDOW_MS);
  expect(body.cuts).toBe(1);
});

test('a body at the minimum speed has no time limit, and is cut when it stops', () => {
  const clock = new ManualClock();
  const watch = new UploadWatch(clock);
  const body = new Body();
  watch.add(body);
  for (let i = 0; i < 500; i++) {
    body.received += BODY_RATE_BYTES_PER_SECOND_MIN;
    clock.advance(1_000);
  }
  expect(body.cuts).toBe(0);
  clock.advance(2 * BODY_RATE_WINDOW_MS);
  expect(body.cuts).toBe(1);
});

test('a finished body is not watched, and a later body is watched again', () => {
  const clock = new ManualClock();
  const watch = new UploadWatch(clock);
  const done = new Body();
  watch.add(done);
  watch.remove(done);
  clock.advance(10 * BODY_RATE_WINDOW_MS);
  const late = new Body();
  watch.add(late);
  clock.advance(2 * BODY_RATE_WINDOW_MS);
  expect([done.cuts, late.cuts]).toEqual([0, 1]);
});
