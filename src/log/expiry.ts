/**
 * When records expire: by their age since arrival (S2 and our own retention fields), under the current configuration,
 * both when they are read and when their space is freed.
 */

import type { StreamConfig } from '../model/stream-config.ts';
import { BLOCK_HEADER_BYTES_MAX, readBlockHeader } from '../storage/block/block.ts';
import type { Engine } from '../storage/engine.ts';
import { blockRange, readBlockKey } from '../storage/keys.ts';
import { amongLiving, findArrival } from './blocks.ts';
import type { OpenStream } from './stream.ts';

/** The longest time until a stream without records, or one that must wait, is checked again. */
export const DUE_LATEST_MS = 600_000;

/** Milliseconds that records live; undefined: forever. */
export function lifetimeMs({ retentionAgeSeconds }: StreamConfig): number | undefined {
  return retentionAgeSeconds === undefined ? undefined : retentionAgeSeconds * 1_000;
}

/** When a new stream is checked first, in ms; undefined when it never needs a check. */
export function firstDueAt(config: StreamConfig, createdAt: number): number | undefined {
  const age = lifetimeMs(config);
  const emptyMs = config.deleteOnEmptyMinAgeSeconds * 1_000;
  const due = Math.min(age ?? Number.POSITIVE_INFINITY, emptyMs > 0 ? emptyMs : Number.POSITIVE_INFINITY);
  return Number.isFinite(due) ? Math.min(createdAt + due, Number.MAX_SAFE_INTEGER) : undefined;
}

/**
 * Updates `floor`: the first record that has not expired at `now`, in ms of the expiry clock. Reads one header when the
 * oldest block may have expired, and does a binary search when it has.
 */
export async function refreshFloor(engine: Engine, stream: OpenStream, now: number): Promise<void> {
  const { trimPoint, nextSeq } = stream.durable;
  if (stream.floor < trimPoint) stream.floor = trimPoint;
  if (now < stream.floorUntil) return;
  const age = lifetimeMs(stream.config);
  if (age === undefined) {
    stream.floor = trimPoint;
    stream.floorUntil = Number.POSITIVE_INFINITY;
    return;
  }
  const floor = await amongLiving(stream, (from) => findArrival(engine, stream, now - age, from, nextSeq));
  const oldest = floor < nextSeq ? await arrivalOf(engine, stream, floor) : undefined;
  stream.floor = floor;
  stream.floorUntil = (oldest ?? now) + age;
}

/** When the block with `seqNum`, or the first block after it, arrived; undefined when there is none. */
async function arrivalOf(engine: Engine, stream: OpenStream, seqNum: number): Promise<number | undefined> {
  const header = { valueBytesMax: BLOCK_HEADER_BYTES_MAX, limit: 1 };
  const [at] = await engine.scan({ ...blockRange(stream.number, 0, seqNum + 1), ...header, reverse: true });
  if (at !== undefined) {
    const { arrival, count } = readBlockHeader(at.key, at.value);
    if (readBlockKey(at.key).firstSeq + count > seqNum) return arrival;
  }
  const [next] = await engine.scan({ ...blockRange(stream.number, seqNum), ...header });
  return next === undefined ? undefined : readBlockHeader(next.key, next.value).arrival;
}
