/** Positions in the messages of S2 (proto/s2/v1/s2.proto): how long they are, and how they are written. */

import { varintBytes, writeVarint } from '../encoding/varint.ts';
import type { Position } from '../model/position.ts';

const FIELD_1_VARINT = 0x08;
const FIELD_2_VARINT = 0x10;

/** Bytes of a StreamPosition, and of the like fields of a SequencedRecord. proto3: a zero is not written. */
export function positionLength({ seqNum, timestamp }: Position): number {
  return positionFieldsLength(seqNum, timestamp);
}

export function positionFieldsLength(seqNum: number, timestamp: number): number {
  return (seqNum === 0 ? 0 : 1 + varintBytes(seqNum)) + (timestamp === 0 ? 0 : 1 + varintBytes(timestamp));
}

/** Writes fields 1 and 2 of a StreamPosition or SequencedRecord; says where they end. */
export function writePosition(target: Uint8Array, start: number, seqNum: number, timestamp: number): number {
  let at = start;
  if (seqNum !== 0) {
    target[at++] = FIELD_1_VARINT;
    at = writeVarint(target, at, seqNum);
  }
  if (timestamp !== 0) {
    target[at++] = FIELD_2_VARINT;
    at = writeVarint(target, at, timestamp);
  }
  return at;
}
