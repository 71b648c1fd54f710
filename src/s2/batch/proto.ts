/**
 * S2's protobuf form of what a reader gets: `ReadBatch`, written straight from the slices of blocks into one buffer
 * of exactly the right size (proto/s2/v1/s2.proto). No object and no buffer is made for a record.
 *
 *   ReadBatch        1 records (SequencedRecord), 2 tail (StreamPosition)
 *   SequencedRecord  1 seq_num, 2 timestamp, 3 headers (Header), 4 body
 *   Header           1 name, 2 value
 *   StreamPosition   1 seq_num, 2 timestamp
 */

import { varintBytes, writeVarint } from '../../encoding/varint.ts';
import { assert } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import type { Header } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import type { HeaderVisit } from '../../storage/block/s2-index.ts';
import { positionFieldsLength, positionLength, writePosition } from '../proto-writer.ts';
import { type BatchPart, recordsIn } from './batch-part.ts';

const FIELD_1_BYTES = 0x0a;
const FIELD_2_BYTES = 0x12;
const FIELD_3_BYTES = 0x1a;
const FIELD_4_BYTES = 0x22;

/** More bytes than these are copied faster by the system, view and all. */
const COPY_BYTES_MAX = 48;

const NOTHING = Buffer.alloc(0);

/** Where a batch is written. */
export interface BatchBuffer {
  /** So many bytes are left free before it. */
  readonly headBytes?: number;
  /** Hands out a buffer, perhaps a longer one: the batch begins where that does. */
  readonly take?: (bytes: number) => Buffer;
}

/** Records as a ReadBatch. `tail` says that the batch ends at the tail. */
export function readBatchProto(
  parts: readonly BatchPart[],
  tail: Position | undefined,
  { headBytes = 0, take = Buffer.allocUnsafe }: BatchBuffer = {},
): Buffer {
  const lengths = new Uint32Array(recordsIn(parts));
  const writer = new RecordsWriter(lengths);
  const tailLength = tail === undefined ? 0 : positionLength(tail);
  const tailBytes = tail === undefined ? 0 : 1 + varintBytes(tailLength) + tailLength;
  const total = headBytes + writer.measure(parts) + tailBytes;

  const taken = take(total);
  const target = taken.length === total ? taken : taken.subarray(0, total);
  let at = writer.write(parts, target, headBytes);
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
  const target = Buffer.allocUnsafe(1 + varintBytes(length) + length);
  target[0] = FIELD_2_BYTES;
  writePosition(target, writeVarint(target, 1, length), tail.seqNum, tail.timestamp);
  return target;
}

/** Writes the records of a batch after it has measured them; the length of each is measured once. */
class RecordsWriter {
  readonly #lengths: Uint32Array;
  readonly #fields: RecordFields[] = [];
  readonly #s2 = new S2Fields();

  /** `lengths` has a place for each record. */
  constructor(lengths: Uint32Array) {
    this.#lengths = lengths;
  }

  measure(parts: readonly BatchPart[]): number {
    let total = 0;
    let k = 0;
    for (const { block, from, to } of parts) {
      const fields = this.#fieldsOf(block);
      this.#fields.push(fields);
      for (let i = from; i < to; i++) {
        const length = positionFieldsLength(block.firstSeq + i, block.timestamp(i)) + fields.bytesOf(i);
        this.#lengths[k++] = length;
        total += 1 + varintBytes(length) + length;
      }
    }
    return total;
  }

  /** Says where the records end. */
  write(parts: readonly BatchPart[], target: Uint8Array, start: number): number {
    let at = start;
    let k = 0;
    for (const [p, { block, from, to }] of parts.entries()) {
      const fields = this.#fields[p] ?? this.#fieldsOf(block);
      if (fields === this.#s2) this.#s2.block = block;
      for (let i = from; i < to; i++) {
        target[at++] = FIELD_1_BYTES;
        at = writeVarint(target, at, this.#lengths[k++] ?? 0);
        at = writePosition(target, at, block.firstSeq + i, block.timestamp(i));
        at = fields.write(i, target, at);
      }
    }
    return at;
  }

  /** Of an OTLP block the headers are the same for each record, unless some are cut. */
  #fieldsOf(block: Block): RecordFields {
    if (block.header.kind === 's2') {
      this.#s2.block = block;
      return this.#s2;
    }
    if (block.header.hasCuts) return new CutFields(block);
    return block.otlpBodies(Buffer.concat([headerFields(block.headersOf(0)), Buffer.of(FIELD_4_BYTES)]));
  }
}

/** Headers and bodies of records as fields of a SequencedRecord. */
interface RecordFields {
  bytesOf(i: number): number;
  /** Says where they end. */
  write(i: number, target: Uint8Array, at: number): number;
}

/** Of an OTLP block in which records are cut: they are large, so a copy more is nothing. */
class CutFields implements RecordFields {
  readonly #block: Block;

  constructor(block: Block) {
    this.#block = block;
  }

  bytesOf(i: number): number {
    return headerFields(this.#block.headersOf(i)).length + bytesFieldLength(this.#block.bodyBytesOf(i));
  }

  write(i: number, target: Uint8Array, start: number): number {
    const headers = headerFields(this.#block.headersOf(i));
    target.set(headers, start);
    const at = start + headers.length;
    target[at] = FIELD_4_BYTES;
    return this.#block.writeBody(i, target, writeVarint(target, at + 1, this.#block.bodyBytesOf(i)));
  }
}

/** Of S2 blocks, one at a time. */
class S2Fields implements RecordFields {
  block: Block | undefined;
  #bytes = 0;
  #target: Uint8Array = NOTHING;
  #at = 0;

  bytesOf(i: number): number {
    const { block } = this;
    assert(block !== undefined, 'records are measured block by block');
    this.#bytes = bytesFieldLength(block.bodyBytesOf(i));
    block.eachHeader(i, this.#measure);
    return this.#bytes;
  }

  write(i: number, target: Uint8Array, at: number): number {
    const { block } = this;
    assert(block !== undefined, 'records are written block by block');
    this.#target = target;
    this.#at = at;
    block.eachHeader(i, this.#write);
    const body = block.bodyBytesOf(i);
    if (body === 0) return this.#at;
    target[this.#at] = FIELD_4_BYTES;
    return block.writeBody(i, target, writeVarint(target, this.#at + 1, body));
  }

  readonly #measure: HeaderVisit = (_payload, nameAt, valueAt, end) => {
    this.#bytes += headerFieldLength(valueAt - nameAt, end - valueAt);
  };

  readonly #write: HeaderVisit = (payload, nameAt, valueAt, end) => {
    this.#at = writeHeader(this.#target, this.#at, payload, nameAt, valueAt, end);
  };
}

/** A few headers as fields. */
function headerFields(headers: readonly Header[]): Uint8Array {
  const bytes = headers.reduce((sum, [name, value]) => sum + headerFieldLength(name.length, value.length), 0);
  const target = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const [name, value] of headers) {
    const end = name.length + value.length;
    at = writeHeader(target, at, Buffer.concat([name, value]), 0, name.length, end);
  }
  return target;
}

function headerFieldLength(name: number, value: number): number {
  const length = bytesFieldLength(name) + bytesFieldLength(value);
  return 1 + varintBytes(length) + length;
}

function writeHeader(
  target: Uint8Array,
  start: number,
  payload: Uint8Array,
  nameAt: number,
  valueAt: number,
  end: number,
): number {
  target[start] = FIELD_3_BYTES;
  const length = bytesFieldLength(valueAt - nameAt) + bytesFieldLength(end - valueAt);
  const at = writeBytesField(target, writeVarint(target, start + 1, length), FIELD_1_BYTES, payload, nameAt, valueAt);
  return writeBytesField(target, at, FIELD_2_BYTES, payload, valueAt, end);
}

function bytesFieldLength(bytes: number): number {
  return bytes === 0 ? 0 : 1 + varintBytes(bytes) + bytes;
}

function writeBytesField(
  target: Uint8Array,
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
