/** Arbitrary OTLP requests, made from the schema itself: every field of every message, hostile text included. */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import fc from './fast-check.ts';
import { otlpType } from './socket-blocks.ts';

const DEPTH_MAX = 9;

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', '__proto__', 'service.name', '\u001b[31m', '"}\n', '\u2028', '\ufeff', '1', 'constructor'),
);
const number = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const signed = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);

/** Ids have their length or none: of other lengths JSON cannot tell. */
const IDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  traceId: bytesOrNone(16),
  spanId: bytesOrNone(8),
  parentSpanId: bytesOrNone(8),
};

/** The object form that protobufjs takes. Fields may be absent. */
export function arbitraryRequest(signal: Signal): fc.Arbitrary<object> {
  return arbitraryMessage(otlpType(signal), 0);
}

function arbitraryMessage(type: protobuf.Type, depth: number): fc.Arbitrary<object> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of type.fieldsArray) {
    const { resolvedType } = field.resolve();
    if (resolvedType instanceof protobuf.Type && depth >= DEPTH_MAX) continue;
    const one =
      resolvedType instanceof protobuf.Type
        ? fc.nat(0).chain(() => arbitraryMessage(resolvedType, depth + 1))
        : (IDS[field.name] ?? arbitraryScalar(resolvedType instanceof protobuf.Enum ? 'enum' : field.type));
    fields[field.name] = field.repeated ? fc.array(one, { maxLength: depth < 4 ? 3 : 2 }) : one;
  }
  return fc.record(fields, { requiredKeys: [] }).map((message) => oneOfEach(type, message));
}

/** Of the members of a oneof the first that is there stays. */
function oneOfEach(type: protobuf.Type, message: object): object {
  const left = { ...message } as Record<string, unknown>;
  for (const oneof of type.oneofsArray) {
    const there = oneof.oneof.filter((name) => name in left);
    for (const name of there.slice(1)) delete left[name];
  }
  return left;
}

function bytesOrNone(length: number): fc.Arbitrary<unknown> {
  return fc.oneof(fc.uint8Array({ minLength: length, maxLength: length }), fc.constant(new Uint8Array()));
}

function arbitraryScalar(type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case 'string':
      return text;
    case 'bytes':
      return fc.uint8Array({ maxLength: 17 });
    case 'bool':
      return fc.boolean();
    case 'double':
      return number;
    case 'int64':
    case 'sfixed64':
      return signed;
    case 'uint64':
    case 'fixed64':
      return unsigned;
    case 'uint32':
    case 'fixed32':
      return fc.nat(2 ** 31 - 1);
    case 'enum':
      return fc.nat(7);
    default:
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  }
}
