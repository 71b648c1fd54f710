/**
 * The `otlp-json` view: OTLP messages in OTLP's JSON mapping: lowerCamelCase keys, ids in lower-case hex, 64-bit
 * integers as strings, bytes in base64, enums as integers, `"NaN"`, `"Infinity"` and `"-Infinity"` as strings.
 */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { dataType } from './decode.ts';
import { otlpRuns } from './otlp.ts';

/**
 * One message as the JSON of an Export…ServiceRequest, which is also a line of the OTLP file format. Fields that the
 * schema does not know are left out.
 * @throws what protobufjs throws when the bytes are no such message.
 */
export function otlpJson(signal: Signal, message: Uint8Array): string {
  const type = dataType(signal);
  return messageWriter(type)(type.decode(message) as unknown as Fields);
}

/** What the records [from, to) are in this view. */
export interface OtlpJsonRequests {
  /** One request for each run of one signal, in order. */
  readonly requests: readonly string[];
  /** Records that are not OTLP. */
  readonly skipped: number;
}

/** The records [from, to) as requests. Never throws on what a record holds. */
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

function tryOtlpJson(signal: Signal, message: Uint8Array): string | undefined {
  try {
    return otlpJson(signal, message);
  } catch {
    // Valid when it was stored; a view never fails a reader, it says that it left something out.
    return undefined;
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Write = (value: never) => string;

const HEX_FIELDS: ReadonlySet<string> = new Set(['traceId', 'spanId', 'parentSpanId']);
const writers = new Map<protobuf.Type, (message: Fields) => string>();

/** The writer of a message type, made once from its descriptor; types may contain themselves. */
function messageWriter(type: protobuf.Type): (message: Fields) => string {
  const known = writers.get(type);
  if (known !== undefined) return known;
  let fields: readonly (readonly [name: string, key: string, write: Write])[] | undefined;
  const writer = (message: Fields): string => {
    fields ??= type.fieldsArray.map((field) => [field.name, `"${field.name}":`, fieldWriter(field)] as const);
    let text = '';
    for (const [name, key, write] of fields) {
      // What the wire had is an own property, defaults are on the prototype; but every list is an own property.
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

function fieldWriter(field: protobuf.Field): Write {
  const { resolvedType } = field.resolve();
  const one = resolvedType instanceof protobuf.Type ? messageWriter(resolvedType) : scalarWriter(field);
  if (!field.repeated) return one;
  return (values: never) => `[${(values as readonly never[]).map(one as Write).join(',')}]`;
}

function scalarWriter(field: protobuf.Field): Write {
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

function bytesWriter(encoding: 'hex' | 'base64'): Write {
  return (value: never) => {
    const bytes = value as Uint8Array;
    return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding)}"`;
  };
}

/** JSON has no -0 that every reader keeps and no NaN; OTLP takes words for the latter. */
function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0' : String(value);
}
