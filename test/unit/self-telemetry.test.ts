/** When the server's own telemetry is sent, and what a target that is slow, down or picky costs. */

import { beforeEach, expect, test } from '@jest/globals';
import { SELF_TELEMETRY_INTERVAL_MS, SELF_TELEMETRY_TIMEOUT_MS } from '../../src/model/limits.ts';
import { Distribution, type ScrapedMetric, unlabelled } from '../../src/observe/scraped-metric.ts';
import { RequestSpans } from '../../src/observe/self/request-spans.ts';
import { SelfCounts, SelfTelemetry, type SendSelf } from '../../src/observe/self/self-telemetry.ts';
import { metricsRequest, type SelfRequest } from '../../src/observe/self/telemetry-json.ts';
import { ManualClock } from '../support/socket-clock.ts';

const SAMPLED = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const END = { method: 'BREW', scheme: 'http', httpVersion: '2', status: 503, requestBytes: 7 };

let clock: ManualClock;
let spans: RequestSpans;
let counts: SelfCounts;
let sent: SelfRequest[];
let warned: string[];

beforeEach(() => {
  clock = new ManualClock();
  spans = new RequestSpans(clock);
  counts = new SelfCounts();
  sent = [];
  warned = [];
});

const METRICS: readonly ScrapedMetric[] = [
  { type: 'gauge', name: 'one', help: 'One.', labels: [], read: () => unlabelled(1) },
  { type: 'gauge', name: 'unknown', help: 'Not known.', labels: [], read: () => [] },
];

function telemetry(send: SendSelf = takesAll): SelfTelemetry {
  const warnings = {
    warn: (_sender: string, _cause: string, _fields: unknown, message: string) => void warned.push(message),
  };
  return new SelfTelemetry({ clock, warnings, metrics: METRICS, spans, send, instance: 'this-start' }, counts);
}

const takesAll: SendSelf = async (request) => {
  sent.push(request);
  return 0;
};

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

function traceOne(): void {
  const traced = spans.begin({ traceparent: SAMPLED });
  if (traced !== undefined) spans.end(traced, END);
}

test('metrics go out at the start and once in each interval, spans only when there are some, and the last ones at the end', async () => {
  const own = telemetry();
  own.start();
  await settled();
  expect(sent.map(({ signal }) => signal)).toEqual(['metrics']);
  clock.advance(SELF_TELEMETRY_INTERVAL_MS - 1);
  await settled();
  expect(sent).toHaveLength(1);
  traceOne();
  clock.advance(1);
  await settled();
  expect(sent.map(({ signal }) => signal)).toEqual(['metrics', 'metrics', 'traces']);
  traceOne();
  await own.close(1_000);
  expect(sent.map(({ signal }) => signal)).toEqual(['metrics', 'metrics', 'traces', 'metrics', 'traces']);
  clock.advance(10 * SELF_TELEMETRY_INTERVAL_MS);
  await own.close(1_000);
  await settled();
  expect(sent).toHaveLength(5);
  expect([counts.sent, counts.dropped]).toEqual([
    { metrics: 3, traces: 2 },
    { metrics: 0, traces: 0 },
  ]);
});

test('what never started sends nothing at its end', async () => {
  await telemetry().close(1_000);
  expect(sent).toEqual([]);
});

test('a target that is down gets each request once, and what it did not get is counted', async () => {
  const own = telemetry(async () => {
    throw new Error('nothing listens there');
  });
  traceOne();
  own.start();
  await settled();
  expect(counts.dropped).toEqual({ metrics: 1, traces: 1 });
  expect(counts.sent).toEqual({ metrics: 0, traces: 0 });
  expect(warned).toEqual(Array(2).fill(expect.stringContaining('(--self-telemetry): nothing listens there')));
});

test('a target that takes a part of it is told of', async () => {
  telemetry(async ({ items }) => items).start();
  await settled();
  expect(counts.dropped.metrics).toBe(1);
  expect(warned).toEqual([expect.stringContaining('1 of 1 metrics were rejected')]);
});

test('a target that does not answer gets no second request meanwhile, and is given up in time', async () => {
  let begun = 0;
  const own = telemetry((_request, signal) => {
    begun++;
    return new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  });
  own.start();
  await settled();
  clock.advance(SELF_TELEMETRY_TIMEOUT_MS - 1);
  await settled();
  expect([begun, counts.dropped.metrics]).toEqual([1, 0]);
  clock.advance(1);
  await settled();
  expect([begun, counts.dropped.metrics]).toEqual([1, 1]);
  expect(warned).toEqual([expect.stringContaining('no answer within 10 s')]);
  clock.advance(SELF_TELEMETRY_INTERVAL_MS - SELF_TELEMETRY_TIMEOUT_MS);
  await settled();
  expect(begun).toBe(2);
  // The end waits for the one that is under way, and for its own, but not for long.
  let isClosed = false;
  const closing = own.close(1_000).then(() => {
    isClosed = true;
  });
  for (let seconds = 0; seconds < 3 && !isClosed; seconds++) {
    clock.advance(1_000);
    await settled();
  }
  expect(isClosed).toBe(true);
  await closing;
  expect(begun).toBe(3);
});

test('a histogram has the count of each bucket by itself, a counter its start, and a span what is known of it', async () => {
  const distribution = new Distribution([1, 2]);
  for (const value of [1, 2, 2, 9]) distribution.add(value);
  const metrics: ScrapedMetric[] = [
    {
      type: 'histogram',
      name: 'h',
      help: 'H.',
      labels: ['partition'],
      distributions: () => [[{ partition: '1' }, distribution]],
    },
    { type: 'counter', name: 'c', help: 'C.', labels: ['signal'], read: () => [[{ signal: 'logs' }, 3]] },
  ];
  const { json, items } = await metricsRequest(metrics, { instance: 'this-start', startMs: 1_000, nowMs: 2_000 });
  expect(items).toBe(2);
  const times = { startTimeUnixNano: '1000000000', timeUnixNano: '2000000000' };
  expect(JSON.parse(json).resourceMetrics[0].scopeMetrics[0].metrics).toEqual([
    {
      name: 'h',
      description: 'H.',
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [
          {
            ...times,
            ...{ count: '4', sum: 14, bucketCounts: ['1', '2', '1'], explicitBounds: [1, 2] },
            attributes: [{ key: 'partition', value: { stringValue: '1' } }],
          },
        ],
      },
    },
    {
      name: 'c',
      description: 'C.',
      sum: {
        aggregationTemporality: 2,
        isMonotonic: true,
        dataPoints: [{ ...times, asDouble: 3, attributes: [{ key: 'signal', value: { stringValue: 'logs' } }] }],
      },
    },
  ]);
  const own = telemetry();
  traceOne();
  own.start();
  await settled();
  const [span] = JSON.parse(sent[1]?.json ?? '').resourceSpans[0].scopeSpans[0].spans;
  // No client writes the name of a span.
  expect(span).toMatchObject({ name: '_OTHER', kind: 2, parentSpanId: 'b7ad6b7169203331', status: { code: 2 } });
  await own.close(0);
});
