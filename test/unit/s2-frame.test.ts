/** s2s frames as bytes that never change, and which compression a client gets. */

import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { FRAME_HEAD_BYTES, frameCompression, sealCompressed, sealFrame, terminalFrame } from '../../src/s2/frame.ts';

describe('the bytes of a frame', () => {
  test.each([
    ['a body', 'abc', false, '00000400616263'],
    ['no body', '', false, '00000100'],
    ['a body with advice', 'abc', true, '00000410616263'],
  ])('are frozen: %s', (_, body, advised, hex) => {
    expect(sealFrame(freeBefore(Buffer.from(body)), advised).toString('hex')).toBe(hex);
  });

  test('count flag and body in three length bytes', () => {
    expect(
      sealFrame(freeBefore(Buffer.alloc(0x12_34_55)), false)
        .subarray(0, 4)
        .toString('hex'),
    ).toBe('12345600');
  });

  test('hold the status in two bytes and then JSON when the frame is terminal', () => {
    const frame = terminalFrame(412, '{"seq_num_mismatch":7}');
    expect(frame.toString('hex')).toBe(`00001980019c${Buffer.from('{"seq_num_mismatch":7}').toString('hex')}`);
    expect(terminalFrame(503, '"ü"').toString('hex')).toBe('0000078001f722c3bc22');
  });

  test('are compressed on request from a body of 1 KiB on', async () => {
    const small = await sealCompressed(freeBefore(Buffer.alloc(1_023, 'x')), false);
    expect(small.subarray(0, 4).toString('hex')).toBe('00040000');
    const large = await sealCompressed(freeBefore(Buffer.alloc(1_024, 'x')), true);
    expect(large[3]).toBe(0x50);
    expect(large.readUIntBE(0, 3)).toBe(large.length - 3);
    expect(gunzipSync(large.subarray(FRAME_HEAD_BYTES)).equals(Buffer.alloc(1_024, 'x'))).toBe(true);
  });
});

describe('the compression for Accept-Encoding', () => {
  test.each([
    [undefined, 'none'],
    ['', 'none'],
    ['gzip', 'gzip'],
    ['GZip', 'gzip'],
    ['deflate, gzip', 'gzip'],
    ['gzip;q=0', 'none'],
    ['gzip; q=0.000', 'none'],
    ['gzip;q=0.1, br', 'gzip'],
    ['gzip;q=0, gzip', 'gzip'],
    ['zstd', 'none'],
    ['zstd, gzip', 'gzip'],
    ['*', 'none'],
    ['identity', 'none'],
  ])('%s is %s', (header, compression) => {
    expect(frameCompression(header)).toBe(compression);
  });
});

function freeBefore(body: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(FRAME_HEAD_BYTES), body]);
}
