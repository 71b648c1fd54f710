/**
 * Looks at zstd data before any of it is decompressed (RFC 8878 §3.1). A decompressor believes what a frame declares:
 * sizes, windows, and that its end will come. Here every frame and block is found first, so that memory and work have
 * bounds that no declaration can move, and data that is cut short is refused whatever the decompressor makes of it.
 */

import { TailraceError } from '../../model/error.ts';
import { ZSTD_BLOCK_PLAIN_BYTES_MIN, ZSTD_BLOCKS_MIN } from '../../model/limits.ts';

/** A frame whose blocks are all there. A body may have 100,000: views of the bytes are made only when they are used. */
export class ZstdFrame {
  /** Size of the plain bytes as the frame declares it. */
  readonly declaredBytes: number | undefined;
  /** The plain bytes are at most this many. */
  readonly plainBytesMax: number;
  readonly #source: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #flags: number;
  readonly #windowLog: number;

  constructor(source: Buffer, head: Head, end: number, plainBytesMax: number, windowLog: number) {
    this.declaredBytes = head.declaredBytes;
    this.plainBytesMax = plainBytesMax;
    this.#source = source;
    this.#start = head.end;
    this.#end = end;
    this.#flags = head.hasChecksum ? CHECKSUM_FLAG : 0;
    this.#windowLog = windowLog;
  }

  /**
   * A head to put before the blocks in place of the one that came: it declares no size and no dictionary, and the
   * smallest window that is enough. A decompressor takes no more memory than that.
   */
  get head(): Uint8Array {
    return Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, this.#flags, (this.#windowLog - WINDOW_LOG_UNIT) << 3);
  }

  /** The blocks, and the checksum if there is one. */
  get blocks(): Buffer {
    return this.#source.subarray(this.#start, this.#end);
  }
}

/** Where the plain bytes go, piece by piece. A piece is good only during the call. */
export type ZstdTake = (piece: Uint8Array, frame: ZstdFrame) => void;

/** A body that is safe to decompress. */
export interface GuardedZstd {
  readonly frames: readonly ZstdFrame[];
  /** The plain bytes are at most this many. Never more than is allowed. */
  readonly plainBytesMax: number;
  /** The largest window that a decompressor needs besides. */
  readonly windowBytes: number;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_HEAD_BYTES = 3;
const BLOCK_BYTES_MAX = 128 * 1024;
/** Heads of literals and of sequences. */
const COMPRESSED_BYTES_MIN = 2;
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;
const CHECKSUM_FLAG = 0b100;
const CHECKSUM_BYTES = 4;
/** The smallest window that allows blocks of every size, and the largest that libzstd takes unless it is told. */
const WINDOW_LOG_MIN = 17;
const WINDOW_LOG_MAX = 27;
const WINDOW_LOG_UNIT = 10;

/**
 * Finds the frames of a body.
 * @throws TailraceError `bad_frame` for data that is no zstd, is cut short, has too many blocks, or needs a dictionary or
 *   a window of more than 128 MiB; `too_large` when it must become more than `bytesMax`
 */
export function guardZstd(bytes: Uint8Array, bytesMax: number): GuardedZstd {
  const walk = new Walk(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), bytesMax);
  const frames: ZstdFrame[] = [];
  while (!walk.isOver) {
    const frame = walk.next();
    if (frame !== undefined) frames.push(frame);
  }
  if (frames.length === 0) throw damagedZstd('there is nothing in it');
  return { frames, plainBytesMax: Math.min(walk.mostBytes, bytesMax), windowBytes: walk.windowBytes };
}

/** An error with code `bad_frame`. */
export function damagedZstd(what: string, cause?: unknown): TailraceError {
  return new TailraceError('bad_frame', `the zstd data is damaged: ${what}`, { cause });
}

/** An error with code `too_large`. */
export function zstdTooLarge(bytesMax: number): TailraceError {
  return new TailraceError('too_large', `there are more than ${bytesMax} bytes after decompression`);
}

/** What the head of a frame says. */
interface Head {
  /** Where the blocks begin. */
  readonly end: number;
  readonly hasChecksum: boolean;
  readonly declaredBytes: number | undefined;
  readonly windowBytes: number;
}

/** The plain bytes of blocks: at least and at most. */
interface Extent {
  least: number;
  most: number;
}

/** Goes from frame to frame. */
class Walk {
  readonly #source: Buffer;
  readonly #bytesMax: number;
  /** Blocks that may still come. What may be skipped counts as one: it takes as long. */
  #blocksLeft: number;
  #at = 0;
  #leastBytes = 0;
  mostBytes = 0;
  windowBytes = 0;

  constructor(source: Buffer, bytesMax: number) {
    this.#source = source;
    this.#bytesMax = bytesMax;
    this.#blocksLeft = ZSTD_BLOCKS_MIN + Math.floor(bytesMax / ZSTD_BLOCK_PLAIN_BYTES_MIN);
  }

  get isOver(): boolean {
    return this.#at === this.#source.length;
  }

  /** The next frame; undefined for one to skip. */
  next(): ZstdFrame | undefined {
    const source = this.#source;
    const magic = source.readUInt32LE(this.#needed(4));
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      this.#countBlock();
      this.#at = this.#need(this.#at + 8 + source.readUInt32LE(this.#needed(8) + 4));
      return undefined;
    }
    if (magic !== MAGIC) throw damagedZstd('it does not begin as it should');
    const head = this.#head();
    this.#at = head.end;
    const extent = this.#walkBlocks(head);
    if (head.hasChecksum) this.#at = this.#need(this.#at + CHECKSUM_BYTES);
    const most = Math.min(extent.most, head.declaredBytes ?? extent.most);
    this.mostBytes += most;
    this.#leastBytes += head.declaredBytes ?? extent.least;
    if (this.#leastBytes > this.#bytesMax) throw zstdTooLarge(this.#bytesMax);
    const plainBytesMax = Math.min(most, this.#bytesMax);
    return new ZstdFrame(source, head, this.#at, plainBytesMax, this.#windowLog(head.windowBytes, plainBytesMax));
  }

  #head(): Head {
    const source = this.#source;
    const at = this.#needed(5);
    const flags = source[at + 4] ?? 0;
    if ((flags & 0b1000) !== 0) throw damagedZstd('a reserved bit is set');
    const isSingle = (flags & 0b100000) !== 0;
    const dictionaryAt = at + (isSingle ? 5 : 6);
    const sizeAt = dictionaryAt + ([0, 1, 2, 4][flags & 3] ?? 0);
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
    const end = this.#need(sizeAt + sizeBytes);
    for (let i = dictionaryAt; i < sizeAt; i++) if (source[i] !== 0) throw damagedZstd('it needs a dictionary');
    const declaredBytes = sizeBytes === 0 ? undefined : declaredSize(source, sizeAt, sizeBytes);
    const windowBytes = isSingle ? (declaredBytes ?? 0) : windowSize(source[at + 5] ?? 0);
    return { end, hasChecksum: (flags & CHECKSUM_FLAG) !== 0, declaredBytes, windowBytes };
  }

  /** Goes from block to block, to the end of the last one. */
  #walkBlocks({ declaredBytes }: Head): Extent {
    const extent: Extent = { least: 0, most: 0 };
    for (;;) {
      this.#countBlock();
      const block = this.#source.readUIntLE(this.#needed(BLOCK_HEAD_BYTES), BLOCK_HEAD_BYTES);
      const type = (block >> 1) & 3;
      const size = block >> 3;
      if (type > COMPRESSED_BLOCK) throw damagedZstd('there is no such type of block');
      if (size > BLOCK_BYTES_MAX) throw damagedZstd('a block is too large');
      if (type === COMPRESSED_BLOCK && size < COMPRESSED_BYTES_MIN) throw damagedZstd('a block is too small');
      this.#at = this.#need(this.#at + BLOCK_HEAD_BYTES + (type === RLE_BLOCK ? 1 : size));
      extent.most += type === COMPRESSED_BLOCK ? BLOCK_BYTES_MAX : size;
      extent.least += type === COMPRESSED_BLOCK ? 0 : size;
      if (declaredBytes === undefined && extent.least > this.#bytesMax) throw zstdTooLarge(this.#bytesMax);
      if ((block & 1) !== 0) return extent;
    }
  }

  /** No block refers to more than what is before it in its frame: a larger window would never be used. */
  #windowLog(windowBytes: number, plainBytesMax: number): number {
    const needed = Math.min(windowBytes, plainBytesMax);
    if (needed > 2 ** WINDOW_LOG_MAX) throw damagedZstd('it needs a window of more than 128 MiB');
    const log = needed <= 2 ** WINDOW_LOG_MIN ? WINDOW_LOG_MIN : 32 - Math.clz32(needed - 1);
    this.windowBytes = Math.max(this.windowBytes, 2 ** log);
    return log;
  }

  #countBlock(): void {
    this.#blocksLeft--;
    if (this.#blocksLeft < 0) throw damagedZstd('it has more blocks than an encoder makes');
  }

  /** Here, where this many bytes must follow. */
  #needed(bytes: number): number {
    this.#need(this.#at + bytes);
    return this.#at;
  }

  #need(end: number): number {
    if (end > this.#source.length) throw damagedZstd('it ends too early');
    return end;
  }
}

function declaredSize(source: Buffer, at: number, bytes: number): number {
  if (bytes === 2) return source.readUInt16LE(at) + 256;
  const low = source.readUIntLE(at, Math.min(bytes, 4));
  return bytes === 8 ? low + source.readUInt32LE(at + 4) * 2 ** 32 : low;
}

function windowSize(descriptor: number): number {
  const base = 2 ** (WINDOW_LOG_UNIT + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}
