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
import { positionFieldsLength, positionLength, varintLength, writePosition, writeVarint } from './proto-write.ts';

const FIELD_1_BYTES = 0x0a;
const FIELD_2_BYTES = 0x12;
const FIELD_3_BYTES = 0x1a;
const FIELD_4_BYTES = 0x22;

/**
 * Records [from, to) of a block as a ReadBatch. `tail` says that the batch ends at the tail. So many bytes as `headRoom`
 * are left free before it.
 */
export function readBatchProto(
  block: Block,
  from: number,
  to: number,
  tail: Position | undefined,
  headRoom = 0,
): Buffer {
  const count = to - from;
  const lengths = new Uint32Array(count);
  const bodies = new Uint32Array(count);
  const shared = block.header.kind === 's2' ? undefined : encodeHeaders(block.headersOf(0));
  let total = headRoom;
  for (let k = 0; k < count; k++) {
    const body = block.bodyBytesOf(from + k);
    const length = recordLength(block, from + k, shared, body);
    bodies[k] = body;
    lengths[k] = length;
    total += 1 + varintLength(length) + length;
  }
  const tailLength = tail === undefined ? 0 : positionLength(tail);
  if (tail !== undefined) total += 1 + varintLength(tailLength) + tailLength;

  const target = Buffer.allocUnsafe(total);
  let at = headRoom;
  for (let k = 0; k < count; k++) {
    target[at++] = FIELD_1_BYTES;
    at = writeVarint(target, at, lengths[k] ?? 0);
    at = writeRecord(target, at, block, from + k, shared, bodies[k] ?? 0);
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

function recordLength(block: Block, i: number, shared: Uint8Array | undefined, body: number): number {
  const headers = shared === undefined ? headersLength(block.headersOf(i)) : shared.length;
  const bodyField = body === 0 ? 0 : 1 + varintLength(body) + body;
  return positionFieldsLength(block.firstSeq + i, block.timestamp(i)) + headers + bodyField;
}

function writeRecord(
  target: Buffer,
  start: number,
  block: Block,
  i: number,
  shared: Uint8Array | undefined,
  body: number,
): number {
  let at = writePosition(target, start, block.firstSeq + i, block.timestamp(i));
  if (shared === undefined) {
    at = writeHeaders(target, at, block.headersOf(i));
  } else {
    target.set(shared, at);
    at += shared.length;
  }
  if (body === 0) return at;
  target[at++] = FIELD_4_BYTES;
  at = writeVarint(target, at, body);
  return block.writeBody(i, target, at);
}

function encodeHeaders(headers: readonly Header[]): Uint8Array {
  const target = Buffer.allocUnsafe(headersLength(headers));
  writeHeaders(target, 0, headers);
  return target;
}

function headersLength(headers: readonly Header[]): number {
  let total = 0;
  for (const header of headers) {
    const length = headerLength(header);
    total += 1 + varintLength(length) + length;
  }
  return total;
}

function headerLength([name, value]: Header): number {
  return bytesFieldLength(name) + bytesFieldLength(value);
}

function writeHeaders(target: Buffer, start: number, headers: readonly Header[]): number {
  let at = start;
  for (const header of headers) {
    target[at++] = FIELD_3_BYTES;
    at = writeVarint(target, at, headerLength(header));
    at = writeBytesField(target, at, FIELD_1_BYTES, header[0]);
    at = writeBytesField(target, at, FIELD_2_BYTES, header[1]);
  }
  return at;
}

function bytesFieldLength(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 1 + varintLength(bytes.length) + bytes.length;
}

function writeBytesField(target: Buffer, start: number, tag: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return start;
  target[start] = tag;
  const at = writeVarint(target, start + 1, bytes.length);
  target.set(bytes, at);
  return at + bytes.length;
}
