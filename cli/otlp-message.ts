/**
 * Builds one OTLP request and writes it as protobuf or as OTLP/JSON. `tailrace send` has its own encoder on purpose:
 * it must not agree with our receiver by sharing code with it.
 */

import type { Signal } from '../src/model/record.ts';

/** A value on its way into a message. Ids are bytes on the wire and hex in JSON. */
type Value =
  | { readonly text: string }
  | { readonly flag: boolean }
  | { readonly int: bigint }
  | { readonly enumeration: number }
  | { readonly fixed64: bigint }
  | { readonly double: number }
  | { readonly id: Uint8Array }
  | { readonly message: Message }
  | { readonly list: readonly Message[] };

type MessageField = readonly [number: number, jsonName: string, value: Value];
type Message = readonly MessageField[];

/** An attribute value; its type says how it is written. */
export type Attribute = string | boolean | bigint | number | readonly Attribute[];

/** What every item of a request shares. */
export interface MessageOrigin {
  readonly resource: ReadonlyMap<string, Attribute>;
  readonly scope: string;
}

export interface LogItem {
  readonly timeNanos: bigint;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: string;
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface SpanItem {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly name: string;
  readonly startNanos: bigint;
  readonly endNanos: bigint;
  readonly failed: boolean;
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface MetricItem {
  readonly name: string;
  readonly unit: string;
  readonly kind: 'gauge' | 'sum';
  readonly value: number;
  readonly timeNanos: bigint;
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export type RequestItems =
  | { readonly signal: 'logs'; readonly items: readonly LogItem[] }
  | { readonly signal: 'traces'; readonly items: readonly SpanItem[] }
  | { readonly signal: 'metrics'; readonly items: readonly MetricItem[] };

/** The request, in bytes. */
export function encodeRequest(origin: MessageOrigin, items: RequestItems, encoding: 'protobuf' | 'json'): Uint8Array {
  const message = request(origin, items);
  return encoding === 'json' ? Buffer.from(JSON.stringify(toJson(message))) : Buffer.concat(toProtobuf(message));
}

const NAMES: Readonly<Record<Signal, readonly [resource: string, scope: string, item: string]>> = {
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
};

function request(origin: MessageOrigin, items: RequestItems): Message {
  const [resources, scopes, records] = NAMES[items.signal];
  const scope: Message = [
    [1, 'scope', { message: [[1, 'name', { text: origin.scope }]] }],
    [2, records, { list: itemMessages(items) }],
  ];
  const resource: Message = [
    [1, 'resource', { message: [[1, 'attributes', attributes(origin.resource)]] }],
    [2, scopes, { list: [scope] }],
  ];
  return [[1, resources, { list: [resource] }]];
}

function itemMessages(items: RequestItems): readonly Message[] {
  if (items.signal === 'logs') return items.items.map(log);
  return items.signal === 'traces' ? items.items.map(span) : items.items.map(metric);
}

function log(item: LogItem): Message {
  return [
    [1, 'timeUnixNano', { fixed64: item.timeNanos }],
    [2, 'severityNumber', { enumeration: item.severityNumber }],
    [3, 'severityText', { text: item.severityText }],
    [5, 'body', { message: anyValue(item.body) }],
    [6, 'attributes', attributes(item.attributes)],
    [11, 'observedTimeUnixNano', { fixed64: item.timeNanos }],
  ];
}

const SPAN_KIND_INTERNAL = 1;
const [STATUS_OK, STATUS_ERROR] = [1, 2];

function span(item: SpanItem): Message {
  return [
    [1, 'traceId', { id: item.traceId }],
    [2, 'spanId', { id: item.spanId }],
    [5, 'name', { text: item.name }],
    [6, 'kind', { enumeration: SPAN_KIND_INTERNAL }],
    [7, 'startTimeUnixNano', { fixed64: item.startNanos }],
    [8, 'endTimeUnixNano', { fixed64: item.endNanos }],
    [9, 'attributes', attributes(item.attributes)],
    [15, 'status', { message: [[3, 'code', { enumeration: item.failed ? STATUS_ERROR : STATUS_OK }]] }],
  ];
}

const TEMPORALITY_CUMULATIVE = 2;

function metric(item: MetricItem): Message {
  const point: Message = [
    [3, 'timeUnixNano', { fixed64: item.timeNanos }],
    [4, 'asDouble', { double: item.value }],
    [7, 'attributes', attributes(item.attributes)],
  ];
  const points: MessageField = [1, 'dataPoints', { list: [point] }];
  const sum: Message = [
    points,
    [2, 'aggregationTemporality', { enumeration: TEMPORALITY_CUMULATIVE }],
    [3, 'isMonotonic', { flag: true }],
  ];
  return [
    [1, 'name', { text: item.name }],
    [3, 'unit', { text: item.unit }],
    item.kind === 'gauge' ? [5, 'gauge', { message: [points] }] : [7, 'sum', { message: sum }],
  ];
}

function attributes(map: ReadonlyMap<string, Attribute>): Value {
  return {
    list: [...map].map(([key, value]) => [
      [1, 'key', { text: key }],
      [2, 'value', { message: anyValue(value) }],
    ]),
  };
}

function anyValue(value: Attribute): Message {
  if (typeof value === 'string') return [[1, 'stringValue', { text: value }]];
  if (typeof value === 'boolean') return [[2, 'boolValue', { flag: value }]];
  if (typeof value === 'bigint') return [[3, 'intValue', { int: value }]];
  if (typeof value === 'number') return [[4, 'doubleValue', { double: value }]];
  return [[5, 'arrayValue', { message: [[1, 'values', { list: value.map(anyValue) }]] }]];
}

function toJson(message: Message): Record<string, unknown> {
  const set = message.filter(([, , value]) => !('list' in value) || value.list.length > 0);
  return Object.fromEntries(set.map(([, name, value]) => [name, jsonValue(value)]));
}

/** OTLP/JSON: ids in hex, 64-bit integers as strings, enums as numbers. */
function jsonValue(value: Value): unknown {
  if ('text' in value) return value.text;
  if ('flag' in value) return value.flag;
  if ('int' in value) return String(value.int);
  if ('enumeration' in value) return value.enumeration;
  if ('fixed64' in value) return String(value.fixed64);
  if ('double' in value) return value.double;
  if ('id' in value) return Buffer.from(value.id).toString('hex');
  return 'message' in value ? toJson(value.message) : value.list.map(toJson);
}

function toProtobuf(message: Message): Uint8Array[] {
  return message.flatMap(([number, , value]) => {
    if ('list' in value) return value.list.flatMap((item) => delimited(number, Buffer.concat(toProtobuf(item))));
    if ('message' in value) return delimited(number, Buffer.concat(toProtobuf(value.message)));
    if ('text' in value) return delimited(number, Buffer.from(value.text));
    if ('id' in value) return delimited(number, value.id);
    if ('fixed64' in value) return [tag(number, 1), eight((view) => view.setBigUint64(0, value.fixed64, true))];
    if ('double' in value) return [tag(number, 1), eight((view) => view.setFloat64(0, value.double, true))];
    if ('flag' in value) return [tag(number, 0), varint(value.flag ? 1n : 0n)];
    return [tag(number, 0), varint('int' in value ? BigInt.asUintN(64, value.int) : BigInt(value.enumeration))];
  });
}

function delimited(number: number, bytes: Uint8Array): Uint8Array[] {
  return [tag(number, 2), varint(BigInt(bytes.length)), bytes];
}

function tag(number: number, wireType: number): Uint8Array {
  return varint(BigInt(number * 8 + wireType));
}

function eight(write: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  write(view);
  return new Uint8Array(view.buffer);
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
