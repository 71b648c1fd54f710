/**
 * The action tables of the scanner, built once from the schema: for each message type, what to do with each tag. So
 * `proto/` stays the one place that says what OTLP looks like.
 */

import protobuf from 'protobufjs/light.js';
import { assert } from '../model/error.ts';
import type { Signal } from '../model/record.ts';
import { SCHEMA } from './schema.gen.ts';

/** What to do with a field. The low bits of an entry; the bits above hold the target of the act. */
export const UNKNOWN = 0;
export const VARINT = 1;
export const FIXED64 = 2;
export const FIXED32 = 3;
/** A time of the item, as fixed64; the target is the slot that notes where it stands. */
export const TIME = 4;
/** From here on: fields that begin with a length. */
export const FIRST_WITH_LENGTH = 5;
export const BYTES = 5;
export const STRING = 6;
/** A message; the target is its type, as it is for the three kinds of messages that follow. */
export const MESSAGE = 7;
/** A data point of a metric: it has a time of its own, which counts. */
export const POINT = 8;
/** KeyValue and AnyValue are so frequent that their usual form has a path of its own. */
export const ATTRIBUTE = 9;
export const VALUE = 10;
export const PACKED_VARINT = 11;
export const PACKED_FIXED64 = 12;
const PACKED_FIXED32 = 13;

export const ACTION_BITS = 4;
export const ACTION_MASK = 15;
/** Tags below this are looked up: field numbers up to 31. Any other tag is unknown. */
export const TAGS = 256;

/** The slots of TIME. */
export const TIME_SLOT = 0;
export const FALLBACK_TIME_SLOT = 1;
export const POINT_TIME_SLOT = 2;

/** The tag of `resource_logs`, `resource_spans` and `resource_metrics` in their requests: field 1, a message. */
export const RESOURCE_TAG = 0x0a;
/** The tag of the scopes in a resource, and of the items in a scope: field 2, a message. */
export const SCOPE_TAG = 0x12;
export const ITEM_TAG = 0x12;

/** The types of the four levels that the scanner records. */
export interface SignalTypes {
  readonly request: number;
  readonly resource: number;
  readonly scope: number;
  readonly item: number;
}

const COLLECTOR = 'opentelemetry.proto.collector';
const REQUESTS: Readonly<Record<Signal, string>> = {
  logs: `${COLLECTOR}.logs.v1.ExportLogsServiceRequest`,
  traces: `${COLLECTOR}.trace.v1.ExportTraceServiceRequest`,
  metrics: `${COLLECTOR}.metrics.v1.ExportMetricsServiceRequest`,
};

/** Where the time of a record stands (otlp.md, One record per item), by type and field. */
const TIMES: Readonly<Record<string, number>> = {
  '.opentelemetry.proto.logs.v1.LogRecord.timeUnixNano': TIME_SLOT,
  '.opentelemetry.proto.logs.v1.LogRecord.observedTimeUnixNano': FALLBACK_TIME_SLOT,
  '.opentelemetry.proto.trace.v1.Span.endTimeUnixNano': TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.NumberDataPoint.timeUnixNano': POINT_TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.HistogramDataPoint.timeUnixNano': POINT_TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint.timeUnixNano': POINT_TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.SummaryDataPoint.timeUnixNano': POINT_TIME_SLOT,
};

/** By wire type: the action of one value, and of packed ones. */
const SCALARS: Readonly<Record<number, readonly [single: number, packed: number]>> = {
  0: [VARINT, PACKED_VARINT],
  1: [FIXED64, PACKED_FIXED64],
  5: [FIXED32, PACKED_FIXED32],
};

const root = protobuf.Root.fromJSON(SCHEMA).resolveAll();
const types = reachableTypes(Object.values(REQUESTS).map((name) => root.lookupType(name)));

const keyValue = root.lookupType('opentelemetry.proto.common.v1.KeyValue');
const anyValue = root.lookupType('opentelemetry.proto.common.v1.AnyValue');
/** `ACTIONS[type * TAGS + tag]` is `target << ACTION_BITS | action`. */
export const ACTIONS: Uint16Array = buildActions();

/** The fields of KeyValue and AnyValue in their usual form. */
export const KEY_TAG = knownTag(keyValue, 0x0a, STRING);
export const VALUE_TAG = knownTag(keyValue, 0x12, VALUE);
export const STRING_VALUE_TAG = knownTag(anyValue, 0x0a, STRING);
export const BOOL_VALUE_TAG = knownTag(anyValue, 0x10, VARINT);
export const INT_VALUE_TAG = knownTag(anyValue, 0x18, VARINT);

export const SIGNAL_TYPES: Readonly<Record<Signal, SignalTypes>> = {
  logs: signalTypes('logs'),
  traces: signalTypes('traces'),
  metrics: signalTypes('metrics'),
};

function reachableTypes(from: readonly protobuf.Type[]): readonly protobuf.Type[] {
  const found = new Set(from);
  // A Set hands out what is added while it is walked, so this reaches everything.
  for (const type of found) {
    for (const field of type.fieldsArray)
      if (field.resolvedType instanceof protobuf.Type) found.add(field.resolvedType);
  }
  return [...found];
}

function buildActions(): Uint16Array {
  const actions = new Uint16Array(types.length * TAGS);
  for (const [number, type] of types.entries()) {
    for (const field of type.fieldsArray) {
      for (const [wireType, action] of fieldActions(field)) {
        const tag = (field.id << 3) | wireType;
        assert(tag < TAGS, `field ${field.fullName} has a number that the scanner can look up`);
        actions[number * TAGS + tag] = action;
      }
    }
  }
  return actions;
}

/** The wire types under which a field is known, each with its action. Any other wire type makes it an unknown field. */
function fieldActions(field: protobuf.Field): readonly (readonly [wireType: number, action: number])[] {
  if (field.resolvedType instanceof protobuf.Type) {
    const type = types.indexOf(field.resolvedType);
    return [[2, (type << ACTION_BITS) | messageAction(field.resolvedType)]];
  }
  if (field.type === 'string') return [[2, STRING]];
  if (field.type === 'bytes') return [[2, BYTES]];
  const slot = TIMES[field.fullName];
  if (slot !== undefined) return [[1, (slot << ACTION_BITS) | TIME]];
  const wireType = scalarWireType(field);
  const [single, packed] = SCALARS[wireType] ?? [UNKNOWN, UNKNOWN];
  return field.repeated
    ? [
        [wireType, single],
        [2, packed],
      ]
    : [[wireType, single]];
}

function messageAction(type: protobuf.Type): number {
  if (type === keyValue) return ATTRIBUTE;
  if (type === anyValue) return VALUE;
  return type.fieldsArray.some((field) => TIMES[field.fullName] === POINT_TIME_SLOT) ? POINT : MESSAGE;
}

function scalarWireType(field: protobuf.Field): number {
  if (field.resolvedType instanceof protobuf.Enum) return 0;
  const wireType = (protobuf.types.basic as Readonly<Record<string, number>>)[field.type];
  assert(wireType !== undefined, `field ${field.fullName} has a scalar type`);
  return wireType;
}

/** A tag that is written in the code, where the schema agrees. */
function knownTag(type: protobuf.Type, tag: number, action: number): number {
  const entry = ACTIONS[types.indexOf(type) * TAGS + tag] ?? UNKNOWN;
  assert((entry & ACTION_MASK) === action, `${type.fullName} has the tag ${tag} that the scanner counts on`);
  return tag;
}

function signalTypes(signal: Signal): SignalTypes {
  const request = root.lookupType(REQUESTS[signal]);
  const resource = onlyMessage(request, RESOURCE_TAG);
  const scope = onlyMessage(resource, SCOPE_TAG);
  const item = onlyMessage(scope, ITEM_TAG);
  return {
    request: types.indexOf(request),
    resource: types.indexOf(resource),
    scope: types.indexOf(scope),
    item: types.indexOf(item),
  };
}

/** The type behind a tag: an assertion that the schema has the shape that the scanner and the blocks count on. */
function onlyMessage(type: protobuf.Type, tag: number): protobuf.Type {
  const field = type.fieldsArray.find((candidate) => candidate.id === tag >> 3);
  assert(field?.repeated === true && field.resolvedType instanceof protobuf.Type, `${type.fullName} holds messages`);
  return field.resolvedType;
}
