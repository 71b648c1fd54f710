/**
 * A message of the Collector's file format: one request in protobuf. It does not say which signal it is of: its items show
 * that. Its bytes are sent on as they are, except for the stream that all of it goes to.
 */

import { readVarint, varint } from '../../src/encoding/varint.ts';
import { TailraceError } from '../../src/model/error.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';

export interface ProtoRequest {
  readonly signal: Signal;
  readonly body: Uint8Array;
  /** Log records, spans, data points. */
  readonly items: number;
  /** The streams that resources name; undefined for one that names none. */
  readonly streams: ReadonlySet<string | undefined>;
}

interface WireField {
  readonly number: number;
  readonly wire: number;
  /** Of the whole field, and of what it holds. */
  readonly from: number;
  readonly start: number;
  readonly end: number;
}

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;
/** Field numbers of opentelemetry.proto, which are the same for all signals down to the items. */
const [RESOURCES, RESOURCE, SCOPES, ITEMS, ATTRIBUTES] = [1, 1, 2, 2, 1];
const STREAM_KEY = 's2.stream';
const DATA_FIELDS: ReadonlySet<number> = new Set([5, 7, 9, 10, 11]);
/** The wire type of each field of a log record, a span and a metric, from number 1 on. */
const WIRES: Readonly<Record<Signal, string>> = {
  logs: '102-22052212',
  traces: '2222201120202025',
  metrics: '222-2-2-2222',
};
const REPEATED_TAG = 0x0a;

/**
 * Reads a message, and names another stream in it where that is asked for; undefined when it holds no items.
 * @throws TailraceError `invalid` when it is no request of OTLP
 */
export function protoRequest(bytes: Uint8Array, stream: string | undefined): ProtoRequest | undefined {
  const resources = held(bytes, whole(bytes), RESOURCES);
  const items = resources.flatMap((resource) =>
    held(bytes, resource, SCOPES).flatMap((scope) => held(bytes, scope, ITEMS)),
  );
  const signal = signalOf(bytes, items);
  if (signal === undefined) return undefined;
  const streams = stream === undefined ? new Set(resources.map((one) => streamOf(bytes, one))) : new Set([stream]);
  const body = stream === undefined ? bytes : withStream(bytes, stream);
  return { signal, body, items: signal === 'metrics' ? pointsIn(bytes, items) : items.length, streams };
}

/** That which its items fit; those that say nothing are log records, which need no field at all. */
function signalOf(bytes: Uint8Array, items: readonly WireField[]): Signal | undefined {
  let left: readonly Signal[] = SIGNALS;
  for (const item of items) {
    const fields = fieldsIn(bytes, item);
    left = fitting(left, fields);
    if (!left.includes('logs')) return left.length > 1 && isMetric(bytes, fields) ? 'metrics' : left[0];
    if (left.length === 1) break;
  }
  return items.length === 0 ? undefined : 'logs';
}

/** The signals whose items lack the fewest of these fields. */
function fitting(signals: readonly Signal[], fields: readonly WireField[]): readonly Signal[] {
  const unknown = signals.map((signal) => {
    return fields.filter(({ number, wire }) => WIRES[signal][number - 1] !== String(wire)).length;
  });
  const least = Math.min(...unknown);
  return signals.filter((_, index) => unknown[index] === least);
}

/** Of an item that may also be a span without kind and times: it has one list of points, or names that are no ids. */
function isMetric(bytes: Uint8Array, fields: readonly WireField[]): boolean {
  const data = fields.filter(({ number }) => DATA_FIELDS.has(number));
  if (data.length === 1 && data.every(({ start, end }) => start < end && bytes[start] === REPEATED_TAG)) return true;
  const [first, second] = [1, 2].map((number) => fields.find((field) => field.number === number));
  return lengthOf(first) !== 16 || lengthOf(second) !== 8;
}

function pointsIn(bytes: Uint8Array, metrics: readonly WireField[]): number {
  let points = 0;
  for (const metric of metrics) {
    for (const field of fieldsIn(bytes, metric)) {
      if (field.wire === BYTES && DATA_FIELDS.has(field.number)) points += held(bytes, field, 1).length;
    }
  }
  return points;
}

function streamOf(bytes: Uint8Array, container: WireField): string | undefined {
  for (const resource of held(bytes, container, RESOURCE)) {
    for (const attribute of held(bytes, resource, ATTRIBUTES)) {
      if (!isStreamAttribute(bytes, attribute)) continue;
      const [value] = held(bytes, attribute, 2);
      const [text] = value === undefined ? [] : held(bytes, value, 1);
      if (text !== undefined) return textOf(bytes, text);
    }
  }
  return undefined;
}

/** The same request, each resource of which has this stream and no other one. */
function withStream(bytes: Uint8Array, stream: string): Uint8Array {
  const name = lengthed(1, Buffer.from(STREAM_KEY));
  const attribute = lengthed(ATTRIBUTES, Buffer.concat([name, lengthed(2, lengthed(1, Buffer.from(stream)))]));
  const parts = fieldsIn(bytes, whole(bytes)).map((field) => {
    if (field.number !== RESOURCES || field.wire !== BYTES) return bytes.subarray(field.from, field.end);
    const kept = fieldsIn(bytes, field).map((inner) => {
      if (inner.number !== RESOURCE || inner.wire !== BYTES) return bytes.subarray(inner.from, inner.end);
      const others = fieldsIn(bytes, inner).filter((one) => {
        return one.number !== ATTRIBUTES || one.wire !== BYTES || !isStreamAttribute(bytes, one);
      });
      return lengthed(RESOURCE, Buffer.concat(others.map((one) => bytes.subarray(one.from, one.end))));
    });
    // Fields of a message that is there twice are those of one message.
    return lengthed(RESOURCES, Buffer.concat([...kept, lengthed(RESOURCE, attribute)]));
  });
  return Buffer.concat(parts);
}

function isStreamAttribute(bytes: Uint8Array, attribute: WireField): boolean {
  return held(bytes, attribute, 1).some(
    (key) => lengthOf(key) === STREAM_KEY.length && textOf(bytes, key) === STREAM_KEY,
  );
}

/** The messages or texts that are in one under a number. */
function held(bytes: Uint8Array, around: Pick<WireField, 'start' | 'end'>, number: number): readonly WireField[] {
  return fieldsIn(bytes, around).filter((field) => field.number === number && field.wire === BYTES);
}

function fieldsIn(bytes: Uint8Array, { start, end }: Pick<WireField, 'start' | 'end'>): readonly WireField[] {
  const fields: WireField[] = [];
  for (let from = start; from < end; ) {
    const field = fieldAt(bytes, from, end);
    fields.push(field);
    from = field.end;
  }
  return fields;
}

function fieldAt(bytes: Uint8Array, from: number, limit: number): WireField {
  const tag = readVarint(bytes, from);
  if (tag === undefined || tag.value < 8) throw notOtlp();
  const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8];
  const found = (start: number, end: number): WireField => {
    if (end > limit) throw notOtlp();
    return { number, wire, from, start, end };
  };
  if (wire === FIXED_64) return found(tag.end, tag.end + 8);
  if (wire === FIXED_32) return found(tag.end, tag.end + 4);
  const head = readVarint(bytes, tag.end);
  if (head === undefined || (wire !== VARINT && wire !== BYTES)) throw notOtlp();
  return wire === VARINT ? found(tag.end, head.end) : found(head.end, head.end + head.value);
}

function whole(bytes: Uint8Array): Pick<WireField, 'start' | 'end'> {
  return { start: 0, end: bytes.length };
}

function lengthOf(field: WireField | undefined): number | undefined {
  return field?.wire === BYTES ? field.end - field.start : undefined;
}

function textOf(bytes: Uint8Array, { start, end }: WireField): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}

function lengthed(number: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varint(number * 8 + BYTES), varint(content.length), content]);
}

function notOtlp(): TailraceError {
  return new TailraceError('invalid', 'the message is no OTLP request in protobuf');
}
