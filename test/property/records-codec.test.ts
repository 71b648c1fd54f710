/** Any batch decodes in both encodings as it was encoded; any other input is refused and never breaks a parser. */

import { expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { TailraceError } from '../../src/model/error.ts';
import type { Header } from '../../src/model/record.ts';
import type { AppendInput } from '../../src/s2/append/input.ts';
import { parseAppendJson } from '../../src/s2/append/json.ts';
import { decodeAppendInput } from '../../src/s2/append/proto.ts';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import fc from '../support/fast-check.ts';
import { shareOf } from '../support/share-of.ts';

const Input = protobuf.Root.fromJSON(SCHEMA).lookupType('s2.v1.AppendInput');

const bytes = fc.uint8Array({ maxLength: 300 });
const timestamp = fc.option(fc.oneof(fc.nat(200), fc.maxSafeNat()), { nil: undefined });
const conditions = {
  matchSeqNum: fc.oneof(fc.constant(0), fc.nat(), fc.maxSafeNat()),
  fencingToken: fc.string({ unit: 'grapheme', maxLength: 40 }),
};

function batch(part: fc.Arbitrary<Uint8Array>): fc.Arbitrary<AppendInput> {
  const headers = fc.array(fc.tuple(part, part) as fc.Arbitrary<Header>, { maxLength: 4 });
  const record = fc.record({ body: part, headers, timestamp });
  return fc.record(
    { records: fc.array(record, { maxLength: 8 }), ...conditions },
    { requiredKeys: ['records'] },
  ) as fc.Arbitrary<AppendInput>;
}

/** Views become plain arrays: a Buffer and a Uint8Array of the same bytes are equal. */
function plain({ records, ...rest }: AppendInput) {
  const rows = records.map(({ body, headers, timestamp: time }) => ({
    body: [...body],
    headers: headers.map((pair) => pair.map((part) => [...part])),
    time,
  }));
  return { records: rows, ...rest };
}

function toProto({ records, ...rest }: AppendInput): Uint8Array {
  const rows = records.map(({ headers, timestamp: time, body }) => ({
    body,
    headers: headers.map(([name, value]) => ({ name, value })),
    ...(time === undefined ? {} : { timestamp: time }),
  }));
  return Input.encode(Input.fromObject({ records: rows, ...rest })).finish();
}

/** JSON as clients write it, and with all the alternatives that JSON allows. */
function toJson(input: AppendInput, text: (part: Uint8Array) => string, junk: readonly unknown[]): string {
  const records = input.records.map(({ body, headers, timestamp: time }, i) => ({
    ...(junk[i] === undefined ? {} : { [`x-${i}`]: junk[i] }),
    ...(body.length === 0 && i % 2 === 0 ? {} : { body: text(body) }),
    ...(headers.length === 0 && i % 2 === 1 ? {} : { headers: headers.map((pair) => pair.map(text)) }),
    ...(time === undefined && i % 3 === 0 ? {} : { timestamp: time ?? null }),
  }));
  const body = { junk, records, match_seq_num: input.matchSeqNum ?? null, fencing_token: input.fencingToken ?? null };
  return JSON.stringify(body, undefined, junk.length);
}

function refusal(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError) return error.code;
    throw error;
  }
}

test('a protobuf batch that protobufjs writes decodes to the same batch', () => {
  fc.assert(
    fc.property(batch(bytes), (input) => {
      expect(plain(decodeAppendInput(toProto(input)))).toEqual(plain(input));
    }),
    { numRuns: shareOf(300) },
  );
});

test('a JSON batch decodes to the same batch with any bytes in base64, any raw text, and any JSON around them', () => {
  const junk = fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 3 });
  const base64 = (part: Uint8Array) => Buffer.from(part).toString('base64');
  fc.assert(
    fc.property(batch(bytes), junk, (input, around) => {
      const json = Buffer.from(toJson(input, base64, around));
      expect(plain(parseAppendJson(json, 'base64'))).toEqual(plain(input));
    }),
    { numRuns: shareOf(300) },
  );
  const text = fc.string({ unit: 'binary' }).map((part): Uint8Array => Buffer.from(part));
  const utf8 = (part: Uint8Array) => Buffer.from(part).toString('utf8');
  fc.assert(
    fc.property(batch(text), junk, fc.boolean(), (input, around, isEscaped) => {
      const json = toJson(input, utf8, around);
      const sent = isEscaped ? json.replace(/[^ -~\s]/g, escaped) : json;
      expect(plain(parseAppendJson(Buffer.from(sent), 'raw'))).toEqual(plain(input));
    }),
    { numRuns: shareOf(300) },
  );
});

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

test('JSON is accepted exactly when JSON.parse accepts it', () => {
  const soup = fc.string({ unit: fc.constantFrom(...'{}[]:,"\\/ 0123456789.eE+-truefalsn\n\tu'), maxLength: 30 });
  fc.assert(
    fc.property(fc.oneof(soup, fc.json()), (value) => {
      const text = `{"x":${value},"records":[]}`;
      const wrapped = Buffer.from(text);
      // Not the same object any more: then the change is in one of our fields.
      fc.pre(!/records.*records|match_seq_num|fencing_token/s.test(text));
      const native = isJson(text);
      expect(refusal(() => parseAppendJson(wrapped, 'raw'))).toBe(native ? undefined : 'bad_json');
    }),
    { numRuns: shareOf(3_000) },
  );
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('garbage is refused with a code of its own, and a damaged batch never breaks a parser', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  const damaged = (good: Uint8Array, changes: readonly (readonly [number, number])[], cut: number): Uint8Array => {
    const bad = Buffer.from(good);
    for (const [at, byte] of changes) if (bad.length > 0) bad[at % bad.length] = byte;
    return bad.subarray(0, bad.length - (cut % 3 === 0 ? cut % (bad.length + 1) : 0));
  };
  const known = (code: string | undefined, expected: string) =>
    expect([undefined, expected, 'invalid']).toContain(code);
  fc.assert(
    fc.property(batch(bytes), damage, fc.nat(), (input, changes, cut) => {
      const proto = damaged(toProto(input), changes, cut);
      known(
        refusal(() => decodeAppendInput(proto)),
        'bad_proto',
      );
      const json = damaged(
        Buffer.from(toJson(input, (part) => Buffer.from(part).toString('base64'), [])),
        changes,
        cut,
      );
      known(
        refusal(() => parseAppendJson(json, 'base64')),
        'bad_json',
      );
    }),
    { numRuns: shareOf(1_000) },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (garbage) => {
      known(
        refusal(() => decodeAppendInput(garbage)),
        'bad_proto',
      );
      expect(refusal(() => parseAppendJson(garbage, 'raw'))).toBe('bad_json');
    }),
    { numRuns: shareOf(1_000) },
  );
});
