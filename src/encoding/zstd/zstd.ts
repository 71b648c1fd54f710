/**
 * Unpacks zstd, which node 20 cannot (S2 API §5.9; RFC 8878). Decoders for node either trust what a frame says of
 * itself or can be made to work for minutes by a few kilobytes; here memory is taken for what the blocks can hold and
 * for what is allowed, whichever is less, windows are not allocated at all, and work is bounded by both. Checksums are
 * not looked at: what carries the data has its own.
 */

import { TailraceError } from '../../model/error.ts';
import { BlockDecoder } from './block.ts';
import { damaged } from './fault.ts';
import { BLOCK_BYTES_MAX } from './literals.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_HEAD_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RAW_BLOCK = 0;
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;

/**
 * The plain bytes of one or more zstd frames.
 * @throws TailraceError `too_large` when they are more than `bytesMax`, `bad_frame` when it is no zstd, is damaged, ends
 *   too early, or needs a dictionary
 */
export function zstdDecompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const pieces: Uint8Array[] = [];
  let total = 0;
  for (let at = 0; at < source.length; ) {
    const { next, frame } = frameAt(source, at);
    at = next;
    if (frame === undefined) continue;
    const piece = unpack(source, frame, bytesMax - total);
    total += piece.length;
    pieces.push(piece);
  }
  const [only] = pieces;
  if (only === undefined) throw damaged('there is nothing in it');
  return pieces.length === 1 ? only : Buffer.concat(pieces, total);
}

/** Where the blocks of a frame lie. */
interface ZstdFrame {
  readonly start: number;
  /** Behind the last block. */
  readonly end: number;
  /** What the blocks can hold at most. */
  readonly bytesMax: number;
  /** As the frame declares it. */
  readonly contentBytes: number | undefined;
}

interface ZstdBlock {
  readonly type: number;
  /** As the head says it: of what is packed, or of what a repeated byte becomes. */
  readonly size: number;
  readonly next: number;
  readonly isLast: boolean;
}

function frameAt(source: Buffer, at: number): { next: number; frame: ZstdFrame | undefined } {
  need(source, at + 5);
  const magic = source.readUInt32LE(at);
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
    need(source, at + 8);
    const next = at + 8 + source.readUInt32LE(at + 4);
    need(source, next);
    return { next, frame: undefined };
  }
  if (magic !== MAGIC) throw damaged('it does not begin as it should');
  const flags = source[at + 4] ?? 0;
  if ((flags & 0b1000) !== 0) throw damaged('a reserved bit is set');
  const head = headOf(source, at, flags);
  const frame = { ...head, ...walkBlocks(source, head.start) };
  const next = frame.end + ((flags & 0b100) === 0 ? 0 : CHECKSUM_BYTES);
  need(source, next);
  return { next, frame };
}

function headOf(source: Buffer, at: number, flags: number): { start: number; contentBytes: number | undefined } {
  const isSingle = (flags & 0b100000) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  const dictionaryAt = at + (isSingle ? 5 : 6);
  const sizeAt = dictionaryAt + dictionaryBytes;
  const start = sizeAt + sizeBytes;
  need(source, start);
  if (source.subarray(dictionaryAt, sizeAt).some((byte) => byte !== 0)) throw damaged('it needs a dictionary');
  if (sizeBytes === 0) return { start, contentBytes: undefined };
  const low = source.readUIntLE(sizeAt, Math.min(sizeBytes, 4)) + (sizeBytes === 2 ? 256 : 0);
  return { start, contentBytes: sizeBytes === 8 ? low + source.readUInt32LE(sizeAt + 4) * 2 ** 32 : low };
}

/** Goes from block to block without unpacking one. */
function walkBlocks(source: Buffer, start: number): Pick<ZstdFrame, 'end' | 'bytesMax'> {
  let bytesMax = 0;
  for (let at = start; ; ) {
    const { type, size, next, isLast } = blockAt(source, at);
    need(source, next);
    bytesMax += type === COMPRESSED_BLOCK ? BLOCK_BYTES_MAX : size;
    at = next;
    if (isLast) return { end: at, bytesMax };
  }
}

function blockAt(source: Buffer, at: number): ZstdBlock {
  need(source, at + BLOCK_HEAD_BYTES);
  const head = source.readUIntLE(at, BLOCK_HEAD_BYTES);
  const type = (head >> 1) & 3;
  const size = head >> 3;
  if (type > COMPRESSED_BLOCK) throw damaged('there is no such type of block');
  if (size > BLOCK_BYTES_MAX) throw damaged('a block is too large');
  return { type, size, next: at + BLOCK_HEAD_BYTES + (type === RLE_BLOCK ? 1 : size), isLast: (head & 1) !== 0 };
}

function unpack(source: Buffer, frame: ZstdFrame, bytesMax: number): Uint8Array {
  const { start, end, contentBytes } = frame;
  if (contentBytes !== undefined && contentBytes > bytesMax) throw tooLarge(bytesMax);
  const target = new Uint8Array(Math.min(frame.bytesMax, contentBytes ?? bytesMax));
  const onFull = (): TailraceError =>
    contentBytes === undefined ? tooLarge(bytesMax) : damaged('it holds more than it says');
  const blocks = new BlockDecoder(target, onFull);
  for (let at = start; at < end; ) {
    const { type, size, next } = blockAt(source, at);
    const body = at + BLOCK_HEAD_BYTES;
    if (type === RAW_BLOCK) blocks.copy(source.subarray(body, next));
    else if (type === RLE_BLOCK) blocks.repeat(source[body] ?? 0, size);
    else blocks.unpack(source, body, next);
    at = next;
  }
  if (contentBytes !== undefined && blocks.filled !== contentBytes) throw damaged('it holds less than it says');
  return target.subarray(0, blocks.filled);
}

function need(source: Buffer, end: number): void {
  if (end > source.length) throw damaged('it ends too early');
}

function tooLarge(bytesMax: number): TailraceError {
  return new TailraceError('too_large', `there are more than ${bytesMax} bytes after decompression`);
}
