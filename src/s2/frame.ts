/**
 * The frames of s2s sessions (s2.dev/docs/api/protocol): how they are written, and what a received one holds.
 *
 *   3 bytes  length of flag and body, big-endian: 1 … 2 MiB
 *   1 byte   flag: 7 terminal, 6–5 compression, 4 reconnect advised, 3–0 nothing yet
 *   body     a protobuf message; of a terminal frame the HTTP status in 2 bytes, then JSON
 */

import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { zstdDecompress } from '../encoding/zstd/decompress.ts';
import { TailraceError } from '../model/error.ts';

/** Bytes before the body. */
export const FRAME_HEAD_BYTES = 4;
/** Most bytes of a body, compressed and plain. */
export const FRAME_BODY_BYTES_MAX = 2 * 1024 * 1024 - 1;

/** Smaller bodies are never compressed. */
const COMPRESSED_BYTES_MIN = 1_024;
/** Smaller bodies are compressed and decompressed at once: a round trip to another thread takes longer. */
const SYNC_BYTES_MAX = 32 * 1024;
const LENGTH_BYTES = 3;
const STATUS_BYTES = 2;
/** Higher levels compress hardly better, and take several times as long. */
const GZIP_LEVEL = 1;

const TERMINAL = 0x80;
const COMPRESSION = 0x60;
const ZSTD = 0x20;
const GZIP = 0x40;
const RECONNECT_ADVISED = 0x10;

const gzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip);
const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip);

/** How bodies that we send are compressed. zstd is only read. */
export type FrameCompression = 'none' | 'gzip';

/** A frame as it was received. */
export interface S2sFrame {
  readonly flag: number;
  /** As it was received: perhaps compressed, perhaps a view of a larger buffer. */
  readonly body: Buffer;
}

/**
 * The first of the codings that a client accepts and that we can write. Weights don't reorder; `q=0` forbids.
 */
export function frameCompression(acceptEncoding: string | undefined): FrameCompression {
  const takes = (acceptEncoding ?? '').split(',').some((entry) => {
    const [coding = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    return coding === 'gzip' && !parameters.some((parameter) => /^q\s*=\s*0(\.0*)?$/.test(parameter));
  });
  return takes ? 'gzip' : 'none';
}

/** Fills in the head of a regular frame whose body is in place already, after `FRAME_HEAD_BYTES` free bytes. */
export function sealFrame(frame: Buffer, reconnectAdvised: boolean): Buffer {
  return withHead(frame, reconnectAdvised ? RECONNECT_ADVISED : 0);
}

/** Regular frames of small messages, one after the other. */
export function framesOf(messages: readonly Uint8Array[], reconnectAdvised: boolean): Buffer {
  const total = messages.reduce((sum, { length }) => sum + FRAME_HEAD_BYTES + length, 0);
  const frames = Buffer.allocUnsafe(total);
  let at = 0;
  for (const message of messages) {
    const end = at + FRAME_HEAD_BYTES + message.length;
    frames.set(message, at + FRAME_HEAD_BYTES);
    sealFrame(frames.subarray(at, end), reconnectAdvised);
    at = end;
  }
  return frames;
}

/** The same as `sealFrame`, for a body that may be worth compressing. The caller must not use `frame` afterwards. */
export function sealCompressed(frame: Buffer, reconnectAdvised: boolean): Buffer | Promise<Buffer> {
  const body = frame.subarray(FRAME_HEAD_BYTES);
  if (body.length < COMPRESSED_BYTES_MIN) return sealFrame(frame, reconnectAdvised);
  const seal = (packed: Buffer): Buffer => {
    if (packed.length >= body.length) return sealFrame(frame, reconnectAdvised);
    const sealed = Buffer.allocUnsafe(FRAME_HEAD_BYTES + packed.length);
    sealed.set(packed, FRAME_HEAD_BYTES);
    return withHead(sealed, GZIP | (reconnectAdvised ? RECONNECT_ADVISED : 0));
  };
  const options = { level: GZIP_LEVEL };
  return body.length <= SYNC_BYTES_MAX ? seal(zlib.gzipSync(body, options)) : gzip(body, options).then(seal);
}

/** The last frame of a session that failed. */
export function terminalFrame(status: number, json: string): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + STATUS_BYTES + Buffer.byteLength(json));
  frame.writeUInt16BE(status, FRAME_HEAD_BYTES);
  frame.write(json, FRAME_HEAD_BYTES + STATUS_BYTES);
  return withHead(frame, TERMINAL);
}

/**
 * The plain message of a frame that a client sent; a promise when it has to be decompressed elsewhere or in turns. The
 * frame must not change until then.
 * @throws TailraceError `bad_frame` when no client may send such a frame, or it cannot be decompressed (also rejects with
 *   it); rejects with `overloaded` when there is no memory to decompress it
 */
export function messageOf({ flag, body }: S2sFrame): Buffer | Promise<Buffer> {
  if ((flag & TERMINAL) !== 0) throw badFrame('only the server ends a session with a terminal frame');
  const compression = flag & COMPRESSION;
  if (compression === 0) return body;
  if (compression === GZIP) return unzipped(body);
  if (compression === ZSTD) return zstdDecompress(body, FRAME_BODY_BYTES_MAX).catch(rejectPacked);
  throw badFrame('unknown compression');
}

/** @throws TailraceError `bad_frame` */
export function badFrame(what: string, cause?: unknown): TailraceError {
  return new TailraceError('bad_frame', `bad s2s frame: ${what}`, { cause });
}

function withHead(frame: Buffer, flag: number): Buffer {
  frame.writeUIntBE(frame.length - LENGTH_BYTES, 0, LENGTH_BYTES);
  frame[LENGTH_BYTES] = flag;
  return frame;
}

function unzipped(body: Buffer): Buffer | Promise<Buffer> {
  const options = { maxOutputLength: FRAME_BODY_BYTES_MAX };
  if (body.length > SYNC_BYTES_MAX) return gunzip(body, options).catch(rejectPacked);
  try {
    return zlib.gunzipSync(body, options);
  } catch (cause) {
    return rejectPacked(cause);
  }
}

/** @throws TailraceError `bad_frame`, or `cause` when the frame is not to blame */
function rejectPacked(cause: unknown): never {
  if (cause instanceof TailraceError && cause.code === 'overloaded') throw cause;
  throw badFrame(isTooLarge(cause) ? 'there are 2 MiB or more after decompression' : 'it cannot be unpacked', cause);
}

function isTooLarge(cause: unknown): boolean {
  if (cause instanceof TailraceError) return cause.code === 'too_large';
  return cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE';
}
