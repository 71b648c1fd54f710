/**
 * The tables of the JSON transcoder, built once from the schema: for each message type, its keys and what to do with
 * the value of each. So `proto/` stays the only place that says what OTLP looks like.
 */

import protobuf from 'protobufjs/light.js';
import { assert } from '../../model/error.ts';
import type { Signal } from '../../model/record.ts';
import { MESSAGE_TYPES, messageType, REQUESTS, scalarWireType } from '../message-types.ts';
import { ID_BYTES } from '../odd-id.ts';

/** What to do with a value. */
export const STRING = 1;
export const MESSAGE = 2;
/** An id: bytes as hex digits, not base64 (OTLP specification, JSON Protobuf Encoding); the target is their number. */
export const HEX = 3;
export const FIXED64 = 4;
export const INT64 = 5;
export const UINT64 = 6;
export const INT32 = 7;
export const UINT32 = 8;
export const SINT32 = 9;
export const FIXED32 = 10;
export const SFIXED64 = 11;
export const DOUBLE = 12;
export const BOOL = 13;
export const BASE64 = 14;
/** An integer, or a name in `ENUMS[target]`. */
export const ENUM = 15;
/** Added to the kind of a field that takes an array. */
export const REPEATED = 16;

/** Not the number of a field: the key is unknown. */
export const NONE = 0;

/**
 * A field is identified by the index of its first cell in `FIELDS`. These are its cells, by offset; together they fill
 * one cache line.
 *
 * ```
 * 0 MASK       bits that must not be set yet in its object: its own, and the one of its oneof
 * 1 OWN        its own bit
 * 2 KIND
 * 3 TAG        one or two bytes, little endian
 * 4 TAG_BYTES
 * 5 TARGET     for a message its type, for an id its length in bytes, for an enum its number, for an integer the
 *              field of a double in its oneof
 * 6 KEY_BYTES  length of the key with the quote after it
 * 7 KEY_TAIL   the last four of these bytes
 * 8 KEY_HEAD   the bytes before the tail, in words (the last one may overlap the tail)
 * 13 NEXT      the next field to try for the same slot
 * ```
 */
export const MASK = 0;
export const OWN = 1;
export const KIND = 2;
export const TAG = 3;
export const TAG_BYTES = 4;
export const TARGET = 5;
export const KEY_BYTES = 6;
const KEY_TAIL = 7;
const KEY_HEAD = 8;
const NEXT = 13;
const CELLS = 16;
/** A key needs four bytes to have a first word, and at most as many as its cells hold. */
const KEY_BYTES_MIN = 4;
const KEY_BYTES_MAX = 4 + 4 * (NEXT - KEY_HEAD);

/** Slots per message type; the first four bytes of a key choose one. */
const SLOT_BITS = 6;
const SLOT_SHIFT = 32 - SLOT_BITS;
const SLOT_MULTIPLIER = 0x9e3779b1 | 0;

const SCALARS: Readonly<Record<string, number>> = {
  string: STRING,
  bool: BOOL,
  double: DOUBLE,
  int32: INT32,
  uint32: UINT32,
  sint32: SINT32,
  fixed32: FIXED32,
  int64: INT64,
  uint64: UINT64,
  fixed64: FIXED64,
  sfixed64: SFIXED64,
};

const types = MESSAGE_TYPES;
const enums: protobuf.Enum[] = [];
const names: string[] = [];

/** The first cells belong to no field. */
export const FIELDS = new Int32Array(CELLS * (1 + types.reduce((sum, type) => sum + type.fieldsArray.length, 0)));
const slots = new Uint16Array(types.length << SLOT_BITS);
buildFields();

/** By the number of an enum: its names and their values. */
export const ENUMS: readonly ReadonlyMap<string, number>[] = enums.map((type) => new Map(Object.entries(type.values)));

/** The types of the requests. */
export const REQUEST_TYPES: Readonly<Record<Signal, number>> = {
  logs: types.indexOf(REQUESTS.logs),
  traces: types.indexOf(REQUESTS.traces),
  metrics: types.indexOf(REQUESTS.metrics),
};

/** The types of attributes and their values. */
export const KEY_VALUE = types.indexOf(messageType('common.v1.KeyValue'));
export const ANY_VALUE = types.indexOf(messageType('common.v1.AnyValue'));

/** The field of a key that the code relies on. */
export function fieldOf(type: number, key: string): number {
  const field = findField(new DataView(new TextEncoder().encode(`${key}"`.padEnd(KEY_BYTES_MAX)).buffer), 0, type);
  assert(field !== NONE, `${types[type]?.fullName} has the key ${key}`);
  return field;
}

/** The key of a field, for messages. */
export function keyOf(field: number): string {
  return names[field / CELLS - 1] ?? '';
}

/** The keys of all messages except the requests, for hints. */
export function innerKeys(): readonly string[] {
  const requests = Object.values(REQUEST_TYPES);
  return types.flatMap((type, number) => (requests.includes(number) ? [] : type.fieldsArray.map(({ name }) => name)));
}

/** The name of the message type of a field. */
export function typeNameOf(field: number): string {
  return types[FIELDS[field + TARGET] ?? 0]?.name ?? '';
}

// V8 folds constants of the module itself into compiled code; imported and exported ones are loaded each time.
const fields = FIELDS;

/**
 * The field whose key, with the quote after it, is at `at`; `NONE` when the type has no such field. May read up to 24
 * bytes.
 */
export function findField(view: DataView, at: number, type: number): number {
  const word = view.getInt32(at, true);
  let field = slots[(type << SLOT_BITS) | slotOf(word)] as number;
  while (field !== NONE) {
    if (isKey(view, at, field)) return field;
    field = fields[field + NEXT] as number;
  }
  return NONE;
}

function isKey(view: DataView, at: number, field: number): boolean {
  const tail = (fields[field + KEY_BYTES] as number) - 4;
  if (view.getInt32(at + tail, true) !== fields[field + KEY_TAIL]) return false;
  let cell = field + KEY_HEAD;
  for (let i = 0; i < tail; i += 4) {
    if (view.getInt32(at + i, true) !== fields[cell++]) return false;
  }
  return true;
}

function slotOf(word: number): number {
  return Math.imul(word, SLOT_MULTIPLIER) >>> SLOT_SHIFT;
}

function buildFields(): void {
  for (const [number, type] of types.entries()) {
    for (const [position, field] of type.fieldsArray.entries()) {
      names.push(field.name);
      const at = names.length * CELLS;
      FIELDS[at + OWN] = 1 << position;
      FIELDS[at + MASK] = (1 << position) | oneofBit(type, field);
      FIELDS[at + KIND] = kindOf(field) | (field.repeated ? REPEATED : 0);
      FIELDS[at + TARGET] = targetOf(field) || doubleBeside(type, field, at);
      writeTagCells(at, field);
      writeKeyCells(at, field.name);
      linkSlot(at, number, field.name);
    }
  }
}

/** The members of a oneof share a bit above those of the fields; an optional field does not count as a oneof here. */
function oneofBit(type: protobuf.Type, field: protobuf.Field): number {
  const bits = type.oneofsArray.length + type.fieldsArray.length;
  assert(bits < 32, `the fields and oneofs of ${type.fullName} fit into 32 bits`);
  if (field.partOf === null || field.partOf.fieldsArray.length < 2) return 0;
  return 1 << (type.fieldsArray.length + type.oneofsArray.indexOf(field.partOf));
}

function kindOf(field: protobuf.Field): number {
  if (field.resolvedType instanceof protobuf.Type) return MESSAGE;
  if (field.resolvedType instanceof protobuf.Enum) return ENUM;
  if (field.type === 'bytes') return ID_BYTES[field.name] === undefined ? BASE64 : HEX;
  const kind = SCALARS[field.type];
  assert(kind !== undefined, `field ${field.fullName} has a type that the transcoder knows`);
  return kind;
}

function targetOf(field: protobuf.Field): number {
  if (field.resolvedType instanceof protobuf.Type) return types.indexOf(field.resolvedType);
  if (!(field.resolvedType instanceof protobuf.Enum)) return ID_BYTES[field.name] ?? 0;
  if (!enums.includes(field.resolvedType)) enums.push(field.resolvedType);
  return enums.indexOf(field.resolvedType);
}

/** For an integer the double that may stand in its place; `NONE` where there is none. */
function doubleBeside(type: protobuf.Type, field: protobuf.Field, at: number): number {
  if (field.type !== 'int64' && field.type !== 'sfixed64') return NONE;
  const double = field.partOf?.fieldsArray.find((other) => other.type === 'double');
  if (double === undefined) return NONE;
  const apart = type.fieldsArray.indexOf(double) - type.fieldsArray.indexOf(field);
  return at + apart * CELLS;
}

function writeTagCells(at: number, field: protobuf.Field): void {
  const tag = (field.id << 3) | wireTypeOf(field);
  assert(tag < 1 << 14, `the tag of ${field.fullName} fits into two bytes`);
  FIELDS[at + TAG] = tag < 0x80 ? tag : (tag & 0x7f) | 0x80 | ((tag >> 7) << 8);
  FIELDS[at + TAG_BYTES] = tag < 0x80 ? 1 : 2;
}

/** Repeated numbers are packed, which is the default of proto3. */
function wireTypeOf(field: protobuf.Field): number {
  if (field.resolvedType instanceof protobuf.Type || field.repeated) return 2;
  return scalarWireType(field);
}

function writeKeyCells(at: number, name: string): void {
  const key = Buffer.from(`${name}"`);
  assert(key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX, `the key ${name} fits into its cells`);
  FIELDS[at + KEY_BYTES] = key.length;
  FIELDS[at + KEY_TAIL] = key.readInt32LE(key.length - 4);
  for (let i = 0; i < key.length - 4; i += 4) FIELDS[at + KEY_HEAD + i / 4] = key.readInt32LE(i);
}

function linkSlot(at: number, type: number, name: string): void {
  const slot = (type << SLOT_BITS) | slotOf(Buffer.from(`${name}"`).readInt32LE(0));
  FIELDS[at + NEXT] = slots[slot] ?? NONE;
  slots[slot] = at;
}
