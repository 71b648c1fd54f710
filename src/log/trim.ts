/**
 * Frees the space of blocks that cannot be read any more: whole blocks only, in bounded steps, so that appends
 * continue.
 */

import { BACKGROUND_BLOCKS_MAX } from '../model/limits.ts';
import { BLOCK_HEADER_BYTES_MAX, readBlockHeader } from '../storage/block/block.ts';
import type { CommitOptions, Engine, Write } from '../storage/engine.ts';
import {
  blockRange,
  dueKey,
  pendingKey,
  readBlockKey,
  streamKey,
  streamStateKey,
  summaryRowRange,
  traceRowRange,
} from '../storage/keys.ts';
import { encodePending, type StreamRow } from '../storage/values.ts';
import type { CommitQueue } from './commit-queue.ts';
import { commitRows } from './commit-rows.ts';
import { deletionPending, expectFresh, type OpenStream, streamNotFound } from './stream.ts';
import { rowsBelow } from './summaries/row-writer.ts';

/** Freeing space may use the reserve that is kept for it. */
const RESERVE: CommitOptions = { mayUseReserve: true };

export interface TrimContext {
  readonly engine: Engine;
  readonly commits: CommitQueue;
}

/** The row that lets a trim continue after a restart. Written with the new trim point. */
export function trimRow(stream: OpenStream): Write {
  const value = encodePending({ basin: stream.basin.number, name: stream.name });
  return { type: 'put', key: pendingKey('trim', stream.number), value };
}

/**
 * Moves the trim point, at most to the assigned tail and never back. Durable when it resolves.
 * @throws TailraceError `unavailable` while its basin moves, `stream_not_found` when the stream only waits for its first append, `stream_deletion_pending`,
 *   `storage`
 */
export async function moveTrimPoint({ commits }: TrimContext, stream: OpenStream, seqNum: number): Promise<void> {
  stream.place.expectHere();
  // A state that is written after the removal of its stream would stay in the store without a stream.
  if (stream.deleting) throw deletionPending(stream.name);
  if (!stream.made) throw streamNotFound(stream.basin.name, stream.name);
  const { assigned } = stream;
  const trimPoint = Math.min(Math.max(seqNum, assigned.trimPoint), assigned.nextSeq);
  if (trimPoint === assigned.trimPoint) return commits.barrier();
  expectFresh(stream);
  stream.assigned = { ...assigned, trimPoint };
  await commitRows(commits, [trimRow(stream)], { states: [[stream, stream.assigned]], options: RESERVE });
}

/**
 * Deletes the blocks whose records are all below the durable trim point. Safe to run again after a crash. Calls for one
 * stream run one after the other, because each counts the bytes that it frees. When another write fails meanwhile, the
 * next background pass does the rest.
 */
export function removeTrimmed(context: TrimContext, stream: OpenStream): Promise<void> {
  const before = stream.trimming;
  const done = before === undefined ? remove(context, stream) : before.then(() => remove(context, stream));
  const settled = done.catch(() => {});
  stream.trimming = settled;
  void settled.then(() => {
    if (stream.trimming === settled) stream.trimming = undefined;
  });
  return done;
}

async function remove({ engine, commits }: TrimContext, stream: OpenStream): Promise<void> {
  for (;;) {
    const { trimPoint } = stream.durable;
    const range = blockRange(stream.number, 0, trimPoint);
    const header = { limit: BACKGROUND_BLOCKS_MAX, valueBytesMax: BLOCK_HEADER_BYTES_MAX };
    const entries = await engine.scan({ ...range, ...header });
    const rows: Write[] = [];
    let bytes = 0;
    for (const { key, value } of entries) {
      const { count, meteredBytes } = readBlockHeader(key, value);
      if (readBlockKey(key).firstSeq + count > trimPoint) continue;
      rows.push({ type: 'delete', key });
      bytes += meteredBytes;
    }
    const ofRows = await rowsBelow(engine, stream, trimPoint);
    const finished = rows.length < BACKGROUND_BLOCKS_MAX && ofRows.isAll;
    rows.push(...ofRows.writes);
    // Nothing is awaited from here to the commit: when the stream was deleted, its blocks are removed with it. A state
    // that is based on a failed write must be read again, and the row of the trim makes sure that the rest is done.
    if (stream.deleting || stream.stale || stream.isAway) return;
    // A trim that was accepted in the meantime has written its own row again, so that row must stay.
    if (finished && stream.assigned.trimPoint === trimPoint) {
      rows.push({ type: 'delete', key: pendingKey('trim', stream.number) });
    }
    stream.assigned = { ...stream.assigned, meteredBytes: Math.max(0, stream.assigned.meteredBytes - bytes) };
    await commitRows(commits, rows, { states: [[stream, stream.assigned]], options: RESERVE });
    if (finished) return;
  }
}

/** Deletes everything of a deleted stream; its row comes last, in the transaction that frees its name. */
export async function removeStream(context: TrimContext, stream: OpenStream): Promise<void> {
  await removeBlocks(context, stream.number, lastRows(stream));
}

/** Deletes all blocks of a stream and the rows about them, and then, in the last transaction, does `last`. */
export async function removeBlocks(
  { engine, commits }: TrimContext,
  number: number,
  last: readonly Write[],
): Promise<void> {
  for (;;) {
    const page = { limit: BACKGROUND_BLOCKS_MAX, valueBytesMax: 1 };
    const ranges = [blockRange(number), summaryRowRange(number), traceRowRange(number)];
    const found = await Promise.all(ranges.map((range) => engine.scan({ ...range, ...page })));
    const rows: Write[] = found.flat().map(({ key }) => ({ type: 'delete', key }));
    const finished = found.every(({ length }) => length < BACKGROUND_BLOCKS_MAX);
    if (finished) rows.push(...last);
    await commitRows(commits, rows, { options: RESERVE });
    if (finished) return;
  }
}

function lastRows({ basin, name, row }: OpenStream): Write[] {
  return rowsOfStream(streamKey(basin.number, name), row).map((key) => ({ type: 'delete', key }));
}

/** The keys of what a stream has besides its blocks. */
export function rowsOfStream(key: Uint8Array, { number, dueAt }: StreamRow): readonly Uint8Array[] {
  const work = [pendingKey('streamDeletion', number), pendingKey('trim', number)];
  return [key, streamStateKey(number), ...work, ...(dueAt === undefined ? [] : [dueKey(dueAt, number)])];
}
