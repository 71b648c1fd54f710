/**
 * Deletes old rows of usage metrics: minutes after a week, because their hours have the sums; hours when no range can
 * include them.
 */

import { USAGE_HOURS_SECONDS, USAGE_MINUTES_SECONDS } from '../model/limits.ts';
import { bucketOf, INTERVAL_SECONDS } from '../model/usage.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { readUsageKey, type UsageKind, usageRange } from '../storage/keys.ts';

const PAGE = 512;

/** Minutes before this second may be deleted: they are read as hours. */
export function minutesKeptFrom(nowSecond: number): number {
  return Math.max(0, bucketOf(nowSecond - USAGE_MINUTES_SECONDS, INTERVAL_SECONDS.hour));
}

/** Deletes what is too old, page by page, until nothing is left or `isOver` returns true. */
export async function expireUsage(
  engine: Engine,
  nowSecond: number,
  remove: (rows: readonly Write[]) => Promise<void>,
  isOver: () => boolean,
): Promise<void> {
  const minutes = minutesKeptFrom(nowSecond);
  const hours = Math.max(0, nowSecond - USAGE_HOURS_SECONDS);
  for (const [kind, before, kept] of [
    ['minutes', minutes, 0],
    ['hours', hours, 0],
    // A gauge is valid until its next sample, however old it is.
    ['basinStorage', hours, 1],
  ] as const) {
    for (let basin: number | undefined = await nextBasin(engine, kind, 0); basin !== undefined; ) {
      await removeRange(engine, usageRange(kind, [basin, 0], [basin, before]), kept, remove, isOver);
      basin = await nextBasin(engine, kind, basin + 1);
    }
  }
  await removeRange(engine, usageRange('streamStorage', [0, 0], [minutes, 0]), 0, remove, isOver);
}

/** The first basin with this number or a higher one that has rows of a kind. */
export async function nextBasin(engine: Engine, kind: UsageKind, from: number): Promise<number | undefined> {
  const [first] = await engine.scan({ ...usageRange(kind, [from, 0]), limit: 1, valueBytesMax: 1 });
  return first === undefined ? undefined : readUsageKey(first.key)[0];
}

async function removeRange(
  engine: Engine,
  range: { readonly from: Uint8Array; readonly to: Uint8Array },
  kept: number,
  remove: (rows: readonly Write[]) => Promise<void>,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const page = await engine.scan({ ...range, limit: PAGE + kept, valueBytesMax: 1 });
    const old = page.slice(0, page.length - kept);
    if (old.length === 0) return;
    await remove(old.map(({ key }) => ({ type: 'delete', key })));
  }
}
