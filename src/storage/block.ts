/** How an append is written: drafts without positions, and the sealing of a draft into durable bytes. */

import { compress, compressSync } from 'lz4-napi';
import { assert } from '../model/error.ts';
import { type Header, meteredBytes } from '../model/record.ts';
import {
  BLOCK_RAW_BYTES_MAX,
  type BlockHeader,
  type BlockKind,
  CODEC_LZ4,
  CODEC_NONE,
  sealChecksums,
  WRITTEN_HEADER_BYTES_MAX,
  writeBlockHeader,
  writeVarint,
} from './block-format.ts';
import { Block } from './block-read.ts';
import { writeS2Index } from './block-s2.ts';

export type { BlockKind } from './block-format.ts';
export { OtlpLayout } from './block-otlp.ts';

/** What a door hands to the log: records without positions. */
export interface BlockDraft {
  readonly kind: BlockKind;
  /** At least 1. */
  readonly count: number;
  /** Client timestamps in ms, one per record, 0 for none. The log overwrites them in place with the resolved ones. */
  readonly timestamps: Float64Array;
  /** Sum over all records as the raw view returns them. */
  readonly meteredBytes: number;
  /** The index without times: from `OtlpLayout` or `draftRecords`. */
  readonly layout: Uint8Array;
  /** Parts that are the payload when put one behind the other; views of a request body are fine. */
  readonly payload: readonly Uint8Array[];
}

/** A block as it goes to the engine, and as followers get it without reading it back. */
export interface SealedBlock {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly block: Block;
}

/** Below this much index and payload LZ4 gains less than a page and costs more than the write. */
const COMPRESS_BYTES_MIN = 2_048;
/** From here on compressing moves to the thread pool: the call itself costs as much as packing this much here. */
const COMPRESS_ASIDE_BYTES_MIN = 32_768;
const VARINT_BYTES_MAX = 8;

/** A draft of S2 records. Bodies and headers are not copied: they must not change until the block is sealed. */
export function draftRecords(
  records: readonly { readonly timestamp?: number; readonly headers: readonly Header[]; readonly body: Uint8Array }[],
): BlockDraft {
  const timestamps = new Float64Array(records.length);
  const payload: Uint8Array[] = [];
  let metered = 0;
  for (const [i, { timestamp, headers, body }] of records.entries()) {
    timestamps[i] = timestamp ?? 0;
    metered += meteredBytes(headers, body.length);
    for (const [name, value] of headers) payload.push(name, value);
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

/**
 * Builds the durable bytes of a draft whose timestamps are resolved (they must not decrease): index and payload,
 * compressed when that makes them smaller, and both checksums. The draft and its buffers are read before this
 * returns and may be changed afterwards. Large blocks are compressed off the main thread and answer later.
 */
export function sealBlock(
  key: Uint8Array,
  firstSeq: number,
  draft: BlockDraft,
  arrival: number,
): SealedBlock | Promise<SealedBlock> {
  const raw = writeRaw(draft);
  const header = headerOf(draft, arrival, raw);
  if (raw.bytes.length < COMPRESS_BYTES_MIN) return assemble(key, firstSeq, header, raw.bytes, undefined);
  if (raw.bytes.length < COMPRESS_ASIDE_BYTES_MIN) {
    return assemble(key, firstSeq, header, raw.bytes, compressSync(raw.bytes));
  }
  return compress(raw.bytes).then((packed) => assemble(key, firstSeq, header, raw.bytes, packed));
}

interface Raw {
  readonly bytes: Buffer;
  readonly indexBytes: number;
}

/** Index and payload in one fresh buffer: what is compressed, and what a follower reads. */
function writeRaw(draft: BlockDraft): Raw {
  const { count, layout, payload, timestamps } = draft;
  assert(count >= 1 && timestamps.length === count, 'a draft has one timestamp per record');
  let payloadBytes = 0;
  for (const part of payload) payloadBytes += part.length;
  const times = packTimes(timestamps);
  const indexBytes = times.length + layout.length;
  assert(indexBytes + payloadBytes <= BLOCK_RAW_BYTES_MAX, 'a block fits what readers accept');
  const bytes = Buffer.allocUnsafe(indexBytes + payloadBytes);
  bytes.set(times, 0);
  bytes.set(layout, times.length);
  let at = indexBytes;
  for (const part of payload) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, indexBytes };
}

let timesScratch = new Uint8Array(8_192);

/** Differences of timestamps, from the second on; nothing when all are equal, which the header then says. */
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

function headerOf(draft: BlockDraft, arrival: number, raw: Raw): Omit<BlockHeader, 'storedAt' | 'codec'> {
  return {
    kind: draft.kind,
    count: draft.count,
    firstTimestamp: draft.timestamps[0] ?? 0,
    lastTimestamp: draft.timestamps[draft.count - 1] ?? 0,
    arrival,
    meteredBytes: draft.meteredBytes,
    rawBytes: raw.bytes.length,
    indexBytes: raw.indexBytes,
  };
}

function assemble(
  key: Uint8Array,
  firstSeq: number,
  fields: Omit<BlockHeader, 'storedAt' | 'codec'>,
  raw: Buffer,
  packed: Buffer | undefined,
): SealedBlock {
  const pays = packed !== undefined && packed.length < raw.length;
  const stored = pays ? packed : raw;
  const room = Buffer.allocUnsafe(WRITTEN_HEADER_BYTES_MAX + stored.length);
  const written = { ...fields, codec: pays ? CODEC_LZ4 : CODEC_NONE };
  const storedAt = writeBlockHeader(written, room);
  room.set(stored, storedAt);
  const value = room.subarray(0, storedAt + stored.length);
  sealChecksums(key, value, storedAt);
  return { key, value, block: Block.ofSealed(firstSeq, { ...written, storedAt }, raw) };
}
