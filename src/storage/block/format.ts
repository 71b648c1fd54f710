/**
 * The form of a block on disk: the header, its checksums, and the varints that it consists of.
 *
 * ```
 *  at        bytes  what
 *  0         1      version, 1
 *  1         1      kind: 0 s2, 1 logs, 2 traces, 3 metrics, 4 s2 encrypted with aes-256-gcm, 5 with aegis-256,
 *                   6 logs, 7 traces, 8 metrics with records that S2 readers get cut (`cuts.ts`)
 *  2         1      codec of the stored part: 0 none, 1 LZ4
 *  3         2      H, bytes of header fields that follow, little endian
 *  5         H      header fields, varints:
 *                     count            records, >= 1
 *                     first timestamp  ms
 *                     last timestamp   ms, as difference to the first
 *                     arrival          ms
 *                     metered bytes    of all records, as the raw view returns them, but those that it cuts whole
 *                     raw bytes        index and payload together, unpacked
 *                     index bytes      of those
 *                     summary bytes    S, then S bytes of summary (`summary.ts`); 0 for none
 *                     marks            1 byte, 1: all trace and span ids have the right length; not there otherwise
 *                   readers skip everything after that: a later build may add fields there
 *  5 + H     4      CRC-32 of the key and of all bytes before it, little endian
 *  9 + H     4      CRC-32 of the key and of all bytes after it, little endian
 *  13 + H    …      the stored part: index, then payload
 *                     codec 1: raw bytes as u32 little endian, then one LZ4 block of both
 * ```
 *
 * A varint is that of protobuf: seven bits per byte, least significant first, at most eight bytes (2^53 - 1).
 */

import { crc32 } from 'node:zlib';
import { writeVarint } from '../../encoding/varint.ts';
import { TailraceError } from '../../model/error.ts';
import type { Signal } from '../../model/record.ts';
import type { StreamCipher } from '../../model/stream-config.ts';

/** What the records of a block are: S2 records, or items of one OTLP signal. */
export type BlockKind = 's2' | Signal;

const BLOCK_VERSION = 1;
export const CODEC_NONE = 0;
export const CODEC_LZ4 = 1;

/** A reader that fetches this many bytes of a value has the whole header. */
export const BLOCK_HEADER_BYTES_MAX = 2_048;
/**
 * Index and payload of one block: more than any accepted request produces, and the most that an unpacker may allocate.
 */
export const BLOCK_RAW_BYTES_MAX = 256 * 1024 * 1024;

/** What is known about a block without unpacking it. */
export interface BlockHeader {
  readonly kind: BlockKind;
  /** What its records are encrypted with (the kind is then `s2`); undefined when they are in the clear. */
  readonly cipher: StreamCipher | undefined;
  /** Whether it holds OTLP records that S2 readers get cut. */
  readonly hasCuts: boolean;
  /** 0 none, 1 LZ4. */
  readonly codec: number;
  readonly count: number;
  /** Milliseconds. */
  readonly firstTimestamp: number;
  readonly lastTimestamp: number;
  /** When the server received it, milliseconds; never decreases within a stream. */
  readonly arrival: number;
  /** Of the records in the clear, also when they are stored encrypted, and whole, also when S2 readers get them cut. */
  readonly meteredBytes: number;
  /** Index and payload, unpacked. */
  readonly rawBytes: number;
  readonly indexBytes: number;
  /**
   * Whether all trace and span ids in it have the right length, and no message in it holds a group. Blocks of older builds
   * do not say so.
   */
  readonly idsChecked: boolean;
  /** Offset of the stored part in the value. */
  readonly storedAt: number;
}

/**
 * By their numbers on disk. Encrypted records have their own kind there, and so have those that are cut: a build that cannot
 * read them refuses them.
 */
const KINDS: readonly Pick<BlockHeader, 'kind' | 'cipher' | 'hasCuts'>[] = [
  { kind: 's2', cipher: undefined, hasCuts: false },
  { kind: 'logs', cipher: undefined, hasCuts: false },
  { kind: 'traces', cipher: undefined, hasCuts: false },
  { kind: 'metrics', cipher: undefined, hasCuts: false },
  { kind: 's2', cipher: 'aes-256-gcm', hasCuts: false },
  { kind: 's2', cipher: 'aegis-256', hasCuts: false },
  { kind: 'logs', cipher: undefined, hasCuts: true },
  { kind: 'traces', cipher: undefined, hasCuts: true },
  { kind: 'metrics', cipher: undefined, hasCuts: true },
];
const IDS_CHECKED = 1;
const FIELDS_AT = 5;
const FIELDS_BEFORE_SUMMARY = 7;
const SAFE_VARINT_BYTES = 8;

/** Writes the header of a block without its checksums, see `sealChecksums`. Returns the offset of the stored part. */
export function writeBlockHeader(
  header: Omit<BlockHeader, 'storedAt'>,
  summary: Uint8Array | undefined,
  target: Uint8Array,
): number {
  target[0] = BLOCK_VERSION;
  target[1] = KINDS.findIndex(
    ({ kind, cipher, hasCuts }) => kind === header.kind && cipher === header.cipher && hasCuts === header.hasCuts,
  );
  target[2] = header.codec;
  let at = writeVarint(target, FIELDS_AT, header.count);
  at = writeVarint(target, at, header.firstTimestamp);
  at = writeVarint(target, at, header.lastTimestamp - header.firstTimestamp);
  at = writeVarint(target, at, header.arrival);
  at = writeVarint(target, at, header.meteredBytes);
  at = writeVarint(target, at, header.rawBytes);
  at = writeVarint(target, at, header.indexBytes);
  at = writeVarint(target, at, summary?.length ?? 0);
  if (summary !== undefined) {
    target.set(summary, at);
    at += summary.length;
  }
  if (header.idsChecked) target[at++] = IDS_CHECKED;
  target[3] = (at - FIELDS_AT) & 0xff;
  target[4] = (at - FIELDS_AT) >>> 8;
  return at + 8;
}

/** The most bytes that `writeBlockHeader` writes besides a summary. */
export const WRITTEN_HEADER_BYTES_MAX = FIELDS_AT + 9 * SAFE_VARINT_BYTES + 8;

/** Writes both checksums of a value whose stored part begins at `storedAt`. */
export function sealChecksums(key: Uint8Array, value: Uint8Array, storedAt: number): void {
  const ofKey = crc32(key);
  writeU32(value, storedAt - 8, crc32(value.subarray(0, storedAt - 8), ofKey));
  writeU32(value, storedAt - 4, crc32(value.subarray(storedAt), ofKey));
}

/**
 * Reads a header and verifies its checksum. The value may be cut off after the header.
 * @throws TailraceError `corrupt`
 */
export function readBlockHeader(key: Uint8Array, value: Uint8Array): BlockHeader {
  if (value.length < FIELDS_AT + 8) throw corrupt('it is too short for a block');
  if (value[0] !== BLOCK_VERSION) throw corrupt(`unknown block version ${value[0]}`);
  const fieldsEnd = FIELDS_AT + byteAt(value, 3) + (byteAt(value, 4) << 8);
  if (fieldsEnd + 8 > Math.min(value.length, BLOCK_HEADER_BYTES_MAX)) throw corrupt('its header is cut short');
  if (readU32(value, fieldsEnd) !== crc32(value.subarray(0, fieldsEnd), crc32(key))) {
    throw corrupt('the checksum of its header does not match');
  }
  return parseFields(value, fieldsEnd);
}

/**
 * Verifies the checksum of the stored part. The value must be complete.
 * @throws TailraceError `corrupt`
 */
export function verifyStored(key: Uint8Array, value: Uint8Array, header: BlockHeader): void {
  if (readU32(value, header.storedAt - 4) !== crc32(value.subarray(header.storedAt), crc32(key))) {
    throw corrupt('the checksum of its records does not match');
  }
}

/** The bytes of the summary in a value whose header was read; empty for none. */
export function summaryBytesIn(value: Uint8Array): Uint8Array {
  const fieldsEnd = FIELDS_AT + byteAt(value, 3) + (byteAt(value, 4) << 8);
  const cursor = new VarintReader(value, FIELDS_AT, fieldsEnd);
  for (let field = 0; field < FIELDS_BEFORE_SUMMARY; field++) cursor.next();
  const length = cursor.next();
  return value.subarray(cursor.at, cursor.at + length);
}

function parseFields(value: Uint8Array, fieldsEnd: number): BlockHeader {
  const kind = KINDS[byteAt(value, 1)];
  const codec = byteAt(value, 2);
  const cursor = new VarintReader(value, FIELDS_AT, fieldsEnd);
  const count = cursor.next();
  const firstTimestamp = cursor.next();
  const lastTimestamp = firstTimestamp + cursor.next();
  const arrival = cursor.next();
  const metered = cursor.next();
  const rawBytes = cursor.next();
  const indexBytes = cursor.next();
  const summaryBytes = cursor.next();
  if (kind === undefined || codec > CODEC_LZ4) throw corrupt('unknown kind or codec');
  if (!Number.isSafeInteger(lastTimestamp) || count === 0) throw corrupt('its header makes no sense');
  // Every record needs at least one byte of index, so this check bounds what readers allocate for `count` records.
  if (rawBytes > BLOCK_RAW_BYTES_MAX || indexBytes > rawBytes || count > indexBytes) {
    throw corrupt('the sizes in its header make no sense');
  }
  if (summaryBytes > fieldsEnd - cursor.at) throw corrupt('its summary is cut short');
  const marksAt = cursor.at + summaryBytes;
  const storedAt = fieldsEnd + 8;
  return {
    kind: kind.kind,
    cipher: kind.cipher,
    hasCuts: kind.hasCuts,
    codec,
    count,
    firstTimestamp,
    lastTimestamp,
    arrival,
    meteredBytes: metered,
    rawBytes,
    indexBytes,
    idsChecked: marksAt < fieldsEnd && byteAt(value, marksAt) === IDS_CHECKED,
    storedAt,
  };
}

/** Maps small numbers of either sign to small non-negative ones: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
export function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2;
}

/** The inverse of `zigzag`. */
export function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

/**
 * Reads varints one after the other. Throws `corrupt` at the end of its bytes and for a number that is not safe. Every read
 * of a block goes through it, so it does not share `readVarint`, which returns an object.
 */
export class VarintReader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.at >= this.#end;
  }

  next(): number {
    if (this.at < this.#end) {
      const byte = this.#bytes[this.at] ?? 0;
      if (byte < 0x80) {
        this.at += 1;
        return byte;
      }
    }
    return this.#long();
  }

  #long(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < SAFE_VARINT_BYTES && this.at < this.#end; i++) {
      const byte = this.#bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw corrupt('a number in it is cut short or too large');
  }
}

/** The error for a block that is not as it was written. */
export function corrupt(why: string, cause?: unknown): TailraceError {
  return new TailraceError('corrupt', `a stored block is damaged: ${why}`, cause === undefined ? {} : { cause });
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function writeU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value & 0xff;
  target[at + 1] = (value >>> 8) & 0xff;
  target[at + 2] = (value >>> 16) & 0xff;
  target[at + 3] = value >>> 24;
}

/** A little-endian u32. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (byteAt(bytes, at) |
      (byteAt(bytes, at + 1) << 8) |
      (byteAt(bytes, at + 2) << 16) |
      (byteAt(bytes, at + 3) << 24)) >>>
    0
  );
}
