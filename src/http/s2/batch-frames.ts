/** Records as the frames of a read session. What all followers of a stream get at the same moment is made once. */

import { type BufferPool, Loan } from '../../encoding/buffer-pool.ts';
import { TailraceError } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import { batchEnd } from '../../s2/batch/batch-end.ts';
import { readBatchProto } from '../../s2/batch/proto.ts';
import {
  FRAME_BODY_BYTES_MAX,
  FRAME_HEAD_BYTES,
  type FrameCompression,
  sealCompressed,
  sealFrame,
} from '../../s2/frame.ts';
import type { Block } from '../../storage/block/block.ts';

/** Records of a block from `from` on, and what their frames are like. */
export interface BatchWish {
  readonly from: number;
  readonly to: number;
  /** Where the stream ends, when the records up to `to` end there. */
  readonly tail: Position | undefined;
  readonly compression: FrameCompression;
  readonly reconnectAdvised: boolean;
  /** Others are likely to want the same. */
  readonly isLive: boolean;
}

/** One frame. */
export interface BatchFrame {
  /** Never changed: it may be shared. */
  readonly bytes: Buffer | Promise<Buffer>;
  /** Where the bytes stand, if that is borrowed: whoever sends them gives it back. */
  readonly loan?: Loan;
  /** Behind the last record in it. */
  readonly end: number;
}

/** Frames live as long as the block that they were made of: while a follower has it before it. */
const kept = new WeakMap<Block, Map<string, BatchFrame>>();

/**
 * The first frame of what is wished for; ask again from its end on. One that nobody else gets is made in a buffer of the
 * pool, where there is one.
 * @throws TailraceError `invalid` for a record that fits into no frame
 */
export function batchFrame(block: Block, wish: BatchWish, pool?: BufferPool): BatchFrame {
  if (!wish.isLive) return encode(block, wish, wish.compression === 'none' ? pool : undefined);
  const frames = kept.get(block) ?? new Map<string, BatchFrame>();
  if (frames.size === 0) kept.set(block, frames);
  const { from, to, tail, compression, reconnectAdvised } = wish;
  const key = `${from} ${to} ${tail?.seqNum} ${compression} ${reconnectAdvised}`;
  const known = frames.get(key);
  if (known !== undefined) return known;
  const made = encode(block, wish);
  frames.set(key, made);
  return made;
}

function encode(
  block: Block,
  { from, to, tail, compression, reconnectAdvised }: BatchWish,
  pool?: BufferPool,
): BatchFrame {
  const loan = pool === undefined ? undefined : new Loan(pool);
  const room = { headBytes: FRAME_HEAD_BYTES, ...(loan === undefined ? {} : { take: loan.take }) };
  let end = batchEnd(block, from, to);
  let plain = readBatchProto(block, from, end, end === to ? tail : undefined, room);
  // Headers of a byte or two take twice their metered size: then the tail goes first, and half of the records.
  for (let isWhole = true; plain.length - FRAME_HEAD_BYTES > FRAME_BODY_BYTES_MAX; isWhole = false) {
    if (!isWhole && end - from === 1) throw fitsNowhere(block.firstSeq + from);
    if (!isWhole) end = from + Math.ceil((end - from) / 2);
    plain = readBatchProto(block, from, end, undefined, room);
  }
  const seal = compression === 'gzip' ? sealCompressed : sealFrame;
  return { bytes: seal(plain, reconnectAdvised), end, ...(loan === undefined ? {} : { loan }) };
}

function fitsNowhere(seqNum: number): TailraceError {
  return new TailraceError(
    'invalid',
    `record ${seqNum} has so many headers that no s2s frame holds it: read it as JSON`,
  );
}
