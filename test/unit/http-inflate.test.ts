/** Compressed bodies: every case, what is refused, and that memory is reserved before it is taken. */

import { randomBytes } from 'node:crypto';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import { type ContentEncoding, inflate } from '../../src/http/body/inflate.ts';
import { Reservation } from '../../src/http/body/reservation.ts';
import fc from '../support/fast-check.ts';

const MIB = 1024 * 1024;
const LIMIT = 32 * MIB;
const ZSTD_BLOCK = 128 * 1024;

async function inflated(encoding: ContentEncoding, wire: Uint8Array, limit = LIMIT, memory = 128 * MIB) {
  const budget = new MemoryBudget(memory);
  const reservation = new Reservation(budget);
  try {
    return Buffer.from(await inflate(encoding, wire, limit, reservation));
  } finally {
    reservation.release();
    expect(budget.usedBytes).toBe(0);
  }
}

/** The same bytes with another size at the end. */
function declaring(size: number, wire: Buffer): Buffer {
  const lie = Buffer.from(wire);
  lie.writeUInt32LE(size, lie.length - 4);
  return lie;
}

/** A zstd frame whose blocks are not compressed. */
function zstdRaw(plain: Buffer): Buffer {
  return zstdFrame(plain.length, (from, to) => [0, plain.subarray(from, to)]);
}

/** A zstd frame of a few bytes that becomes many. */
function zstdRepeat(bytes: number): Buffer {
  return zstdFrame(bytes, () => [1, Buffer.from('a')]);
}

function zstdFrame(
  bytes: number,
  block: (from: number, to: number) => readonly [type: number, content: Buffer],
): Buffer {
  const pieces: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38])];
  for (let from = 0; from < bytes || from === 0; from += ZSTD_BLOCK) {
    const to = Math.min(bytes, from + ZSTD_BLOCK);
    const [type, content] = block(from, to);
    const head = Buffer.alloc(3);
    head.writeUIntLE(((to - from) << 3) | (type << 1) | (to === bytes ? 1 : 0), 0, 3);
    pieces.push(head, content);
  }
  return Buffer.concat(pieces);
}

describe('inflate', () => {
  // Around the sizes at which the case changes.
  test.each([0, 1, 32_767, 32_768, 32_769, 200_000, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1])(
    '%i bytes are inflated',
    async (size) => {
      const plain = Buffer.concat([
        randomBytes(Math.min(size, 10_000)),
        Buffer.alloc(Math.max(0, size - 10_000), 'ab'),
      ]);
      expect((await inflated('gzip', gzipSync(plain))).equals(plain)).toBe(true);
      expect((await inflated('deflate', deflateSync(plain))).equals(plain)).toBe(true);
    },
  );

  test('any bytes, in any number of gzip members', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 }), async (parts) => {
        const wire = Buffer.concat(parts.map((part) => gzipSync(part)));
        expect(await inflated('gzip', wire)).toEqual(Buffer.concat(parts));
      }),
      { numRuns: 100 },
    );
  });

  test('a large member with a small one behind it, which declares the size', async () => {
    const wire = Buffer.concat([gzipSync(Buffer.alloc(2 * MIB)), gzipSync('end')]);
    expect(await inflated('gzip', wire)).toHaveLength(2 * MIB + 3);
    await expect(inflated('gzip', wire, MIB)).rejects.toMatchObject({ code: 'too_large' });
  });

  test.each([
    ['cut short', 'gzip', gzipSync('x'.repeat(1_000)).subarray(0, -1)],
    ['cut to its head', 'gzip', gzipSync('x').subarray(0, 12)],
    ['empty', 'gzip', Buffer.alloc(0)],
    ['empty', 'deflate', Buffer.alloc(0)],
    ['followed by text', 'gzip', Buffer.concat([gzipSync('x'), Buffer.from('tail')])],
    ['followed by text', 'deflate', Buffer.concat([deflateSync('x'), Buffer.from('tail')])],
    ['declared too small', 'gzip', declaring(3, gzipSync('x'.repeat(1_000)))],
    ['declared too large', 'gzip', declaring(2_000, gzipSync(randomBytes(1_000)))],
    ['declared impossibly large', 'gzip', declaring(0xffffffff, gzipSync('x'.repeat(1_000)))],
    ['without a head', 'deflate', deflateRawSync('x')],
    ['something else', 'gzip', Buffer.from('{"resourceLogs":[]}')],
    ['something else', 'deflate', Buffer.from('{"resourceLogs":[]}')],
  ] as const)('%s %s is refused', async (_, encoding, wire) => {
    await expect(inflated(encoding, wire)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('zeros behind the data are padding', async () => {
    expect(await inflated('gzip', Buffer.concat([gzipSync('x'), Buffer.alloc(8)]))).toEqual(Buffer.from('x'));
    expect(await inflated('deflate', Buffer.concat([deflateSync('x'), Buffer.alloc(8)]))).toEqual(Buffer.from('x'));
  });

  test.each(['gzip', 'deflate'] as const)(
    '%s over the limit by a byte is refused, at the limit it is not',
    async (encoding) => {
      const pack = encoding === 'gzip' ? gzipSync : deflateSync;
      for (const limit of [1_000, 100_000, 9 * MIB]) {
        expect(await inflated(encoding, pack(Buffer.alloc(limit)), limit)).toHaveLength(limit);
        const over = inflated(encoding, pack(Buffer.alloc(limit + 1)), limit);
        await expect(over).rejects.toMatchObject({
          code: 'too_large',
          message: expect.stringContaining('--body-bytes-max'),
        });
      }
    },
  );

  test('zstd is inflated from one frame or more up to the limit, and refused above it', async () => {
    const plain = Buffer.concat([randomBytes(5_000), Buffer.alloc(200_000, 'ab')]);
    const wire = Buffer.concat([zstdRaw(plain.subarray(0, 150_000)), zstdRaw(plain.subarray(150_000))]);
    expect((await inflated('zstd', wire)).equals(plain)).toBe(true);
    expect((await inflated('zstd', wire, plain.length)).equals(plain)).toBe(true);
    await expect(inflated('zstd', wire, plain.length - 1)).rejects.toMatchObject({ code: 'too_large' });
    expect(await inflated('zstd', zstdRepeat(LIMIT))).toHaveLength(LIMIT);
    await expect(inflated('zstd', zstdRepeat(LIMIT + 1))).rejects.toMatchObject({
      code: 'too_large',
      message: expect.stringContaining('--body-bytes-max'),
    });
    await expect(inflated('zstd', zstdRepeat(9 * MIB), LIMIT, MIB)).rejects.toMatchObject({ code: 'overloaded' });
  });

  test.each([
    ['empty', Buffer.alloc(0)],
    ['cut short', zstdRaw(Buffer.alloc(1_000)).subarray(0, -1)],
    ['something else', Buffer.from('{"records":[]}')],
    ['followed by text', Buffer.concat([zstdRaw(Buffer.alloc(10)), Buffer.from('tail')])],
  ])('zstd that is %s is refused', async (_, wire) => {
    await expect(inflated('zstd', wire)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('a body that does not fit the memory in flight is refused while it is inflated', async () => {
    for (const pack of [gzipSync(Buffer.alloc(4 * MIB)), gzipSync(Buffer.alloc(20 * MIB))]) {
      await expect(inflated('gzip', pack, LIMIT, MIB)).rejects.toMatchObject({ code: 'overloaded' });
    }
  });
});
