/**
 * The slow oracle of the black-box tests: what an OTLP request holds, by protobufjs and JSON.parse, one entry for each
 * item with its resource and scope.
 */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';

const root = protobuf.Root.fromJSON(SCHEMA);

const SHAPES = {
  logs: ['opentelemetry.proto.logs.v1.LogsData', 'resourceLogs', 'scopeLogs', 'logRecords'],
  traces: ['opentelemetry.proto.trace.v1.TracesData', 'resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['opentelemetry.proto.metrics.v1.MetricsData', 'resourceMetrics', 'scopeMetrics', 'metrics'],
} as const satisfies Record<Signal, readonly string[]>;

const HEX_IDS = new Set(['traceId', 'spanId', 'parentSpanId']);

/** An item with its resource and scope; bytes are base64, 64-bit integers decimal strings. */
export interface OtlpItem {
  readonly resource: unknown;
  readonly resourceSchemaUrl: unknown;
  readonly scope: unknown;
  readonly scopeSchemaUrl: unknown;
  readonly item: unknown;
}

/** The items of a request body, or of a record's body, in order. */
export function itemsOf(signal: Signal, body: Uint8Array, json: boolean): OtlpItem[] {
  const [type, resources, scopes, items] = SHAPES[signal];
  const message = root.lookupType(type);
  const decoded = json
    ? message.fromObject(hexToBytes(JSON.parse(Buffer.from(body).toString()) as object))
    : message.decode(body);
  const plain = message.toObject(decoded, { longs: String, bytes: String, json: true }) as Record<string, Plain[]>;
  return (plain[resources] ?? []).flatMap((resource) =>
    ((resource[scopes] ?? []) as Plain[]).flatMap((scope) =>
      ((scope[items] ?? []) as unknown[]).map((item) => ({
        resource: resource.resource,
        resourceSchemaUrl: resource.schemaUrl,
        scope: scope.scope,
        scopeSchemaUrl: scope.schemaUrl,
        item,
      })),
    ),
  );
}

/** A JSON request as the protobuf bytes that protobufjs makes of it. */
export function encodeJsonFixture(signal: Signal, body: Uint8Array): Buffer {
  const message = root.lookupType(SHAPES[signal][0]);
  const value = message.fromObject(hexToBytes(JSON.parse(Buffer.from(body).toString()) as object));
  return Buffer.from(message.encode(value).finish());
}

type Plain = Record<string, unknown>;

/** OTLP/JSON uses hex for ids where protobuf JSON uses base64. */
function hexToBytes(value: unknown, key = ''): Plain {
  if (Array.isArray(value)) return value.map((entry) => hexToBytes(entry)) as unknown as Plain;
  if (typeof value === 'string' && HEX_IDS.has(key)) return Buffer.from(value, 'hex') as unknown as Plain;
  if (typeof value !== 'object' || value === null) return value as Plain;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, hexToBytes(entry, name)]));
}
