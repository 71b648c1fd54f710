/**
 * What the benchmarks send: the frozen bodies of the test fixtures and, so that nothing is tuned to one shape, seeded
 * ones: spans, metrics, many streams in a request, long bodies and text that is not ASCII; and batches of S2 sessions.
 */

import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { SCHEMA as S2 } from '../../src/s2/schema.gen.ts';

/** One request body and how many records it holds. */
export interface BenchBody {
  readonly name: string;
  readonly signal: Signal;
  readonly records: number;
  readonly body: Buffer;
}

const FIXTURES = new URL('../../../test/fixtures/otlp/', import.meta.url);
const root = protobuf.Root.fromJSON(SCHEMA);
const s2 = protobuf.Root.fromJSON(S2);

/** Log records of 336 bytes: 512 in a request, as protobuf and as JSON, and one alone. */
export function fixture(name: 'bench-512.pb' | 'bench-512.json' | 'bench-1.pb'): BenchBody {
  const body = readFileSync(new URL(name, FIXTURES));
  return { name, signal: 'logs', records: name === 'bench-1.pb' ? 1 : 512, body };
}

/** The seeded bodies, the same ones in every run. */
export function seededBodies(): readonly BenchBody[] {
  const random = mulberry32(20_260_101);
  return [
    seeded('spans', 'traces', 256, (index) => [resource('spans', 'scopeSpans', [span(index, random)])]),
    seeded('metrics', 'metrics', 256, (index) => [resource('metrics', 'scopeMetrics', [metric(index, random)])]),
    seeded('64 streams', 'logs', 512, (index) => [
      resource(`many-${index % 64}`, 'scopeLogs', [log(index, 'a short line of text', random)]),
    ]),
    seeded('long bodies', 'logs', 64, (index) => [
      resource('long', 'scopeLogs', [log(index, 'x'.repeat(8_000 + Math.floor(random() * 8_000)), random)]),
    ]),
    seeded('non-ASCII', 'logs', 512, (index) => [
      resource('text', 'scopeLogs', [log(index, 'Überwachung läuft – 世界 🌍 здравствуйте '.repeat(4), random)]),
    ]),
  ];
}

/** What one record of a hundred says in `rareBody`. */
export const RARE_TEXT = 'payment refused';

/** The log records of the fixture, of which one in a hundred is an error with a text of its own. */
export function rareBody(): BenchBody {
  const usual = fixture('bench-512.pb');
  const message = root.lookupType(MESSAGES.logs[0]);
  const data = message.toObject(message.decode(usual.body)) as LogsOfFixture;
  let index = 0;
  for (const record of data.resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => logRecords),
  )) {
    if (index++ % 100 !== 50) continue;
    record.severityNumber = 17;
    record.severityText = 'ERROR';
    record.body = { stringValue: `order ${index}: ${RARE_TEXT} by the bank` };
  }
  return { ...usual, name: 'rare', body: Buffer.from(message.encode(message.fromObject(data)).finish()) };
}

interface LogsOfFixture {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly {
      readonly logRecords: readonly { severityNumber: number; severityText: string; body: object }[];
    }[];
  }[];
}

/** One batch of an S2 session: 64 kB in 64 records that look like lines of a log, and the s2s frame that carries it. */
export function sessionBatch(): { readonly records: readonly Uint8Array[]; readonly frame: Buffer } {
  const random = mulberry32(20_260_102);
  const records = Array.from({ length: 64 }, (_, index) => {
    const fields = Array.from({ length: 20 }, (_x, field) => `"field_${field}":"${random().toString(36).slice(2)}"`);
    const line = `{"at":${1_700_000_000_000 + index},"level":"info","message":"GET /api/orders/:id took a while",${fields}}`;
    return Buffer.from(line.padEnd(1_000, ' checkout'));
  });
  const message = s2.lookupType('s2.v1.AppendInput');
  const body = message.encode(message.create({ records: records.map((line) => ({ body: line })) })).finish();
  const head = Buffer.alloc(4);
  head.writeUIntBE(body.length + 1, 0, 3);
  return { records, frame: Buffer.concat([head, body]) };
}

interface ResourceBody {
  readonly resource: object;
  readonly [scopes: string]: unknown;
}

const MESSAGES: Readonly<Record<Signal, readonly [type: string, field: string]>> = {
  logs: ['opentelemetry.proto.logs.v1.LogsData', 'resourceLogs'],
  traces: ['opentelemetry.proto.trace.v1.TracesData', 'resourceSpans'],
  metrics: ['opentelemetry.proto.metrics.v1.MetricsData', 'resourceMetrics'],
};

function seeded(name: string, signal: Signal, records: number, make: (index: number) => ResourceBody[]): BenchBody {
  const [type, field] = MESSAGES[signal];
  const message = root.lookupType(type);
  const value = { [field]: Array.from({ length: records }, (_, index) => make(index)).flat() };
  return { name, signal, records, body: Buffer.from(message.encode(message.fromObject(value)).finish()) };
}

function resource(stream: string, scopes: string, items: readonly object[]): ResourceBody {
  const item = { scopeLogs: 'logRecords', scopeSpans: 'spans', scopeMetrics: 'metrics' }[scopes] ?? 'logRecords';
  return {
    resource: {
      attributes: [text('s2.stream', stream), text('service.name', 'checkout'), text('host.name', 'ip-10-0-12-34')],
    },
    [scopes]: [{ scope: { name: '@acme/library', version: '1.4.2' }, [item]: items }],
  };
}

function log(index: number, body: string, random: () => number): object {
  return {
    timeUnixNano: nanos(index),
    severityNumber: 9,
    severityText: 'INFO',
    body: { stringValue: body },
    attributes: [
      text('http.route', '/api/orders/:id'),
      { key: 'retries', value: { intValue: Math.floor(random() * 9) } },
    ],
  };
}

function span(index: number, random: () => number): object {
  return {
    traceId: bytes(16, random),
    spanId: bytes(8, random),
    parentSpanId: bytes(8, random),
    name: `GET /api/orders/${index % 20}`,
    kind: 2,
    startTimeUnixNano: nanos(index),
    endTimeUnixNano: nanos(index + 12),
    attributes: [text('http.request.method', 'GET'), { key: 'http.response.status_code', value: { intValue: 200 } }],
    events: [{ timeUnixNano: nanos(index + 3), name: 'cache miss', attributes: [text('cache', 'redis')] }],
    status: { code: 1 },
  };
}

function metric(index: number, random: () => number): object {
  const dataPoints = Array.from({ length: 4 }, (_, point) => ({
    timeUnixNano: nanos(index),
    startTimeUnixNano: nanos(0),
    asDouble: random() * 1_000,
    attributes: [text('cpu', String(point)), text('state', 'user')],
  }));
  return {
    name: `system.cpu.time.${index % 16}`,
    unit: 's',
    sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints },
  };
}

function text(key: string, value: string): object {
  return { key, value: { stringValue: value } };
}

function nanos(index: number): string {
  return `${1_700_000_000_000 + index}000123`;
}

function bytes(length: number, random: () => number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

/** A small seeded generator of numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
