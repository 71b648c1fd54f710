/**
 * The action tables of the scanner, built once from the schema: for each message type, what to do with each tag. So
 * `proto/` stays the only place that says what OTLP looks like.
 */

import protobuf from 'protobufjs/light.js';
import { assert } from '../../model/error.ts';
import type { Signal } from '../../model/record.ts';
import { MESSAGE_TYPES, messageType, REQUESTS, scalarWireType } from '../message-types.ts';
import { ID_BYTES } from '../odd-id.ts';

/**
 * What to do with a field: the low bits of an entry. The bits above hold the target of the action. The order matters:
 * from BYTES on, fields begin with a length; from ATTRIBUTE on, they are messages and the target is their type; from
 * POINT on, they are messages that the columns record.
 */
export const ACTION = {
  UNKNOWN: 0,
  /** A known field with a wire type that is not its own: many decoders refuse it, some take it for something else. */
  WRONG: 1,
  /** A number that may be the severity of the item: then the target is its slot. */
  VARINT: 2,
  FIXED64: 3,
  FIXED32: 4,
  /** A time of the item or data point, as fixed64; the target is its slot. */
  TIME: 5,
  BYTES: 6,
  /** The id of a trace or span; the target is its length, and its slot above `ID_BYTES_BITS`. */
  ID: 7,
  /** A text; the target is its slot when it is one that the columns record. */
  STRING: 8,
  PACKED_VARINT: 9,
  PACKED_FIXED64: 10,
  PACKED_FIXED32: 11,
  /** KeyValue and AnyValue, whose usual form has a fast path. */
  ATTRIBUTE: 12,
  VALUE: 13,
  MESSAGE: 14,
  /** A data point of a metric: it has a time. */
  POINT: 15,
  ITEM: 16,
  SCOPE: 17,
  RESOURCE: 18,
  /** In no table: a level of nesting that a group opened. */
  GROUP: 19,
} as const;

export const ACTION_BITS = 5;
export const ACTION_MASK = 31;
/** Tags below this are looked up: field numbers up to 31. All other tags are unknown. */
export const TAGS = 256;

/** The slots of TIME. */
export const TIME_SLOT = 0;
export const FALLBACK_TIME_SLOT = 1;
export const POINT_TIME_SLOT = 2;
export const TIME_SLOTS = 3;

/** The slots of parts of the current item whose places are recorded; 0 is for all others. */
export const TRACE_ID_SLOT = 1;
export const SEVERITY_SLOT = 2;
/** Of texts the next slot has the end. */
export const NAME_SLOT = 3;
export const SEVERITY_TEXT_SLOT = 5;
export const PART_SLOTS = 7;
/** In the target of ID, the bits of the length. */
export const ID_BYTES_BITS = 5;

/** The tags of resources in requests, of scopes in resources, and of items in scopes; the same for all signals. */
export const RESOURCE_TAG = 0x0a;
export const SCOPE_TAG = 0x12;
export const ITEM_TAG = 0x12;

const {
  UNKNOWN,
  WRONG,
  VARINT,
  FIXED64,
  FIXED32,
  TIME,
  BYTES,
  ID,
  STRING,
  PACKED_VARINT,
  PACKED_FIXED64,
  PACKED_FIXED32,
} = ACTION;
const { ATTRIBUTE, VALUE, MESSAGE, POINT, ITEM, SCOPE, RESOURCE } = ACTION;

/** The fields that hold the time of a record: an item is one record. */
const TIMES: Readonly<Record<string, number>> = {
  '.opentelemetry.proto.logs.v1.LogRecord.timeUnixNano': TIME_SLOT,
  '.opentelemetry.proto.logs.v1.LogRecord.observedTimeUnixNano': FALLBACK_TIME_SLOT,
  '.opentelemetry.proto.trace.v1.Span.endTimeUnixNano': TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.NumberDataPoint.timeUnixNano': POINT_TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.HistogramDataPoint.timeUnixNano': POINT_TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint.timeUnixNano': POINT_TIME_SLOT,
  '.opentelemetry.proto.metrics.v1.SummaryDataPoint.timeUnixNano': POINT_TIME_SLOT,
};

/** The fields of items that are told apart besides their times. */
const PARTS: Readonly<Record<string, number>> = {
  '.opentelemetry.proto.logs.v1.LogRecord.traceId': TRACE_ID_SLOT,
  '.opentelemetry.proto.logs.v1.LogRecord.severityNumber': SEVERITY_SLOT,
  '.opentelemetry.proto.logs.v1.LogRecord.severityText': SEVERITY_TEXT_SLOT,
  '.opentelemetry.proto.logs.v1.LogRecord.eventName': NAME_SLOT,
  '.opentelemetry.proto.trace.v1.Span.traceId': TRACE_ID_SLOT,
  '.opentelemetry.proto.trace.v1.Span.name': NAME_SLOT,
  '.opentelemetry.proto.metrics.v1.Metric.name': NAME_SLOT,
};

/** By wire type: the action of one value, and of packed ones. */
const SCALARS: Readonly<Record<number, readonly [single: number, packed: number]>> = {
  0: [VARINT, PACKED_VARINT],
  1: [FIXED64, PACKED_FIXED64],
  5: [FIXED32, PACKED_FIXED32],
};

/** Those that exist and begin a field. */
const WIRE_TYPES = [0, 1, 2, 3, 5];

const types = MESSAGE_TYPES;
const keyValue = messageType('common.v1.KeyValue');
const anyValue = messageType('common.v1.AnyValue');
const containers = containerActions();

/** `ACTIONS[type * TAGS + tag]` is `target << ACTION_BITS | action`. */
export const ACTIONS: Uint16Array = buildActions();

/** The tags of KeyValue and AnyValue in their usual form. */
export const PLAIN_TAG = {
  key: knownTag(keyValue, 0x0a, STRING),
  value: knownTag(keyValue, 0x12, VALUE),
  text: knownTag(anyValue, 0x0a, STRING),
  bool: knownTag(anyValue, 0x10, VARINT),
  int: knownTag(anyValue, 0x18, VARINT),
};

/** The type of each signal's request. */
export const REQUEST_TYPES: Readonly<Record<Signal, number>> = {
  logs: types.indexOf(REQUESTS.logs),
  traces: types.indexOf(REQUESTS.traces),
  metrics: types.indexOf(REQUESTS.metrics),
};

/** A type without fields, by which groups are checked. */
export const NO_TYPE = types.length;

function buildActions(): Uint16Array {
  // One row more, which stays empty: NO_TYPE.
  const actions = new Uint16Array((types.length + 1) * TAGS);
  for (const [number, type] of types.entries()) {
    for (const field of type.fieldsArray) {
      for (const wireType of WIRE_TYPES) actions[number * TAGS + ((field.id << 3) | wireType)] = WRONG;
      for (const [wireType, action] of fieldActions(field)) {
        const tag = (field.id << 3) | wireType;
        assert(tag < TAGS, `field ${field.fullName} has a number that the scanner can look up`);
        actions[number * TAGS + tag] = action;
      }
    }
  }
  return actions;
}

/** The wire types that a field may have, each with its action. */
function fieldActions(field: protobuf.Field): readonly (readonly [wireType: number, action: number])[] {
  if (field.resolvedType instanceof protobuf.Type) {
    const type = types.indexOf(field.resolvedType);
    return [[2, (type << ACTION_BITS) | messageAction(field.resolvedType)]];
  }
  const part = PARTS[field.fullName] ?? 0;
  if (field.type === 'string') return [[2, (part << ACTION_BITS) | STRING]];
  if (field.type === 'bytes') {
    const size = ID_BYTES[field.name];
    return [[2, size === undefined ? BYTES : (((part << ID_BYTES_BITS) | size) << ACTION_BITS) | ID]];
  }
  const slot = TIMES[field.fullName];
  if (slot !== undefined) return [[1, (slot << ACTION_BITS) | TIME]];
  const wireType = scalarWireType(field);
  const [single, packed] = SCALARS[wireType] ?? [UNKNOWN, UNKNOWN];
  if (part !== 0) return [[wireType, (part << ACTION_BITS) | single]];
  return field.repeated
    ? [
        [wireType, single],
        [2, packed],
      ]
    : [[wireType, single]];
}

function messageAction(type: protobuf.Type): number {
  const container = containers.get(type);
  if (container !== undefined) return container;
  if (type === keyValue) return ATTRIBUTE;
  if (type === anyValue) return VALUE;
  return type.fieldsArray.some((field) => TIMES[field.fullName] === POINT_TIME_SLOT) ? POINT : MESSAGE;
}

/** A tag that is written in the code; asserts that the schema agrees. */
function knownTag(type: protobuf.Type, tag: number, action: number): number {
  const entry = ACTIONS[types.indexOf(type) * TAGS + tag] ?? UNKNOWN;
  assert((entry & ACTION_MASK) === action, `${type.fullName} has the tag ${tag} that the scanner counts on`);
  return tag;
}

/** Resources, scopes and items of all signals, found by the tags that the scanner and the blocks rely on. */
function containerActions(): ReadonlyMap<protobuf.Type, number> {
  const found = new Map<protobuf.Type, number>();
  for (const request of Object.values(REQUESTS)) {
    const resource = onlyMessage(request, RESOURCE_TAG);
    const scope = onlyMessage(resource, SCOPE_TAG);
    found.set(resource, RESOURCE).set(scope, SCOPE).set(onlyMessage(scope, ITEM_TAG), ITEM);
  }
  return found;
}

/** The type of the repeated message that has a tag. */
function onlyMessage(type: protobuf.Type, tag: number): protobuf.Type {
  const field = type.fieldsArray.find((candidate) => candidate.id === tag >> 3);
  assert(field?.repeated === true && field.resolvedType instanceof protobuf.Type, `${type.fullName} holds messages`);
  return field.resolvedType;
}
