/** The response to an append, in JSON and in protobuf. */

import { varintBytes, writeVarint } from '../../encoding/varint.ts';
import type { AppendAck, Position } from '../../model/position.ts';
import { positionJson } from '../batch/json.ts';
import { positionLength, writePosition } from '../proto-writer.ts';

const FIELD_1_BYTES = 0x0a;
const FIELD_2_BYTES = 0x12;
const FIELD_3_BYTES = 0x1a;

export function appendAckJson({ start, end, tail }: AppendAck): string {
  return `{"start":${positionJson(start)},"end":${positionJson(end)},"tail":${positionJson(tail)}}`;
}

/** An AppendAck message: 1 start, 2 end, 3 tail. Clients require all three, even when a position is empty. */
export function encodeAppendAck({ start, end, tail }: AppendAck): Uint8Array {
  const target = Buffer.allocUnsafe(fieldLength(start) + fieldLength(end) + fieldLength(tail));
  let at = writeField(target, 0, FIELD_1_BYTES, start);
  at = writeField(target, at, FIELD_2_BYTES, end);
  writeField(target, at, FIELD_3_BYTES, tail);
  return target;
}

function fieldLength(position: Position): number {
  const length = positionLength(position);
  return 1 + varintBytes(length) + length;
}

function writeField(target: Uint8Array, start: number, tag: number, position: Position): number {
  target[start] = tag;
  const at = writeVarint(target, start + 1, positionLength(position));
  return writePosition(target, at, position.seqNum, position.timestamp);
}
