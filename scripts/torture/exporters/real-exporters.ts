/**
 * The real OpenTelemetry exporters of Node, of three signals over three protocols, behind one interface; and items for
 * them, made by the real SDKs. Tests and `npm run torture -- exporters` use them.
 */

import { type ChannelCredentials, Metadata } from '@grpc/grpc-js';
import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { type AnyValueMap, SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as GrpcLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as JsonLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as GrpcMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

export type ExportedSignal = 'logs' | 'traces' | 'metrics';
export type ExportProtocol = 'http/json' | 'http/protobuf' | 'grpc';

/** Every signal over every protocol. */
export const EXPORTERS: readonly { readonly signal: ExportedSignal; readonly protocol: ExportProtocol }[] = (
  ['logs', 'traces', 'metrics'] as const
).flatMap((signal) =>
  (['http/json', 'http/protobuf', 'grpc'] as const).map((protocol) => ({ signal, protocol }) as const),
);

/** What an exporter reports of one export: code 0 is success; of an error, the status of HTTP or of gRPC. */
export interface ExportOutcome {
  readonly code: number;
  readonly error?: Error & { readonly code?: number | string };
}

/** What an SDK hands to an exporter; only an exporter of the same signal can read it. */
export type ExportItems = unknown;

/** One exporter of an SDK. */
export interface RealExporter {
  export(items: ExportItems): Promise<ExportOutcome>;
  close(): Promise<void>;
}

/** Where an exporter sends: the origin of HTTP, and that of gRPC. */
export interface ExportTarget {
  readonly url: string;
  readonly grpcUrl: string | undefined;
  readonly token: string;
}

export interface ExporterSettings {
  /** Headers, or metadata, beside the token; they win over it. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly compression?: 'none' | 'gzip';
  /** Of gRPC, for TLS. */
  readonly credentials?: ChannelCredentials;
}

interface SdkExporter {
  export(items: ExportItems, done: (outcome: ExportOutcome) => void): void;
  shutdown(): Promise<void>;
}

const CLASSES: Readonly<Record<ExportedSignal, Readonly<Record<ExportProtocol, new (config: object) => SdkExporter>>>> =
  {
    logs: { 'http/json': JsonLogExporter, 'http/protobuf': ProtoLogExporter, grpc: GrpcLogExporter },
    traces: { 'http/json': JsonTraceExporter, 'http/protobuf': ProtoTraceExporter, grpc: GrpcTraceExporter },
    metrics: { 'http/json': JsonMetricExporter, 'http/protobuf': ProtoMetricExporter, grpc: GrpcMetricExporter },
  };

export function openExporter(
  signal: ExportedSignal,
  protocol: ExportProtocol,
  target: ExportTarget,
  { headers = {}, compression = 'none', credentials }: ExporterSettings = {},
): RealExporter {
  const all = { authorization: `Bearer ${target.token}`, ...headers };
  const where =
    protocol === 'grpc'
      ? { url: target.grpcUrl ?? '', metadata: metadataOf(all) }
      : { url: `${target.url}/v1/${signal}`, headers: all };
  const exporter = new CLASSES[signal][protocol]({ ...where, compression, ...(credentials && { credentials }) });
  return {
    export: (items) => new Promise((resolve) => exporter.export(items, resolve)),
    close: () => exporter.shutdown(),
  };
}

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

/** Every type of attribute that all signals have. */
export const ATTRIBUTES = {
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
/** What only log records have. */
export const LOG_ATTRIBUTES = {
  bytes: new Uint8Array([0, 255, 128]),
  map: { nested: { deep: [1, 'two', { three: 3 }] } },
  nothing: null,
};

/** Items of a resource: their names, in order, and attributes of one of them beside the usual ones. */
export interface ItemsWanted {
  readonly names: readonly string[];
  readonly attributes?: Attributes;
  readonly attributesOf?: Readonly<Record<string, Attributes>>;
}

/**
 * What the SDK of a signal hands to its exporter: log records whose text is the name, spans or metrics of that name. The
 * resource goes to a stream. Metrics take turns in their kinds.
 */
export function makeItems(signal: ExportedSignal, stream: string, wanted: ItemsWanted): Promise<ExportItems> {
  const resource = resourceFromAttributes({ 's2.stream': stream, 'service.name': 'exporter-test', 'host.cpu': 4 });
  return { logs: makeLogs, traces: makeSpans, metrics: makeMetrics }[signal](resource, wanted);
}

async function makeLogs(resource: Resource, wanted: ItemsWanted): Promise<ExportItems> {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger('@acme/logger', '1.2.3', { schemaUrl: 'https://example.com/schema' });
  for (const name of wanted.names) {
    const attributes = attributesFor(name, wanted) as AnyValueMap;
    logger.emit({ severityNumber: SeverityNumber.WARN, severityText: 'WARN', body: name, attributes });
  }
  await provider.forceFlush();
  const records = [...exporter.getFinishedLogRecords()];
  await provider.shutdown();
  return records;
}

async function makeSpans(resource: Resource, wanted: ItemsWanted): Promise<ExportItems> {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const tracer = provider.getTracer('@acme/tracer', '4.5.6');
  for (const name of wanted.names) {
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: attributesFor(name, wanted) });
    span.addEvent('event', { at: 1 });
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'broken' });
    span.end();
  }
  await provider.forceFlush();
  const spans = [...exporter.getFinishedSpans()];
  await provider.shutdown();
  return spans;
}

async function makeMetrics(resource: Resource, wanted: ItemsWanted): Promise<ExportItems> {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter('@acme/meter', '7.8.9');
  for (const [index, name] of wanted.names.entries()) {
    const attributes = attributesFor(name, wanted);
    if (index % 4 === 0) meter.createGauge(name).record(0.25, attributes);
    if (index % 4 === 1) meter.createCounter(name, { unit: '1', description: 'counts' }).add(3, attributes);
    if (index % 4 === 2) meter.createHistogram(name, { unit: 'ms' }).record(12.5, attributes);
    if (index % 4 === 3) meter.createUpDownCounter(name).add(-2.5, attributes);
  }
  await provider.forceFlush();
  const [metrics] = exporter.getMetrics();
  await provider.shutdown();
  return metrics;
}

function attributesFor(name: string, { attributes = {}, attributesOf = {} }: ItemsWanted): Attributes {
  return { ...attributes, ...attributesOf[name] };
}
