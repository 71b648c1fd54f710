/** A part of a batch: neighbouring records of one block. */

import type { Block } from '../../storage/block/block.ts';

/** Records [from, to) of a block; never none. A batch has one part, or several in order. */
export interface BatchPart {
  readonly block: Block;
  readonly from: number;
  readonly to: number;
}

/** Metered bytes of all records of a batch. */
export function meteredBytesOf(parts: readonly BatchPart[]): number {
  return parts.reduce((sum, { block, from, to }) => sum + block.meteredBytesWithin(from, to), 0);
}

/** The same, with each record whole that S2 readers get cut. */
export function wholeBytesOf(parts: readonly BatchPart[]): number {
  return parts.reduce((sum, { block, from, to }) => sum + block.wholeBytesWithin(from, to), 0);
}

/** How many records a batch has. */
export function recordsIn(parts: readonly BatchPart[]): number {
  return parts.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** The sequence number after the last record of a batch. */
export function endOf(parts: readonly BatchPart[]): number {
  const last = parts[parts.length - 1];
  return last === undefined ? 0 : last.block.firstSeq + last.to;
}
