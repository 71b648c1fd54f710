/**
 * How far a node has applied the log of its cluster. The row is written in the transaction of the writes that it stands for:
 *
 *  `ff 02` → version u8 (1), sequence u64, id of the last command that counted (16 bytes), base of the partition (16 bytes)
 *
 * The base is what the first command names as the one before it: zeros and the number of the partition in the last byte for
 * one that began empty, random for one that began with a store. It is not in a backup, so a store that is restored from one
 * belongs to no cluster yet.
 */

import { TailraceError } from '../../model/error.ts';
import { FAMILY } from '../keys.ts';
import { COMMAND_ID_BYTES } from './command.ts';

export interface ReplicaState {
  /** Of the last command that was applied or passed over. */
  readonly sequence: number;
  readonly lastId: Uint8Array;
  readonly base: Uint8Array;
}

export const REPLICA_KEY = Buffer.of(FAMILY.engine, 2);
const VERSION = 1;
const BYTES = 9 + 2 * COMMAND_ID_BYTES;

export function encodeReplicaState({ sequence, lastId, base }: ReplicaState): Uint8Array {
  const bytes = Buffer.alloc(BYTES);
  bytes[0] = VERSION;
  bytes.writeBigUInt64BE(BigInt(sequence), 1);
  bytes.set(lastId, 9);
  bytes.set(base, 9 + COMMAND_ID_BYTES);
  return bytes;
}

/** @throws TailraceError `corrupt` */
export function decodeReplicaState(value: Uint8Array): ReplicaState {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (bytes.length !== BYTES || bytes[0] !== VERSION) {
    throw new TailraceError('corrupt', 'the row that says how far this node follows its cluster is damaged');
  }
  return {
    sequence: Number(bytes.readBigUInt64BE(1)),
    lastId: bytes.subarray(9, 9 + COMMAND_ID_BYTES),
    base: bytes.subarray(9 + COMMAND_ID_BYTES),
  };
}
