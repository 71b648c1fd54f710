/** Frames of read sessions: no larger than frames may be, and made once for all followers. */

import { describe, expect, test } from '@jest/globals';
import { BufferPool } from '../../src/encoding/buffer-pool.ts';
import { type FrameForm, sessionEncoder } from '../../src/http/s2/session-frames.ts';
import { TailraceError } from '../../src/model/error.ts';
import { FrameCache } from '../../src/readers/frame-cache.ts';
import type { Batch, Encoded } from '../../src/readers/wire.ts';
import type { Block } from '../../src/storage/block/block.ts';
import { decodeBatch } from '../support/s2s-client.ts';
import { header, s2Block } from '../support/socket-blocks.ts';

const FRAME_BYTES_MAX = 3 + 2 * 1024 * 1024;
const FORM: FrameForm = { compression: 'none', reconnectAdvised: false };
const SMALL_HEADER = header('a', 'b');

function batchOf(blocks: readonly Block[], more: Partial<Batch> = {}): Batch {
  const parts = blocks.map((block) => ({ block, from: 0, to: block.header.count }));
  return { parts, tail: undefined, isShared: false, ...more };
}

function bytesOf({ frames }: Encoded): readonly Buffer[] {
  return frames.map(({ bytes }) => Buffer.from(bytes as Uint8Array));
}

describe('sizes', () => {
  test('headers of two bytes take twice as many: the records are spread over frames, each once', async () => {
    // 1000 records of 1 MiB together, as metered.
    const headers = Array.from({ length: 260 }, () => SMALL_HEADER);
    const firstSeq = 2 ** 45;
    const blocks = [
      await s2Block(Array(600).fill({ headers }), firstSeq),
      await s2Block(Array(400).fill({ headers }), firstSeq + 600),
    ];
    const tail = { seqNum: firstSeq + 1_000, timestamp: 7 };
    const encoded = await sessionEncoder(FORM).encode(batchOf(blocks, { tail }), new BufferPool());
    const frames = bytesOf(encoded);
    for (const bytes of frames) {
      expect(bytes.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
      expect(bytes.readUIntBE(0, 3)).toBe(bytes.length - 3);
    }
    const batches = frames.map((bytes) => decodeBatch(bytes.subarray(4)));
    expect(batches.flatMap(({ records }) => records.map(({ seqNum }) => seqNum - firstSeq))).toEqual(
      Array.from({ length: 1_000 }, (_, i) => i),
    );
    expect(frames.length).toBeGreaterThan(1);
    expect(batches.map((batch) => batch.tail?.seqNum)).toEqual([
      ...Array(frames.length - 1).fill(undefined),
      firstSeq + 1_000,
    ]);
    expect(encoded.failure).toBeUndefined();
  });

  test('a record that fits into no frame says which one it is, after the frames of those before it', async () => {
    const headers = Array.from({ length: 262_142 }, () => SMALL_HEADER);
    const firstSeq = 2 ** 45;
    const blocks = [await s2Block([{ body: 'fits' }], firstSeq - 1), await s2Block([{ headers }], firstSeq)];
    const encoded = await sessionEncoder(FORM).encode(batchOf(blocks));
    expect(encoded.failure).toBeInstanceOf(TailraceError);
    expect(encoded.failure).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(`record ${firstSeq} `),
    });
    expect(bytesOf(encoded).map((bytes) => decodeBatch(bytes.subarray(4)).records.length)).toEqual([1]);
  });
});

describe('sharing', () => {
  test('followers get the very same bytes, for the same batch in the same form only', async () => {
    const cache = new FrameCache(new BufferPool());
    const block = await s2Block([{ body: 'a' }, { body: 'b' }]);
    const tail = { seqNum: 2, timestamp: 5 };
    const live = batchOf([block], { isShared: true, tail });
    const made = (batch: Batch, form: Partial<FrameForm> = {}) =>
      cache.encoded(sessionEncoder({ ...FORM, ...form }), batch);
    const first = made(live);
    expect(made(live)).toBe(first);
    expect(made({ ...live, parts: [{ block, from: 1, to: 2 }] })).not.toBe(first);
    expect(made({ ...live, tail: undefined })).not.toBe(first);
    const advised = await made(live, { reconnectAdvised: true });
    expect([bytesOf(await first)[0]?.[3], bytesOf(advised)[0]?.[3]]).toEqual([0, 0x10]);
    expect(made(live, { compression: 'gzip' })).not.toBe(first);
    expect(made({ ...live, isShared: false })).not.toBe(first);
  });
});
