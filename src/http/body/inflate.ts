/**
 * Decompresses bodies within bounds that no declared size can move. gzip has three cases, fastest first: a tiny body is
 * inflated at once on this thread (7 µs, where a round trip through the thread pool takes 25); most are inflated in one
 * piece on the pool (80 µs of this thread for 170 kB instead of 270); a body that declares no size, a wrong or a large one
 * is inflated piece by piece, and counted as it comes.
 */

import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { goOnWithWork } from '../../encoding/turns.ts';
import { zstdDecompress } from '../../encoding/zstd/decompress.ts';
import { TailraceError } from '../../model/error.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import type { Reservation } from './reservation.ts';

export type ContentEncoding = 'gzip' | 'deflate' | 'zstd';

const SYNC_BYTES_MAX = 32 * 1024;
/** As much work as a byte is to copy 2^3. */
const COPIED_BITS = 3;
const ONE_PIECE_BYTES_MAX = 8 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;
/** No deflate stream grows by more. A declared size above it is a lie. */
const DEFLATE_RATIO_MAX = 1_032;
const GZIP_BYTES_MIN = 18;

/** What zlib returns with `info`: the types of node know only the bytes. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

const gunzip = promisify(zlib.gunzip) as unknown as (wire: Uint8Array, options: zlib.ZlibOptions) => Promise<Inflated>;

/**
 * Inflates a whole body. What it takes is reserved before it is taken.
 * @throws TailraceError `bad_request` for data that is cut short, damaged or followed by something else; `too_large`
 *   above `limit` bytes; `overloaded` when too much memory is in flight
 */
export async function inflate(
  encoding: ContentEncoding,
  wire: Uint8Array,
  limit: number,
  reservation: Reservation,
): Promise<Uint8Array> {
  if (encoding === 'zstd') return inflateZstd(wire, limit, reservation);
  const declared = encoding === 'gzip' ? declaredSize(wire) : undefined;
  if (declared === undefined || declared > Math.min(limit, ONE_PIECE_BYTES_MAX)) {
    return inflatePieces(encoding, wire, limit, reservation);
  }
  reservation.holdAtLeast(reservation.held + declared);
  // One byte more, so that zlib sees the end of the stream without asking for another buffer.
  const options = { maxOutputLength: declared + 1, chunkSize: Math.max(64, declared + 1), info: true };
  try {
    const inflated = declared <= SYNC_BYTES_MAX ? gunzipNow(wire, options) : await gunzip(wire, options);
    return checkedEnd(inflated, wire);
  } catch (cause) {
    if (codeOf(cause) !== 'ERR_BUFFER_TOO_LARGE') throw inflateFailure(cause, encoding);
    return inflatePieces(encoding, wire, limit, reservation);
  }
}

function gunzipNow(wire: Uint8Array, options: zlib.ZlibOptions): Inflated {
  return zlib.gunzipSync(wire, options) as unknown as Inflated;
}

/** zlib stops without an error where a stream ends and something else follows. */
function checkedEnd({ buffer, engine }: Inflated, wire: Uint8Array): Uint8Array {
  expectPadding(wire, engine.bytesWritten);
  return buffer;
}

/** Zeros after the data are padding, as of senders that fill blocks (RFC 1952 leaves what follows to the reader). */
function expectPadding(wire: Uint8Array, end: number): void {
  for (let at = end; at < wire.length; at++) if (wire[at] !== 0) throw trailing();
}

async function inflateZstd(wire: Uint8Array, limit: number, reservation: Reservation): Promise<Uint8Array> {
  const base = reservation.held;
  try {
    return await zstdDecompress(wire, limit, (bytes) => reservation.holdAtLeast(base + bytes));
  } catch (cause) {
    if (!(cause instanceof TailraceError)) throw cause;
    if (cause.code === 'bad_frame') throw new TailraceError('bad_request', cause.message, { cause });
    throw cause.code === 'too_large' ? inflatedTooLarge(limit) : cause;
  }
}

/** The size that gzip writes at the end of its last member. It is a hint, and undefined when it is impossible. */
function declaredSize(wire: Uint8Array): number | undefined {
  if (wire.length < GZIP_BYTES_MIN) return undefined;
  const size = new DataView(wire.buffer, wire.byteOffset).getUint32(wire.length - 4, true);
  return size <= wire.length * DEFLATE_RATIO_MAX ? size : undefined;
}

/** Counts while inflating and stops at the limit: a bomb costs one piece more than is allowed. */
async function inflatePieces(
  encoding: 'gzip' | 'deflate',
  wire: Uint8Array,
  limit: number,
  reservation: Reservation,
): Promise<Uint8Array> {
  const options = { chunkSize: PIECE_BYTES };
  const engine = encoding === 'gzip' ? zlib.createGunzip(options) : zlib.createInflate(options);
  const base = reservation.held;
  const pieces: Buffer[] = [];
  let total = 0;
  try {
    engine.end(wire);
    for await (const piece of engine as AsyncIterable<Buffer>) {
      total += piece.length;
      if (total > limit) throw inflatedTooLarge(limit);
      // Twice: the pieces and the one buffer that they are joined to.
      reservation.holdAtLeast(base + 2 * total);
      pieces.push(piece);
    }
  } catch (cause) {
    throw inflateFailure(cause, encoding);
  } finally {
    engine.destroy();
  }
  expectPadding(wire, engine.bytesWritten);
  // To join many large bodies in one turn would hold up all requests.
  if (total > YIELD_BYTES) await goOnWithWork(total >> COPIED_BITS);
  const whole = Buffer.concat(pieces, total);
  reservation.holdExactly(base + total);
  return whole;
}

/** @throws TailraceError `too_large` naming the limit and its setting */
export function inflatedTooLarge(limit: number): TailraceError {
  return new TailraceError(
    'too_large',
    `the body has more than ${limit} bytes after decompression: send smaller batches, or raise --body-bytes-max`,
  );
}

function inflateFailure(cause: unknown, encoding: ContentEncoding): unknown {
  const code = codeOf(cause);
  if (cause instanceof TailraceError || code === undefined) return cause;
  if (code === 'Z_BUF_ERROR') return new TailraceError('bad_request', `the ${encoding} data ends too early`, { cause });
  if (code.startsWith('Z_')) return new TailraceError('bad_request', `the ${encoding} data is damaged`, { cause });
  return cause;
}

function trailing(): TailraceError {
  return new TailraceError('bad_request', 'something follows the end of the compressed data');
}

function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
