/** OTLP values as plain JSON values: times, integers, doubles, ids and attributes. */

import { jsonText } from '../../encoding/json-text.ts';
import type { AnyValue, Int64, KeyValue } from './decode.ts';

/** What JSON can hold. Objects have no prototype, because a sender's key may be `__proto__`. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

const NANOS_PER_SECOND = 1_000_000_000n;

let lastSecond = -1;
let lastSecondText = '';

/**
 * Nanoseconds since the epoch as RFC 3339 with nine digits; undefined for 0, which in OTLP means that there is no time.
 */
export function rfc3339(nanos: Int64): string | undefined {
  if (isZero(nanos)) return undefined;
  const value = toBigInt(nanos);
  return secondText(Number(value / NANOS_PER_SECOND), Number(value % NANOS_PER_SECOND));
}

/** Milliseconds since the epoch as RFC 3339 with nine digits; after year 9999 the bare number. */
export function rfc3339FromMs(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return seconds > 253_402_300_799 ? String(ms) : secondText(seconds, (ms - seconds * 1_000) * 1_000_000);
}

/** From start to end, in milliseconds with a fraction; undefined when one of them is not known. */
export function durationMs(start: Int64, end: Int64): number | undefined {
  if (isZero(start) || isZero(end)) return undefined;
  return Number(toBigInt(end) - toBigInt(start)) / 1e6;
}

/** The later of two times. */
export function later(a: Int64 | undefined, b: Int64): Int64 {
  return a !== undefined && toBigInt(a) >= toBigInt(b) ? a : b;
}

function isZero(value: Int64): boolean {
  return value.low === 0 && value.high === 0;
}

/** A number when that is exact, else its digits as a string. */
export function integerJson(value: Int64): number | string {
  const high = value.unsigned ? value.high >>> 0 : value.high;
  const number = high * 4_294_967_296 + (value.low >>> 0);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** Whether there ever was a double whose sign `JSON.stringify` drops: until then nothing has to look for one. */
let sawNegativeZero = false;

/** The text of rows or columns, in which -0 keeps its sign. */
export function viewText(value: JsonValue | readonly JsonObject[]): string {
  return sawNegativeZero ? jsonText(value) : JSON.stringify(value);
}

/** A number when JSON can write it, else `"NaN"`, `"Infinity"` or `"-Infinity"`. */
export function doubleJson(value: number): number | string {
  if (Object.is(value, -0)) sawNegativeZero = true;
  return Number.isFinite(value) ? value : String(value);
}

/** Lower-case hex; undefined for an empty id. */
export function idJson(id: Uint8Array): string | undefined {
  return id.length === 0 ? undefined : view(id).toString('hex');
}

export function base64(bytes: Uint8Array): string {
  return view(bytes).toString('base64');
}

/** A value of any kind; one with no member set is null. */
export function valueJson(value: AnyValue | null): JsonValue {
  switch (value?.value) {
    case 'stringValue':
      return value.stringValue;
    case 'boolValue':
      return value.boolValue;
    case 'intValue':
      return integerJson(value.intValue);
    case 'doubleValue':
      return doubleJson(value.doubleValue);
    case 'bytesValue':
      return base64(value.bytesValue);
    case 'arrayValue':
      return value.arrayValue.values.map(valueJson);
    case 'kvlistValue':
      return attributesJson(value.kvlistValue.values);
    case 'stringValueStrindex':
      return value.stringValueStrindex;
    default:
      return null;
  }
}

/** Attributes as an object. If a key is there twice, the last one counts. */
export function attributesJson(attributes: readonly KeyValue[]): JsonObject {
  const object = Object.create(null) as Record<string, JsonValue>;
  for (const { key, value } of attributes) object[key] = valueJson(value);
  return object;
}

/** The same, but undefined when there are none. */
export function someAttributesJson(attributes: readonly KeyValue[]): JsonObject | undefined {
  return attributes.length === 0 ? undefined : attributesJson(attributes);
}

/** Neighbouring records mostly have the same second, so its text is kept. */
function secondText(seconds: number, nanos: number): string {
  if (seconds !== lastSecond) {
    lastSecond = seconds;
    lastSecondText = new Date(seconds * 1_000).toISOString().slice(0, -5);
  }
  return `${lastSecondText}.${String(nanos).padStart(9, '0')}Z`;
}

function toBigInt(value: Int64): bigint {
  return (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
