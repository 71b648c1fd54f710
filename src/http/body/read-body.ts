/**
 * The body of a request, whole and plain: received within limits, decompressed, and counted against the memory that all
 * requests share. Chunked bodies declare no length, so everything is counted as it comes.
 */

import type { BufferPool } from '../../encoding/buffer-pool.ts';
import type { MemoryBudget } from '../../encoding/memory-budget.ts';
import { TailraceError } from '../../model/error.ts';
import { RESERVE_UNKNOWN_BYTES } from '../../model/limits.ts';
import { announcedLength, type Exchange, goOn } from '../exchange.ts';
import { type ContentEncoding, inflate, inflatedTooLarge } from './inflate.ts';
import { Reservation } from './reservation.ts';
import { Upload, wireTooLarge } from './upload.ts';
import type { UploadWatch } from './upload-watch.ts';

/** What reading bodies needs; one for the whole server. Routes with limits of their own replace its limits. */
export interface BodyReading {
  readonly budget: MemoryBudget;
  readonly pool: BufferPool;
  readonly watch: UploadWatch;
  /** Bytes as they come over the wire. */
  readonly wireBytesMax: number;
  /** Bytes after decompression. */
  readonly bodyBytesMax: number;
}

export interface RequestBody {
  readonly bytes: Uint8Array;
  /** Gives memory back. To be called after the response, when nothing uses `bytes` any more. */
  release(): void;
}

const NOTHING = new Uint8Array(0);

/**
 * Reads the body; a client that waits for 100 (Continue) gets it first.
 * @throws TailraceError `unsupported_encoding`, `too_large`, `overloaded`, `request_timeout`, `bad_request`, and
 *   `unavailable` when the client closed the connection. The rest of the body is then still to come.
 */
export async function readBody(exchange: Exchange, reading: BodyReading): Promise<RequestBody> {
  const encoding = contentEncoding(exchange.request.headers['content-encoding']);
  const declared = announcedLength(exchange);
  if (declared !== undefined && declared > reading.wireBytesMax) throw wireTooLarge(reading.wireBytesMax);
  const reservation = new Reservation(reading.budget);
  let upload: Upload | undefined;
  try {
    reservation.holdAtLeast(declared ?? RESERVE_UNKNOWN_BYTES);
    goOn(exchange);
    let bytes: Uint8Array = NOTHING;
    if (declared !== 0) {
      upload = new Upload(exchange.request, declared, reservation, reading);
      bytes = await upload.whole();
    }
    if (encoding !== undefined) {
      bytes = await inflate(encoding, bytes, reading.bodyBytesMax, reservation);
      upload?.giveBack();
    }
    if (bytes.length > reading.bodyBytesMax) throw inflatedTooLarge(reading.bodyBytesMax);
    return { bytes, release: () => release(upload, reservation) };
  } catch (error) {
    release(upload, reservation);
    throw error;
  }
}

function release(upload: Upload | undefined, reservation: Reservation): void {
  upload?.giveBack();
  reservation.release();
}

/** One coding at most: stacked ones multiply what a bomb can do. */
function contentEncoding(header: string | undefined): ContentEncoding | undefined {
  if (header === undefined) return undefined;
  const coding = header.trim().toLowerCase();
  if (coding === 'gzip' || coding === 'x-gzip') return 'gzip';
  if (coding === 'deflate' || coding === 'zstd') return coding;
  if (coding === 'zlib') return 'deflate';
  if (coding === '' || coding === 'identity' || coding === 'none') return undefined;
  throw new TailraceError(
    'unsupported_encoding',
    `Content-Encoding ${JSON.stringify(coding.slice(0, 64))} is not supported: send gzip, deflate, zstd or none, and one only`,
  );
}
