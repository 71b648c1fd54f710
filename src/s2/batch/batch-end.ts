/** Cuts what a reader gets into batches of a size that every S2 client takes. */

import { READ_BATCH_BYTES_MAX, READ_BATCH_RECORDS_MAX } from '../../model/limits.ts';
import type { Block } from '../../storage/block/block.ts';

/** How much one batch may hold. */
export interface BatchLimits {
  readonly records: number;
  /** Metered bytes. */
  readonly bytes: number;
}

/** What S2 allows: 1,000 records and 1 MiB. */
export const S2_BATCH: BatchLimits = { records: READ_BATCH_RECORDS_MAX, bytes: READ_BATCH_BYTES_MAX };

/**
 * The end of the batch that starts at record `from` of a block: at most `limits`, never beyond `to`. The first record
 * always goes in, so that every call makes progress.
 */
export function batchEnd(block: Block, from: number, to: number, limits: BatchLimits = S2_BATCH): number {
  return endWithin(block, from, to, limits, (i) => block.meteredBytesOf(i));
}

/** The same for what shows records whole that S2 readers get cut. */
export function wholeBatchEnd(block: Block, from: number, to: number, limits: BatchLimits): number {
  return endWithin(block, from, to, limits, (i) => block.wholeBytesOf(i));
}

function endWithin(
  block: Block,
  from: number,
  to: number,
  limits: BatchLimits,
  bytesOf: (i: number) => number,
): number {
  const last = Math.min(to, from + limits.records);
  const wholeBlockFits = block.header.meteredBytes <= limits.bytes;
  if (wholeBlockFits || last - from <= 1) return last;
  let bytes = bytesOf(from);
  let end = from + 1;
  while (end < last) {
    bytes += bytesOf(end);
    if (bytes > limits.bytes) break;
    end += 1;
  }
  return end;
}
