/** How an append is written: drafts without positions, and the sealing of a draft into the bytes that are stored. */

import { compress, compressSync } from 'lz4-napi';
import { BufferPool } from '../../encoding/buffer-pool.ts';
import { writeVarint } from '../../encoding/varint.ts';
import { assert } from '../../model/error.ts';
import { type Header, meteredBytes } from '../../model/record.ts';
import type { StreamCipher } from '../../model/stream-config.ts';
import { Block } from './block.ts';
import {
  BLOCK_RAW_BYTES_MAX,
  type BlockHeader,
  type BlockKind,
  CODEC_LZ4,
  CODEC_NONE,
  sealChecksums,
  WRITTEN_HEADER_BYTES_MAX,
  writeBlockHeader,
} from './format.ts';
import { writeS2Index } from './s2-index.ts';

export { type Cut, CutEdits, type HeadCut, type RecordCut, writeCuts } from './cuts.ts';
export type { BlockKind } from './format.ts';
export { OtlpLayout } from './otlp-index.ts';

/** What an append passes to the log: records without positions. */
export interface BlockDraft {
  readonly kind: BlockKind;
  /** What its records are encrypted with; such drafts come from `draftEncrypted`. */
  readonly cipher?: StreamCipher | undefined;
  /** At least 1. */
  readonly count: number;
  /**
   * Client timestamps in ms, one per record. The log overwrites them in place with the resolved ones. A missing one is
   * 0 in an OTLP item, where OTLP has no other value for it, and -1 in an S2 record, where 0 is a time.
   */
  readonly timestamps: Float64Array;
  /** The sum for all records, as the raw view returns them. */
  readonly meteredBytes: number;
  /** Whether all ids in OTLP items have the right length, and there are no groups: readers then need not look. */
  readonly idsChecked?: boolean;
  /** Whether its index has cuts before the rest. */
  readonly hasCuts?: boolean;
  /** What a reader with a filter is told without reading it (`summary.ts`); kept of records in the clear only. */
  readonly summary?: Uint8Array | undefined;
  /** Hashes of all trace ids that its records have (`traceIdHash`), for rows of trace ids; undefined: they are not known. */
  readonly traceHashes?: Int32Array | undefined;
  /** The index without times, from `OtlpLayout` or `draftRecords`. */
  readonly layout: Uint8Array;
  /** The payload in parts that are joined in this order; they may be views of a request body. */
  readonly payload: readonly Uint8Array[];
}

/** A block as the engine gets it, and as followers get it without reading it back. */
export interface SealedBlock {
  readonly key: Uint8Array;
  /** Valid until `releaseBlock`. */
  readonly value: Uint8Array;
  /** Unpacked, when the stream had followers; independent of `value`. */
  readonly block: Block | undefined;
  /** The pooled buffer that `value` is a view of. */
  readonly buffer: Buffer | undefined;
}

/** For less index and payload, LZ4 saves less than a page and costs more than the write. */
const COMPRESS_BYTES_MIN = 2_048;
/** From this size on, the thread pool compresses: the call alone costs as much as compressing this much here. */
const COMPRESS_ASIDE_BYTES_MIN = 32_768;
const VARINT_BYTES_MAX = 8;

/** With more headers than this in a record they are copied into one part: parts of a few bytes cost more. */
const HEADERS_APART_MAX = 64;
/** More bytes than this are copied by a call. */
const COPY_BYTES_MAX = 32;

/** A draft of S2 records. Bodies and few headers are not copied: they must not change until the block is sealed. */
export function draftRecords(
  records: readonly {
    readonly timestamp?: number | undefined;
    readonly headers: readonly Header[];
    readonly body: Uint8Array;
  }[],
): BlockDraft {
  const timestamps = new Float64Array(records.length);
  const payload: Uint8Array[] = [];
  let metered = 0;
  for (const [i, { timestamp, headers, body }] of records.entries()) {
    timestamps[i] = timestamp ?? -1;
    metered += meteredBytes(headers, body.length);
    if (headers.length > HEADERS_APART_MAX) payload.push(joined(headers));
    else for (const [name, value] of headers) payload.push(name, value);
    payload.push(body);
  }
  return {
    kind: 's2',
    count: records.length,
    timestamps,
    meteredBytes: metered,
    layout: writeS2Index(records),
    payload,
  };
}

/** Names and values, back to back. */
function joined(headers: readonly Header[]): Uint8Array {
  let bytes = 0;
  for (const header of headers) bytes += header[0].length + header[1].length;
  const target = new Uint8Array(bytes);
  let at = 0;
  for (const header of headers) at = copy(header[1], target, copy(header[0], target, at));
  return target;
}

/** Byte by byte: most of them have a few only. */
function copy(source: Uint8Array, target: Uint8Array, at: number): number {
  if (source.length > COPY_BYTES_MAX) target.set(source, at);
  else for (let i = 0; i < source.length; i++) target[at + i] = source[i] as number;
  return at + source.length;
}

/**
 * Builds the stored bytes of a draft whose timestamps are resolved (they must not decrease): index and payload,
 * compressed when that makes them smaller, and both checksums. The draft and its buffers are read before this returns;
 * the caller may change them afterwards. A large block is compressed off the main thread, and then the result is a
 * promise. `followed` keeps the unpacked block for the followers of the stream.
 */
export function sealBlock(
  key: Uint8Array,
  firstSeq: number,
  draft: BlockDraft,
  arrival: number,
  followed: boolean,
): SealedBlock | Promise<SealedBlock> {
  const { count, timestamps, payload } = draft;
  assert(count >= 1 && timestamps.length === count, 'a draft has one timestamp per record');
  const times = packTimes(timestamps);
  const indexBytes = times.length + draft.layout.length;
  let rawBytes = indexBytes;
  for (const part of payload) rawBytes += part.length;
  assert(rawBytes <= BLOCK_RAW_BYTES_MAX, 'a block fits what readers accept');
  const fields = fieldsOf(draft, arrival, rawBytes, indexBytes);
  // Of encrypted records it would tell what they are about.
  const summary = draft.cipher === undefined ? draft.summary : undefined;
  if (rawBytes < COMPRESS_BYTES_MIN) return sealSmall(key, firstSeq, { fields, summary }, draft, times, followed);
  const raw = followed ? Buffer.allocUnsafeSlow(rawBytes) : pool.take(rawBytes);
  writeRaw(raw, 0, draft, times);
  const plain = raw.subarray(0, rawBytes);
  const finish = (packed: Buffer): SealedBlock => {
    const sealed = sealPacked(key, firstSeq, { fields, summary }, plain, packed, followed);
    if (!followed) pool.give(raw);
    return sealed;
  };
  return rawBytes < COMPRESS_ASIDE_BYTES_MIN ? finish(compressSync(plain)) : compress(plain).then(finish);
}

/**
 * Returns the memory of a sealed block to the pool. Call it when the commit has settled and `value` is not used any
 * more.
 */
export function releaseBlock({ buffer }: SealedBlock): void {
  if (buffer !== undefined) pool.give(buffer);
}

const pool = new BufferPool();

type HeaderFields = Omit<BlockHeader, 'storedAt' | 'codec'>;

interface HeaderContent {
  readonly fields: HeaderFields;
  readonly summary: Uint8Array | undefined;
}

/** For most blocks of single records: one small buffer, written once. */
function sealSmall(
  key: Uint8Array,
  firstSeq: number,
  { fields, summary }: HeaderContent,
  draft: BlockDraft,
  times: Uint8Array,
  followed: boolean,
): SealedBlock {
  const written = { ...fields, codec: CODEC_NONE };
  const buffer = Buffer.allocUnsafe(headerBytesMax(summary) + fields.rawBytes);
  const storedAt = writeBlockHeader(written, summary, buffer);
  writeRaw(buffer, storedAt, draft, times);
  const value = buffer.subarray(0, storedAt + fields.rawBytes);
  sealChecksums(key, value, storedAt);
  const block = followed ? Block.ofSealed(firstSeq, { ...written, storedAt }, value.subarray(storedAt)) : undefined;
  return { key, value, block, buffer: undefined };
}

function sealPacked(
  key: Uint8Array,
  firstSeq: number,
  { fields, summary }: HeaderContent,
  raw: Buffer,
  packed: Buffer,
  followed: boolean,
): SealedBlock {
  const pays = packed.length < raw.length;
  const stored = pays ? packed : raw;
  const written = { ...fields, codec: pays ? CODEC_LZ4 : CODEC_NONE };
  const buffer = pool.take(headerBytesMax(summary) + stored.length);
  const storedAt = writeBlockHeader(written, summary, buffer);
  buffer.set(stored, storedAt);
  const value = buffer.subarray(0, storedAt + stored.length);
  sealChecksums(key, value, storedAt);
  const block = followed ? Block.ofSealed(firstSeq, { ...written, storedAt }, raw) : undefined;
  return { key, value, block, buffer };
}

function headerBytesMax(summary: Uint8Array | undefined): number {
  return WRITTEN_HEADER_BYTES_MAX + (summary?.length ?? 0);
}

/** Index and payload, one after the other. */
function writeRaw(target: Buffer, start: number, { layout, payload }: BlockDraft, times: Uint8Array): void {
  target.set(times, start);
  let at = start + times.length;
  target.set(layout, at);
  at += layout.length;
  for (const part of payload) {
    target.set(part, at);
    at += part.length;
  }
}

let timesScratch = new Uint8Array(8_192);

/** Differences of timestamps, from the second on. Empty when all are equal, which the header then shows. */
function packTimes(timestamps: Float64Array): Uint8Array {
  const count = timestamps.length;
  let before = timestamps[0] ?? 0;
  if (before === timestamps[count - 1]) return timesScratch.subarray(0, 0);
  if (timesScratch.length < count * VARINT_BYTES_MAX) timesScratch = new Uint8Array(count * VARINT_BYTES_MAX);
  let at = 0;
  for (let i = 1; i < count; i++) {
    const time = timestamps[i] ?? 0;
    assert(time >= before, 'timestamps never decrease within a block');
    at = writeVarint(timesScratch, at, time - before);
    before = time;
  }
  return timesScratch.subarray(0, at);
}

function fieldsOf(draft: BlockDraft, arrival: number, rawBytes: number, indexBytes: number): HeaderFields {
  const { kind, cipher, count, timestamps } = draft;
  return {
    kind,
    cipher,
    hasCuts: draft.hasCuts === true,
    count,
    firstTimestamp: timestamps[0] ?? 0,
    lastTimestamp: timestamps[count - 1] ?? 0,
    arrival,
    meteredBytes: draft.meteredBytes,
    rawBytes,
    indexBytes,
    idsChecked: draft.idsChecked === true,
  };
}
