/**
 * What is wrong with one item costs at most that item: any request in which one item is spoiled is taken, and every other
 * record is what protobufjs reads in the original. Only bytes that are no message any more may cost the request.
 */

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { atOnce } from '../../src/encoding/turns.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import type { TimestampingMode } from '../../src/model/stream-config.ts';
import { repairIds } from '../../src/otlp/repair-ids.ts';
import fc from '../support/fast-check.ts';
import {
  type Done,
  done,
  jsonRequest,
  nested,
  nestedJson,
  protobufOf,
  spoilJson,
  withItem,
} from '../support/one-item.ts';
import { encodeJsonFixture } from '../support/otlp-items.ts';
import { field, fixed64, type OracleItem, oracle, requestBytes, varint } from '../support/otlp-wire.ts';
import { shareOf } from '../support/share-of.ts';

const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_129);
const RUNS = Number(process.env.TAILRACE_TEST_RUNS ?? shareOf(250));

const FIXTURES: Readonly<Record<Signal, readonly string[]>> = {
  logs: ['json/every-logs.json', 'otlp/logs.json', 'otlp/events.json'],
  traces: ['json/every-traces.json', 'otlp/trace.json'],
  metrics: ['json/every-metrics.json', 'otlp/metrics.json'],
};
const FIELDS = {
  logs: { text: 3, value: 5, id: 9, times: [1, 11] },
  traces: { text: 5, value: 0, id: 1, times: [8] },
  metrics: { text: 2, value: 0, id: 0, times: [] },
} as const satisfies Record<Signal, object>;
/** The field of an item that holds attributes: `metadata` of metrics. */
const ATTRIBUTES = { logs: 6, traces: 9, metrics: 12 } as const satisfies Record<Signal, number>;
const KEYS = {
  logs: { text: 'severityText', number: 'severityNumber', list: 'attributes' },
  traces: { text: 'name', number: 'endTimeUnixNano', list: 'attributes' },
  metrics: { text: 'description', number: 'unit', list: 'metadata' },
} as const satisfies Record<Signal, object>;

/** A request whose ids are good, and so are its strings. */
function request(signal: Signal): fc.Arbitrary<Uint8Array> {
  const fixtures = FIXTURES[signal].map((name) =>
    encodeJsonFixture(signal, readFileSync(new URL(`../fixtures/${name}`, import.meta.url))),
  );
  const random = requestBytes(signal).map((body) => atOnce(repairIds(signal, body)));
  return fc.oneof({ weight: 1, arbitrary: fc.constantFrom(...fixtures) }, { weight: 6, arbitrary: random });
}

/** More than a record may hold. */
const TOO_LARGE = 1_048_600;

/** What is put behind an item of a protobuf request, which stays a message by that. */
const SPOILED: Readonly<Record<string, (signal: Signal) => ArrayLike<number>>> = {
  'a string that is not UTF-8': (signal) => field(FIELDS[signal].text, [0x61, 0xff, 0xed, 0xa0, 0xbd]),
  'a value nested too deep': (signal) => field(ATTRIBUTES[signal], [...field(1, 'deep'), ...field(2, nested(60))]),
  'more than a record may hold': () =>
    Buffer.concat([Buffer.from(varint((900 << 3) | 2)), Buffer.from(varint(TOO_LARGE)), Buffer.alloc(TOO_LARGE)]),
  'an id of a wrong length': (signal) => (FIELDS[signal].id === 0 ? [] : field(FIELDS[signal].id, 'no id')),
  'no time': (signal) => FIELDS[signal].times.flatMap((time) => fixed64(time, 0n)),
  'an attribute without content': (signal) => [...field(ATTRIBUTES[signal], []), ...field(999, [0xff])],
};

/** The same in JSON, and what only JSON can hold: what is put into an item. */
const SPOILED_JSON: Readonly<Record<string, (signal: Signal) => object>> = {
  'half of a surrogate pair': (signal) => ({ [KEYS[signal].text]: 'a\ud83d' }),
  'a value nested too deep': (signal) => attribute(signal, nestedJson(60)),
  'more than a record may hold': (signal) => ({ [KEYS[signal].text]: 'x'.repeat(TOO_LARGE) }),
  'an id that is no hex': () => ({ spanId: 'no id' }),
  'an id that is a number': () => ({ traceId: 12_345 }),
  'an id that is an object': () => ({ traceId: { high: [1], low: null } }),
  'no time': () => ({ timeUnixNano: null, observedTimeUnixNano: null, endTimeUnixNano: null }),
  'unknown keys and nulls': (signal) => ({ 'no such key': [{ a: '\ud83d' }], ...attribute(signal, null) }),
};

/** Values of the wrong kind, which are rejected with the path to the first of them. */
const WRONG_KINDS: Readonly<Record<string, (signal: Signal) => object>> = {
  'a text that is a number': (signal) => ({ [KEYS[signal].text]: 5 }),
  'a number that is none': (signal) => ({ [KEYS[signal].number]: signal === 'metrics' ? 5 : 'NOPE' }),
  'a number that is a list': (signal) => ({ [KEYS[signal].number]: [{ a: [1, { b: null }] }, 'x'] }),
  'a number beyond its bits': (signal) => ({ [KEYS[signal].number]: signal === 'metrics' ? {} : '9'.repeat(23) }),
  'attributes that are no list': (signal) => ({ [KEYS[signal].list]: { a: 1 } }),
  'an attribute that is a text': (signal) => ({ [KEYS[signal].list]: ['a=1'] }),
  'a value that is a text': (signal) => ({ [KEYS[signal].list]: [{ key: 'spoiled', value: 'x' }] }),
  'a value of the wrong kind': (signal) => attribute(signal, { intValue: 'abc' }),
  'a value of the wrong kind, deep inside': (signal) =>
    attribute(signal, {
      kvlistValue: { values: [{ key: 'k', value: { arrayValue: { values: [{ boolValue: 1 }] } } }] },
    }),
  'bytes that are no base64': (signal) => attribute(signal, { bytesValue: '*' }),
  'bytes that are no list of bytes': (signal) => attribute(signal, { bytesValue: { 0: 1, 2: [3] } }),
};

const attribute = (signal: Signal, value: object | null): object => ({
  [KEYS[signal].list]: [{ key: 'spoiled', value }],
});

const MODES = ['client-prefer', 'client-require', 'arrival'] as const satisfies readonly TimestampingMode[];

/** The items of a request, all of which are stored as protobufjs reads them; undefined where it goes elsewhere. */
async function whole(signal: Signal, encoding: 'protobuf' | 'json', body: Uint8Array, mode: TimestampingMode) {
  const json = (): Record<string, unknown> => JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
  const original = oracle(signal, encoding === 'json' ? protobufOf(signal, json()) : body);
  // A random text may be the name of a stream, or none, and few random bytes a request of another signal.
  if (original.length === 0 || JSON.stringify(original).includes('"key":"s2.stream"')) return undefined;
  const { stored, message } = await done(signal, encoding, body, mode);
  if (stored === undefined && isOfAnother(message)) return undefined;
  expect(contents(stored)).toEqual(contents(original.filter(({ ms }) => mode !== 'client-require' || ms > 0)));
  return original;
}

const isOfAnother = (message: string): boolean => /^this is a \w+ request/.test(message);
const contents = (items: readonly OracleItem[] | undefined) =>
  items?.map(({ resource, scope, item }) => ({ resource, scope, item }));

/** All items but the spoiled one are there as they were; where that is not, the message says so. */
function expectOneLost(found: Done, original: readonly OracleItem[], row: number, mode: TimestampingMode): void {
  const stays = (item: OracleItem, at: number): boolean => at !== row && (mode !== 'client-require' || item.ms > 0);
  const expected = contents(original.filter(stays)) ?? [];
  const before = original.filter((item, at) => at < row && stays(item, at)).length;
  const stored = contents(found.stored) ?? [];
  const isThere = stored.length > expected.length;
  const others = isThere ? [...stored.slice(0, before), ...stored.slice(before + 1)] : stored;
  if (!isDeepStrictEqual(others, expected)) expect(others).toEqual(expected);
  if (!isThere) expect(found.message).toContain('rejected');
  if (isThere) tally.stored++;
  else tally.lost++;
}

/** Large items take long. */
const runsOf = (what: string): number => Math.ceil(RUNS / (what.startsWith('more') ? 25 : 5));
const rows = fc.nat();
/**
 * What makes bytes no message, or one that decoders read differently: lengths and numbers that end nowhere, groups that
 * are not balanced, wire types and field numbers that do not exist, and a known field with the wire type of another.
 */
const NO_MESSAGE =
  /^the body is not a valid OTLP protobuf message: .*(is longer than|cut off|is missing|does not exist|a group ends|has wire type)/;
const tally = { stored: 0, lost: 0, refused: 0 };

describe.each(SIGNALS)('one item of %s costs at most itself', (signal) => {
  test.each(Object.entries(SPOILED))('in protobuf with %s', async (what, spoil) => {
    await fc.assert(
      fc.asyncProperty(request(signal), rows, fc.constantFrom(...MODES), async (body, at, mode) => {
        const original = await whole(signal, 'protobuf', body, mode);
        if (original === undefined) return;
        const row = at % original.length;
        const spoiled = withItem(body, row, (item) => Buffer.concat([item, Uint8Array.from(spoil(signal))]));
        const found = await done(signal, 'protobuf', spoiled, mode);
        if (found.stored === undefined && isOfAnother(found.message)) tally.refused++;
        else expectOneLost(found, original, row, mode);
      }),
      { numRuns: runsOf(what), seed: SEED },
    );
  });

  test('in protobuf with any bytes changed, unless these are no message any more', async () => {
    const change = fc.record({ at: fc.nat(), value: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(
        request(signal),
        rows,
        fc.array(change, { minLength: 1, maxLength: 4 }),
        async (body, at, changes) => {
          const original = await whole(signal, 'protobuf', body, 'client-prefer');
          if (original === undefined) return;
          const row = at % original.length;
          const spoiled = withItem(body, row, (item) => {
            const bytes = Uint8Array.from(item);
            for (const { at: place, value } of changes) if (bytes.length > 0) bytes[place % bytes.length] = value;
            return bytes;
          });
          const found = await done(signal, 'protobuf', spoiled);
          if (found.stored !== undefined) expectOneLost(found, original, row, 'client-prefer');
          else expect(found.message).toMatch(NO_MESSAGE);
        },
      ),
      { numRuns: RUNS, seed: SEED },
    );
  });

  test.each(Object.entries(SPOILED_JSON))('in JSON with %s', async (what, spoil) => {
    await fc.assert(
      fc.asyncProperty(request(signal), rows, fc.constantFrom(...MODES), async (body, at, mode) => {
        const json = jsonRequest(signal, body);
        const original = await whole(signal, 'json', Buffer.from(JSON.stringify(json)), mode);
        if (original === undefined) return;
        const row = at % original.length;
        spoilJson(signal, json, row, (item) => Object.assign(item, spoil(signal)));
        const found = await done(signal, 'json', Buffer.from(JSON.stringify(json)), mode);
        expectOneLost(found, original, row, mode);
      }),
      { numRuns: runsOf(what), seed: SEED },
    );
  });

  test('in JSON with a value of the wrong kind', async () => {
    const spoiling = fc.constantFrom(...Object.values(WRONG_KINDS));
    await fc.assert(
      fc.asyncProperty(request(signal), rows, spoiling, async (body, at, spoil) => {
        const json = jsonRequest(signal, body);
        const original = await whole(signal, 'json', Buffer.from(JSON.stringify(json)), 'client-prefer');
        if (original === undefined) return;
        const row = at % original.length;
        spoilJson(signal, json, row, (item) => Object.assign(item, spoil(signal)));
        const found = await done(signal, 'json', Buffer.from(JSON.stringify(json)));
        expect(found.message).toMatch(/^rejected .* (must|is out of range).*\(first at resource\w+\[\d+\]\.scope/);
        expect(found.stored).toHaveLength(original.length - 1);
        expectOneLost(found, original, row, 'client-prefer');
      }),
      { numRuns: Math.ceil(RUNS / 2), seed: SEED },
    );
  });
});

test('the spoiled items were stored or lost, and few requests were refused', () => {
  expect(Math.min(tally.stored, tally.lost)).toBeGreaterThan(RUNS);
  expect(tally.refused).toBeLessThan(RUNS / 50);
});
