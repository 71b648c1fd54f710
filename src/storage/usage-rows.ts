/**
 * Rows of usage metrics: what was counted in a minute or an hour, and how much was stored. Encoded as in `values.ts`.
 */

import { countOf, damaged, encode, FieldReader } from './values.ts';

/** What was counted in one minute or hour, for one basin or for the account. */
export interface UsageCountsRow {
  /** Name of the basin, which may no longer exist; empty for the account. */
  readonly basin: string;
  /** Counts by name, without those that are zero. */
  readonly counts: ReadonlyMap<string, number>;
}

/** What the streams of a basin stored in total at the end of an hour, or at the last sample in it. */
export interface BasinStorageRow {
  readonly basin: string;
  /** Metered bytes. */
  readonly bytes: number;
}

/** What a stream stored, in metered bytes, at the end of each minute of an hour in which that changed; in order. */
export type StreamStorageRow = readonly (readonly [minuteOfHour: number, bytes: number])[];

const MINUTES_PER_HOUR = 60;

export function encodeUsageCounts({ basin, counts }: UsageCountsRow): Uint8Array {
  return encode([basin, [...counts].filter(([, count]) => count > 0)]);
}

/** @throws TailraceError `corrupt`, as do all decoders here. */
export function decodeUsageCounts(value: Uint8Array): UsageCountsRow {
  const fields = new FieldReader(value, 'usage count');
  const basin = fields.text();
  const counts = new Map(fields.pairs().map(([name, count]) => [name, countOf(count, 'usage count')]));
  return { basin, counts };
}

export function encodeBasinStorage({ basin, bytes }: BasinStorageRow): Uint8Array {
  return encode([basin, bytes]);
}

export function decodeBasinStorage(value: Uint8Array): BasinStorageRow {
  const fields = new FieldReader(value, 'basin gauge');
  return { basin: fields.text(), bytes: fields.count() };
}

export function encodeStreamStorage(points: StreamStorageRow): Uint8Array {
  return encode(points.flat());
}

export function decodeStreamStorage(value: Uint8Array): StreamStorageRow {
  const fields = new FieldReader(value, 'stream gauge');
  const points: [number, number][] = [];
  for (let left = fields.left; left > 0; left = fields.left) {
    const minute = fields.count();
    if (minute >= MINUTES_PER_HOUR || minute <= (points.at(-1)?.[0] ?? -1)) throw damaged('stream gauge');
    points.push([minute, fields.count()]);
  }
  return points;
}

/** What the streams of a basin store now, as far as it was written. */
export function encodeBasinTotal(bytes: number): Uint8Array {
  return encode([bytes]);
}

export function decodeBasinTotal(value: Uint8Array): number {
  return new FieldReader(value, 'basin total').count();
}

/** Whether the totals are right. They are written from time to time, and once more when the server stops. */
export function encodeShutdown(isClean: boolean): Uint8Array {
  return encode([isClean]);
}

export function decodeShutdown(value: Uint8Array): boolean {
  return new FieldReader(value, 'note of the last shutdown').flag();
}
