/**
 * A slow, independent parser of OTLP/JSON: the content of the bytes by the JSON grammar and protobuf's JSON mapping,
 * with the deviations of OTLP, as a protobufjs message. Throws where a body must be refused.
 */

import { createHash } from 'node:crypto';
import protobuf from 'protobufjs/light.js';
import { atOnce } from '../../src/encoding/turns.ts';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import type { Signal } from '../../src/model/record.ts';
import { repairIds } from '../../src/otlp/repair-ids.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';

const root = protobuf.Root.fromJSON(SCHEMA).resolveAll();
const COLLECTOR = 'opentelemetry.proto.collector';

export const REQUEST_TYPES: Readonly<Record<Signal, protobuf.Type>> = {
  logs: root.lookupType(`${COLLECTOR}.logs.v1.ExportLogsServiceRequest`),
  traces: root.lookupType(`${COLLECTOR}.trace.v1.ExportTraceServiceRequest`),
  metrics: root.lookupType(`${COLLECTOR}.metrics.v1.ExportMetricsServiceRequest`),
};

/** Bytes that are no character become U+FFFD, and half of a surrogate pair in three bytes is one of them. */
function lenientText(body: Uint8Array): string {
  const text = Buffer.from(body).toString('latin1');
  const marked = text.replaceAll(/\xed[\xa0-\xbf][\x80-\xbf]/g, '\xef\xbf\xbd');
  return new TextDecoder('utf-8').decode(Buffer.from(marked, 'latin1'));
}

const TOO_LARGE = 'out of range';

/** JSON without loss: numbers as they are written, objects with repeated keys and in their order. */
type Json = null | boolean | string | { readonly number: string } | readonly Json[] | { readonly pairs: Pairs };
type Pairs = readonly (readonly [key: string, value: Json])[];

/** What the body holds, with all defaults, comparable with `decoded`. */
export function expected(signal: Signal, body: Uint8Array): unknown {
  const type = REQUEST_TYPES[signal];
  const json = parse(lenientText(body));
  if (!isObject(json)) throw new Error('no object');
  if (json.pairs.length > 0 && !json.pairs.some(([key]) => fieldOf(type, key))) throw new Error('no known key');
  return plain(type, type.fromObject(readMessage(type, json)));
}

/**
 * What protobuf bytes hold, with all defaults, once the scanner has been over them, which claims more than protobufjs
 * and repairs strings, and once malformed ids are repaired.
 */
export function decoded(signal: Signal, bytes: Uint8Array): unknown {
  scanRequest(signal, bytes, OTLP_LIMITS);
  return plain(REQUEST_TYPES[signal], REQUEST_TYPES[signal].decode(atOnce(repairIds(signal, bytes, true))));
}

function plain(type: protobuf.Type, message: protobuf.Message): unknown {
  return type.toObject(message, { defaults: true, oneofs: true, longs: String, bytes: String });
}

/** The malformed ids of the innermost message that notes them, as they were sent. */
let sent: string[] = [];
const NOTES: Readonly<Record<string, string>> = {
  LogRecord: 'attributes',
  Span: 'attributes',
  Exemplar: 'filteredAttributes',
};

function readMessage(type: protobuf.Type, json: Json): Record<string, unknown> {
  const notes = NOTES[type.name];
  if (notes === undefined) return readFields(type, json);
  const outer = sent;
  sent = [];
  try {
    const message = readFields(type, json);
    const note = { key: 'otel.id_malformed', value: { stringValue: sent.join(', ') } };
    if (sent.length > 0) message[notes] = [...((message[notes] as unknown[] | undefined) ?? []), note];
    return message;
  } finally {
    sent = outer;
  }
}

function readFields(type: protobuf.Type, json: Json): Record<string, unknown> {
  if (!isObject(json)) throw new Error(`${type.name} is an object`);
  const message: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const [key, value] of json.pairs) {
    const field = fieldOf(type, key);
    if (field === undefined) continue;
    if (seen.has(field.name)) throw new Error(`${key} twice`);
    seen.add(field.name);
    if (value === null) continue;
    const group = field.partOf;
    if (group?.oneof.some((other) => other in message)) throw new Error(`${key} and another`);
    const double = isTooLarge(field, value) ? group?.fieldsArray.find(({ type }) => type === 'double') : undefined;
    message[(double ?? field).name] = readField(double ?? field, value);
  }
  return message;
}

/** A number without a fraction that has more than 64 bits, where the oneof of its field has a double. */
function isTooLarge(field: protobuf.Field, json: Json): boolean {
  if (!isNumber(json) || (field.type !== 'int64' && field.type !== 'sfixed64')) return false;
  try {
    readInteger(json, -(2n ** 63n), 2n ** 63n - 1n);
    return false;
  } catch (error) {
    return (error as Error).message === TOO_LARGE;
  }
}

/** By its key in lowerCamelCase, or by its name in the schema, which is snake_case. */
function fieldOf(type: protobuf.Type, key: string): protobuf.Field | undefined {
  return type.fieldsArray.find(
    ({ name }) => name === key || name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) === key,
  );
}

function readField(field: protobuf.Field, json: Json): unknown {
  if (!field.repeated) return readOne(field, json);
  if (!Array.isArray(json)) throw new Error(`${field.name} is an array`);
  const isValues = field.resolvedType?.name === 'AnyValue';
  const kept = json.filter(
    (value: Json) => value !== null || isValues || !(field.resolvedType instanceof protobuf.Type),
  );
  return kept.map((value: Json) => (value === null ? defaultOf(field) : readOne(field, value)));
}

function defaultOf(field: protobuf.Field): unknown {
  if (field.resolvedType instanceof protobuf.Type) return {};
  return field.type === 'string' ? '' : 0;
}

function readOne(field: protobuf.Field, json: Json): unknown {
  if (field.resolvedType instanceof protobuf.Type) return readMessage(field.resolvedType, json);
  if (field.resolvedType instanceof protobuf.Enum) {
    const named = typeof json === 'string' ? field.resolvedType.values[json] : undefined;
    return named ?? Number(readInteger(json, -(2n ** 31n), 2n ** 31n - 1n));
  }
  switch (field.type) {
    case 'string':
      if (typeof json !== 'string') throw new Error(`${field.name} is a string`);
      return json;
    case 'bool':
      if (typeof json !== 'boolean') throw new Error(`${field.name} is a boolean`);
      return json;
    case 'double':
      return readDouble(json);
    case 'bytes':
      return readBytes(field.name, json);
    case 'int32':
    case 'sint32':
      return Number(readInteger(json, -(2n ** 31n), 2n ** 31n - 1n));
    case 'uint32':
    case 'fixed32':
      return Number(readInteger(json, 0n, 2n ** 32n - 1n));
    case 'int64':
    case 'sfixed64':
      return `${isObject(json) ? BigInt.asIntN(64, readHalves(json)) : readInteger(json, -(2n ** 63n), 2n ** 63n - 1n)}`;
    case 'uint64':
    case 'fixed64':
      return `${isObject(json) ? readHalves(json) : readInteger(json, 0n, 2n ** 64n - 1n)}`;
    default:
      throw new Error(`unknown type ${field.type}`);
  }
}

function numberText(json: Json): string {
  const text = typeof json === 'string' ? json : isNumber(json) ? json.number : '';
  if (!/^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?$/.test(text)) throw new Error('no number');
  return text;
}

/** By shifting the decimal point in the text, one place at a time. */
function readInteger(json: Json, least: bigint, most: bigint): bigint {
  const [mantissa = '', exponent = '0'] = numberText(json).toLowerCase().split('e');
  const negative = mantissa.startsWith('-');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  let digits = whole + fraction;
  if (/^0*$/.test(digits)) return 0n;
  let shift = Number(exponent) - fraction.length;
  for (; shift < 0 && digits.endsWith('0'); shift++) digits = digits.slice(0, -1);
  if (shift < 0) throw new Error('a fraction');
  if (shift > 1_000) throw new Error(TOO_LARGE);
  const value = BigInt(digits + '0'.repeat(shift)) * (negative ? -1n : 1n);
  if (value < least || value > most) throw new Error(TOO_LARGE);
  return value;
}

/** `low` and `high`, each with or without a sign, and nothing else but `unsigned`. */
function readHalves({ pairs }: { readonly pairs: Pairs }): bigint {
  const keys = pairs.map(([key]) => key).join();
  if (keys !== 'low,high' && keys !== 'low,high,unsigned') throw new Error('no halves');
  const [low, high] = pairs.slice(0, 2).map(([, half]) => {
    if (!isNumber(half) || !/^-?[0-9]+$/.test(half.number)) throw new Error('no half');
    return BigInt.asUintN(32, readInteger(half, -(2n ** 31n), 2n ** 32n - 1n));
  });
  if (pairs.length > 2 && typeof pairs[2]?.[1] !== 'boolean') throw new Error('no flag');
  return ((high ?? 0n) << 32n) | (low ?? 0n);
}

function readDouble(json: Json): number {
  if (json === 'NaN' || json === 'Infinity' || json === '-Infinity') return Number(json);
  const value = Number(numberText(json));
  if (!Number.isFinite(value)) throw new Error('out of range');
  return value;
}

function readBytes(name: string, json: Json): Uint8Array {
  if (name === 'bytesValue' && typeof json === 'object' && json !== null && !isNumber(json)) return byteList(json);
  if (name !== 'bytesValue') return readId(json, name === 'traceId' ? 16 : 8);
  if (typeof json !== 'string') throw new Error(`${name} is a string`);
  if (!/^[-_+/A-Za-z0-9]*={0,2}$/.test(json)) throw new Error('no base64');
  const unpadded = json.replace(/=+$/, '');
  if (unpadded.length % 4 === 1 || (unpadded !== json && json.length % 4 !== 0)) throw new Error('no base64');
  return new Uint8Array(Buffer.from(unpadded.replaceAll('-', '+').replaceAll('_', '/'), 'base64'));
}

/** A value that is no string is the text of its JSON, unless it lists the bytes of an id. */
function readId(value: Json, size: number): Uint8Array {
  if (value === '') return new Uint8Array(0);
  const source = typeof value === 'object' && value !== null ? sources.get(value) : undefined;
  if (source !== undefined) {
    const listed = idBytes(JSON.parse(source));
    if (source.length <= 1_024 && listed.length === size) return Uint8Array.from(listed);
  }
  const json =
    typeof value === 'string' ? value : (source?.slice(0, 1_024) ?? (isNumber(value) ? value.number : String(value)));
  const isHex = /^[0-9a-fA-F]+$/.test(json);
  if (!isHex || json.length !== 2 * size) sent.push(isShown(json) ? json : Buffer.from(json).toString('hex'));
  if (isHex && json.length <= 2 * size) return Buffer.from(json.padStart(2 * size, '0'), 'hex');
  if (new RegExp(size === 16 ? '^[\\w+/-]{22}==$' : '^[\\w+/-]{11}=$').test(json)) return Buffer.from(json, 'base64');
  const short = Buffer.from(json);
  if (!isShown(json) && short.length < size) return Buffer.concat([Buffer.alloc(size - short.length), short]);
  return createHash('sha256').update(json).digest().subarray(0, size);
}

/** Whole numbers from 0 to 255, which an array, an object or the data of an object holds; else none. */
function idBytes(value: object): readonly number[] {
  const list = Object.values('data' in value ? ((value.data as object) ?? []) : value) as unknown[];
  const isByte = (each: unknown) => typeof each === 'number' && /^\d+$/.test(String(each)) && each < 256;
  return list.every(isByte) ? (list as number[]) : [];
}

function byteList(json: Json): Uint8Array {
  if (Array.isArray(json)) {
    return Uint8Array.from(
      json.map((value: Json) => {
        const text = isNumber(value) ? value.number : '';
        if (!/^-?\d{1,3}$/.test(text) || Number(text) > 255 || Number(text) < -128) throw new Error('no byte');
        return Number(text);
      }),
    );
  }
  if (!isObject(json)) throw new Error('no bytes');
  let bytes: number[] = [];
  for (const [key, value] of json.pairs) {
    if (key === 'type' && typeof value === 'string') continue;
    if (key === 'data' && Array.isArray(value)) bytes = [...bytes, ...byteList(value)];
    else if (key === String(bytes.length)) bytes.push(...byteList([value]));
    else throw new Error('no bytes');
  }
  return Uint8Array.from(bytes);
}

function isShown(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}

function isObject(json: Json): json is { readonly pairs: Pairs } {
  return typeof json === 'object' && json !== null && 'pairs' in json;
}

function isNumber(json: Json): json is { readonly number: string } {
  return typeof json === 'object' && json !== null && 'number' in json;
}

const TOKEN =
  /[ \t\n\r]*(?:([[\]{},:])|("(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)|(true|false|null))/y;

/** The texts of the arrays and objects that were parsed. */
const sources = new WeakMap<object, string>();

/** By the grammar of RFC 8259; control characters in strings are left to JSON.parse. */
function parse(text: string): Json {
  const tokens: RegExpExecArray[] = [];
  TOKEN.lastIndex = 0;
  while (
    !/^[ \t\n\r]*$/.test(text.slice(TOKEN.lastIndex, TOKEN.lastIndex + 200)) ||
    TOKEN.lastIndex + 200 < text.length
  ) {
    const token = TOKEN.exec(text);
    if (token === null) throw new Error('no token');
    tokens.push(token);
  }
  let next = 0;
  const taken = (): RegExpExecArray | undefined => tokens[next - 1];
  const value = parseValue(
    () => tokens[next++],
    (from) => text.slice(from, (taken()?.index ?? 0) + (taken()?.[0].length ?? 0)),
  );
  if (next !== tokens.length) throw new Error('more than one value');
  return value;
}

function parseValue(
  take: () => RegExpExecArray | undefined,
  since: (from: number) => string,
  token: RegExpExecArray | undefined = take(),
): Json {
  const [, sign, string, number, literal] = token ?? [];
  if (string !== undefined) return parseString(string);
  if (number !== undefined) return { number };
  if (literal !== undefined) return JSON.parse(literal) as Json;
  const from = (token?.index ?? 0) + (token?.[0].length ?? 0) - 1;
  if (sign === '[') {
    const list = parseList(take, ']', (first) => parseValue(take, since, first));
    sources.set(list, since(from));
    return list;
  }
  if (sign !== '{') throw new Error('no value');
  const pairs = parseList(take, '}', (first) => {
    const key = first?.[2];
    if (key === undefined || take()?.[1] !== ':') throw new Error('no key');
    return [parseString(key), parseValue(take, since)] as const;
  });
  const object = { pairs };
  sources.set(object, since(from));
  return object;
}

function parseList<T>(
  take: () => RegExpExecArray | undefined,
  end: string,
  parseOne: (first: RegExpExecArray | undefined) => T,
): T[] {
  const list: T[] = [];
  let token = take();
  if (token?.[1] === end) return list;
  for (;;) {
    list.push(parseOne(token));
    const sign = take()?.[1];
    if (sign === end) return list;
    if (sign !== ',') throw new Error('no comma');
    token = take();
  }
}

function parseString(token: string): string {
  return (JSON.parse(token) as string).replaceAll(/\p{Surrogate}/gu, '\ufffd');
}
