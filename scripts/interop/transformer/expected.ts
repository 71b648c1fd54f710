/**
 * What must be stored of a request that some version of the transformer wrote, by a way that shares nothing with the
 * server: JSON is turned into the JSON of OTLP and then decoded by protobufjs.
 */

import { toUSVString } from 'node:util';
import type { Signal } from '../../../src/model/record.ts';
import { itemsOf, type OtlpItem } from '../../../test/support/otlp-items.ts';
import type { WrittenForm } from './serialize.ts';

type Json = Readonly<Record<string, unknown>>;

const IDS = new Set(['traceId', 'spanId', 'parentSpanId']);
const MALFORMED = 'otel.id_malformed';
const HALF = 0xed;
/** JSON.parse loses digits of these, which are what was sent. */
const LONG_INTEGERS = /([:[,])(-?\d{16,})(?=[,}\]])/g;

/** The items of the request, as they must be stored. */
export function sentItems(signal: Signal, form: WrittenForm, body: Uint8Array): readonly OtlpItem[] {
  if (form === 'protobuf') return itemsOf(signal, withoutHalves(body), false);
  const text = Buffer.from(body).toString().replaceAll(LONG_INTEGERS, '$1"$2"');
  const strict = strictJson(JSON.parse(text), form);
  return itemsOf(signal, Buffer.from(JSON.stringify(strict)), true);
}

/** The items that a reader got. Ids in base64 are malformed, and what was sent is beside them. */
export function readItems(signal: Signal, form: WrittenForm, bodies: readonly Uint8Array[]): readonly OtlpItem[] {
  const items = bodies.flatMap((body) => itemsOf(signal, body, false));
  return form === 'json-base64' ? items.map((item) => withoutMalformed(item) as OtlpItem) : items;
}

/** What versions write that OTLP/JSON does not have, as OTLP/JSON. */
function strictJson(value: unknown, form: WrittenForm, key = ''): unknown {
  if (typeof value === 'string') {
    if (IDS.has(key) && form === 'json-base64') return Buffer.from(value, 'base64').toString('hex');
    return toUSVString(value);
  }
  if (Array.isArray(value)) return value.map((entry) => strictJson(entry, form));
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Json;
  // Version 0.44 writes times so.
  if (Object.keys(object).join() === 'low,high') return String(fromHalves(object));
  return Object.fromEntries(Object.entries(object).map(([name, entry]) => strictEntry(name, entry, form)));
}

function strictEntry(name: string, entry: unknown, form: WrittenForm): readonly [name: string, value: unknown] {
  if (name === 'bytesValue' && typeof entry === 'object') return [name, bytesOf(entry as Json).toString('base64')];
  if (name === 'intValue' && isTooLarge(entry)) return ['doubleValue', Number(entry)];
  if (name === 'asInt' && isTooLarge(entry)) return ['asDouble', Number(entry)];
  return [name, strictJson(entry, form, name)];
}

/** A number without a fraction that is no 64-bit integer: OTLP has only doubles for it. */
function isTooLarge(value: unknown): boolean {
  const whole = typeof value === 'string' || Number.isInteger(value) ? BigInt(value as string | number) : 0n;
  return BigInt.asIntN(64, whole) !== whole;
}

/** `{"0":1,"1":2}`, or what a Buffer makes of itself. */
function bytesOf(bytes: Json): Buffer {
  return Buffer.from(Array.isArray(bytes.data) ? (bytes.data as number[]) : (Object.values(bytes) as number[]));
}

function fromHalves({ low, high }: Json): bigint {
  return (BigInt.asUintN(32, BigInt(high as number)) << 32n) | BigInt.asUintN(32, BigInt(low as number));
}

/** Halves of surrogate pairs, which protobufjs writes like characters of three bytes, become U+FFFD. Ids must not look so. */
function withoutHalves(body: Uint8Array): Buffer {
  const bytes = Buffer.from(body);
  for (let at = bytes.indexOf(HALF); at !== -1; at = bytes.indexOf(HALF, at + 1)) {
    const [, second = 0, third = 0] = bytes.subarray(at);
    if (second >= 0xa0 && second <= 0xbf && third >= 0x80 && third <= 0xbf) bytes.set([0xef, 0xbf, 0xbd], at);
  }
  return bytes;
}

function withoutMalformed(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((entry) => (entry as Json | null)?.key !== MALFORMED).map(withoutMalformed);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, withoutMalformed(entry)]));
}
