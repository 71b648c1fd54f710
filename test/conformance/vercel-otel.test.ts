/**
 * `@vercel/otel` as an application registers it, with a limit of the length of values: it cuts texts within a character,
 * in JSON and in its own protobuf. Its exporters of spans report success whatever the response is; logs and metrics go
 * through OpenTelemetry's own.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Attributes, context, metrics, propagation, SpanKind, trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { OTLPHttpJsonTraceExporter, OTLPHttpProtoTraceExporter, registerOTel } from '@vercel/otel';
import { readItems, sentItems } from '../../scripts/interop/transformer/expected.ts';
import { ATTRIBUTES } from '../../scripts/torture/exporters/real-exporters.ts';
import { stored } from '../support/otlp-send.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { startTee, type Tee } from '../support/tee.ts';

/** The emoji has two units, and the limit is between them. */
const CUT = { limit: 7, text: 'prompt\u{1f642}s', stored: 'prompt\ufffd' };
const STREAM = 'vercel';

let server: TestServer;
let tee: Tee;
const kept = new InMemorySpanExporter();

let ids = 0;
/** Of small numbers, which no one takes for text that was cut. */
const nextId = (digits: number): string => (++ids).toString().padStart(digits, '1');

beforeAll(async () => {
  server = await startServer();
  tee = await startTee(server.port);
  const headers = { authorization: `Bearer ${server.token}` };
  const exporter = new OTLPLogExporter({ url: `${tee.url}/v1/logs`, headers });
  const metricExporter = new OTLPMetricExporter({ url: `${tee.url}/v1/metrics`, headers });
  registerOTel({
    serviceName: 'vercel-app',
    attributes: { 's2.stream': STREAM, 'vercel.runtime': 'nodejs' },
    instrumentations: [],
    propagators: ['none'],
    idGenerator: { generateTraceId: () => nextId(32), generateSpanId: () => nextId(16) },
    spanLimits: { attributeValueLengthLimit: CUT.limit },
    traceExporter: new OTLPHttpJsonTraceExporter({ url: `${tee.url}/v1/traces`, headers }),
    spanProcessors: ['auto', new SimpleSpanProcessor(kept)],
    logRecordProcessors: [new BatchLogRecordProcessor({ exporter })],
    metricReaders: [new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 })],
  });
});

afterAll(async () => {
  for (const global of [trace, metrics, logs, context, propagation]) global.disable();
  await tee.close();
  await server.stop();
});

interface Flushed {
  forceFlush(): Promise<void>;
  getDelegate?(): Flushed;
}

async function flush(provider: unknown): Promise<void> {
  const { getDelegate } = provider as Flushed;
  await (getDelegate === undefined ? (provider as Flushed) : getDelegate.call(provider)).forceFlush();
}

/** A span for each attribute, so that each is cut by itself. */
function makeSpans(attributes: Attributes): void {
  const tracer = trace.getTracer('ai', '6.0.0');
  for (const [key, value] of Object.entries(attributes)) {
    const span = tracer.startSpan(`set ${key}`, { kind: SpanKind.CLIENT, attributes: { [key]: value ?? '' } });
    span.addEvent('event', { [key]: value ?? '' });
    span.end();
  }
}

function lastSent(path: string) {
  const sent = tee.sent.filter((one) => one.path === path).at(-1);
  if (sent === undefined) throw new Error(`nothing was sent to ${path}`);
  return sent;
}

test('logs, spans and metrics are stored as they were sent, and texts that were cut within a character are repaired', async () => {
  makeSpans({ ...ATTRIBUTES, prompt: CUT.text, prompts: [CUT.text, 'short'] });
  logs.getLogger('app').emit({ body: { said: 'hello' }, attributes: { ...ATTRIBUTES } });
  metrics.getMeter('app').createCounter('calls').add(2, ATTRIBUTES);
  for (const provider of [trace.getTracerProvider(), logs.getLoggerProvider(), metrics.getMeterProvider()]) {
    await flush(provider);
  }
  const records = await readStream(server, STREAM);
  for (const [signal, count] of [
    ['traces', 14],
    ['logs', 1],
    ['metrics', 1],
  ] as const) {
    const { status, body } = lastSent(`/v1/${signal}`);
    const bodies = records.filter(({ headers }) => headers[0]?.[1] === signal).map((record) => record.body);
    const wanted = sentItems(signal, 'json', body);
    expect([signal, status, wanted.length]).toEqual([signal, 200, count]);
    expect(readItems(signal, 'json', bodies)).toEqual(wanted);
  }
  expect(lastSent('/v1/traces').body.toString()).toContain('"prompt\\ud83d"');
  expect(JSON.stringify(records.map((record) => Buffer.from(record.body).toString()))).toContain(CUT.stored);
});

test('the exporter of protobuf sends the same spans, and they are stored alike', async () => {
  makeSpans({ ...ATTRIBUTES, prompt: CUT.text, prompts: [CUT.text, 'short'] });
  await flush(trace.getTracerProvider());
  const spans = kept.getFinishedSpans().slice(-14);
  const before = (await stored(server, 'traces', STREAM)).length;
  const headers = { authorization: `Bearer ${server.token}` };
  const exporter = new OTLPHttpProtoTraceExporter({ url: `${tee.url}/v1/traces`, headers });
  expect(await exported(exporter, spans)).toEqual({ code: 0 });
  expect(lastSent('/v1/traces')).toMatchObject({ status: 200, headers: { 'content-type': 'application/x-protobuf' } });
  const bodies = (await readStream(server, STREAM)).map((record) => record.body);
  expect(bodies).toHaveLength(before + 14);
  const read = readItems('traces', 'protobuf', bodies.slice(-14));
  expect(read).toEqual(sentItems('traces', 'protobuf', lastSent('/v1/traces').body));
  expect(JSON.stringify(read)).toContain(CUT.stored);
});

test('its exporters take any response for success; what is refused is not stored', async () => {
  const before = (await readStream(server, STREAM)).length;
  const url = `${tee.url}/v1/traces`;
  for (const headers of [
    { authorization: 'Bearer trk_0' },
    { authorization: `Bearer ${server.token}`, 's2-basin': '!' },
  ]) {
    for (const exporter of [OTLPHttpJsonTraceExporter, OTLPHttpProtoTraceExporter]) {
      expect(await exported(new exporter({ url, headers }), kept.getFinishedSpans().slice(-1))).toEqual({ code: 0 });
    }
  }
  expect(tee.sent.slice(-4).map(({ status }) => status)).toEqual([401, 401, 400, 400]);
  expect(await readStream(server, STREAM)).toHaveLength(before);
});

interface SpanSender {
  export(spans: ReadableSpan[], done: (outcome: { readonly code: number }) => void): void;
}

function exported(exporter: SpanSender, spans: ReadableSpan[]): Promise<{ readonly code: number }> {
  return new Promise((resolve) => exporter.export(spans, resolve));
}
