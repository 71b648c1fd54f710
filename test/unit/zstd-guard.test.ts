/** What zstd may cost: blocks, windows, memory and turns of the event loop, and what is refused for it. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { zstdDecompress } from '../../src/encoding/zstd/decompress.ts';
import { guardZstd } from '../../src/encoding/zstd/guard.ts';
import { decompressInWasm } from '../../src/encoding/zstd/wasm.ts';
import { TailraceError } from '../../src/model/error.ts';
import { YIELD_BYTES, ZSTD_BLOCK_PLAIN_BYTES_MIN, ZSTD_BLOCKS_MIN } from '../../src/model/limits.ts';
import fc from '../support/fast-check.ts';

const MiB = 1024 * 1024;
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const RAW = 0;
const RLE = 1;
const COMPRESSED = 2;
const FIXTURES: readonly { plain: string; zstd: string }[] = JSON.parse(
  readFileSync(new URL('../fixtures/zstd.json', import.meta.url), 'utf8'),
);
/** Lines of JSON in compressed blocks, with a checksum. */
const LINES = Buffer.from(FIXTURES[0]?.zstd ?? '', 'base64');
const SKIPPABLE = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);

describe('blocks', () => {
  const bytesMax = 512 * 1024;
  const most = ZSTD_BLOCKS_MIN + bytesMax / ZSTD_BLOCK_PLAIN_BYTES_MIN;

  test('a body may have as many empty blocks as are allowed, and not one more', async () => {
    expect(await zstdDecompress(emptyBlocks(most), bytesMax)).toHaveLength(0);
    expect(await faultOf(zstdDecompress(emptyBlocks(most + 1), bytesMax))).toBe('bad_frame');
  });

  test('the blocks of all frames count, and so does each frame to skip', async () => {
    const whole = [emptyBlocks(most - 2), SKIPPABLE, frameOf([0x20, 1], RAW, 1, [7])];
    expect([...(await zstdDecompress(Buffer.concat(whole), bytesMax))]).toEqual([7]);
    expect(await faultOf(zstdDecompress(Buffer.concat([...whole, SKIPPABLE]), bytesMax))).toBe('bad_frame');
    expect(await faultOf(zstdDecompress(Buffer.concat([...whole, emptyBlocks(1)]), bytesMax))).toBe('bad_frame');
  });

  test('a body of 64 MiB may be flushed after each of 100,000 records', () => {
    expect(guardZstd(emptyBlocks(100_001), 64 * MiB).frames).toHaveLength(1);
  });
});

describe('sizes', () => {
  test('a body of repeated bytes is decompressed at the limit, and refused above it', async () => {
    expect(await zstdDecompress(repeated(64 * MiB), 64 * MiB)).toHaveLength(64 * MiB);
    expect(await faultOf(zstdDecompress(repeated(64 * MiB + 1), 64 * MiB))).toBe('too_large');
  });

  test('several frames have one limit together', async () => {
    const two = Buffer.concat([LINES, LINES]);
    const { length } = await zstdDecompress(LINES, MiB);
    expect(await zstdDecompress(two, 2 * length)).toHaveLength(2 * length);
    expect(await faultOf(zstdDecompress(two, 2 * length - 1))).toBe('too_large');
  });

  test('memory is reserved for what the frames can hold and for the window, before anything is decompressed', async () => {
    const reserved: number[] = [];
    await zstdDecompress(repeated(300_000), MiB, (bytes) => reserved.push(bytes));
    expect(reserved).toEqual([300_000 + 128 * 1024]);
    const refusal = new TailraceError('overloaded', 'not now');
    const refused = zstdDecompress(LINES, MiB, () => {
      throw refusal;
    });
    await expect(refused).rejects.toBe(refusal);
  });

  test.each([
    ['of almost 4 TiB for 1 kB', 0xff, 1_000, 128 * 1024],
    ['of 1 KiB for 1 kB', 0, 1_000, 128 * 1024],
    ['of 208 KiB for 1 MiB', 0x3d, MiB, 256 * 1024],
    ['of 64 MiB for 1 MiB', 0x80, MiB, MiB],
    ['of 64 MiB for 64 MiB', 0x80, 64 * MiB, 64 * MiB],
  ])('a window %s becomes the smallest that is enough', (_, descriptor, bytes, windowBytes) => {
    expect(guardZstd(repeated(bytes, descriptor), 64 * MiB).windowBytes).toBe(windowBytes);
  });

  test('a frame that refers back by more than 128 MiB is refused', () => {
    expect(() => guardZstd(repeated(129 * MiB, 0x90), 1024 * MiB)).toThrow(
      expect.objectContaining({ code: 'bad_frame' }),
    );
  });
});

describe('damage', () => {
  test('a small frame that is cut at any byte is refused', async () => {
    for (let length = 0; length < LINES.length; length++) {
      expect(await faultOf(zstdDecompress(LINES.subarray(0, length), MiB))).toBe('bad_frame');
    }
  });

  test('a compressed block that is too short for what it must have is refused', async () => {
    for (const length of [0, 1]) {
      expect(await faultOf(zstdDecompress(frameOf([0, 0x38], COMPRESSED, length, [0].slice(0, length)), MiB))).toBe(
        'bad_frame',
      );
    }
  });

  test('a wrong content checksum is refused', async () => {
    const damaged = Buffer.from(LINES);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    expect(await faultOf(zstdDecompress(damaged, MiB))).toBe('bad_frame');
  });

  test('bytes that were changed, left out or put in are decompressed or refused, and the next body is whole', async () => {
    const sources = FIXTURES.map(({ zstd }) => Buffer.from(zstd, 'base64')).filter(({ length }) => length > 0);
    const plain = await zstdDecompress(LINES, MiB);
    const edit = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sources),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        async (source, edits) => {
          const mutated = edits.reduce((bytes, { at, remove, insert }) => {
            const from = at % (bytes.length + 1);
            return Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)]);
          }, source);
          expect([undefined, 'bad_frame', 'too_large']).toContain(await faultOf(zstdDecompress(mutated, 600_000)));
        },
      ),
      { numRuns: 300 },
    );
    expect((await zstdDecompress(LINES, MiB)).equals(plain)).toBe(true);
  });

  test('any blocks in a frame that is well-formed are decompressed or refused', async () => {
    const blocks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(blocks, async (contents) => {
        const frame = Buffer.concat([
          Buffer.from([...MAGIC, 0, 0x38]),
          ...contents.map((bytes, i) => block(COMPRESSED, bytes.length, i === contents.length - 1, [...bytes])),
        ]);
        expect([undefined, 'bad_frame']).toContain(await faultOf(zstdDecompress(frame, MiB)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('turns of the event loop', () => {
  test('of 64 bodies that come at once no two are decompressed in one turn', async () => {
    const turns = countTurns();
    const bodies = Array.from({ length: 64 }, () => zstdDecompress(LINES, MiB).then(() => turns.count));
    let served = 0;
    // Stands for another request, which needs a few turns of its own.
    const other = (async () => {
      for (let step = 0; step < 10; step++) await turn();
      served = turns.count;
    })();
    const endedIn = await Promise.all(bodies);
    await other;
    turns.stop();
    expect(new Set(endedIn).size).toBe(64);
    expect(endedIn).toEqual([...endedIn].sort((a, b) => a - b));
    expect(served).toBeLessThan(endedIn.at(-1) ?? 0);
  });

  test('a large body lets others run after each step', async () => {
    const body = guardZstd(repeated(16 * MiB), 64 * MiB);
    const turns = countTurns();
    const pieces = new Map<number, number>();
    await decompressInWasm(body, ({ length }) => {
      pieces.set(turns.count, (pieces.get(turns.count) ?? 0) + length);
    });
    turns.stop();
    expect(Math.max(...pieces.values())).toBeLessThanOrEqual(2 * YIELD_BYTES);
    expect(pieces.size).toBeGreaterThanOrEqual(8);
  });

  test('a body that fails, and one that is never waited for, do not stop those after them', async () => {
    const failing = zstdDecompress(Buffer.from('no zstd'), MiB);
    const next = zstdDecompress(LINES, MiB);
    expect(await faultOf(failing)).toBe('bad_frame');
    expect((await next).length).toBeGreaterThan(0);
  });
});

describe('memory of WebAssembly, of which there are 2 GiB at most', () => {
  /** Literals: one byte, repeated once; no sequences. It could have become 128 KiB. */
  const small = (isLast: boolean): Buffer => block(COMPRESSED, 3, isLast, [9, 7, 0]);

  test('is given back after each body with a window of 64 MiB', async () => {
    const blocks = Array.from({ length: 512 }, (_, i) => small(i === 511));
    const body = guardZstd(Buffer.concat([Buffer.from([...MAGIC, 0, 0x80]), ...blocks]), 64 * MiB);
    expect(body.windowBytes).toBe(64 * MiB);
    for (let round = 0; round < 40; round++) {
      let bytes = 0;
      await decompressInWasm(body, (piece) => {
        bytes += piece.length;
      });
      expect(bytes).toBe(512);
    }
  });

  test('is given back after each body that is damaged', async () => {
    const blocks = Array.from({ length: 64 }, () => small(false));
    const damaged = block(COMPRESSED, 3, true, [0xff, 0xff, 0xff]);
    const body = guardZstd(Buffer.concat([Buffer.from([...MAGIC, 0, 0x68]), ...blocks, damaged]), 64 * MiB);
    expect(body.windowBytes).toBe(8 * MiB);
    for (let round = 0; round < 300; round++) {
      expect(await faultOf(decompressInWasm(body, () => {}))).toBe('bad_frame');
    }
  });
});

/** A frame of this many empty blocks. */
function emptyBlocks(count: number): Buffer {
  const frame = Buffer.alloc(6 + 3 * count);
  frame.set([...MAGIC, 0, 0x38]);
  frame[frame.length - 3] = 1;
  return frame;
}

/** A frame of a few bytes that becomes many. */
function repeated(bytes: number, windowDescriptor = 0x38): Buffer {
  const blocks: Buffer[] = [];
  for (let from = 0; from < bytes; from += 131_072) {
    const size = Math.min(131_072, bytes - from);
    blocks.push(block(RLE, size, from + size === bytes, [7]));
  }
  return Buffer.concat([Buffer.from([...MAGIC, 0, windowDescriptor]), ...blocks]);
}

function frameOf(head: readonly number[], type: number, size: number, content: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from([...MAGIC, ...head]), block(type, size, true, content)]);
}

function block(type: number, size: number, isLast: boolean, content: readonly number[]): Buffer {
  const head = Buffer.alloc(3);
  head.writeUIntLE((size << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return Buffer.concat([head, Buffer.from(content)]);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Counts the turns of the event loop until it is stopped. */
function countTurns(): { count: number; stop(): void } {
  let isOver = false;
  const turns = {
    count: 0,
    stop: () => {
      isOver = true;
    },
  };
  const next = (): void => {
    turns.count++;
    if (!isOver) setImmediate(next);
  };
  setImmediate(next);
  return turns;
}

async function faultOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError) return error.code;
    throw error;
  }
}
