/** The scanner finds in any request what a decoder finds, and accepts nothing that a decoder refuses. */

import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { cell, msFromNanos, ScannedRequest } from '../../src/otlp/scan/columns.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { REQUEST_TYPES } from '../../src/otlp/scan/tables.ts';
import { WalkState, walk } from '../../src/otlp/scan/walk.ts';
import fc from '../support/fast-check.ts';
import { containerNames, oracle, requestBytes, requestType } from '../support/otlp-wire.ts';
import { shareOf } from '../support/share-of.ts';

const LIMITS = { requestRecordsMax: 100_000 };
const SEED = 20_260_401;

describe.each(SIGNALS)('%s', (signal) => {
  test('the scanner finds the items that protobufjs finds, with their times and data points', () => {
    const scanned = new ScannedRequest();
    fc.assert(
      fc.property(requestBytes(signal), fc.nat(9), (request, before) => {
        // A body is often a view of a pooled buffer.
        const body = Buffer.concat([Buffer.alloc(before, 0xff), request, Buffer.alloc(3, 0xff)]).subarray(before, -3);
        const expected = oracle(signal, body);
        scanRequest(signal, body, LIMITS, scanned);
        expect(itemsOf(scanned)).toEqual(expected.map(({ ms, points }) => ({ ms, points })));
        const type = itemType(signal);
        for (const [row, { item }] of expected.entries()) {
          const bytes = body.subarray(cell(scanned.itemStart, row), cell(scanned.itemEnd, row));
          const found = type.toObject(type.decode(bytes), { longs: String, bytes: String });
          if (!isDeepStrictEqual(found, item)) expect(found).toEqual(item);
        }
      }),
      { numRuns: shareOf(400), seed: SEED },
    );
  });

  test('the scanner finds the same when it stops after every byte', () => {
    const scanned = new ScannedRequest();
    const state = new WalkState();
    fc.assert(
      fc.property(requestBytes(signal, 300), fc.integer({ min: 1, max: 40 }), (body, stride) => {
        const atOnce = columnsOf(scanRequest(signal, body, LIMITS));
        scanned.begin(signal, body, LIMITS.requestRecordsMax);
        state.begin(REQUEST_TYPES[signal], body.length);
        while (!walk(state, scanned, state.at + stride));
        expect(columnsOf(scanned)).toEqual(atOnce);
      }),
      { numRuns: shareOf(200), seed: SEED },
    );
  });

  test('mutated bodies are refused, or decoded by protobufjs to the same items', () => {
    const scanned = new ScannedRequest();
    let refused = 0;
    let passed = 0;
    const seeds = fc.sample(requestBytes(signal, 300), { numRuns: 60, seed: SEED }).filter(({ length }) => length > 0);
    const mutation = fc.record({ kind: fc.nat(3), at: fc.nat(), from: fc.nat(), to: fc.nat(), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.array(mutation, { minLength: 1, maxLength: 3 }), (one, other, mutations) => {
        const donor = pick(seeds, other);
        const body = mutations.reduce((bytes, change) => mutate(bytes, donor, change), pick(seeds, one));
        try {
          scanRequest(signal, body, LIMITS, scanned);
        } catch (error) {
          if (!(error instanceof TailraceError) || error.code !== 'bad_proto') throw error;
          refused++;
          return;
        }
        passed++;
        const decoded = oracle(signal, body);
        if (decoded.length !== scanned.itemCount) expect(scanned.itemCount).toBe(decoded.length);
      }),
      { numRuns: shareOf(7_000), seed: SEED },
    );
    // Both cases must occur, or the property proves nothing.
    expect(Math.min(refused, passed)).toBeGreaterThan(300);
  });
});

test('nanoseconds become milliseconds exactly, rounded down', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (nanos) => {
      expect(msFromNanos(Number(nanos >> 32n), Number(nanos & 0xffff_ffffn))).toBe(Number(nanos / 1_000_000n));
    }),
    { numRuns: shareOf(3_000) },
  );
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: (2n ** 64n - 1n) / 1_000_000n }), fc.constantFrom(-1n, 0n, 1n), (ms, off) => {
      const nanos = ms * 1_000_000n + off;
      expect(msFromNanos(Number(nanos >> 32n), Number(nanos & 0xffff_ffffn))).toBe(Number(nanos / 1_000_000n));
    }),
    { numRuns: shareOf(3_000) },
  );
});

interface Mutation {
  readonly kind: number;
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

function mutate(body: Uint8Array, donor: Uint8Array, { kind, at, from, to, value }: Mutation): Uint8Array {
  const place = at % (body.length + 1);
  if (kind === 0) return body.map((byte, index) => (index === place ? byte ^ (1 << (value % 8)) : byte));
  if (kind === 1) return body.map((byte, index) => (index === place ? value : byte));
  if (kind === 2) return body.subarray(0, place);
  const start = from % (donor.length + 1);
  return Buffer.concat([body.subarray(0, place), donor.subarray(start, start + (to % 40)), body.subarray(place)]);
}

function pick(bodies: readonly Uint8Array[], number: number): Uint8Array {
  return bodies[number % bodies.length] ?? new Uint8Array();
}

/** Everything that is found in a request. */
function columnsOf(scanned: ScannedRequest): object {
  const { resourceCount: resources, scopeCount: scopes, itemCount: items } = scanned;
  return {
    resources: scanned.resourceField.slice(0, resources),
    ends: scanned.resourceEnd.slice(0, resources),
    scopesFrom: resources === 0 ? [] : scanned.resourceScopesFrom.slice(0, resources + 1),
    resourcePieces: scanned.resourcePieces.slice(0, scanned.resourcePiecesFrom[resources]),
    itemsFrom: scopes === 0 ? [] : scanned.scopeItemsFrom.slice(0, scopes + 1),
    scopePieces: scanned.scopePieces.slice(0, scanned.scopePiecesFrom[scopes]),
    starts: scanned.itemStart.slice(0, items),
    itemEnds: scanned.itemEnd.slice(0, items),
    times: scanned.itemMs.slice(0, items),
    points: scanned.itemPoints.slice(0, items),
  };
}

function itemsOf(scanned: ScannedRequest): readonly { readonly ms: number; readonly points: number }[] {
  return Array.from({ length: scanned.itemCount }, (_, row) => ({
    ms: scanned.itemMs[row] ?? Number.NaN,
    points: cell(scanned.itemPoints, row),
  }));
}

function itemType(signal: Signal): ReturnType<typeof requestType> {
  const [resources, scopes, items] = containerNames(signal);
  const names = [resources, scopes, items];
  return names.reduce((type, name) => requestTypeOf(type, name), requestType(signal));
}

function requestTypeOf(type: ReturnType<typeof requestType>, name: string): ReturnType<typeof requestType> {
  const inner = type.fields[name]?.resolvedType;
  if (inner === undefined || inner === null || !('fieldsArray' in inner)) throw new Error(`${name} is no message`);
  return inner;
}
