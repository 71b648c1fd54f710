/**
 * The real OpenTelemetry exporters of gRPC against a real server: what they send is stored byte for byte as what the
 * exporters of HTTP send, and every outcome reaches them.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as GrpcLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as HttpLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as GrpcMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as HttpMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as HttpTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  InMemoryLogRecordExporter,
  LoggerProvider,
  type ReadableLogRecord,
  SimpleLogRecordProcessor,
} from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { HAS_OPENSSL, makeCertificate } from '../support/certificate.ts';
import { ControlClient } from '../support/control-calls.ts';
import { freePort } from '../support/free-port.ts';
import { readStream } from '../support/read-back.ts';
import { rememberSecret } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';

interface Outcome {
  readonly code: number;
  readonly error?: Error & { readonly code?: number };
}
interface Exporter<T> {
  export(items: T, done: (outcome: Outcome) => void): void;
  shutdown(): Promise<void>;
}

const ATTRIBUTES = { text: 'héllo 世界 🌍', int: 42, double: 0.1, list: [1, 2, 3], yes: true };
const ITEMS = 60;
const UNAVAILABLE = 14;

let server: TestServer;
/** For another basin, where the exporters of HTTP send to. */
let token: string;

beforeAll(async () => {
  server = await startServer({ args: ['--request-records-max', '1000'] });
  const control = new ControlClient(server);
  await control.call('PUT /basins/over-http', { body: { config: { create_stream_on_append: true } } });
  const ops = ['create-stream', 'append', 'read', 'check-tail'];
  const scope = { basins: { exact: 'over-http' }, streams: { prefix: '' }, ops };
  const issued = await control.call('POST /access-tokens', { body: { id: 'over-http', scope } });
  token = (issued.body as { readonly access_token: string }).access_token;
  rememberSecret('the token of the other basin', token);
});

afterAll(async () => {
  await server.stop();
});

/** What every exporter of gRPC is given. */
function grpc(to: TestServer, more: Readonly<Record<string, string>> = {}, given?: ChannelCredentials) {
  const metadata = new Metadata();
  const all = { authorization: `Bearer ${to.token}`, ...more };
  for (const [name, value] of Object.entries(all)) metadata.set(name, value);
  return { url: to.grpcUrl ?? '', metadata, ...(given === undefined ? {} : { credentials: given }) };
}

function http(path: string) {
  return { url: `${server.url}/v1/${path}`, headers: { authorization: `Bearer ${token}` } };
}

/** Exports once; resolves with the outcome. */
async function send<T>(exporter: Exporter<T>, items: T): Promise<Outcome> {
  const outcome = await new Promise<Outcome>((resolve) => exporter.export(items, resolve));
  await exporter.shutdown();
  return outcome;
}

function resource(stream: string) {
  return resourceFromAttributes({ 's2.stream': stream, 'service.name': 'exporter-test', 'host.cpu': 4 });
}

async function someLogs(stream: string, count = ITEMS): Promise<ReadableLogRecord[]> {
  const memory = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({
    resource: resource(stream),
    processors: [new SimpleLogRecordProcessor({ exporter: memory })],
  });
  const logger = provider.getLogger('@acme/logger', '1.2.3', { schemaUrl: 'https://example.com/schema' });
  for (let i = 0; i < count; i++) {
    const body = i % 2 === 0 ? `line ${i}` : { index: i, list: [1, 'two', 3.5] };
    logger.emit({ severityNumber: SeverityNumber.WARN, severityText: 'WARN', body, attributes: { ...ATTRIBUTES, i } });
  }
  await provider.forceFlush();
  const records = [...memory.getFinishedLogRecords()];
  await provider.shutdown();
  return records;
}

async function someSpans(stream: string) {
  const memory = new InMemorySpanExporter();
  const processor = new SimpleSpanProcessor(memory);
  const provider = new BasicTracerProvider({ resource: resource(stream), spanProcessors: [processor] });
  for (let i = 0; i < ITEMS; i++) {
    const span = provider.getTracer('@acme/tracer').startSpan(`span ${i}`, { attributes: { ...ATTRIBUTES, i } });
    span.addEvent('event', { at: i });
    span.end();
  }
  await provider.forceFlush();
  const spans = [...memory.getFinishedSpans()];
  await provider.shutdown();
  return spans;
}

async function someMetrics(stream: string) {
  const memory = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: memory, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ resource: resource(stream), readers: [reader] });
  const meter = provider.getMeter('@acme/meter');
  meter.createCounter('counter', { unit: '1' }).add(3, ATTRIBUTES);
  meter.createHistogram('histogram').record(12.5, { route: '/' });
  meter.createGauge('gauge').record(0.25);
  await provider.forceFlush();
  const [metrics] = memory.getMetrics();
  await provider.shutdown();
  if (metrics === undefined) throw new Error('nothing was collected');
  return metrics;
}

/** The records of both basins are the same, and this many. */
async function expectSame(stream: string, count: number): Promise<void> {
  const [overGrpc, overHttp] = await Promise.all([
    readStream(server, stream),
    readStream({ port: server.port, token }, stream),
  ]);
  expect(overGrpc).toHaveLength(count);
  const bare = (records: typeof overGrpc) => records.map(({ headers, body }) => [headers, body]);
  expect(bare(overGrpc)).toEqual(bare(overHttp));
}

describe.each(['none', 'gzip'] as const)('an exporter of gRPC with compression %s', (compression) => {
  const config = () => ({ ...grpc(server), compression: compression as never });

  test('sends logs that are stored as those of HTTP are', async () => {
    const stream = `logs-${compression}`;
    const logs = await someLogs(stream);
    expect(await send(new GrpcLogExporter(config()), logs)).toEqual({ code: 0 });
    expect(await send(new HttpLogExporter(http('logs')), logs)).toEqual({ code: 0 });
    await expectSame(stream, ITEMS);
  });

  test('sends traces that are stored as those of HTTP are', async () => {
    const stream = `traces-${compression}`;
    const spans = await someSpans(stream);
    expect(await send(new GrpcTraceExporter(config()), spans)).toEqual({ code: 0 });
    expect(await send(new HttpTraceExporter(http('traces')), spans)).toEqual({ code: 0 });
    await expectSame(stream, ITEMS);
  });

  test('sends metrics that are stored as those of HTTP are', async () => {
    const stream = `metrics-${compression}`;
    const metrics = await someMetrics(stream);
    expect(await send(new GrpcMetricExporter(config()), metrics)).toEqual({ code: 0 });
    expect(await send(new HttpMetricExporter(http('metrics')), metrics)).toEqual({ code: 0 });
    await expectSame(stream, 3);
  });
});

describe('an exporter of gRPC learns', () => {
  test('that its token is unknown, that there is no such basin, and that its batch is too large', async () => {
    const one = await someLogs('refused', 1);
    const many = await someLogs('refused', 1_001);
    const unknown = await send(new GrpcLogExporter(grpc(server, { authorization: 'Bearer trk_0' })), one);
    expect([unknown.code, unknown.error?.code]).toEqual([1, 16]);
    const missing = await send(new GrpcLogExporter(grpc(server, { 's2-basin': 'no-such-basin' })), one);
    expect([missing.code, missing.error?.code]).toEqual([1, 5]);
    const large = await send(new GrpcLogExporter(grpc(server)), many);
    expect([large.code, large.error?.code]).toEqual([1, 8]);
    expect(await readStream(server, 'refused')).toHaveLength(0);
  });

  (HAS_OPENSSL ? test : test.skip)(
    `that the certificate of the server is the one it trusts${HAS_OPENSSL ? '' : ' (skipped: openssl is missing)'}`,
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'tailrace-grpc-tls-'));
      const { cert, key, ca } = makeCertificate(dir, 'grpc');
      const secure = await startServer({ args: ['--tls-cert', cert, '--tls-key', key] });
      try {
        expect(secure.grpcUrl).toMatch(/^https:/);
        const grpcUrl = secure.grpcUrl?.replace('127.0.0.1', 'localhost');
        const config = grpc({ ...secure, grpcUrl }, {}, credentials.createSsl(Buffer.from(ca)));
        expect(await send(new GrpcLogExporter(config), await someLogs('secure', 3))).toEqual({ code: 0 });
      } finally {
        await secure.stop();
        rmSync(dir, { recursive: true, force: true });
      }
    },
  );
});

test('what an exporter of gRPC was told is stored is there after a kill, and it goes on with the next server', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tailrace-grpc-kill-'));
  const ports = ['--port', String(await freePort()), '--grpc-port', String(await freePort())];
  const setup = { dataDir: dir, args: ports };
  let current = await startServer(setup);
  const exporter = new GrpcLogExporter(grpc(current));
  const exported = async (items: ReadableLogRecord[]): Promise<Outcome> =>
    new Promise((resolve) => exporter.export(items, resolve));
  try {
    expect(await exported(await someLogs('kept', 5))).toEqual({ code: 0 });
    await current.kill();
    const gone = await exported(await someLogs('kept', 5));
    expect([gone.code, gone.error?.code]).toEqual([1, UNAVAILABLE]);
    current = await startServer(setup);
    const later = await someLogs('kept', 5);
    let outcome = await exported(later);
    while (outcome.error?.code === UNAVAILABLE) outcome = await exported(later);
    expect(outcome).toEqual({ code: 0 });
    expect(await readStream(current, 'kept')).toHaveLength(10);
  } finally {
    await exporter.shutdown();
    await current.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
