/**
 * The real OpenTelemetry exporters against a real server: a WebSocket reader receives what they send, item for item, in
 * order, with every attribute type, in both encodings, with and without gzip.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as JsonLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as JsonMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as JsonTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Signal } from '../../src/model/record.ts';
import { itemsOf } from '../support/otlp-items.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { startTee, type Tee } from '../support/tee.ts';

const ATTRIBUTES = {
  string: 'text',
  empty: '',
  'non-ascii': 'héllo 世界 🌍',
  boolean: true,
  false: false,
  int: 42,
  negative: -1,
  large: 2 ** 52,
  double: 0.1,
  'array.string': ['a', '', 'ü'],
  'array.int': [1, 2, 3],
  'array.bool': [true, false],
};
const LOG_ONLY = {
  bytes: new Uint8Array([0, 255, 128]),
  map: { nested: { deep: [1, 'two', { three: 3 }] } },
  nothing: null,
};

interface Export {
  readonly encoding: 'http/json' | 'http/protobuf';
  readonly compression: 'none' | 'gzip';
}

const EXPORTS: readonly Export[] = [
  { encoding: 'http/json', compression: 'none' },
  { encoding: 'http/json', compression: 'gzip' },
  { encoding: 'http/protobuf', compression: 'none' },
  { encoding: 'http/protobuf', compression: 'gzip' },
];

let server: TestServer;
let tee: Tee;

beforeAll(async () => {
  server = await startServer();
  tee = await startTee(server.port);
});

afterAll(async () => {
  await tee.close();
  await server.stop();
});

describe.each(EXPORTS)('an exporter ($encoding, compression $compression)', ({ encoding, compression }) => {
  const suffix = `${encoding.slice(5)}-${compression}`;
  const config = (path: string): object => ({
    url: `${tee.url}/v1/${path}`,
    compression,
    headers: { authorization: `Bearer ${server.token}` },
  });
  const resource = (stream: string) =>
    resourceFromAttributes({
      's2.stream': stream,
      'service.name': 'exporter-test',
      'host.cpu': 4,
      'host.tags': ['x', 'y'],
    });

  test('sends logs that a reader receives unchanged', async () => {
    const stream = `logs-${suffix}`;
    const exporter =
      encoding === 'http/json' ? new JsonLogExporter(config('logs')) : new ProtoLogExporter(config('logs'));
    const provider = new LoggerProvider({
      resource: resource(stream),
      processors: [new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 25 })],
    });
    const logger = provider.getLogger('@acme/logger', '1.2.3', { schemaUrl: 'https://example.com/schema' });
    for (let i = 0; i < 60; i++) {
      logger.emit({
        eventName: i % 3 === 0 ? 'checkout.paid' : '',
        severityNumber: SeverityNumber.WARN,
        severityText: 'WARN',
        body: i % 2 === 0 ? `line ${i}` : { index: i, list: [1, 'two', 3.5] },
        attributes: { ...ATTRIBUTES, ...LOG_ONLY, i },
        timestamp: Date.now() - 1_000 + i,
      });
    }
    await provider.shutdown();
    await expectSame('logs', stream, 60);
  });

  test('sends traces that a reader receives unchanged', async () => {
    const stream = `traces-${suffix}`;
    const exporter =
      encoding === 'http/json' ? new JsonTraceExporter(config('traces')) : new ProtoTraceExporter(config('traces'));
    const provider = new BasicTracerProvider({
      resource: resource(stream),
      spanProcessors: [new BatchSpanProcessor(exporter, { maxExportBatchSize: 25 })],
    });
    const tracer = provider.getTracer('@acme/tracer', '4.5.6');
    for (let i = 0; i < 60; i++) {
      const linked = tracer.startSpan('linked').spanContext();
      const span = tracer.startSpan(`span ${i}`, {
        kind: SpanKind.SERVER,
        attributes: { ...ATTRIBUTES, i },
        links: [{ context: linked, attributes: { why: 'test' } }],
      });
      span.addEvent('event', { at: i });
      span.setStatus(i % 2 === 0 ? { code: SpanStatusCode.OK } : { code: SpanStatusCode.ERROR, message: 'broken' });
      span.end();
    }
    await provider.shutdown();
    await expectSame('traces', stream, 60);
  });

  test('sends metrics that a reader receives unchanged', async () => {
    const stream = `metrics-${suffix}`;
    const exporter =
      encoding === 'http/json' ? new JsonMetricExporter(config('metrics')) : new ProtoMetricExporter(config('metrics'));
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = new MeterProvider({
      resource: resource(stream),
      readers: [reader],
      views: [{ instrumentName: 'exponential', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
    });
    const meter = provider.getMeter('@acme/meter', '7.8.9');
    meter.createCounter('counter', { unit: '1', description: 'counts' }).add(3, ATTRIBUTES);
    meter.createUpDownCounter('up-down').add(-2.5);
    meter.createHistogram('histogram', { unit: 'ms' }).record(12.5, { route: '/' });
    meter.createHistogram('exponential').record(1_000);
    meter.createGauge('gauge').record(0.25, { cpu: 0 });
    meter.createObservableGauge('observable').addCallback((result) => result.observe(2 ** 40, { large: true }));
    await provider.forceFlush();
    await provider.shutdown();
    await expectSame('metrics', stream, 12);
  });
});

/** A reader receives what the exporter sent to the stream, in order. */
async function expectSame(signal: Signal, stream: string, count: number): Promise<void> {
  const sent = tee.sent.filter(
    ({ body }) => body.includes(Buffer.from(`"${stream}"`)) || body.includes(streamAttribute(stream)),
  );
  expect(sent.map(({ status }) => status)).toEqual(sent.map(() => 200));
  const wanted = sent.flatMap(({ headers, body }) =>
    itemsOf(signal, body, headers['content-type'] === 'application/json'),
  );
  const records = await readStream(server, stream);
  expect(wanted).toHaveLength(count);
  expect(records.map(({ seqNum }) => seqNum)).toEqual(wanted.map((_, index) => index));
  expect(records.flatMap(({ body }) => itemsOf(signal, body, false))).toEqual(wanted);
  for (const { headers } of records) {
    expect(headers).toEqual([
      ['otel.signal', signal],
      ['content-type', 'application/x-protobuf'],
    ]);
  }
}

/** The protobuf bytes of a string value: tag, length, text. */
function streamAttribute(stream: string): Buffer {
  return Buffer.concat([Buffer.from([0x0a, stream.length]), Buffer.from(stream)]);
}
