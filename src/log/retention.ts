/**
 * Applies retention to one stream: removes expired records, then what is over its size limit, and deletes the stream
 * itself when it is empty and configured so.
 */

import type { Clock } from '../model/clock.ts';
import { BACKGROUND_BLOCKS_MAX } from '../model/limits.ts';
import { BLOCK_HEADER_BYTES_MAX, readBlockHeader } from '../storage/block/block.ts';
import { blockRange, readBlockKey } from '../storage/keys.ts';
import { commitRows } from './commit-rows.ts';
import { DUE_LATEST_MS, lifetimeMs, refreshFloor } from './expiry.ts';
import type { ExpiryClock } from './expiry-clock.ts';
import { rowOf, scheduleRows } from './schedule-rows.ts';
import type { OpenStream } from './stream.ts';
import { moveTrimPoint, removeTrimmed, type TrimContext } from './trim.ts';

export interface RetentionContext extends TrimContext {
  readonly clock: Clock;
  readonly expiry: ExpiryClock;
  markDeleted(stream: OpenStream): Promise<void>;
}

/** A shorter interval would keep the worker busy with one stream. */
const SOONEST_MS = 1_000;

/** Does what is due for a stream and schedules the next check. */
export async function applyRetention(context: RetentionContext, stream: OpenStream): Promise<void> {
  if (stream.isAway) return;
  await refreshFloor(context.engine, stream, context.expiry.now());
  const floor = Math.max(stream.floor, await surplusEnd(context, stream));
  if (stream.deleting || stream.isAway) return;
  if (floor > stream.durable.trimPoint) {
    await moveTrimPoint(context, stream, floor);
    await removeTrimmed(context, stream);
  }
  // Nothing is awaited from here to the commit, so an append or a change of settings that comes first wins.
  if (stream.stale || stream.deleting || stream.isAway) return;
  const now = context.expiry.now();
  if (isDueForDeletion(stream, now)) {
    await context.markDeleted(stream);
    return;
  }
  const before = stream.row.dueAt;
  stream.row = { ...stream.row, dueAt: nextDueAt(stream, now) };
  const rows = scheduleRows(stream, before);
  if (rows.length === 0) return;
  await commitRows(context.commits, [rowOf(stream), ...rows], { options: { mayUseReserve: true } });
}

/** Whether a stream holds more than it may, so that a check is due now. */
export function hasSurplus({ config, durable }: OpenStream): boolean {
  return config.retentionBytes !== undefined && durable.meteredBytes > config.retentionBytes;
}

/**
 * Deletion on empty (S2): it is configured, the stream is empty, nothing is in flight, and the last write is long
 * enough ago.
 */
function isDueForDeletion(stream: OpenStream, now: number): boolean {
  const minAgeMs = stream.config.deleteOnEmptyMinAgeSeconds * 1_000;
  if (minAgeMs === 0 || !isEmpty(stream) || stream.inFlight > 0) return false;
  return now - lastWrite(stream) >= minAgeMs;
}

function isEmpty({ assigned, floor }: OpenStream): boolean {
  return Math.max(assigned.trimPoint, floor) >= assigned.nextSeq;
}

function lastWrite({ assigned, createdAt }: OpenStream): number {
  return Math.max(assigned.lastArrival, createdAt);
}

function nextDueAt(stream: OpenStream, now: number): number | undefined {
  const { config, floorUntil } = stream;
  const age = lifetimeMs(config);
  const minAgeMs = config.deleteOnEmptyMinAgeSeconds * 1_000;
  const empty = isEmpty(stream);
  let due = Number.POSITIVE_INFINITY;
  // Records that arrive in an empty stream from now on live for their whole age. Readers check expiry themselves.
  if (age !== undefined) due = empty ? now + Math.max(age, DUE_LATEST_MS) : floorUntil;
  // A stream whose records never expire is checked again when it is trimmed or its settings change.
  if (minAgeMs > 0 && empty) due = Math.min(due, lastWrite(stream) + minAgeMs);
  if (!Number.isFinite(due)) return undefined;
  return Math.min(Math.max(Math.ceil(due), now + SOONEST_MS), Number.MAX_SAFE_INTEGER);
}

/** Where the records begin that fit `retentionBytes`, counted from the newest; whole blocks are removed. */
async function surplusEnd({ engine }: RetentionContext, stream: OpenStream): Promise<number> {
  const { trimPoint } = stream.durable;
  const limit = stream.config.retentionBytes;
  if (limit === undefined || !hasSurplus(stream)) return trimPoint;
  let bytes = stream.durable.meteredBytes;
  let end = 0;
  for (;;) {
    const header = { limit: BACKGROUND_BLOCKS_MAX, valueBytesMax: BLOCK_HEADER_BYTES_MAX };
    const page = await engine.scan({ ...blockRange(stream.number, end, stream.durable.nextSeq), ...header });
    for (const { key, value } of page) {
      if (bytes <= limit) return end;
      const { count, meteredBytes } = readBlockHeader(key, value);
      bytes -= meteredBytes;
      end = readBlockKey(key).firstSeq + count;
    }
    if (page.length < BACKGROUND_BLOCKS_MAX) return end;
  }
}
