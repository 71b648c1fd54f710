/** The pieces of protobuf that S2's messages are written with: varints, and positions (proto/s2/v1/s2.proto). */

import type { Position } from '../model/position.ts';

const TWO_28 = 2 ** 28;
const FIELD_1_VARINT = 0x08;
const FIELD_2_VARINT = 0x10;

/** Bytes of a safe integer as a varint. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < TWO_28) return 4;
  if (value < 2 ** 35) return 5;
  if (value < 2 ** 42) return 6;
  return value < 2 ** 49 ? 7 : 8;
}

/** Writes a safe integer. What is wider than bit operations reach is split once, at a limit between two bytes. */
export function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  if (value >= TWO_28) {
    rest = Math.floor(value / TWO_28);
    const low = value - rest * TWO_28;
    target[at++] = (low & 0x7f) | 0x80;
    target[at++] = ((low >>> 7) & 0x7f) | 0x80;
    target[at++] = ((low >>> 14) & 0x7f) | 0x80;
    target[at++] = (low >>> 21) | 0x80;
  }
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** Bytes of a StreamPosition, and of the like fields of a SequencedRecord. proto3: a zero is not written. */
export function positionLength({ seqNum, timestamp }: Position): number {
  return positionFieldsLength(seqNum, timestamp);
}

export function positionFieldsLength(seqNum: number, timestamp: number): number {
  return (seqNum === 0 ? 0 : 1 + varintLength(seqNum)) + (timestamp === 0 ? 0 : 1 + varintLength(timestamp));
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
