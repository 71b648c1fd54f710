/** OTLP/JSON in more ways than senders write it: all fields of the schema, all spellings of values, any order. */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import fc from './fast-check.ts';
import { REQUEST_TYPES } from './json-oracle.ts';

/** Below this level values are scalars only. */
const LEVELS = 9;

const space = fc.constantFrom('', '', '', '', ' ', '\n', '\r\n\t', `\n${' '.repeat(9)}`);

/** The text of a request of that signal. */
export function requestText(signal: Signal): fc.Arbitrary<string> {
  return fc.tuple(space, message(REQUEST_TYPES[signal], 0), space).map((parts) => parts.join(''));
}

function message(type: protobuf.Type, level: number): fc.Arbitrary<string> {
  const known = type.fieldsArray.filter((field) => level < LEVELS || !(field.resolvedType instanceof protobuf.Type));
  return fc
    .tuple(fc.shuffledSubarray(known, { minLength: level === 0 ? 1 : 0 }), fc.nat())
    .chain(([chosen, pick]) => {
      const fields = onePerGroup(type, chosen, pick);
      const members = fields.map((field) => member(field.name, value(field, level)));
      return fc.tuple(fc.tuple(...members), fc.option(unknownMember, { freq: 6 }), space);
    })
    .map(
      ([members, extra, gap]) => `{${gap}${(extra === null ? members : [extra, ...members]).join(`,${gap}`)}${gap}}`,
    );
}

function onePerGroup(type: protobuf.Type, chosen: readonly protobuf.Field[], pick: number): readonly protobuf.Field[] {
  return type.oneofsArray.reduce((fields, group) => {
    const members = fields.filter((field) => field.partOf === group);
    const kept = members[pick % members.length];
    return fields.filter((field) => field.partOf !== group || field === kept);
  }, chosen);
}

function member(key: string, text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const snake = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return fc
    .tuple(space, space, text, escaping, fc.constantFrom(key, key, key, snake))
    .map(([a, b, t, write, name]) => `${write(name)}${a}:${b}${t}`);
}

const unknownMember = fc
  .tuple(fc.string({ maxLength: 8 }), fc.json({ maxDepth: 3 }))
  .map(([key, json]) => `${JSON.stringify(`x-${key}`)}:${json}`);

function value(field: protobuf.Field, level: number): fc.Arbitrary<string> {
  if (!field.repeated)
    return fc.oneof({ weight: 12, arbitrary: one(field, level) }, { weight: 1, arbitrary: fc.constant('null') });
  return fc
    .tuple(fc.array(fc.option(one(field, level), { nil: 'null', freq: 20 }), { maxLength: 3 }), space)
    .map(([elements, gap]) => `[${gap}${elements.join(`${gap},${gap}`)}${gap}]`);
}

function one(field: protobuf.Field, level: number): fc.Arbitrary<string> {
  if (field.resolvedType instanceof protobuf.Type) return message(field.resolvedType, level + 1);
  if (field.resolvedType instanceof protobuf.Enum) return enumValue(field.resolvedType);
  switch (field.type) {
    case 'string':
      return text;
    case 'bool':
      return fc.constantFrom('true', 'false');
    case 'double':
      return double;
    case 'bytes':
      return bytes(field.name);
    case 'int32':
    case 'sint32':
      return integer(-(2n ** 31n), 2n ** 31n - 1n);
    case 'uint32':
    case 'fixed32':
      return integer(0n, 2n ** 32n - 1n);
    case 'int64':
    case 'sfixed64':
      return integer(-(2n ** 63n), 2n ** 63n - 1n);
    default:
      return integer(0n, 2n ** 64n - 1n);
  }
}

/** Ways to write a string. */
const escaping = fc.constantFrom(
  (chars: string) => JSON.stringify(chars),
  (chars: string) => JSON.stringify(chars),
  (chars: string) => JSON.stringify(chars),
  (chars: string) => `"${[...unitsOf(chars)].map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`,
  (chars: string) => JSON.stringify(chars).replaceAll('/', '\\/'),
);

function unitsOf(chars: string): number[] {
  return chars.split('').map((unit) => unit.charCodeAt(0));
}

const text = fc
  .tuple(
    fc.oneof(
      fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: 'grapheme', maxLength: 10 }),
      fc.nat({ max: 700 }).map((length) => 'long text, '.repeat(64).slice(0, length)),
    ),
    escaping,
  )
  .map(([chars, write]) => write(chars));

/** Whole numbers in the forms that JSON has for them. */
function integer(min: bigint, max: bigint): fc.Arbitrary<string> {
  const near = [min, max, 0n, 1n, 127n, 128n, 999_999_999n, 1_000_000_000n, 2n ** 31n - 1n, 2n ** 53n + 1n];
  const numbers = fc.oneof(
    fc.bigInt({ min, max }),
    fc.constantFrom(...near.filter((each) => each >= min && each <= max)),
    fc.bigInt({ min: 0n, max: 300n }),
  );
  return fc
    .tuple(numbers, fc.constantFrom('', '', '', '', '.0', '.000', 'e0', 'E+0', '0e-1'), fc.boolean())
    .map(([number, tail, quoted]) => {
      const digits = `${number}${number === 0n && tail === '0e-1' ? '' : tail}`;
      return quoted ? `"${digits}"` : digits;
    });
}

const double = fc
  .tuple(
    fc.oneof(
      fc.double({ noDefaultInfinity: true, noNaN: true }).map((number) => (Object.is(number, -0) ? '-0' : `${number}`)),
      fc.tuple(fc.integer(), fc.nat({ max: 999_999 })).map(([whole, part]) => `${whole}.${part}`),
      fc.tuple(fc.integer(), fc.integer({ min: -30, max: 30 })).map(([digits, power]) => `${digits}e${power}`),
      fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }).map(String),
    ),
    fc.constantFrom('number', 'number', 'string', '"NaN"', '"Infinity"', '"-Infinity"'),
  )
  .map(([digits, form]) => (form === 'number' ? digits : form === 'string' ? `"${digits}"` : form));

function enumValue(type: protobuf.Enum): fc.Arbitrary<string> {
  return fc.oneof(
    integer(-(2n ** 31n), 2n ** 31n - 1n),
    fc.constantFrom(...Object.values(type.values)).map(String),
    fc.constantFrom(...Object.keys(type.values)).map((name) => `"${name}"`),
  );
}

function bytes(name: string): fc.Arbitrary<string> {
  if (name === 'bytesValue') {
    const base64 = fc
      .tuple(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('base64', 'base64url'), escaping)
      .map(([data, form, write]) => write(Buffer.from(data).toString(form as BufferEncoding)));
    const lists = fc
      .tuple(fc.uint8Array({ maxLength: 200 }), fc.nat(2))
      .map(([data, form]) => JSON.stringify([data, Buffer.from(data), [...data]][form]));
    return fc.oneof(base64, lists);
  }
  const size = name === 'traceId' ? 16 : 8;
  const odd = fc.oneof(
    fc.string({ maxLength: 40 }).map((chars) => JSON.stringify(chars)),
    fc.uint8Array({ maxLength: 20 }).map((data) => `"${Buffer.from(data).toString('hex')}"`),
    fc.uint8Array({ minLength: size, maxLength: size }).map((data) => `"${Buffer.from(data).toString('base64')}"`),
  );
  return fc.oneof({ weight: 5, arbitrary: goodId(size) }, { weight: 1, arbitrary: odd });
}

function goodId(size: number): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.constantFrom(0, size, size, size),
      fc.uint8Array({ minLength: size, maxLength: size }),
      fc.boolean(),
      escaping,
    )
    .map(([length, data, upper, write]) => {
      const hex = Buffer.from(data.subarray(0, length)).toString('hex');
      return write(upper ? hex.toUpperCase() : hex);
    });
}
