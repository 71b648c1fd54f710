/**
 * The `otlp-json` view: OTLP messages in OTLP's JSON mapping (OTLP specification, JSON Protobuf Encoding). It has
 * lowerCamelCase keys, ids in lower-case hex, 64-bit integers as strings, bytes in base64, enums as integers, and
 * `"NaN"`, `"Infinity"` and `"-Infinity"` as strings.
 */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { dataType } from './decode.ts';
import { jsonEscape, type LongTexts } from './long-texts.ts';
import { otlpRuns } from './otlp.ts';

/**
 * One message as the JSON of an Export…ServiceRequest, which is also a line of the OTLP file format. Fields that the
 * schema does not know are left out.
 * @throws what protobufjs throws when the bytes are not such a message.
 */
export function otlpJson(signal: Signal, message: Uint8Array): string {
  const type = dataType(signal);
  return messageWriter(type)(type.decode(message) as unknown as DecodedMessage);
}

/** Records in this view. */
export interface OtlpJsonRequests {
  /** One request for each run of records of one signal, in order. */
  readonly requests: readonly string[];
  /** Records that are not OTLP. */
  readonly skipped: number;
}

/** The records [from, to) as requests. Never throws because of what a record holds. */
export function otlpJsonRequests(block: Block, from: number, to: number): OtlpJsonRequests {
  const requests: string[] = [];
  let skipped = 0;
  for (const run of otlpRuns(block, from, to)) {
    const request = run.signal === undefined ? undefined : tryOtlpJson(run.signal, run.message);
    if (request === undefined) skipped += run.to - run.from;
    else requests.push(request);
  }
  return { requests, skipped };
}

/** The same, with long texts marked, for records of many megabytes. Yields after each piece of work. */
export function* longOtlpJsonRequests(
  block: Block,
  from: number,
  to: number,
  long: LongTexts,
): Generator<void, OtlpJsonRequests> {
  const { kind } = block.header;
  if (kind === 's2') return otlpJsonRequests(block, from, to);
  const [run] = otlpRuns(block, from, to);
  yield;
  const type = dataType(kind);
  const decoded = type.decode(run?.message ?? NOTHING) as unknown as Record<string, unknown>;
  yield;
  markTexts(decoded, long);
  return { requests: [messageWriter(type)(decoded)], skipped: 0 };
}

const NOTHING = new Uint8Array(0);

/** Marks the texts of a decoded message, at any depth, in place. */
function markTexts(message: Record<string, unknown>, long: LongTexts): void {
  for (const [name, value] of Object.entries(message)) {
    if (typeof value === 'string') message[name] = long.mark(value, jsonEscape);
    else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
      markTexts(value as Record<string, unknown>, long);
    }
  }
}

function tryOtlpJson(signal: Signal, message: Uint8Array): string | undefined {
  try {
    return otlpJson(signal, message);
  } catch {
    // The record was accepted as it is: a view must not make the read fail, but says that it left something out.
    return undefined;
  }
}

type DecodedMessage = Readonly<Record<string, unknown>>;
type WriteValue = (value: never) => string;

const HEX_FIELDS: ReadonlySet<string> = new Set(['traceId', 'spanId', 'parentSpanId']);
const writers = new Map<protobuf.Type, (message: DecodedMessage) => string>();

/**
 * The writer of a message type, made once from its descriptor. Its fields are looked up at the first call, because
 * types may contain themselves.
 */
function messageWriter(type: protobuf.Type): (message: DecodedMessage) => string {
  const known = writers.get(type);
  if (known !== undefined) return known;
  let fields: readonly (readonly [name: string, key: string, write: WriteValue])[] | undefined;
  const writer = (message: DecodedMessage): string => {
    fields ??= type.fieldsArray.map((field) => [field.name, `"${field.name}":`, fieldWriter(field)] as const);
    let text = '';
    for (const [name, key, write] of fields) {
      // Fields that were on the wire are own properties and defaults are on the prototype, but lists are always own
      // ones.
      if (!Object.hasOwn(message, name)) continue;
      const value = message[name];
      if (Array.isArray(value) && value.length === 0) continue;
      if (value !== null && value !== undefined) text += `${text === '' ? '' : ','}${key}${write(value as never)}`;
    }
    return `{${text}}`;
  };
  writers.set(type, writer);
  return writer;
}

function fieldWriter(field: protobuf.Field): WriteValue {
  const { resolvedType } = field.resolve();
  const one = resolvedType instanceof protobuf.Type ? messageWriter(resolvedType) : scalarWriter(field);
  if (!field.repeated) return one;
  return (values: never) => `[${(values as readonly never[]).map(one as WriteValue).join(',')}]`;
}

function scalarWriter(field: protobuf.Field): WriteValue {
  switch (field.type) {
    case 'string':
      return (value: never) => JSON.stringify(value);
    case 'bytes':
      return bytesWriter(HEX_FIELDS.has(field.name) ? 'hex' : 'base64');
    case 'int64':
    case 'uint64':
    case 'sint64':
    case 'fixed64':
    case 'sfixed64':
      return (value: never) => `"${String(value)}"`;
    case 'double':
    case 'float':
      return (value: never) => doubleText(value);
    default:
      return (value: never) => String(value);
  }
}

function bytesWriter(encoding: 'hex' | 'base64'): WriteValue {
  return (value: never) => {
    const bytes = value as Uint8Array;
    return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding)}"`;
  };
}

/** JSON has no NaN and no infinities, for which OTLP has strings; and `String` would lose the sign of -0. */
function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0' : String(value);
}
