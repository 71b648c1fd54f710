/**
 * The bytes of a command: one transaction of a cluster, as its log holds it.
 *
 * ```
 *  at  bytes  what
 *  0   1      version: 2 where a write is about places of basins, else 1
 *  1   4      CRC-32 of all bytes after it, seeded with the version, little endian
 *  5   16     id, random
 *  21  16     id of the command before it, of those that counted; zeros, or the base of the cluster, for the first
 *  37  …      writes: type u8 (1 put, 2 delete), key length varint, key; for a put also value length varint, value
 * ```
 *
 * A command without writes confirms who leads. Every build reads all versions before its own; a leader writes no version
 * that a node of its cluster cannot read. The two versions have the same form: builds that read version 1 only know one
 * partition, and stop where basins are spread over several ones.
 */

import { crc32 } from 'node:zlib';
import { readVarint, varintBytes, writeVarint } from '../../encoding/varint.ts';
import { TailraceError } from '../../model/error.ts';
import { readU32 } from '../block/format.ts';
import type { Write } from '../engine.ts';
import { FAMILY } from '../keys.ts';

export interface LogCommand {
  readonly id: Uint8Array;
  /** The id of the command before it. */
  readonly after: Uint8Array;
  readonly writes: readonly Write[];
}

/** The newest version that this build reads. */
export const COMMAND_VERSION = 2;
/** Since which version a build knows that a cluster may have several partitions. */
export const PARTITIONS_COMMAND_VERSION = 2;
export const COMMAND_ID_BYTES = 16;
const HEAD_BYTES = 5 + 2 * COMMAND_ID_BYTES;
const PUT = 1;
const DELETE = 2;

/** Bytes that a write takes in a command. */
function commandBytes(write: Write): number {
  const { key } = write;
  const bytes = 1 + varintBytes(key.length) + key.length;
  return write.type === 'delete' ? bytes : bytes + varintBytes(write.value.length) + write.value.length;
}

/** Returns bytes that share no memory with the command. */
export function encodeCommand({ id, after, writes }: LogCommand): Buffer {
  const bytes = Buffer.allocUnsafe(writes.reduce((sum, write) => sum + commandBytes(write), HEAD_BYTES));
  bytes[0] = writes.some(({ key }) => key[0] === FAMILY.places) ? PARTITIONS_COMMAND_VERSION : 1;
  bytes.set(id, 5);
  bytes.set(after, 5 + COMMAND_ID_BYTES);
  let at = HEAD_BYTES;
  for (const write of writes) {
    bytes[at] = write.type === 'put' ? PUT : DELETE;
    at = writeVarint(bytes, at + 1, write.key.length);
    bytes.set(write.key, at);
    at += write.key.length;
    if (write.type === 'delete') continue;
    at = writeVarint(bytes, at, write.value.length);
    bytes.set(write.value, at);
    at += write.value.length;
  }
  bytes.writeUInt32LE(checksum(bytes), 1);
  return bytes;
}

/**
 * Returns a command whose keys and values are views of `bytes`.
 * @throws TailraceError `corrupt`; `format_too_new` for one that a newer build wrote
 */
export function decodeCommand(bytes: Uint8Array): LogCommand {
  if (bytes.length < HEAD_BYTES) throw damaged('it is cut short');
  if (readU32(bytes, 1) !== checksum(bytes)) throw damaged('its checksum does not match');
  const version = bytes[0] ?? 0;
  if (version > COMMAND_VERSION) {
    throw new TailraceError(
      'format_too_new',
      `a node of this cluster wrote a command of version ${version}, and this build reads up to ${COMMAND_VERSION}: upgrade this node`,
    );
  }
  if (version < 1) throw damaged(`it has version ${version}`);
  const writes: Write[] = [];
  let at = HEAD_BYTES;
  const part = (): Uint8Array => {
    const length = readVarint(bytes, at);
    if (length === undefined || length.end + length.value > bytes.length) throw damaged('a write in it is cut short');
    at = length.end + length.value;
    return bytes.subarray(length.end, at);
  };
  while (at < bytes.length) {
    const type = bytes[at++];
    if (type !== PUT && type !== DELETE) throw damaged(`it has a write of type ${type}`);
    const key = part();
    writes.push(type === PUT ? { type: 'put', key, value: part() } : { type: 'delete', key });
  }
  return {
    id: bytes.subarray(5, 5 + COMMAND_ID_BYTES),
    after: bytes.subarray(5 + COMMAND_ID_BYTES, HEAD_BYTES),
    writes,
  };
}

/** Version and checksum stay where they are in all versions. */
function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(5), bytes[0]);
}

function damaged(why: string): TailraceError {
  return new TailraceError('corrupt', `a command in the log of the cluster is damaged: ${why}`);
}
