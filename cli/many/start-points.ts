/** Where a read of many streams begins in each of them: the last lines over all, a time, or an end before one. */

import type { StreamPoint } from '../../src/client/many-reader.ts';
import { TailraceError } from '../../src/model/error.ts';
import { globMatcher } from '../../src/model/selection.ts';
import type { StreamSet } from '../flags/stream-target.ts';
import { lookBack } from '../look-back.ts';
import type { RecordReading } from '../record-sink.ts';

export type ManyStartAt =
  /** Records that are there are not shown. */
  | { readonly type: 'tail' }
  | { readonly type: 'start' }
  /** So many of the last ones over all streams. */
  | { readonly type: 'lines'; readonly count: number }
  | { readonly type: 'since'; readonly timestamp: number }
  | { readonly type: 'positions'; readonly positions: ReadonlyMap<string, StreamPoint> };

/** A stream that is there. What it holds is unknown where the caller may not ask. */
export interface MatchingStream {
  readonly name: string;
  readonly tail: number | undefined;
  /** Of its last record; before that it has none. */
  readonly lastTimestamp: number;
}

/** Calls that are under way together. */
const CALLS_MAX = 8;

/** All streams that match now. @throws TailraceError `permission_denied` for one who may not list */
export async function listMatching(
  { connection, signal }: RecordReading,
  { basin, selection }: StreamSet,
): Promise<MatchingStream[]> {
  if ('streams' in selection) return selection.streams.map((name) => ({ name, ...UNKNOWN }));
  const prefix = 'prefix' in selection ? selection.prefix : selection.glob.slice(0, selection.glob.indexOf('*') >>> 0);
  const matches = 'prefix' in selection ? () => true : globMatcher(selection.glob);
  const found: MatchingStream[] = [];
  for await (const { name, figures } of connection.client.listStreams({ basin, prefix, figures: true, signal })) {
    if (!matches(name)) continue;
    const known = { tail: figures?.next_seq_num, lastTimestamp: figures?.last_timestamp ?? Number.NEGATIVE_INFINITY };
    found.push({ name, ...(figures === undefined ? UNKNOWN : known) });
  }
  return found;
}

const UNKNOWN = { tail: undefined, lastTimestamp: Number.POSITIVE_INFINITY } as const;

/** The first record of each stream at a time or after it; where there is none yet, its tail. */
export async function pointsSince(
  reading: RecordReading,
  { basin }: StreamSet,
  streams: readonly MatchingStream[],
  timestamp: number,
): Promise<Map<string, StreamPoint>> {
  const { connection, encryptionKey, signal } = reading;
  const points = new Map<string, StreamPoint>();
  await inGroups(streams, async ({ name, tail, lastTimestamp }) => {
    if (tail !== undefined && lastTimestamp < timestamp) {
      points.set(name, { seqNum: tail });
      return;
    }
    const options = { basin, encryptionKey, signal, timestamp, count: 1 };
    const seqNum = await unlessMissing(async () => {
      const { content } = await connection.client.readRows(name, options);
      return content[0]?.seqNum ?? (await connection.client.checkTail(name, { basin, signal })).seqNum;
    });
    if (seqNum !== undefined) points.set(name, { seqNum });
  });
  return points;
}

/**
 * Where the last `count` records begin that are wanted, over all streams, in order of time. A stream whose last record is
 * older than all of them is not looked at. Calls `note` when it stopped before it had looked at all of a stream.
 */
export async function pointsOfLast(
  reading: RecordReading,
  { basin }: StreamSet,
  streams: readonly MatchingStream[],
  count: number,
  {
    ends,
    note,
  }: { readonly ends: ReadonlyMap<string, StreamPoint> | undefined; note(stream: string, at: number): void },
): Promise<Map<string, StreamPoint>> {
  const points = new Map<string, StreamPoint>();
  let best: { readonly stream: string; readonly seqNum: number; readonly timestamp: number }[] = [];
  await inGroups(
    streams.toSorted((a, b) => b.lastTimestamp - a.lastTimestamp),
    async ({ name, tail, lastTimestamp }) => {
      const worst = best[0];
      const isTooOld = best.length >= count && worst !== undefined && lastTimestamp < worst.timestamp;
      if (tail !== undefined && (isTooOld || lastTimestamp === Number.NEGATIVE_INFINITY)) {
        points.set(name, { seqNum: ends?.get(name)?.seqNum ?? tail });
        return;
      }
      const back = await unlessMissing(() =>
        lookBack(reading, { basin, stream: name }, count, ends?.get(name)?.seqNum),
      );
      if (back === undefined) return;
      if (back.stoppedAt !== undefined) note(name, back.stoppedAt);
      points.set(name, { seqNum: back.tail });
      best.push(...back.found.map((record) => ({ stream: name, ...record })));
      best.sort((a, b) => a.timestamp - b.timestamp);
      best = best.slice(-count);
    },
  );
  for (const { stream, seqNum } of best) {
    if (seqNum < (points.get(stream)?.seqNum ?? 0)) points.set(stream, { seqNum });
  }
  return points;
}

/** A stream that does not exist, or was deleted meanwhile, has no point: if it is made it comes whole. */
async function unlessMissing<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    const isGone = error instanceof TailraceError && GONE.has(error.code);
    if (isGone) return undefined;
    throw error;
  }
}

const GONE: ReadonlySet<string> = new Set(['stream_not_found', 'stream_deletion_pending']);

async function inGroups<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += CALLS_MAX) await Promise.all(items.slice(i, i + CALLS_MAX).map(act));
}
