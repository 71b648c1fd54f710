/** Frames of read sessions: no larger than frames may be, and made once for all followers. */

import { describe, expect, test } from '@jest/globals';
import { type BatchWish, batchFrame } from '../../src/http/s2/batch-frames.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { Block } from '../../src/storage/block/block.ts';
import { header, s2Block } from '../support/socket-blocks.ts';

const FRAME_BYTES_MAX = 3 + 2 * 1024 * 1024;
const WISH = { compression: 'none', reconnectAdvised: false, isLive: false } as const;
const SMALL_HEADER = header('a', 'b');

function wishAll(block: Block, more: Partial<BatchWish> = {}): BatchWish {
  return { ...WISH, from: 0, to: block.header.count, tail: undefined, ...more };
}

describe('sizes', () => {
  test('headers of two bytes take twice as many: the records are spread over frames, each once', async () => {
    // 1000 records of 1 MiB together, as metered.
    const headers = Array.from({ length: 260 }, () => SMALL_HEADER);
    const firstSeq = 2 ** 45;
    const block = await s2Block(Array(1_000).fill({ headers }), firstSeq);
    const ends: number[] = [];
    for (let from = 0; from < 1_000; ) {
      const frame = batchFrame(block, wishAll(block, { from }));
      const bytes = await frame.bytes;
      expect(bytes.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
      expect(bytes.readUIntBE(0, 3)).toBe(bytes.length - 3);
      expect(frame.end).toBeGreaterThan(from);
      from = frame.end;
      ends.push(from);
    }
    expect(ends.at(-1)).toBe(1_000);
    expect(ends.length).toBeGreaterThan(1);
  });

  test('a record that fits into no frame says which one it is', async () => {
    const headers = Array.from({ length: 262_142 }, () => SMALL_HEADER);
    const firstSeq = 2 ** 45;
    const block = await s2Block([{ headers }], firstSeq);
    const failure = await Promise.resolve()
      .then(() => batchFrame(block, wishAll(block)))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TailraceError);
    expect(failure).toMatchObject({ code: 'invalid', message: expect.stringContaining(`record ${firstSeq} `) });
  });
});

describe('sharing', () => {
  test('followers get the very same bytes, for the same wish only', async () => {
    const block = await s2Block([{ body: 'a' }, { body: 'b' }]);
    const tail = { seqNum: 2, timestamp: 5 };
    const live = wishAll(block, { isLive: true, tail });
    const first = batchFrame(block, live);
    expect(batchFrame(block, live)).toBe(first);
    expect(batchFrame(block, { ...live, from: 1 })).not.toBe(first);
    expect(batchFrame(block, { ...live, tail: undefined })).not.toBe(first);
    const advised = await batchFrame(block, { ...live, reconnectAdvised: true }).bytes;
    expect([(await first.bytes)[3], advised[3]]).toEqual([0, 0x10]);
    expect(batchFrame(block, { ...live, compression: 'gzip' })).not.toBe(first);
    expect(batchFrame(block, { ...live, isLive: false })).not.toBe(first);
  });
});
