/**
 * A process of its own for each version of `@opentelemetry/otlp-transformer`: it writes requests through what that
 * version exports, and prints them. Its argument is the folder in which the version is installed.
 *
 * Spans, log records and metrics are plain objects with the fields of all versions of the SDKs, since the transformer
 * asks for no more.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Signal } from '../../../src/model/record.ts';
import { CASES, type CaseName, fixedIds, STREAM_KEY } from './cases.ts';

/**
 * JSON with ids in base64 is what the functions that make objects gave at first to those who did not ask for hex.
 */
export type WrittenForm = 'json' | 'protobuf' | 'json-base64';

/** One request as a version writes it. */
export interface WrittenRequest {
  readonly signal: Signal;
  readonly form: WrittenForm;
  readonly caseName: CaseName;
  /** Where its resource says that it goes. */
  readonly stream: string;
  /** Text, or protobuf in base64. */
  readonly body: string;
}

/** What is printed: the requests, or why one could not be written. */
export interface Written {
  readonly requests: readonly WrittenRequest[];
  /** Of both encodings and all signals, what this version cannot write, with its reason. */
  readonly missing: readonly string[];
}

type Values = Readonly<Record<string, unknown>>;
type Create = (items: unknown, options?: unknown) => object;
type Make = (items: unknown) => Uint8Array;

/** Second part of a version. */
const OPTIONS_FROM = 45;
const LISTS_OF_METRICS_UNTIL = 56;
const NAMES: Readonly<Record<Signal, string>> = { logs: 'Logs', traces: 'Trace', metrics: 'Metrics' };
const TIME = [1_700_000_000, 123_456_789] as const;
const SCOPE = { name: '@acme/scope', version: '1.2.3', schemaUrl: 'https://s.test/1' };
const LATER = [1_700_000_001, 999_999_999] as const;

const ITEMS: Readonly<Record<Signal, (stream: string, values: Values, load: NodeJS.Require) => unknown>> = {
  logs: logItems,
  traces: spanItems,
  metrics: metricItems,
};

const folder = process.argv[2];
if (folder !== undefined) process.stdout.write(JSON.stringify(writeAll(folder)));

/** Everything that the version in this folder can write. */
function writeAll(from: string): Written {
  const load = createRequire(path.join(from, 'package.json'));
  const packageFile = path.join(from, 'node_modules/@opentelemetry/otlp-transformer/package.json');
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  const minor = Number(version.split('.')[1]);
  const requests: WrittenRequest[] = [];
  const missing: string[] = [];
  for (const signal of ['logs', 'traces', 'metrics'] as const) {
    for (const form of ['json', 'protobuf', 'json-base64'] as const) {
      const make = writerOf(load, minor, signal, form);
      if (make === undefined) {
        if (form !== 'json-base64') missing.push(`${signal} in ${form}`);
        continue;
      }
      for (const caseName of Object.keys(CASES) as CaseName[]) {
        const { values, onlyOf } = CASES[caseName];
        if (onlyOf !== undefined && onlyOf !== signal) continue;
        const stream = `${version}-${caseName}-${signal}-${form}`;
        const body = Buffer.from(make(ITEMS[signal](stream, values, load)));
        const text = body.toString(form === 'protobuf' ? 'base64' : 'utf8');
        requests.push({ signal, form, caseName, stream, body: text });
      }
    }
  }
  return { requests, missing };
}

/** The API changed twice: functions that make objects, then serializers beside them, then serializers alone. */
function writerOf(load: NodeJS.Require, minor: number, signal: Signal, form: WrittenForm): Make | undefined {
  const transformer = load('@opentelemetry/otlp-transformer') as Record<string, unknown>;
  const name = NAMES[signal];
  const json = form !== 'protobuf';
  const serializer = transformer[`${json ? 'Json' : 'Protobuf'}${name}Serializer`] as Serializer | undefined;
  if (serializer !== undefined) {
    if (form === 'json-base64') return undefined;
    const takesList = signal === 'metrics' && minor < LISTS_OF_METRICS_UNTIL;
    return (items) => serializer.serializeRequest(takesList ? [items] : items);
  }
  const create = transformer[`createExport${name}ServiceRequest`] as Create | undefined;
  const hasOptions = minor >= OPTIONS_FROM;
  if (create === undefined || (form === 'json-base64' && (hasOptions || signal === 'metrics'))) return undefined;
  // Without options times are two halves; before there were any, the second argument was `useHex`.
  const options = hasOptions ? (json ? { useHex: true, useLongBits: false } : undefined) : form === 'json';
  const object = (items: unknown) => create(signal === 'metrics' ? [items] : items, options);
  if (json) return (items) => Buffer.from(JSON.stringify(object(items)));
  const type = protobufType(load, signal, name);
  return type && ((items) => type.encode(type.create(object(items))).finish());
}

interface Serializer {
  serializeRequest(items: unknown): Uint8Array;
}

interface MessageType {
  create(object: object): unknown;
  encode(message: unknown): { finish(): Uint8Array };
}

/** Before the serializers, the exporters of protobuf had the messages. */
function protobufType(load: NodeJS.Require, signal: Signal, name: string): MessageType | undefined {
  const service = `Export${name}ServiceRequest`;
  const collector = signal === 'traces' ? 'trace' : signal;
  try {
    const root = load('@opentelemetry/otlp-proto-exporter-base/build/src/generated/root') as {
      opentelemetry: { proto: { collector: Record<string, { v1: Record<string, MessageType> }> } };
    };
    return root.opentelemetry.proto.collector[collector]?.v1[service];
  } catch {
    // The first ones read files of protobuf.
  }
  try {
    const protos = path.join(path.dirname(load.resolve('@opentelemetry/otlp-proto-exporter-base')), '../protos');
    const { Root } = load('protobufjs') as { Root: new () => ProtoRoot };
    const root = new Root();
    root.resolvePath = (_, target) => (path.isAbsolute(target) ? target : path.join(protos, target));
    root.loadSync(`opentelemetry/proto/collector/${collector}/v1/${collector}_service.proto`);
    return root.lookupType(service);
  } catch {
    return undefined;
  }
}

interface ProtoRoot {
  resolvePath: (origin: string, target: string) => string;
  loadSync(file: string): void;
  lookupType(name: string): MessageType;
}

function resourceOf(stream: string) {
  return {
    attributes: { [STREAM_KEY]: stream, 'host.cpu': 4, 'host.tags': ['x', 'y'] },
    schemaUrl: 'https://r.test/1',
  };
}

/** Each value is the attribute of a log record of its own, and its body. */
function logItems(stream: string, values: Values): unknown {
  const resource = resourceOf(stream);
  return Object.entries(values).map(([key, value], index) => {
    const { traceId, spanId } = fixedIds(index);
    return {
      ...{ resource, instrumentationScope: SCOPE, hrTime: TIME, hrTimeObserved: LATER },
      ...{ severityNumber: 13, severityText: 'WARN', eventName: key, body: value, attributes: { [key]: value } },
      ...{ droppedAttributesCount: 0, spanContext: { traceId, spanId, traceFlags: 1 } },
    };
  });
}

/** Each value is the attribute of a span, of its event and of its link. */
function spanItems(stream: string, values: Values): unknown {
  const resource = resourceOf(stream);
  return Object.entries(values).map(([key, value], index) => {
    const { traceId, spanId, parentSpanId } = fixedIds(index);
    const context = { traceId, spanId, traceFlags: 1, isRemote: index % 2 === 0 };
    const attributes = { [key]: value };
    return {
      ...{ name: key, kind: index % 5, startTime: TIME, endTime: LATER, duration: [1, 0], ended: true, resource },
      ...{ instrumentationScope: SCOPE, instrumentationLibrary: SCOPE, spanContext: () => context },
      ...{ parentSpanId, parentSpanContext: { ...context, spanId: parentSpanId } },
      ...{ status: { code: index % 3, message: 'said' }, attributes },
      ...{ events: [{ name: 'event', time: TIME, attributes }], links: [{ context, attributes }] },
      ...{ droppedAttributesCount: 0, droppedEventsCount: 1, droppedLinksCount: 0 },
    };
  });
}

type Enum = Readonly<Record<string, number>>;

/** Each value is the attribute of a data point, and a number also its value. */
function metricItems(stream: string, values: Values, load: NodeJS.Require): unknown {
  const { DataPointType: kinds, InstrumentType: instruments } = sdkMetrics(load);
  const { ValueType: types } = load('@opentelemetry/api') as { ValueType?: Enum };
  const valueTypes = types ?? (load('@opentelemetry/api-metrics') as { ValueType: Enum }).ValueType;
  const metrics = Object.entries(values).flatMap(([key, value]) => {
    const at = { startTime: TIME, endTime: LATER, attributes: { [key]: value } };
    const number = typeof value === 'number' ? value : 0.5;
    const metric = (kind: string, instrument: string, type: string, point: unknown, more: object = {}) => {
      const dataPointType = kinds[kind] ?? kinds.SINGULAR;
      // The first version of the SDK has fewer kinds.
      if (dataPointType === undefined || (kind.startsWith('EXP') && kinds[kind] === undefined)) return [];
      const described = { name: `${key}.${instrument}`.toLowerCase(), description: 'said', unit: 'ms' };
      const descriptor = { ...described, type: instruments[instrument] ?? instrument, valueType: valueTypes[type] };
      const dataPoints = [{ ...at, value: point }];
      return [{ descriptor, dataPointType, aggregationTemporality: 1, dataPoints, ...more }];
    };
    const buckets = { offset: -3, bucketCounts: [0, 2 ** 32, 5] };
    return [
      ...metric('GAUGE', 'OBSERVABLE_GAUGE', 'DOUBLE', number),
      ...metric('SUM', 'COUNTER', 'INT', Number.isInteger(number) ? number : 7, { isMonotonic: true }),
      ...metric('SUM', 'UP_DOWN_COUNTER', 'DOUBLE', -number, { isMonotonic: false }),
      ...metric('HISTOGRAM', 'HISTOGRAM', 'DOUBLE', {
        ...{ count: 2 ** 40, sum: number, min: number, max: number },
        buckets: { boundaries: [0.5, 10], counts: [1, 2 ** 33, 3] },
      }),
      ...metric('EXPONENTIAL_HISTOGRAM', 'HISTOGRAM', 'DOUBLE', {
        ...{ count: 6, sum: number, min: number, max: number, scale: -2, zeroCount: 1 },
        ...{ positive: buckets, negative: { offset: 0, bucketCounts: [] } },
      }),
    ];
  });
  return { resource: resourceOf(stream), scopeMetrics: [{ scope: SCOPE, metrics }] };
}

/** It was called otherwise at first, and is where the transformer finds it. */
function sdkMetrics(load: NodeJS.Require): { DataPointType: Enum; InstrumentType: Enum } {
  const nested = createRequire(load.resolve('@opentelemetry/otlp-transformer'));
  for (const name of ['@opentelemetry/sdk-metrics', '@opentelemetry/sdk-metrics-base']) {
    try {
      return nested(name) as { DataPointType: Enum; InstrumentType: Enum };
    } catch {
      // The other one.
    }
  }
  throw new Error('this version has no SDK of metrics beside it');
}
