/** Varints against a reference that divides big integers. */

import { describe, expect, test } from '@jest/globals';
import { readVarint, varint, varintBytes, writeVarint } from '../../src/encoding/varint.ts';
import fc from '../support/fast-check.ts';

function reference(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 128n; rest /= 128n) bytes.push(Number(rest % 128n) | 0x80);
  return [...bytes, Number(rest)];
}

describe('varints', () => {
  const edges = Array.from({ length: 54 }, (_, bits) => 2 ** bits).flatMap((edge) => [edge - 1, edge, edge + 1]);
  const values = fc.oneof(
    fc.maxSafeNat(),
    fc.nat(),
    fc.constantFrom(...edges.filter((value) => Number.isSafeInteger(value))),
  );

  test('are written as the reference writes them, between bytes that stay, and read back', () => {
    fc.assert(
      fc.property(values, (value) => {
        const expected = reference(value);
        expect([...varint(value)]).toEqual(expected);
        expect(varintBytes(value)).toBe(expected.length);
        const target = new Uint8Array(12).fill(0xee);
        expect(writeVarint(target, 2, value)).toBe(2 + expected.length);
        expect([...target]).toEqual([0xee, 0xee, ...expected, ...Array(10 - expected.length).fill(0xee)]);
        expect(readVarint(target, 2)).toEqual({ value, end: 2 + expected.length });
      }),
    );
  });

  test('of more than ten bytes, and those that are cut short, are not read', () => {
    expect(readVarint(new Uint8Array(11).fill(0x80), 0)).toBeUndefined();
    expect(readVarint(Uint8Array.of(...Array(9).fill(0x80), 1), 0)).toEqual({ value: 2 ** 63, end: 10 });
    expect(readVarint(Uint8Array.of(0x80, 0x80), 0)).toBeUndefined();
    expect(readVarint(Uint8Array.of(1), 1)).toBeUndefined();
  });
});
