/**
 * The body of a request, whole and plain: received within limits, decompressed, and counted against the memory that all
 * requests share. What is counted is what has come, not what a request announces: a client that says much and sends
 * little holds little.
 */

import type { BufferPool } from '../../encoding/buffer-pool.ts';
import { TailraceError } from '../../model/error.ts';
import { limitOf, type OtlpPolicy } from '../../model/otlp-policy.ts';
import { announcedLength, type Exchange, goOn } from '../exchange.ts';
import type { Work, Workload } from '../workload.ts';
import { type ContentEncoding, inflate, inflatedTooLarge } from './inflate.ts';
import { holderOf, type RequestMemory, type Reservation, reservationFor } from './reservation.ts';
import { Upload, wireTooLarge } from './upload.ts';
import type { UploadWatch } from './upload-watch.ts';

/** What reading bodies needs; one for the whole server. Routes with limits of their own replace its limits. */
export interface BodyReading extends RequestMemory {
  readonly pool: BufferPool;
  readonly watch: UploadWatch;
  /** Refuses a body that would wait too long; undefined for calls that are always taken. */
  readonly workload: Workload | undefined;
  /** Bytes as they come over the wire, and bytes around them that do not count. */
  readonly wireBytesMax: number;
  readonly prefixBytes?: number;
  /** What sets the limit on the wire, where it is not the setting of the server. */
  readonly wireSetting?: string;
  /** Bytes after decompression. */
  readonly bodyBytesMax: number;
}

/** For bodies that go into a basin, whose policy may allow less on the wire than the server does. */
export function readingFor(policy: OtlpPolicy | undefined, reading: BodyReading): BodyReading {
  const wireBytesMax = limitOf(policy, 'wire_bytes_max');
  if (wireBytesMax === undefined || wireBytesMax >= reading.wireBytesMax) return reading;
  return { ...reading, wireBytesMax, wireSetting: 'otlp_limits.wire_bytes_max of the basin' };
}

export interface RequestBody {
  readonly bytes: Uint8Array;
  /** Gives memory back. To be called after the response, when nothing uses `bytes` any more. */
  release(): void;
}

const NOTHING = new Uint8Array(0);

/** What was received, without what is around it on the wire, and how it is compressed. */
export interface Unwrapped {
  readonly bytes: Uint8Array;
  readonly encoding: ContentEncoding | undefined;
}

/**
 * Reads the body; a client that waits for 100 (Continue) gets it first.
 * @throws TailraceError `unsupported_encoding`, `too_large`, `overloaded`, `request_timeout`, `bad_request`, and
 *   `unavailable` when the client closed the connection. The rest of the body is then still to come.
 */
export async function readBody(exchange: Exchange, reading: BodyReading): Promise<RequestBody> {
  const encoding = contentEncoding(exchange.request.headers['content-encoding']);
  return receiveBody(exchange, reading, {
    isEncoded: encoding !== undefined,
    unwrap: (bytes) => ({ bytes, encoding }),
  });
}

/** How a protocol says what is compressed. */
export interface Wrapping {
  /** Whether it may be, as far as is known before the body has come. */
  readonly isEncoded: boolean;
  /** Returns what is to be decompressed, if anything. */
  unwrap(received: Uint8Array): Unwrapped;
}

/** The same for a protocol that says what is compressed in its own way: what `unwrap` throws is thrown. */
export async function receiveBody(
  exchange: Exchange,
  reading: BodyReading,
  { isEncoded, unwrap }: Wrapping,
): Promise<RequestBody> {
  const declared = announcedLength(exchange);
  const { wireBytesMax, prefixBytes = 0 } = reading;
  if (declared !== undefined && declared > wireBytesMax + prefixBytes) throw wireTooLarge(reading);
  const reservation = reservationFor(exchange, reading);
  let upload: Upload | undefined;
  let work: Work | undefined;
  try {
    reservation.expectFits(declared ?? 0);
    work = reading.workload?.begin(holderOf(exchange), { bytes: declared, isEncoded });
    goOn(exchange);
    let received: Uint8Array = NOTHING;
    if (declared !== 0) {
      upload = new Upload(exchange.request, declared, reservation, reading);
      received = await upload.whole();
    }
    const { bytes: plain, encoding } = unwrap(received);
    let bytes = plain;
    if (encoding !== undefined) {
      bytes = await inflate(encoding, bytes, reading.bodyBytesMax, reservation);
      upload?.giveBack();
    }
    if (bytes.length > reading.bodyBytesMax) throw inflatedTooLarge(reading.bodyBytesMax);
    work?.came(bytes.length);
    return { bytes, release: () => release(upload, reservation, work) };
  } catch (error) {
    release(upload, reservation, work);
    throw error;
  }
}

function release(upload: Upload | undefined, reservation: Reservation, work: Work | undefined): void {
  upload?.giveBack();
  reservation.release();
  work?.end();
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
