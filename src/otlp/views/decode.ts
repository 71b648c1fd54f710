/** OTLP messages decoded by protobufjs, for the views only: ingest decodes nothing. */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../model/record.ts';
import { SCHEMA } from '../schema.gen.ts';

/** A 64-bit integer as protobufjs gives it. */
export interface Int64 {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
  toString(): string;
}

export interface AnyValue {
  /** The name of the member that is set. */
  readonly value?: string;
  readonly stringValue: string;
  readonly boolValue: boolean;
  readonly intValue: Int64;
  readonly doubleValue: number;
  readonly arrayValue: { readonly values: readonly AnyValue[] };
  readonly kvlistValue: { readonly values: readonly KeyValue[] };
  readonly bytesValue: Uint8Array;
  readonly stringValueStrindex: number;
}

export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue | null;
}

export interface Resource {
  readonly attributes: readonly KeyValue[];
}

export interface InstrumentationScope {
  readonly name: string;
  readonly version: string;
  readonly attributes: readonly KeyValue[];
}

export interface LogRecord {
  readonly timeUnixNano: Int64;
  readonly observedTimeUnixNano: Int64;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: AnyValue | null;
  readonly attributes: readonly KeyValue[];
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly eventName: string;
}

export interface Span {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly traceState: string;
  readonly parentSpanId: Uint8Array;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: Int64;
  readonly endTimeUnixNano: Int64;
  readonly attributes: readonly KeyValue[];
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
  readonly status: { readonly code: number; readonly message: string } | null;
}

export interface SpanEvent {
  readonly timeUnixNano: Int64;
  readonly name: string;
  readonly attributes: readonly KeyValue[];
}

export interface SpanLink {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly traceState: string;
  readonly attributes: readonly KeyValue[];
}

export interface Metric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly metadata: readonly KeyValue[];
  /** The name of the member that is set. */
  readonly data?: string;
  readonly gauge: Points;
  readonly sum: Points;
  readonly histogram: Points;
  readonly exponentialHistogram: Points;
  readonly summary: Points;
}

export interface Points {
  readonly dataPoints: readonly DataPoint[];
  readonly aggregationTemporality?: number;
  readonly isMonotonic?: boolean;
}

/** A data point of any kind: fields that its kind does not have are undefined. */
export interface DataPoint {
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano: Int64;
  readonly timeUnixNano: Int64;
  readonly flags: number;
  readonly exemplars?: readonly Exemplar[];
  /** The name of the member that is set. */
  readonly value?: string;
  readonly asDouble?: number;
  readonly asInt?: Int64;
  readonly count?: Int64;
  readonly sum?: number | null;
  readonly min?: number | null;
  readonly max?: number | null;
  readonly bucketCounts?: readonly Int64[];
  readonly explicitBounds?: readonly number[];
  readonly scale?: number;
  readonly zeroCount?: Int64;
  readonly zeroThreshold?: number;
  readonly positive?: Buckets | null;
  readonly negative?: Buckets | null;
  readonly quantileValues?: readonly { readonly quantile: number; readonly value: number }[];
}

export interface Buckets {
  readonly offset: number;
  readonly bucketCounts: readonly Int64[];
}

export interface Exemplar {
  readonly filteredAttributes: readonly KeyValue[];
  readonly timeUnixNano: Int64;
  readonly value?: string;
  readonly asDouble: number;
  readonly asInt: Int64;
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
}

/** Items of one scope of one resource, in the order of the message. */
export interface ScopeItems<Item> {
  readonly resource: Resource | null;
  readonly scope: InstrumentationScope | null;
  readonly items: readonly Item[];
}

/** The type of each signal's items. */
export interface SignalItems {
  readonly logs: LogRecord;
  readonly traces: Span;
  readonly metrics: Metric;
}

/** The fields that hold the containers of a signal: in its data message, in a resource, in a scope. */
const PATHS: Readonly<Record<Signal, { type: string; resources: string; scopes: string; items: string }>> = {
  logs: { type: 'logs.v1.LogsData', resources: 'resourceLogs', scopes: 'scopeLogs', items: 'logRecords' },
  traces: { type: 'trace.v1.TracesData', resources: 'resourceSpans', scopes: 'scopeSpans', items: 'spans' },
  metrics: { type: 'metrics.v1.MetricsData', resources: 'resourceMetrics', scopes: 'scopeMetrics', items: 'metrics' },
};

const types = new Map<Signal, protobuf.Type>();

/** The message type of a signal: LogsData, TracesData or MetricsData. Loaded at the first call. */
export function dataType(signal: Signal): protobuf.Type {
  const known = types.get(signal);
  if (known !== undefined) return known;
  const type = protobuf.Root.fromJSON(SCHEMA).lookupType(`opentelemetry.proto.${PATHS[signal].type}`);
  types.set(signal, type);
  return type;
}

type Decoded = Readonly<Record<string, readonly Decoded[]>>;

/**
 * Decodes a message and lists its scopes in order.
 * @throws what protobufjs throws when the bytes are not such a message.
 */
export function decodeScopes<S extends Signal>(signal: S, message: Uint8Array): readonly ScopeItems<SignalItems[S]>[] {
  const { resources, scopes, items } = PATHS[signal];
  const data = dataType(signal).decode(message) as unknown as Decoded;
  const decoded: ScopeItems<SignalItems[S]>[] = [];
  for (const container of data[resources] ?? []) {
    for (const inner of container[scopes] ?? []) {
      decoded.push({
        resource: container.resource as unknown as Resource | null,
        scope: inner.scope as unknown as InstrumentationScope | null,
        items: inner[items] as unknown as readonly SignalItems[S][],
      });
    }
  }
  return decoded;
}

/** How many items the scopes hold together. */
export function countItems(scopes: readonly ScopeItems<unknown>[]): number {
  return scopes.reduce((sum, { items }) => sum + items.length, 0);
}
