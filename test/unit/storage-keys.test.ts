/** Keys: they decode to what was encoded, and the order of bytes is the order of numbers and names. */

import { expect, test } from '@jest/globals';
import * as keys from '../../src/storage/keys.ts';
import fc from '../support/fast-check.ts';

const number = fc.maxSafeNat();
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\0'));

test('key families have the numbers that are on disk', () => {
  expect(keys.FAMILY).toEqual({
    settings: 1,
    basins: 2,
    streams: 3,
    streamStates: 4,
    blocks: 5,
    tokensByHash: 6,
    tokensById: 7,
    usage: 8,
    pendingWork: 9,
    dedupe: 10,
    summaries: 11,
    traces: 12,
    places: 13,
    engine: 255,
  });
  expect(hex(keys.blockKey(0x0102, 5_000_000_000))).toBe('050000000000000102000000012a05f200');
  expect(hex(keys.summaryRowKey(0x0102, 5_000_000_000))).toBe('0b0000000000000102000000012a05f200');
  expect(hex(keys.traceRowKey(0x0102, 5_000_000_000))).toBe('0c0000000000000102000000012a05f200');
  expect(hex(keys.basinPlaceKey('é'))).toBe('0dc3a9');
  expect(keys.readBasinPlaceKey(keys.basinPlaceKey('é'))).toBe('é');
  expect(hex(keys.streamKey(2, 'é'))).toBe('030000000000000002c3a9');
  expect(hex(keys.streamStateKey(9))).toBe('040000000000000009');
  expect(hex(keys.settingsKey('format'))).toBe('01666f726d6174');
});

test('block keys decode, and are ordered by stream, then by sequence number', () => {
  fc.assert(
    fc.property(number, number, number, number, (a, b, c, d) => {
      expect(keys.readBlockKey(keys.blockKey(a, b))).toEqual({ stream: a, firstSeq: b });
      const order = a === c ? b - d : a - c;
      expect(Math.sign(Buffer.compare(keys.blockKey(a, b), keys.blockKey(c, d)))).toBe(Math.sign(order));
    }),
  );
});

test('keys of rows of summaries and of trace ids decode, and the range of a stream holds its rows and no others', () => {
  fc.assert(
    fc.property(number, number, number, (stream, other, seq) => {
      expect(keys.readSummaryRowKey(keys.summaryRowKey(stream, seq))).toEqual({ stream, firstSeq: seq });
      expect(inside(keys.summaryRowRange(stream), keys.summaryRowKey(other, seq))).toBe(other === stream);
      expect(inside(keys.summaryRowRange(stream, 5, 9), keys.summaryRowKey(stream, seq))).toBe(seq >= 5 && seq < 9);
      expect(keys.readTraceRowKey(keys.traceRowKey(stream, seq))).toEqual({ stream, firstSeq: seq });
      expect(inside(keys.traceRowRange(stream), keys.traceRowKey(other, seq))).toBe(other === stream);
      expect(inside(keys.traceRowRange(stream, 5, 9), keys.traceRowKey(stream, seq))).toBe(seq >= 5 && seq < 9);
    }),
  );
});

test('the range of a stream holds its blocks and no others', () => {
  fc.assert(
    fc.property(number, number, number, (stream, other, seq) => {
      const range = keys.blockRange(stream);
      expect(inside(range, keys.blockKey(stream, seq))).toBe(true);
      expect(inside(range, keys.blockKey(other, seq))).toBe(other === stream);
      expect(inside(keys.blockRange(stream, 5, 9), keys.blockKey(stream, seq))).toBe(seq >= 5 && seq < 9);
    }),
  );
});

test('stream keys decode, and ranges follow prefix and start', () => {
  fc.assert(
    fc.property(number, name, name, name, (basin, stream, prefix, startAfter) => {
      const key = keys.streamKey(basin, stream);
      expect(keys.readStreamKey(key)).toEqual({ basin, name: stream });
      const bytes = Buffer.from(stream);
      const starts = bytes.subarray(0, Buffer.byteLength(prefix)).equals(Buffer.from(prefix));
      const isAfter = Buffer.compare(bytes, Buffer.from(startAfter)) > 0;
      expect(inside(keys.streamRange(basin, prefix), key)).toBe(starts);
      expect(inside(keys.streamRange(basin, '', startAfter), key)).toBe(isAfter);
      expect(inside(keys.streamRange(basin, prefix, startAfter), key)).toBe(starts && isAfter);
      expect(inside(keys.streamRange(basin + 1), key)).toBe(false);
    }),
  );
});

test('basin keys have a range of their own, and decode', () => {
  expect(keys.readBasinKey(keys.basinKey('telemetry'))).toBe('telemetry');
  expect(inside(keys.basinRange(), keys.basinKey('telemetry'))).toBe(true);
  expect(inside(keys.basinRange(), keys.streamKey(1, 'telemetry'))).toBe(false);
});

test('pending work has a range for each kind, and the schedule is ordered by time', () => {
  expect(hex(keys.pendingKey('streamDeletion', 7))).toBe('09020000000000000007');
  expect(keys.readPendingKey(keys.pendingKey('trim', 5_000_000_000))).toBe(5_000_000_000);
  expect(hex(keys.dueKey(258, 7))).toBe('090400000000000001020000000000000007');
  fc.assert(
    fc.property(number, number, number, number, (due, stream, until, other) => {
      const key = keys.dueKey(due, stream);
      expect(keys.readDueKey(key)).toEqual({ due, stream });
      expect(inside(keys.dueRange(), key)).toBe(true);
      expect(inside(keys.dueRange(until), key)).toBe(due < until);
      expect(inside(keys.pendingRange('trim'), key)).toBe(false);
      expect(inside(keys.pendingRange('trim'), keys.pendingKey('trim', other))).toBe(true);
      expect(inside(keys.pendingRange('basinDeletion'), keys.pendingKey('trim', other))).toBe(false);
    }),
  );
});

test('the last family has an end too', () => {
  const range = keys.familyRange(keys.FAMILY.engine);
  expect(inside(range, Buffer.of(255, 1))).toBe(true);
  expect(inside(keys.familyRange(keys.FAMILY.tokensByHash), keys.tokenHashKey(Buffer.alloc(32, 0xff)))).toBe(true);
});

test('keys of another form are refused as corrupt', () => {
  for (const key of [
    Buffer.of(),
    Buffer.of(5),
    keys.streamStateKey(1),
    Buffer.concat([keys.blockKey(1, 1), Buffer.of(0)]),
  ]) {
    expect(codeOf(() => keys.readBlockKey(key))).toBe('corrupt');
  }
  expect(codeOf(() => keys.readBlockKey(Buffer.alloc(17, 0xff).fill(5, 0, 1)))).toBe('corrupt');
  expect(codeOf(() => keys.readStreamKey(Buffer.of(3, 0)))).toBe('corrupt');
});

function inside(range: keys.KeyRange, key: Uint8Array): boolean {
  return Buffer.compare(range.from, key) <= 0 && Buffer.compare(key, range.to) < 0;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function codeOf(call: () => unknown): unknown {
  try {
    call();
    return 'nothing was thrown';
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error ? error.code : error;
  }
}
