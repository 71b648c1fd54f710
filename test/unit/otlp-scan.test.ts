/** Each protobuf wire rule that a body can break, by its bytes, and the limits at their edge. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import type { Signal } from '../../src/model/record.ts';
import { MESSAGE_TYPES, scalarWireType } from '../../src/otlp/message-types.ts';
import { cell, ScannedRequest } from '../../src/otlp/scan/columns.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { ACTION, ACTION_MASK, ACTIONS, TAGS } from '../../src/otlp/scan/tables.ts';
import { field, fixed64, oracle } from '../support/otlp-wire.ts';

const LIMITS = { requestRecordsMax: 100_000 };

const log = (...fields: readonly (readonly number[])[]) => field(1, field(2, field(2, fields.flat())));
const point = (...bytes: readonly (readonly number[])[]) =>
  field(1, field(2, field(2, field(9, field(1, bytes.flat())))));
const buckets = (packed: readonly number[]) =>
  field(1, field(2, field(2, field(10, field(1, field(8, field(2, packed)))))));
const X126 = Array<number>(126).fill(0x78);
const cases: readonly (readonly [name: string, body: readonly number[], says: RegExp, signal?: Signal])[] = [
  ['field number 0', [0x00, 0x00], /field number 0/],
  ['field number 0 with a length', log([0x02, 0x00]), /field number 0/],
  ['field number 0 in a group', log([0x9b, 0x06, 0x00, 0x00, 0x9c, 0x06]), /field number 0/],
  ['wire type 6', log([0x0e, 0x00]), /wire type 6/],
  ['wire type 7', log([0x0f, 0x00]), /wire type 7/],
  ['a group that ends without a start', log([0x0c]), /group/],
  ['a group that does not end', log([0xa3, 0x06, 0x08, 0x01]), /cut off/],
  ['a group that another number ends', log([0xa3, 0x06, 0xac, 0x06]), /group/],
  ['groups that overlap', log([0xa3, 0x06, 0xab, 0x06, 0xa4, 0x06, 0xac, 0x06]), /group/],
  ['a group that ends outside of its message', [...log([0xa3, 0x06]), 0xa4, 0x06], /cut off/],
  ['a group where the schema has a message', log([0x2b, 0x08, 0x01, 0x2c]), /body of LogRecord .* wire type 3/],
  ['a string where the schema has a number', log(field(2, [0xff])), /severityNumber of LogRecord .* wire type 2/],
  ['a number where the schema has a string', log([0x18, 0x05]), /severityText of LogRecord .* wire type 0/],
  ['a time as a varint', log([0x08, 0x05]), /timeUnixNano of LogRecord .* wire type 0/],
  ['a tag of six bytes', log([0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00]), /tag is longer/],
  ['a tag above 32 bits', log([0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00]), /tag is longer/],
  ['a tag that is cut off', log([0x88]), /cut off/],
  ['a length of six bytes', log([0x1a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), /length is longer/],
  ['a length above 31 bits', log([0x1a, 0x80, 0x80, 0x80, 0x80, 0x08]), /length is longer/],
  ['a length that is missing', log([0x1a]), /length is missing/],
  ['a length that is cut off', log([0x1a, 0x80]), /length is cut off/],
  ['a number of eleven bytes', log([0x10, ...Array(10).fill(0x80), 0x00]), /64 bits/],
  ['a number above 64 bits', log([0x10, ...Array(9).fill(0xff), 0x02]), /64 bits/],
  ['an unknown number of eleven bytes', log([0xa0, 0x06, ...Array(10).fill(0x80), 0x00]), /64 bits/],
  ['a number that is cut off', log([0x10, 0x80]), /cut off/],
  ['a time that is cut off', log([0x09, 1, 2, 3, 4, 5, 6, 7]), /cut off/],
  ['flags that are cut off', log([0x45, 1, 2, 3]), /cut off/],
  ['an unknown fixed64 that is cut off', log([0xa1, 0x06, 1, 2, 3]), /longer than the message/],
  ['a string beyond its record', log([0x1a, 0x05, 0x61]), /longer than the message/],
  ['a record beyond its scope', field(1, field(2, [0x12, 0x02, 0x10])), /longer than the message/],
  ['a scope beyond its resource', field(1, [0x12, 0x02, 0x1a]), /longer than the message/],
  ['a resource beyond the body', [0x0a, 0x01], /longer than the message/],
  // A decoder that reads only the first byte of these lengths sees a valid attribute.
  [
    'a value with a length of two bytes',
    log(field(6, [...field(1, 'k'), 0x12, 0x80, 0x0a, 0x7e, ...X126])),
    /longer than/,
  ],
  [
    'a key with a length of two bytes',
    log(field(6, [0x0a, 0x80, ...X126, 0x78, 0x78, ...field(2, field(1, 'v'))])),
    /longer/,
  ],
  ['a text with a length of two bytes', log(field(5, [0x0a, 0x80, ...X126, 0x78, 0x78])), /longer than/],
  [
    'a text with a length of three bytes',
    log(field(5, [0x0a, 0x80, 0x80, ...Array(16_384).fill(0x78)])),
    /longer than/,
  ],
  ['an integer that is cut off', log(field(6, [...field(1, 'k'), ...field(2, [0x18, 0x80, 0x80])])), /cut off/],
  ['packed numbers that are cut off', point(field(6, [1, 2, 3, 4, 5, 6, 7])), /packed/, 'metrics'],
  ['packed doubles that are cut off', point(field(7, Array(9).fill(0))), /packed/, 'metrics'],
  ['packed varints that are cut off', buckets([0x01, 0x80]), /cut off/, 'metrics'],
  ['a packed number of eleven bytes', buckets([...Array(10).fill(0x80), 0x00]), /64 bits/, 'metrics'],
  ['a packed number above 64 bits', buckets([0x01, ...Array(9).fill(0xff), 0x02]), /64 bits/, 'metrics'],
];

const repaired: readonly (readonly [name: string, body: readonly number[]])[] = [
  ['text that is not UTF-8', log(field(3, [0xff]))],
  ['a sequence that is cut off', log(field(3, [0x61, 0xc3]))],
  ['an overlong sequence', log(field(3, [0xc0, 0x80]))],
  ['an overlong sequence of three bytes', log(field(3, [0xe0, 0x80, 0x80]))],
  ['a surrogate', log(field(3, [0xed, 0xa0, 0x80]))],
  ['a code point above U+10FFFF', log(field(3, [0xf4, 0x90, 0x80, 0x80]))],
  ['a lone continuation in long text', log(field(3, [...Buffer.from('x'.repeat(700)), 0x80]))],
  ['a key that is not UTF-8', log(field(6, [...field(1, [0xff]), ...field(2, field(1, 'v'))]))],
  ['a value that is not UTF-8', log(field(6, [...field(1, 'key'), ...field(2, field(1, [0x61, 0x80]))]))],
  ['a body that is not UTF-8', log(field(5, field(1, [0x80])))],
  ['a schema URL that is not UTF-8', field(1, field(3, [0xfe]))],
];

describe('a string is repaired in the body', () => {
  test.each(repaired)('when it is %s: only its own bytes change, and a decoder takes all of it', (_, content) => {
    const body = Uint8Array.from(content);
    const before = Uint8Array.from(body);
    const { repairedStrings } = scanRequest('logs', body, LIMITS);
    expect([...repairedStrings.values()].reduce((sum, count) => sum + count, 0)).toBe(content.includes(0xfe) ? 0 : 1);
    expect(body).toHaveLength(before.length);
    const changed = [...body].filter((byte, at) => byte !== before[at]);
    expect(changed.every((byte) => [0x3f, 0xef, 0xbf, 0xbd].includes(byte))).toBe(true);
    expect(() => oracle('logs', body)).not.toThrow();
  });
});

describe('a body is refused with bad_proto', () => {
  test.each(cases)('for %s', (_, body, says, signal = 'logs') => {
    const refusal = refused(signal, body);
    expect(refusal.code).toBe('bad_proto');
    expect(refusal.message).toMatch(says);
  });

  test.each([...cases.filter(([name]) => !/eleven|above 64|the schema has|as a varint/.test(name))])(
    'for %s, as by protobufjs',
    (_, body, __, signal = 'logs') => {
      expect(() => oracle(signal, Uint8Array.from(body))).toThrow();
    },
  );
});

describe('a body is accepted', () => {
  test.each([
    ['a group', log([0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06])],
    ['groups in groups', log([0xa3, 0x06, 0xab, 0x06, 0xac, 0x06, 0xa4, 0x06])],
    ['an unknown field with any bytes', log(field(900, [0xff, 0xfe]))],
    ['a tag with an idle byte', log([0x90, 0x00, 0x07])],
    [
      'an item and containers with idle bytes in tag and length',
      [0x8a, 0x00, 0x88, 0x00, 0x92, 0x00, 0x84, 0x00, 0x92, 0x00, 0x80, 0x00],
    ],
    ['a length with idle bytes', log([0x1a, 0x81, 0x80, 0x80, 0x80, 0x00, 0x61])],
    ['the largest number', log([0x10, ...Array(9).fill(0xff), 0x01])],
    ['the largest field number', log([0xf8, 0xff, 0xff, 0xff, 0x0f, 0x00])],
    ['text of every length of sequence', log(field(3, 'aé日😀\u0000\u{10ffff}'))],
    ['an item of no bytes', log()],
  ])('with %s', (_, body) => {
    const bytes = Uint8Array.from(body);
    expect(scanRequest('logs', bytes, LIMITS).itemCount).toBe(1);
    expect(oracle('logs', bytes)).toHaveLength(1);
  });

  test.each(MESSAGE_TYPES.map((type) => [type.name, type] as const))(
    'for a field of %s only with the wire types that it may have',
    (_, type) => {
      const number = MESSAGE_TYPES.indexOf(type);
      for (const known of type.fieldsArray) {
        const isMessage = known.resolvedType !== null && 'fieldsArray' in known.resolvedType;
        const own = isMessage || known.type === 'string' || known.type === 'bytes' ? 2 : scalarWireType(known);
        for (const wireType of [0, 1, 2, 3, 5]) {
          const isOwn = wireType === own || (known.repeated && wireType === 2);
          const action = (ACTIONS[number * TAGS + ((known.id << 3) | wireType)] ?? 0) & ACTION_MASK;
          expect([known.fullName, wireType, action === ACTION.WRONG]).toEqual([known.fullName, wireType, !isOwn]);
        }
      }
    },
  );

  test('with packed numbers of all lengths', () => {
    const packed = Uint8Array.from(buckets([0x01, 0x80, 0x01, ...Array(9).fill(0xff), 0x01, 0x80, 0x00]));
    expect(scanRequest('metrics', packed, LIMITS).itemCount).toBe(1);
    expect(oracle('metrics', packed)).toHaveLength(1);
  });

  test('with unknown fields of the request, which are checked and left out', () => {
    const unknown = [...field(7, 'x'), 0x10, 0x01, 0x23, 0x24];
    const body = [...unknown, ...log([0x10, 0x01]), ...unknown];
    expect(scanRequest('logs', Uint8Array.from(body), LIMITS).itemCount).toBe(1);
    expect(refused('logs', [...body, 0x10]).code).toBe('bad_proto');
  });
});

describe('nesting', () => {
  // A log record is level 4, its body level 5, and each list in a list takes two more levels.
  const nested = (lists: number) => {
    let value: readonly number[] = field(1, 'deep');
    for (let i = 0; i < lists; i++) value = field(5, field(1, value));
    return field(1, field(2, field(2, field(5, value))));
  };
  const groups = (count: number) => {
    const open = Array.from({ length: count }, () => [0xa3, 0x06]).flat();
    const close = Array.from({ length: count }, () => [0xa4, 0x06]).flat();
    return field(1, field(2, field(2, [...open, ...close])));
  };

  const tooDeep = (body: readonly number[], signal: Signal = 'logs') => {
    const found = scanRequest(signal, Uint8Array.from(body), LIMITS);
    return [[...found.badItems.keys()], [...found.badScopes.keys()], [...found.badResources.keys()]];
  };
  const NOTHING = [[], [], []];

  test('is allowed up to 100 levels below the request, and beyond costs the item', () => {
    expect(tooDeep(nested(48))).toEqual(NOTHING);
    expect(oracle('logs', Uint8Array.from(nested(48)))).toHaveLength(1);
    expect(tooDeep(nested(49))).toEqual([[0], [], []]);
    expect(() => oracle('logs', Uint8Array.from(nested(49)))).toThrow();
    expect(tooDeep(groups(97))).toEqual(NOTHING);
    expect(tooDeep(groups(98))).toEqual([[0], [], []]);
  });

  test('has no way around the limit through an attribute at the lowest level', () => {
    // Lists of key and value take three levels each: value, list, pair.
    const pairs = (count: number) => {
      let value: readonly number[] = field(1, 'deep');
      for (let i = 0; i < count; i++) value = field(6, field(1, [...field(1, 'k'), ...field(2, value)]));
      return value;
    };
    const inBody = (count: number) => field(1, field(2, field(2, field(5, pairs(count)))));
    const inAttribute = (count: number) => field(1, field(2, field(2, field(6, field(2, pairs(count))))));
    expect(tooDeep(inBody(32))).toEqual(NOTHING);
    expect(tooDeep(inBody(33))).toEqual([[0], [], []]);
    expect(tooDeep(inAttribute(31))).toEqual(NOTHING);
    expect(tooDeep(inAttribute(32))).toEqual([[0], [], []]);
  });

  test('beyond the limit is noted where it is: in a record, in a scope, in a resource', () => {
    const deep = field(
      2,
      Array.from({ length: 120 }).reduce<readonly number[]>((inner) => field(5, field(1, inner)), []),
    );
    const record = field(2, field(3, 'x'));
    const body = [
      ...field(1, [...field(2, record), ...field(2, [...record, ...field(2, field(6, deep)), ...record])]),
      ...field(1, [...field(2, [...field(1, field(3, deep)), ...record]), ...field(2, record)]),
      ...field(1, [...field(1, field(1, deep)), ...field(2, record)]),
      // These hold no record.
      ...field(1, [...field(1, field(1, deep)), ...field(2, field(1, field(3, deep)))]),
    ];
    expect(tooDeep(body)).toEqual([[2], [2], [2]]);
    expect(scanRequest('logs', Uint8Array.from(body), LIMITS).itemCount).toBe(7);
  });

  test('of a hundred thousand groups costs the record, and the whole request where it is in none', () => {
    expect(tooDeep([...groups(100_000), ...log()])).toEqual([[0], [], []]);
    expect(scanRequest('logs', Uint8Array.from([...groups(100_000), ...log()]), LIMITS).itemCount).toBe(2);
    const open = Array.from({ length: 100_000 }, () => [0xa3, 0x06]).flat();
    expect(refused('logs', open).code).toBe('bad_proto');
    expect(refused('logs', field(1, open)).code).toBe('bad_proto');
    expect(refused('logs', field(1, field(2, open))).code).toBe('bad_proto');
  });
});

describe('the time', () => {
  const times = (signal: Signal, item: readonly number[]) => {
    const scanned = scanRequest(signal, Uint8Array.from(field(1, field(2, field(2, item)))), LIMITS);
    return [scanned.itemMs[0], cell(scanned.itemPoints, 0)];
  };
  const MS = 1_700_000_000_123n;
  const NS = MS * 1_000_000n + 999_999n;

  test('of a log is its time, else its observed time', () => {
    expect(times('logs', [...fixed64(1, NS), ...fixed64(11, 5_000_000n)])).toEqual([Number(MS), 0]);
    expect(times('logs', [...fixed64(11, NS), ...fixed64(1, 0n)])).toEqual([Number(MS), 0]);
    expect(times('logs', [...fixed64(1, 7_000_000n), ...fixed64(1, NS)])).toEqual([Number(MS), 0]);
    expect(times('logs', [])).toEqual([0, 0]);
    expect(times('logs', fixed64(1, 2n ** 64n - 1n))).toEqual([18_446_744_073_709, 0]);
  });

  test('of a span is its end', () => {
    expect(times('traces', [...fixed64(7, 1n), ...fixed64(8, NS)])).toEqual([Number(MS), 0]);
    expect(times('traces', fixed64(7, NS))).toEqual([0, 0]);
    // An event has a time too, which is not the time of the span.
    expect(times('traces', field(11, fixed64(1, NS)))).toEqual([0, 0]);
  });

  test.each([5, 7, 9, 10, 11])('of a metric is that of its latest data point (field %i)', (kind) => {
    const point = (at: bigint) => field(1, fixed64(3, at));
    expect(times('metrics', field(kind, [...point(5n), ...point(NS), ...point(6_000_000n)]))).toEqual([Number(MS), 3]);
    expect(times('metrics', field(kind, field(1, [])))).toEqual([0, 1]);
  });

  test('of a data point is not that of its exemplar', () => {
    expect(times('metrics', field(5, field(1, field(5, fixed64(2, NS)))))).toEqual([0, 1]);
  });
});

describe('the limits of a request', () => {
  const records = (count: number) => field(1, field(2, Array.from({ length: count }, () => [0x12, 0x00]).flat()));

  test('accept exactly as many records as allowed', () => {
    expect(scanRequest('logs', Uint8Array.from(records(50)), { requestRecordsMax: 50 }).itemCount).toBe(50);
    const refusal = refused('logs', records(51), 50);
    expect(refusal.code).toBe('too_large');
    expect(refusal.message).toMatch(/50.*requestRecordsMax.*--request-records-max/);
  });

  test('do not count containers without items, which cost no memory', () => {
    const empty = Uint8Array.from(Array.from({ length: 200_000 }, () => [0x0a, 0x02, 0x12, 0x00]).flat());
    const scanned = new ScannedRequest();
    scanRequest('logs', empty, LIMITS, scanned);
    expect([scanned.resourceCount, scanned.scopeCount, scanned.itemCount]).toEqual([0, 0, 0]);
    expect(scanned.resourceField.length).toBeLessThan(1_000);
  });

  test('refuse a resource in very many pieces', () => {
    const torn = field(1, [
      ...Array.from({ length: 500 }, () => [0x12, 0x00, 0x20, 0x01]).flat(),
      ...field(2, [0x12, 0x00]),
    ]);
    expect(scanRequest('logs', Uint8Array.from(torn), { requestRecordsMax: 100 }).itemCount).toBe(1);
    expect(refused('logs', torn, 10).code).toBe('too_large');
  });

  test('let columns grow, and reuse them', () => {
    const scanned = new ScannedRequest();
    for (const count of [1, 5_000, 3]) {
      const body = Uint8Array.from(Array.from({ length: count }, () => [...records(2), ...records(1)]).flat());
      scanRequest('logs', body, LIMITS, scanned);
      expect([scanned.resourceCount, scanned.scopeCount, scanned.itemCount]).toEqual([2 * count, 2 * count, 3 * count]);
      expect(cell(scanned.scopeItemsFrom, 2 * count)).toBe(3 * count);
      expect(cell(scanned.itemEnd, 3 * count - 1)).toBe(body.length);
    }
  });
});

function refused(signal: Signal, body: readonly number[], requestRecordsMax = 100_000): TailraceError {
  try {
    scanRequest(signal, Uint8Array.from(body), { requestRecordsMax });
  } catch (error) {
    if (error instanceof TailraceError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}
