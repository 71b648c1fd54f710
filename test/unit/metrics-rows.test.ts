/** Rows of usage metrics: frozen bytes of each, round trips, and the refusal of bytes in another shape. */

import { expect, test } from '@jest/globals';
import { Packr } from 'msgpackr';
import { TailraceError } from '../../src/model/error.ts';
import { readUsageKey, usageKey, usageRange } from '../../src/storage/keys.ts';
import * as rows from '../../src/storage/usage-rows.ts';
import fc from '../support/fast-check.ts';

const BYTES = 5_000_000_000;

const FROZEN: readonly {
  name: string;
  bytes: string;
  row: unknown;
  decode: (value: Uint8Array) => unknown;
  encoded: Uint8Array;
}[] = [
  {
    name: 'count',
    bytes:
      '0192a974656c656d657472799292b2617070656e642d6f70732f657870726573730392af726561642d7468726f756768707574cb41f2a05f20000000',
    row: {
      basin: 'telemetry',
      counts: new Map([
        ['append-ops/express', 3],
        ['read-throughput', BYTES],
      ]),
    },
    decode: rows.decodeUsageCounts,
    encoded: rows.encodeUsageCounts({
      basin: 'telemetry',
      counts: new Map([
        ['append-ops/express', 3],
        ['nothing', 0],
        ['read-throughput', BYTES],
      ]),
    }),
  },
  {
    name: 'basin gauge',
    bytes: '0192a974656c656d65747279cb41f2a05f20000000',
    row: { basin: 'telemetry', bytes: BYTES },
    decode: rows.decodeBasinStorage,
    encoded: rows.encodeBasinStorage({ basin: 'telemetry', bytes: BYTES }),
  },
  {
    name: 'stream gauge',
    bytes: '019400073bcb41f2a05f20000000',
    row: [
      [0, 7],
      [59, BYTES],
    ],
    decode: rows.decodeStreamStorage,
    encoded: rows.encodeStreamStorage([
      [0, 7],
      [59, BYTES],
    ]),
  },
  {
    name: 'total',
    bytes: '0191cb41f2a05f20000000',
    row: BYTES,
    decode: rows.decodeBasinTotal,
    encoded: rows.encodeBasinTotal(BYTES),
  },
  { name: 'shutdown', bytes: '0191c3', row: true, decode: rows.decodeShutdown, encoded: rows.encodeShutdown(true) },
];

test.each(FROZEN)(
  'a $name is read as the first build wrote it, and written the same',
  ({ bytes, decode, row, encoded }) => {
    expect(decode(Buffer.from(bytes, 'hex'))).toEqual(row);
    expect(Buffer.from(encoded).toString('hex')).toBe(bytes);
  },
);

test.each(FROZEN)('a damaged $name is refused as corrupt, never read as something else', ({ name, bytes, decode }) => {
  const value = Buffer.from(bytes, 'hex');
  const packr = new Packr({ useRecords: false });
  const odd = [
    null,
    {},
    ['x', 'y'],
    [-1, -1],
    [1.5, 1.5],
    'text',
    7,
    [[], []],
    [60, 1],
    [3, 1, 3, 2],
    [4, 1, 3, 2],
    [1],
  ];
  // A later build may append fields to the first field of a total.
  const wrong = odd.filter(
    (one) => !(name === 'total' && Array.isArray(one) && Number.isSafeInteger(one[0])) || one[0] < 0,
  );
  const damaged = [Buffer.of(), Buffer.of(0), Buffer.of(2, ...value.subarray(1)), value.subarray(0, value.length - 1)];
  for (const bad of [...damaged, ...wrong.map((one) => Buffer.concat([Buffer.of(1), packr.pack(one)]))]) {
    expect(codeOf(() => decode(bad))).toBe('corrupt');
  }
});

test.each(FROZEN)('any bytes read as a $name give a row or are refused as corrupt', ({ decode }) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const code = codeOf(() => decode(Buffer.concat([Buffer.of(1), bytes])));
      expect([undefined, 'corrupt']).toContain(code);
    }),
  );
});

test('counts and points are the same after a round trip', () => {
  const counts = fc.dictionary(fc.string(), fc.nat({ max: Number.MAX_SAFE_INTEGER }), { noNullPrototype: true });
  const minutes = fc.uniqueArray(fc.tuple(fc.nat({ max: 59 }), fc.maxSafeNat()), { selector: ([minute]) => minute });
  fc.assert(
    fc.property(counts, fc.string(), minutes, (named, basin, points) => {
      const map = new Map(Object.entries(named).filter(([, count]) => count > 0));
      expect(rows.decodeUsageCounts(rows.encodeUsageCounts({ basin, counts: map }))).toEqual({ basin, counts: map });
      const sorted = points.toSorted(([a], [b]) => a - b);
      expect(rows.decodeStreamStorage(rows.encodeStreamStorage(sorted))).toEqual(sorted);
    }),
  );
});

test('keys are in the order of their numbers, separate for each kind', () => {
  const numbers = fc.tuple(fc.maxSafeNat(), fc.maxSafeNat());
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const [first, second] = [usageKey('hours', ...a), usageKey('hours', ...b)];
      expect(readUsageKey(first)).toEqual(a);
      expect(Math.sign(Buffer.compare(first, second))).toBe(Math.sign(a[0] - b[0] || a[1] - b[1]));
      const { from, to } = usageRange('hours');
      expect(Buffer.compare(from, first) <= 0 && Buffer.compare(first, to) < 0).toBe(true);
      expect(Buffer.compare(usageKey('minutes', ...a), from)).toBeLessThan(0);
      expect(Buffer.compare(usageKey('basinStorage', ...a), to)).toBeGreaterThanOrEqual(0);
    }),
  );
});

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof TailraceError ? error.code : String(error);
  }
}
