/** s2s frames, cut anywhere: they decode as they were sent, and garbage is refused without harm. */

import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import {
  FRAME_BODY_BYTES_MAX,
  FRAME_HEAD_BYTES,
  messageOf,
  type S2sFrame,
  sealCompressed,
  sealFrame,
} from '../../src/s2/frame.ts';
import { FrameReader } from '../../src/s2/frame-reader.ts';
import fc from '../support/fast-check.ts';

const bodies = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 3_000, size: 'max' })), {
  maxLength: 12,
});

/** Cuts bytes into chunks of these sizes, repeated. */
function chunked(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + (sizes[turn % sizes.length] ?? 1);
    // Copies, so that no code can read beyond a chunk.
    chunks.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  return chunks;
}

function frameOf(body: Uint8Array, advised = false): Buffer {
  return sealFrame(Buffer.concat([Buffer.alloc(FRAME_HEAD_BYTES), body]), advised);
}

function framesIn(chunks: readonly Buffer[]): S2sFrame[] {
  const reader = new FrameReader();
  const frames: S2sFrame[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  reader.end();
  return frames;
}

describe('frames', () => {
  test('decode as they were encoded, however they are cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(bodies, sizes, fc.boolean(), (sent, cut, advised) => {
        const wire = Buffer.concat(sent.map((body) => frameOf(body, advised)));
        const frames = framesIn(chunked(wire, cut));
        expect(frames.map(({ flag }) => flag)).toEqual(sent.map(() => (advised ? 0x10 : 0)));
        expect(frames.map(({ body }) => body.toString('hex'))).toEqual(
          sent.map((body) => Buffer.from(body).toString('hex')),
        );
      }),
    );
  });

  test('are views of a chunk that holds all of them', () => {
    const wire = Buffer.concat([frameOf(Buffer.from('one')), frameOf(Buffer.from('two'))]);
    for (const { body } of framesIn([wire])) expect(body.buffer).toBe(wire.buffer);
  });

  test('that are incomplete are truncated, at any byte', () => {
    const wire = frameOf(Buffer.from('a frame'));
    for (let length = 1; length < wire.length; length++) {
      expect(codeOf(() => framesIn([wire.subarray(0, length)]))).toBe('bad_frame');
    }
  });

  test('of garbage are refused or read, and cause no other error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (garbage, size) => {
        expect([undefined, 'bad_frame']).toContain(codeOf(() => framesIn(chunked(Buffer.from(garbage), [size]))));
      }),
    );
  });

  test('have 2 MiB at most, and one more byte is refused as soon as the length is read', () => {
    const longest = frameOf(Buffer.alloc(FRAME_BODY_BYTES_MAX));
    expect(longest.readUIntBE(0, 3)).toBe(2_097_152);
    expect(framesIn(chunked(longest, [16_384]))[0]?.body.length).toBe(FRAME_BODY_BYTES_MAX);
    const reader = new FrameReader();
    reader.push(Buffer.from([0x20, 0x00, 0x01]));
    expect(codeOf(() => reader.next())).toBe('bad_frame');
  });
});

describe('messages', () => {
  test('are the same after any compression', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5_000, size: 'max' }), fc.boolean(), async (body, repeated) => {
        const plain = repeated ? Buffer.concat(Array.from({ length: 30 }, () => body)) : Buffer.from(body);
        const sealed = await sealCompressed(Buffer.concat([Buffer.alloc(FRAME_HEAD_BYTES), plain]), false);
        const [frame] = framesIn([sealed]);
        expect(frame).toBeDefined();
        if (frame === undefined) return;
        expect((await messageOf(frame)).equals(plain)).toBe(true);
        expect(sealed.length).toBeLessThanOrEqual(plain.length + FRAME_HEAD_BYTES);
        if (plain.length < 1_024) expect(frame.flag).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test('that are large are compressed and decompressed in another thread with the same result', async () => {
    const plain = Buffer.alloc(FRAME_BODY_BYTES_MAX, 'a large batch of records, ');
    const sealed = await sealCompressed(Buffer.concat([Buffer.alloc(FRAME_HEAD_BYTES), plain]), true);
    expect(sealed[3]).toBe(0x50);
    expect(gunzipSync(sealed.subarray(FRAME_HEAD_BYTES)).equals(plain)).toBe(true);
    const packed = gzipSync(plain, { level: 0 });
    expect((await messageOf({ flag: 0x40, body: packed })).equals(plain)).toBe(true);
  });

  test.each([
    ['a terminal frame', 0x80, Buffer.from([0, 200])],
    ['both compressions', 0x60, Buffer.alloc(0)],
    ['invalid gzip', 0x40, Buffer.from('this is not gzip')],
    ['gzip that ends early', 0x40, gzipSync('some text').subarray(0, -9)],
    ['invalid zstd', 0x20, Buffer.from('this is not zstd')],
    ['a gzip bomb', 0x40, gzipSync(Buffer.alloc(2_097_152))],
    ['a large gzip bomb', 0x40, gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 1 })],
    ['large invalid gzip', 0x40, Buffer.alloc(100_000, 7)],
  ])('are refused: %s', async (_, flag, body) => {
    expect(await codeOfPromise(async () => messageOf({ flag, body }))).toBe('bad_frame');
  });

  test('may have exactly the allowed size after decompression', async () => {
    const body = gzipSync(Buffer.alloc(FRAME_BODY_BYTES_MAX));
    expect((await messageOf({ flag: 0x40, body })).length).toBe(FRAME_BODY_BYTES_MAX);
  });

  test('with reserved bits, or advice from a client, are accepted', async () => {
    expect(String(await messageOf({ flag: 0x1f, body: Buffer.from('body') }))).toBe('body');
  });
});

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError) return error.code;
    throw error;
  }
}

async function codeOfPromise(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError) return error.code;
    throw error;
  }
}
