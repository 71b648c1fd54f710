/** zstd as other programs write it: what comes out, and what is refused. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { zstdDecompress } from '../../src/encoding/zstd/decompress.ts';
import { TailraceError } from '../../src/model/error.ts';

const MiB = 1024 * 1024;
/** Made with the zstd command line tool 1.5. */
const FIXTURES: readonly { name: string; plain: string; zstd: string }[] = JSON.parse(
  readFileSync(new URL('../fixtures/zstd.json', import.meta.url), 'utf8'),
);
/** The same at all sorts of levels, of texts that `made` makes: compressed blocks of every kind are among them. */
const MADE: readonly (Recipe & { readonly zstd: string })[] = JSON.parse(
  readFileSync(new URL('../fixtures/zstd-made.json', import.meta.url), 'utf8'),
);
const MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const RAW = 0;
const RLE = 1;
const COMPRESSED = 2;

describe('what the zstd tool made', () => {
  test.each(FIXTURES)('the fixture "$name" is decompressed', async ({ plain, zstd }) => {
    expect((await zstdDecompress(Buffer.from(zstd, 'base64'), MiB)).equals(plainOf(plain))).toBe(true);
  });

  test.each(MADE)('the made text $seed of $length bytes is decompressed', async ({ zstd, ...recipe }) => {
    const plain = made(recipe);
    expect((await zstdDecompress(Buffer.from(zstd, 'base64'), plain.length)).equals(plain)).toBe(true);
  });

  test('several frames are one text, and what may be skipped is', async () => {
    const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const frames = [fixture(0), skippable, fixture(4), fixture(1)];
    const plain = Buffer.concat([lines(), plainOf('zeros'), lines()]);
    expect((await zstdDecompress(Buffer.concat(frames), MiB)).equals(plain)).toBe(true);
  });

  test('bytes within a larger buffer are decompressed', async () => {
    const around = Buffer.concat([Buffer.alloc(5, 0xff), fixture(0), Buffer.alloc(5, 0xff)]);
    expect((await zstdDecompress(around.subarray(5, -5), MiB)).equals(lines())).toBe(true);
  });
});

describe('limits', () => {
  test.each(FIXTURES.filter(({ plain }) => plain !== 'nothing'))(
    'the fixture "$name" is decompressed with its size as the limit, and refused with less',
    async (entry) => {
      const bytes = Buffer.from(entry.zstd, 'base64');
      const { length } = plainOf(entry.plain);
      expect((await zstdDecompress(bytes, length)).length).toBe(length);
      expect(await codeOf(() => zstdDecompress(bytes, length - 1))).toBe('too_large');
    },
  );

  test('a bomb costs no more than what is allowed', async () => {
    const blocks = Array.from({ length: 100_000 }, (_, i) => block(RLE, 128 * 1024, i === 99_999, [7]));
    const bomb = Buffer.concat([MAGIC, Buffer.from([0, 0x38]), ...blocks]);
    const before = process.memoryUsage().arrayBuffers;
    expect(await codeOf(() => zstdDecompress(bomb, MiB))).toBe('too_large');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MiB);
  });

  test('copies that pass what a block may hold are not begun: a few kilobytes cannot ask for minutes of work', async () => {
    // One literal, then sequences by single-symbol tables: no literals, the last offset, copies of up to 128 KiB.
    const sequences = 65_000;
    const head = [8, 7, 255, (sequences - 0x7f00) & 255, (sequences - 0x7f00) >> 8, 0x54, 0, 0, 52];
    const content = [...head, ...Array<number>(2 * 40_000).fill(255), 1];
    const frame = Buffer.concat([MAGIC, Buffer.from([0, 0x38]), block(COMPRESSED, content.length, true, content)]);
    expect(await codeOf(() => zstdDecompress(frame, 64 * MiB))).toBe('bad_frame');
  });

  test('windows and sizes that are only declared take no memory', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const largeWindow = Buffer.concat([MAGIC, Buffer.from([0, 0xff]), block(RAW, 3, true, [1, 2, 3])]);
    expect([...(await zstdDecompress(largeWindow, MiB))]).toEqual([1, 2, 3]);
    const declaresMuch = Buffer.concat([MAGIC, Buffer.from([0xe0, ...Array(8).fill(0xff)]), block(RAW, 1, true, [1])]);
    expect(await codeOf(() => zstdDecompress(declaresMuch, MiB))).toBe('too_large');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MiB);
  });

  test.each([
    ['more', 2],
    ['less', 4],
  ])('a frame that holds %s than it declares is damaged', async (_, declared) => {
    const frame = Buffer.concat([MAGIC, Buffer.from([0x20, declared]), block(RAW, 3, true, [1, 2, 3])]);
    expect(await codeOf(() => zstdDecompress(frame, MiB))).toBe('bad_frame');
  });
});

describe('data that is not zstd', () => {
  test('every beginning of a frame ends too early', async () => {
    for (const index of [0, 1, 2]) {
      const whole = fixture(index);
      for (let length = 0; length < whole.length; length++) {
        expect(await codeOf(() => zstdDecompress(whole.subarray(0, length), MiB))).toBe('bad_frame');
      }
    }
  });

  test.each([
    ['another magic', Buffer.from('this is no zstd at all')],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ['a reserved bit', Buffer.concat([MAGIC, Buffer.from([0x08, 0x38]), block(RAW, 1, true, [1])])],
    ['a reserved type of block', Buffer.concat([MAGIC, Buffer.from([0, 0x38]), block(3, 1, true, [1])])],
    ['a block of more than 128 KiB', Buffer.concat([MAGIC, Buffer.from([0, 0x38]), block(RLE, 131_073, true, [1])])],
    ['a dictionary', Buffer.concat([MAGIC, Buffer.from([1, 0x38, 9]), block(RAW, 1, true, [1])])],
    ['only what may be skipped', Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0])],
    ['something after the frame', Buffer.concat([fixture(0), Buffer.from('after it')])],
  ])('%s is refused', async (_, bytes) => {
    expect(await codeOf(() => zstdDecompress(bytes, MiB))).toBe('bad_frame');
  });

  test('damaged bytes never do more than fail', async () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    for (const { zstd } of [...FIXTURES.slice(0, 3), ...MADE]) {
      for (let round = 0; round < 60; round++) {
        const bytes = Buffer.from(zstd, 'base64');
        for (let change = 0; change <= random(3); change++) bytes[random(bytes.length)] = random(256);
        expect([undefined, 'bad_frame', 'too_large']).toContain(await codeOf(() => zstdDecompress(bytes, 600_000)));
      }
    }
  });
});

async function codeOf(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError) return error.code;
    throw error;
  }
}

function fixture(index: number): Buffer {
  return Buffer.from(FIXTURES[index]?.zstd ?? '', 'base64');
}

function block(type: number, size: number, last: boolean, content: readonly number[]): Buffer {
  const head = Buffer.alloc(3);
  head.writeUIntLE((size << 3) | (type << 1) | (last ? 1 : 0), 0, 3);
  return Buffer.concat([head, Buffer.from(content)]);
}

/** What the fixtures were made of. */
function plainOf(name: string): Buffer {
  if (name === 'lines') return lines();
  if (name === 'lines120') return Buffer.concat(Array.from({ length: 120 }, lines));
  if (name === 'zeros') return Buffer.alloc(300_000);
  return name === 'noise' ? noise() : Buffer.alloc(0);
}

function lines(): Buffer {
  const levels = ['info', 'warn', 'error'];
  const line = (_: unknown, i: number): string =>
    `{"ts":${1_700_000_000_000 + i * 37},"level":"${levels[i % 3]}","msg":"request ${(i * 7_919) % 1_000} took ${(i * 31) % 97} ms"}\n`;
  return Buffer.from(Array.from({ length: 60 }, line).join(''));
}

interface Recipe {
  readonly seed: number;
  readonly length: number;
  readonly symbols: number;
  /** Of a hundred steps, those that copy what is there. */
  readonly copyShare: number;
}

function made({ seed: start, length, symbols, copyShare }: Recipe): Buffer {
  let seed = start;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    if (at <= 8 || random(100) >= copyShare) {
      bytes[at++] = Math.min(random(symbols), random(symbols));
      continue;
    }
    const distance = 1 + random(at);
    const end = Math.min(length, at + 3 + random(copyShare > 99 ? 4_000 : 60));
    for (; at < end; at++) bytes[at] = bytes[at - distance] ?? 0;
  }
  return bytes;
}

function noise(): Buffer {
  let x = 12_345;
  return Buffer.from(
    Array.from({ length: 1_000 }, () => {
      x = (x * 1_103_515_245 + 12_345) % 2_147_483_648;
      return (x >>> 16) & 255;
    }),
  );
}
