/**
 * Unpacks zstd, which node 20 cannot (S2 API §5.9). Sizes that a frame declares are not trusted: memory is taken for
 * what its blocks can hold and for what is allowed, whichever is less, and windows are never allocated at all.
 */

import { decompress } from 'fzstd';
import { TailraceError } from '../model/error.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_BYTES_MAX = 128 * 1024;
const BLOCK_HEAD_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;
/** A frame that says nothing about itself but that its blocks have at most 128 KiB. */
const PLAIN_HEAD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]);
/** The last block of a frame, and empty. */
const NO_MORE = Buffer.from([1, 0, 0]);

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
  /** Of the last block. */
  readonly last: number;
  /** What the blocks can hold at most. */
  readonly bytesMax: number;
  /** As the frame declares it. */
  readonly contentBytes: number | undefined;
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
function walkBlocks(source: Buffer, start: number): Pick<ZstdFrame, 'end' | 'last' | 'bytesMax'> {
  let at = start;
  let bytesMax = 0;
  for (;;) {
    need(source, at + BLOCK_HEAD_BYTES);
    const head = source.readUIntLE(at, BLOCK_HEAD_BYTES);
    const type = (head >> 1) & 3;
    const size = head >> 3;
    if (type > COMPRESSED_BLOCK) throw damaged('there is no such type of block');
    if (size > BLOCK_BYTES_MAX) throw damaged('a block is too large');
    const last = at;
    at += BLOCK_HEAD_BYTES + (type === RLE_BLOCK ? 1 : size);
    need(source, at);
    bytesMax += type === COMPRESSED_BLOCK ? BLOCK_BYTES_MAX : size;
    if ((head & 1) !== 0) return { end: at, last, bytesMax };
  }
}

/** The decoder does not say how much it made: an empty block at the end, which is no part of the frame, makes it. */
function unpack(source: Buffer, frame: ZstdFrame, bytesMax: number): Uint8Array {
  const { start, end, last, contentBytes } = frame;
  if (contentBytes !== undefined && contentBytes > bytesMax) throw tooLarge(bytesMax);
  const blocks = Buffer.concat([PLAIN_HEAD, source.subarray(start, end), NO_MORE]);
  const lastAt = PLAIN_HEAD.length + last - start;
  blocks[lastAt] = (blocks[lastAt] ?? 0) & 0xfe;
  const target = new Target(Math.min(frame.bytesMax, contentBytes ?? bytesMax));
  try {
    decompress(blocks, target);
  } catch (cause) {
    if (cause instanceof Overflow)
      throw contentBytes === undefined ? tooLarge(bytesMax) : damaged('it holds more than it says');
    throw damaged('it cannot be unpacked', cause);
  }
  if (contentBytes !== undefined && target.filled !== contentBytes) throw damaged('it holds less than it says');
  return new Uint8Array(target.buffer, 0, target.filled);
}

class Overflow extends Error {}

/** What the decoder writes to. Every block begins with one of these calls, which says how far it has come. */
class Target extends Uint8Array {
  filled = 0;

  override subarray(begin: number, end: number): Uint8Array<ArrayBuffer> {
    this.#reach(begin);
    return new Uint8Array(this.buffer, begin, Math.min(end, this.length) - begin) as Uint8Array<ArrayBuffer>;
  }

  override set(piece: ArrayLike<number>, at: number): void {
    this.#reach(at + piece.length);
    super.set(piece, at);
  }

  #reach(end: number): void {
    if (end > this.length) throw new Overflow('the decoder wrote more than there is room for');
    this.filled = end;
  }
}

function need(source: Buffer, end: number): void {
  if (end > source.length) throw damaged('it ends too early');
}

function damaged(what: string, cause?: unknown): TailraceError {
  return new TailraceError('bad_frame', `the zstd data is damaged: ${what}`, { cause });
}

function tooLarge(bytesMax: number): TailraceError {
  return new TailraceError('too_large', `there are more than ${bytesMax} bytes after decompression`);
}
