/** Which requests get a span in the server's own telemetry, and how many. */

import { describe, expect, test } from '@jest/globals';
import { SELF_SPANS_MAX, SELF_SPANS_ONE_OF } from '../../src/model/limits.ts';
import { SELF_AGENT } from '../../src/observe/self/own-requests.ts';
import { type RequestEnd, RequestSpans } from '../../src/observe/self/request-spans.ts';
import { ManualClock } from '../support/socket-clock.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
const END: RequestEnd = { method: 'GET', scheme: 'http', httpVersion: '1.1', status: 200, requestBytes: 0 };

const never = (): number => 1 - Number.EPSILON;

describe('a request with a traceparent', () => {
  test('gets a span below that of its caller, with its time', () => {
    const clock = new ManualClock();
    const spans = new RequestSpans(clock, never);
    const traced = spans.begin({ traceparent: SAMPLED });
    expect(traced).toMatchObject({
      traceId: TRACE,
      parentSpanId: PARENT,
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    if (traced === undefined) throw new Error('no span');
    traced.route = '/v1/logs';
    clock.advance(40);
    spans.end(traced, END);
    expect(spans.take().spans).toEqual([
      expect.objectContaining({ startMs: 1_700_000_000_000, durationMs: 40, route: '/v1/logs', status: 200 }),
    ]);
    expect(spans.take()).toEqual({ spans: [], dropped: 0 });
  });

  test.each([
    ['says that it is not sampled', `00-${TRACE}-${PARENT}-00`],
    ['is not sampled in a later version', `01-${TRACE}-${PARENT}-02-more`],
  ])('gets none where the caller %s, whatever the chance', (_what, traceparent) => {
    expect(new RequestSpans(new ManualClock(), () => 0).begin({ traceparent })).toBeUndefined();
  });

  test.each([
    ['in upper case', SAMPLED.toUpperCase()],
    ['without a trace', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['without a span', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['of a version that does not exist', `ff-${TRACE}-${PARENT}-01`],
    ['that is cut short', SAMPLED.slice(0, -1)],
    ['with more behind it', `${SAMPLED}0`],
  ])('is as one without where that is wrong: %s', (_what, traceparent) => {
    expect(new RequestSpans(new ManualClock(), never).begin({ traceparent })).toBeUndefined();
    const chosen = new RequestSpans(new ManualClock(), () => 0).begin({ traceparent });
    expect(chosen).toMatchObject({ parentSpanId: undefined, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(chosen?.traceId).not.toBe(TRACE);
  });
});

test('of requests without a traceparent one of many gets a span, bounds included', () => {
  const withChance = (chance: number) => new RequestSpans(new ManualClock(), () => chance).begin({});
  expect(withChance(0.999 / SELF_SPANS_ONE_OF)).toBeDefined();
  expect(withChance(1 / SELF_SPANS_ONE_OF)).toBeUndefined();
});

test('what carries the telemetry of any Tailrace gets no span, also when its caller wants one', () => {
  const spans = new RequestSpans(new ManualClock(), () => 0);
  for (const agent of [SELF_AGENT, 'tailrace-self-telemetry/99.0.0']) {
    expect(spans.begin({ 'user-agent': agent })).toBeUndefined();
    expect(spans.begin({ 'user-agent': agent, traceparent: SAMPLED })).toBeUndefined();
  }
  expect(spans.begin({ 'user-agent': 'tailrace/0.1.0' })).toBeDefined();
});

describe('spans are bounded', () => {
  test('by those that begin between two intervals; the others are counted', () => {
    const spans = new RequestSpans(new ManualClock());
    const begun = Array.from({ length: SELF_SPANS_MAX }, () => spans.begin({ traceparent: SAMPLED }));
    expect(begun.filter((each) => each !== undefined)).toHaveLength(SELF_SPANS_MAX);
    expect(spans.begin({ traceparent: SAMPLED })).toBeUndefined();
    expect(spans.take()).toEqual({ spans: [], dropped: 1 });
    expect(spans.begin({ traceparent: SAMPLED })).toBeDefined();
  });

  test('by those that end, which may have begun long before', () => {
    const spans = new RequestSpans(new ManualClock());
    for (let i = 0; i <= SELF_SPANS_MAX; i++) {
      const traced = spans.begin({ traceparent: SAMPLED });
      if (traced === undefined) throw new Error('no span');
      if (i < SELF_SPANS_MAX) spans.end(traced, END);
      if (i === SELF_SPANS_MAX - 1) {
        // A long read that began in the interval before ends in this one.
        expect(spans.take().spans).toHaveLength(SELF_SPANS_MAX);
      }
      if (i === SELF_SPANS_MAX) {
        for (let n = 0; n <= SELF_SPANS_MAX; n++) spans.end(traced, END);
      }
    }
    const { spans: taken, dropped } = spans.take();
    expect([taken.length, dropped]).toEqual([SELF_SPANS_MAX, 1]);
  });
});
