/**
 * OTLP requests as bytes, made to be awkward but valid: fields in any order and repeated, unknown fields, groups, packed and unpacked numbers, varints with redundant bytes. And what protobufjs
 * finds in such a request.
 */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import fc from './fast-check.ts';

const root = protobuf.Root.fromJSON(SCHEMA).resolveAll();
const NAMES: Readonly<Record<Signal, string>> = {
  logs: 'opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest',
  traces: 'opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest',
  metrics: 'opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest',
};

type Plain = { readonly [key: string]: unknown };

/** One item as protobufjs sees it, with its resource and scope. */
export interface OracleItem {
  /** Index of its resource and scope in the request, counting those without items too. */
  readonly place: readonly [resource: number, scope: number];
  readonly resource: Plain;
  readonly scope: Plain;
  readonly item: Plain;
  /** Milliseconds, computed with BigInt. */
  readonly ms: number;
  readonly points: number;
}

export function requestType(signal: Signal): protobuf.Type {
  return root.lookupType(NAMES[signal]);
}

/** The content of a body, item by item. Throws when protobufjs refuses the body. */
export function oracle(signal: Signal, body: Uint8Array): readonly OracleItem[] {
  const [resources, scopes, items] = containerNames(signal);
  const decoded = plain(requestType(signal), body);
  const found: OracleItem[] = [];
  for (const [r, resource] of list(decoded, resources).entries()) {
    for (const [s, scope] of list(resource, scopes).entries()) {
      for (const item of list(scope, items)) {
        const { ms, points } = timeOf(signal, item);
        found.push({
          place: [r, s],
          resource: without(resource, scopes),
          scope: without(scope, items),
          item,
          ms,
          points,
        });
      }
    }
  }
  return found;
}

/** A request of that signal, made from random bytes; it shrinks when they do. */
export function requestBytes(signal: Signal, size = 600): fc.Arbitrary<Uint8Array> {
  return fc
    .uint8Array({ minLength: 40, maxLength: size, size: 'max' })
    .map((bytes) => message(requestType(signal), new Choices(bytes), 0));
}

export function varint(value: number | bigint, idleBytes = 0): readonly number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  for (let i = 0; i < idleBytes; i++) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(0);
  }
  return bytes;
}

/** A field with a length. */
export function field(number: number, content: string | (ArrayLike<number> & Iterable<number>)): readonly number[] {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return [...varint((number << 3) | 2), ...varint(bytes.length), ...bytes];
}

export function fixed64(number: number, value: bigint): readonly number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return [...varint((number << 3) | 1), ...bytes];
}

/** Random bytes as a sequence of choices; after the last byte every choice is 0. */
class Choices {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  below(limit: number): number {
    return (this.#bytes[this.#at++] ?? 0) % limit;
  }

  get spent(): boolean {
    return this.#at >= this.#bytes.length;
  }
}

const TEXTS = [
  '',
  'a',
  'svc',
  'häuser',
  '日本語のログ',
  '😀',
  'x'.repeat(130),
  `${'long '.repeat(120)}ü`,
  's2.stream',
  'é'.repeat(300),
];
const DEPTH_MAX = 9;

function message(type: protobuf.Type, choices: Choices, depth: number): Uint8Array {
  const bytes: number[] = [];
  const fields = usableFields(type, choices);
  // Containers get more fields, so that requests are not empty.
  const count = depth < 4 ? 1 + choices.below(5) : choices.below(5);
  for (let i = 0; i < count; i++) {
    const kind = choices.below(10);
    const known = depth < 3 && kind < 6 ? type.fieldsById[depth === 0 ? 1 : 2] : fields[choices.below(fields.length)];
    if (kind < 8 && known !== undefined) bytes.push(...knownField(known, choices, depth));
    else if (kind === 8) bytes.push(...unknownField(100 + choices.below(200), choices, 0));
    else bytes.push(...unknownField(30 + choices.below(2), choices, 0));
  }
  return Uint8Array.from(bytes);
}

/** Only one member of a oneof of messages is used: what a decoder drops cannot be compared. */
function usableFields(type: protobuf.Type, choices: Choices): readonly protobuf.Field[] {
  const data = type.name === 'Metric' ? type.oneofsArray[0]?.fieldsArray : undefined;
  if (data === undefined) return type.fieldsArray;
  const chosen = data[choices.below(data.length)];
  return type.fieldsArray.flatMap((known) =>
    data.includes(known) ? (known === chosen ? [known, known] : []) : [known],
  );
}

function knownField(known: protobuf.Field, choices: Choices, depth: number): readonly number[] {
  const { id, resolvedType, type } = known;
  if (resolvedType instanceof protobuf.Type) {
    if (depth >= DEPTH_MAX || (choices.spent && depth > 3)) return [];
    if (resolvedType.name === 'KeyValue' && choices.below(2) === 0) return field(id, plainAttribute(choices));
    const content = message(resolvedType, choices, depth + 1);
    return [
      ...varint((id << 3) | 2, choices.below(8) === 7 ? 1 : 0),
      ...varint(content.length, choices.below(8) === 7 ? 2 : 0),
      ...content,
    ];
  }
  if (type === 'string') return field(id, text(choices));
  if (type === 'bytes')
    return field(
      id,
      Array.from({ length: choices.below(20) }, () => choices.below(256)),
    );
  const wireType = wireTypeOf(known);
  if (known.repeated && choices.below(2) === 0) {
    return field(id, Array.from({ length: choices.below(5) }, () => scalar(wireType, choices)).flat());
  }
  return [...varint((id << 3) | wireType), ...scalar(wireType, choices)];
}

/** An attribute in the form that nearly all senders use. */
function plainAttribute(choices: Choices): readonly number[] {
  const value =
    choices.below(2) === 0 ? field(1, text(choices)) : [[0x18, 0x10][choices.below(2)] ?? 0x18, ...scalar(0, choices)];
  return [...field(1, text(choices)), ...field(2, value)];
}

function text(choices: Choices): string {
  return TEXTS[choices.below(TEXTS.length)] ?? '';
}

function scalar(wireType: number, choices: Choices): readonly number[] {
  if (wireType !== 0) return Array.from({ length: wireType === 1 ? 8 : 4 }, () => choices.below(256));
  const value = [0n, 1n, 127n, 128n, 300n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 64n - 1n][choices.below(8)] ?? 0n;
  return varint(value, value < 2n ** 40n && choices.below(4) === 3 ? 2 : 0);
}

/** A field that the schema does not know. Groups hold fields of any number. */
function unknownField(id: number, choices: Choices, groups: number): readonly number[] {
  const wireType = [0, 1, 2, 3, 5][choices.below(groups > 5 ? 3 : 5)] ?? 0;
  if (wireType === 2) {
    return field(
      id,
      Array.from({ length: choices.below(9) }, () => choices.below(256)),
    );
  }
  if (wireType !== 3) return [...varint((id << 3) | wireType), ...scalar(wireType, choices)];
  const inner = Array.from({ length: choices.below(4) }, () =>
    unknownField(1 + choices.below(40), choices, groups + 1),
  ).flat();
  return [...varint((id << 3) | 3), ...inner, ...varint((id << 3) | 4)];
}

function wireTypeOf({ resolvedType, type }: protobuf.Field): number {
  if (resolvedType instanceof protobuf.Type) return 2;
  if (resolvedType instanceof protobuf.Enum) return 0;
  return (protobuf.types.basic as Readonly<Record<string, number>>)[type] ?? 2;
}

/** The names of the repeated fields that lead from a request to its items. */
export function containerNames(signal: Signal): readonly [resources: string, scopes: string, items: string] {
  const request = requestType(signal);
  const [resources, resource] = child(request, 1);
  const [scopes, scope] = child(resource, 2);
  return [resources, scopes, child(scope, 2)[0]];
}

function child(type: protobuf.Type, id: number): readonly [name: string, type: protobuf.Type] {
  const found = type.fieldsById[id];
  if (!(found?.resolvedType instanceof protobuf.Type)) throw new Error(`${type.name} has no message ${id}`);
  return [found.name, found.resolvedType];
}

function plain(type: protobuf.Type, body: Uint8Array): Plain {
  return type.toObject(type.decode(Buffer.from(body)), { longs: String, bytes: String });
}

function list(owner: Plain, name: string): readonly Plain[] {
  return (owner[name] ?? []) as readonly Plain[];
}

function without(owner: Plain, name: string): Plain {
  return Object.fromEntries(Object.entries(owner).filter(([key]) => key !== name));
}

function timeOf(signal: Signal, item: Plain): { readonly ms: number; readonly points: number } {
  if (signal === 'traces') return { ms: toMs(nanos(item, 'endTimeUnixNano')), points: 0 };
  if (signal === 'logs')
    return { ms: toMs(nanos(item, 'timeUnixNano') || nanos(item, 'observedTimeUnixNano')), points: 0 };
  const kinds = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'];
  const points = kinds.flatMap((kind) => list((item[kind] ?? {}) as Plain, 'dataPoints'));
  const latest = points.map((point) => nanos(point, 'timeUnixNano')).reduce(later, 0n);
  return { ms: toMs(latest), points: points.length };
}

function later(one: bigint, other: bigint): bigint {
  if (one > other) return one;
  return other;
}

function nanos(owner: Plain, name: string): bigint {
  return BigInt((owner[name] as string | undefined) ?? '0');
}

function toMs(value: bigint): number {
  return Number(value / 1_000_000n);
}
