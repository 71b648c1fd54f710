/** What all followers of a stream get at the same moment is encoded once: they share the block, and so its text. */

import type { Position } from '../../model/position.ts';
import { type JsonFormat, readBatchJson } from '../../s2/batch/json.ts';
import type { Block } from '../../storage/block/block.ts';

/** Records [from, to) of a block. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly format: JsonFormat;
  /** Where the stream ends, when the piece ends there. */
  readonly tail: Position | undefined;
}

export interface EncodedBatch {
  readonly json: string;
  readonly meteredBytes: number;
}

/** The last piece of a block, kept while a follower holds the block: others come for the same one. */
const kept = new WeakMap<Block, { readonly piece: Piece; readonly batch: EncodedBatch }>();

/** A piece as a ReadBatch in JSON. `isLive` says that others are likely to want the same. */
export function encodedBatch(block: Block, piece: Piece, isLive: boolean): EncodedBatch {
  const { from, to, format, tail } = piece;
  const known = kept.get(block);
  if (known !== undefined && isSame(known.piece, piece)) return known.batch;
  const batch = { json: readBatchJson(block, from, to, format, tail), meteredBytes: meteredBytesOf(block, from, to) };
  if (isLive) kept.set(block, { piece, batch });
  return batch;
}

function isSame(a: Piece, b: Piece): boolean {
  return a.from === b.from && a.to === b.to && a.format === b.format && a.tail?.seqNum === b.tail?.seqNum;
}

function meteredBytesOf(block: Block, from: number, to: number): number {
  if (from === 0 && to === block.header.count) return block.header.meteredBytes;
  let bytes = 0;
  for (let i = from; i < to; i++) bytes += block.meteredBytesOf(i);
  return bytes;
}
