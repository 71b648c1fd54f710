/**
 * S2's protobuf form of what a reader gets: `ReadBatch`, written straight from the slices of a block into one buffer
 * of exactly the right size (proto/s2/v1/s2.proto). No object and no buffer is made for a record.
 *
 *   ReadBatch        1 records (SequencedRecord), 2 tail (StreamPosition)
 *   SequencedRecord  1 seq_num, 2 timestamp, 3 headers (Header), 4 body
 *   Header           1 name, 2 value
 *   StreamPosition   1 seq_num, 2 timestamp
 */

import { assert } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { Header } from '../model/record.ts';
import type { Block } from '../storage/block-read.ts';
import type { HeaderVisit } from '../storage/block-s2.ts';
import { positionFieldsLength, positionLength, varintLength, writePosition, writeVarint } from './proto-write.ts';

const FIELD_1_BYTES = 0x0a;
const FIELD_2_BYTES = 0x12;
const FIELD_3_BYTES = 0x1a;
const FIELD_4_BYTES = 0x22;

/** More bytes than these are copied faster by the system, view and all. */
const COPY_BYTES_MAX = 48;

/** Where a batch is written. */
export interface BatchRoom {
  /** So many bytes are left free before it. */
  readonly headRoom?: number;
  /** Hands out a buffer, perhaps a longer one: what is answered begins where that does. */
  readonly take?: (bytes: number) => Buffer;
}

/**
 * Records [from, to) of a block as a ReadBatch. `tail` says that the batch ends at the tail.
 */
export function readBatchProto(
  block: Block,
  from: number,
  to: number,
  tail: Position | undefined,
  { headRoom = 0, take = Buffer.allocUnsafe }: BatchRoom = {},
): Buffer {
  const count = to - from;
  const lengths = new Uint32Array(count);
  const bodies = new Uint32Array(count);
  const headers = new HeaderFields(block);
  let total = headRoom;
  for (let k = 0; k < count; k++) {
    const body = block.bodyBytesOf(from + k);
    const i = from + k;
    const length =
      positionFieldsLength(block.firstSeq + i, block.timestamp(i)) +
      headers.lengthOf(block, i) +
      bytesFieldLength(body);
    bodies[k] = body;
    lengths[k] = length;
    total += 1 + varintLength(length) + length;
  }
  const tailLength = tail === undefined ? 0 : positionLength(tail);
  if (tail !== undefined) total += 1 + varintLength(tailLength) + tailLength;

  const room = take(total);
  const target = room.length === total ? room : room.subarray(0, total);
  let at = headRoom;
  for (let k = 0; k < count; k++) {
    target[at++] = FIELD_1_BYTES;
    at = writeVarint(target, at, lengths[k] ?? 0);
    at = writeRecord(target, at, block, from + k, headers, bodies[k] ?? 0);
  }
  if (tail !== undefined) {
    target[at++] = FIELD_2_BYTES;
    at = writeVarint(target, at, tailLength);
    at = writePosition(target, at, tail.seqNum, tail.timestamp);
  }
  assert(at === total, 'a ReadBatch fills its buffer exactly');
  return target;
}

/** A ReadBatch without records: what S2 calls a heartbeat. */
export function heartbeatProto(tail: Position): Buffer {
  const length = positionLength(tail);
  const target = Buffer.allocUnsafe(1 + varintLength(length) + length);
  target[0] = FIELD_2_BYTES;
  writePosition(target, writeVarint(target, 1, length), tail.seqNum, tail.timestamp);
  return target;
}

function writeRecord(
  target: Buffer,
  start: number,
  block: Block,
  i: number,
  headers: HeaderFields,
  body: number,
): number {
  const at = writePosition(target, start, block.firstSeq + i, block.timestamp(i));
  const bodyAt = headers.writeTo(target, at, block, i);
  if (body === 0) return bodyAt;
  target[bodyAt] = FIELD_4_BYTES;
  return block.writeBody(i, target, writeVarint(target, bodyAt + 1, body));
}

/** The headers of records as fields. Those of an OTLP block are the same for each record, and made once. */
class HeaderFields {
  readonly #shared: Uint8Array | undefined;
  #bytes = 0;
  #target: Buffer = NOTHING;
  #at = 0;

  constructor(block: Block) {
    this.#shared = block.header.kind === 's2' ? undefined : this.#encode(block.headersOf(0));
  }

  lengthOf(block: Block, i: number): number {
    if (this.#shared !== undefined) return this.#shared.length;
    this.#bytes = 0;
    block.eachHeader(i, this.#measure);
    return this.#bytes;
  }

  /** Says where they end. */
  writeTo(target: Buffer, at: number, block: Block, i: number): number {
    if (this.#shared !== undefined) {
      target.set(this.#shared, at);
      return at + this.#shared.length;
    }
    this.#target = target;
    this.#at = at;
    block.eachHeader(i, this.#write);
    return this.#at;
  }

  readonly #measure: HeaderVisit = (_payload, nameAt, valueAt, end) => {
    const length = bytesFieldLength(valueAt - nameAt) + bytesFieldLength(end - valueAt);
    this.#bytes += 1 + varintLength(length) + length;
  };

  readonly #write: HeaderVisit = (payload, nameAt, valueAt, end) => {
    const target = this.#target;
    target[this.#at] = FIELD_3_BYTES;
    const length = bytesFieldLength(valueAt - nameAt) + bytesFieldLength(end - valueAt);
    const at = writeVarint(target, this.#at + 1, length);
    const next = writeBytesField(target, at, FIELD_1_BYTES, payload, nameAt, valueAt);
    this.#at = writeBytesField(target, next, FIELD_2_BYTES, payload, valueAt, end);
  };

  #encode(headers: readonly Header[]): Uint8Array {
    this.#bytes = 0;
    for (const [name, value] of headers) this.#measure(name, 0, name.length, name.length + value.length);
    const encoded = Buffer.allocUnsafe(this.#bytes);
    this.#target = encoded;
    this.#at = 0;
    for (const [name, value] of headers) {
      this.#write(Buffer.concat([name, value]), 0, name.length, name.length + value.length);
    }
    return encoded;
  }
}

const NOTHING = Buffer.alloc(0);

function bytesFieldLength(bytes: number): number {
  return bytes === 0 ? 0 : 1 + varintLength(bytes) + bytes;
}

function writeBytesField(
  target: Buffer,
  start: number,
  tag: number,
  source: Uint8Array,
  from: number,
  to: number,
): number {
  const bytes = to - from;
  if (bytes === 0) return start;
  target[start] = tag;
  const at = writeVarint(target, start + 1, bytes);
  if (bytes > COPY_BYTES_MAX) target.set(source.subarray(from, to), at);
  else for (let i = 0; i < bytes; i++) target[at + i] = source[from + i] ?? 0;
  return at + bytes;
}
