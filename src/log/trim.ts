/** Frees the room of trimmed records: whole blocks only, in bounded steps, so that appends go on between them. */

import { BLOCK_HEADER_BYTES_MAX, readBlockHeader } from '../storage/block-read.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { blockRange, readBlockKey } from '../storage/keys.ts';

const STEP_BLOCKS = 128;

/** Deletes the blocks of a stream whose records are all below `trimPoint`. Safe to run again after a crash. */
export async function removeBlocks(engine: Engine, stream: number, trimPoint: number): Promise<void> {
  for (;;) {
    const range = blockRange(stream, 0, trimPoint);
    const entries = await engine.scan({ ...range, limit: STEP_BLOCKS, valueBytesMax: BLOCK_HEADER_BYTES_MAX });
    const deletes: Write[] = [];
    for (const { key, value } of entries) {
      const end = readBlockKey(key).firstSeq + readBlockHeader(key, value).count;
      if (end <= trimPoint) deletes.push({ type: 'delete', key });
    }
    if (deletes.length > 0) await engine.commit(deletes, { mayUseReserve: true });
    if (deletes.length < STEP_BLOCKS) return;
  }
}
