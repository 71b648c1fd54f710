/** The unpacker of LZ4 beside the native one: the same bytes of what is sound, and nothing that the other refuses. */

import { expect, test } from '@jest/globals';
import { compressSync, uncompressSync } from 'lz4-napi';
import { Lz4Unpacker } from '../../src/encoding/lz4/unpacker.ts';
import fc from '../support/fast-check.ts';
import { shareOf } from '../support/share-of.ts';

const SIZE_BYTES = 4;
const BYTES_MAX = 300_000;
const unpackers = [true, false].map((isWide) => new Lz4Unpacker(BYTES_MAX, isWide));

/** Repetitions near and far, short and long, between bytes that are never repeated. */
const data = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(600))
        .map(([bytes, times]) => repeated(bytes, times)),
      fc.nat(90).map((at) => Uint8Array.from({ length: 70 }, (_, i) => (at + i * i) & 0xff)),
    ),
    { minLength: 1, maxLength: 60 },
  )
  .map((parts) => Buffer.concat(parts))
  .filter(({ length }) => length > 0);

test('what the native packer has packed unpacks to the same bytes, also after larger and smaller blocks', () => {
  fc.assert(
    fc.property(data, (bytes) => {
      const packed = compressSync(bytes).subarray(SIZE_BYTES);
      for (const unpacker of unpackers) {
        expect(Buffer.compare(unpacker.unpack(packed, bytes.length) ?? Buffer.alloc(0), bytes)).toBe(0);
        expect(unpacker.unpack(packed, bytes.length + 1)).toBeUndefined();
        expect(unpacker.unpack(packed, bytes.length - 1)).toBeUndefined();
      }
    }),
    { numRuns: shareOf(300) },
  );
});

test('damaged bytes unpack to what the native unpacker makes of them, or to nothing', () => {
  fc.assert(
    fc.property(data, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), (bytes, changes, cut) => {
      const whole = compressSync(bytes);
      const packed = whole.subarray(0, whole.length - (cut % 3 === 0 ? cut % (whole.length - SIZE_BYTES) : 0));
      for (const [at, value] of changes) packed[SIZE_BYTES + (at % (whole.length - SIZE_BYTES))] = value;
      let native: Uint8Array | undefined;
      try {
        native = uncompressSync(packed);
      } catch {}
      for (const unpacker of unpackers) {
        const ours = unpacker.unpack(packed.subarray(SIZE_BYTES), bytes.length);
        if (native?.length === bytes.length) expect(Buffer.compare(ours ?? Buffer.alloc(0), native)).toBe(0);
        else expect(ours).toBeUndefined();
      }
    }),
    { numRuns: shareOf(1_000) },
  );
});

test.each([
  ['nothing', []],
  ['literals that are not there', [0x50, 1, 2]],
  ['a length that does not end', [0xf0, 255, 255]],
  ['a match before the beginning', [0x10, 1, 2, 0, 0]],
  ['a match at no distance', [0x10, 1, 0, 0, 0]],
  ['a distance that is cut off', [0x10, 1, 1]],
  ['a match beyond the end', [0x1f, 1, 1, 0, 255, 255, 0, 0]],
])('a block with %s unpacks to nothing', (_, bytes) => {
  for (const unpacker of unpackers) expect(unpacker.unpack(Uint8Array.from(bytes), 16)).toBeUndefined();
});

test('a block of the most that it takes unpacks, and a larger one is not asked for', () => {
  const most = Buffer.alloc(BYTES_MAX, 'again ');
  for (const unpacker of unpackers) {
    const unpacked = unpacker.unpack(compressSync(most).subarray(SIZE_BYTES), BYTES_MAX);
    expect(Buffer.compare(unpacked ?? Buffer.alloc(0), most)).toBe(0);
    expect(() => unpacker.unpack(new Uint8Array(9), BYTES_MAX + 1)).toThrow('larger blocks are unpacked elsewhere');
  }
});

function repeated(bytes: Uint8Array, times: number): Uint8Array {
  return Buffer.concat(Array.from({ length: times + 1 }, () => bytes));
}
