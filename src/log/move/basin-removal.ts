/**
 * Removes what is left of a basin that is in another partition, or did not come after all, in bounded steps. No reader has
 * its streams any more, so none is told.
 */

import { BACKGROUND_PAGE } from '../../model/limits.ts';
import type { CommitOptions, Entry, Write } from '../../storage/engine.ts';
import { pendingKey, readPendingKey, streamRange, streamStateKey, usageKey } from '../../storage/keys.ts';
import { decodeStream } from '../../storage/values.ts';
import { commitRows } from '../commit-rows.ts';
import { removeBlocks, rowsOfStream, type TrimContext } from '../trim.ts';
import { inPages, rowsOfBasin } from './moved-rows.ts';
import { sampledHours, samplesOf } from './stream-samples.ts';

const RESERVE: CommitOptions = { mayUseReserve: true };

/** Removes all rows of a basin but that of its removal. Returns whether they are gone: not when it is to end before. */
export async function removeBasin(context: TrimContext, number: number, isOver: () => boolean): Promise<boolean> {
  const { engine, commits } = context;
  const hours = await sampledHours(engine);
  for (;;) {
    const streams = await engine.scan({ ...streamRange(number), limit: BACKGROUND_PAGE });
    if (streams.length === 0) break;
    const rows = streams.map(({ key, value }) => ({ key, row: decodeStream(value) }));
    // First of all: a stream with a state has all of its blocks.
    const states = rows.map(({ row }) => deletion(streamStateKey(row.number)));
    await commitRows(commits, states, { options: RESERVE });
    // In parallel, so that they share transactions.
    await Promise.all(
      rows.map(async ({ key, row }) => {
        const samples = await samplesOf(engine, row.number, hours);
        const keys = [...rowsOfStream(key, row), ...samples.map((sample) => sample.key)];
        await removeBlocks(context, row.number, keys.map(deletion));
      }),
    );
    if (isOver()) return false;
  }
  for await (const page of inPages(rowsOfBasin(engine, number))) {
    if (isOver()) return false;
    await commitRows(
      commits,
      page.map(({ key }) => deletion(key)),
      { options: RESERVE },
    );
  }
  await commitRows(commits, [deletion(usageKey('basinTotals', number, 0))], { options: RESERVE });
  return !isOver();
}

/** Removes the blocks of a stream that was deleted where it came from after some of them had been taken. */
export function removeTaken(context: TrimContext, { key }: Entry): Promise<void> {
  return removeBlocks(context, readPendingKey(key), [deletion(key)]);
}

/** The row that lets a removal go on after a restart. */
export function removalKey(number: number): Uint8Array {
  return pendingKey('basinRemoval', number);
}

function deletion(key: Uint8Array): Write {
  return { type: 'delete', key };
}
