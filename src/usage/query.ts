/** Answers queries about usage from the rows on disk and the counts that were not written yet. */

import { nextTurn } from '../log/next-turn.ts';
import { scanPages } from '../log/scan-pages.ts';
import type { OpenStream } from '../log/stream.ts';
import { bucketOf, INTERVAL_SECONDS, type UsageInterval, type UsagePoint, type UsageRange } from '../model/usage.ts';
import type { Engine } from '../storage/engine.ts';
import { readUsageKey, type UsageKind, usageKey, usageRange } from '../storage/keys.ts';
import { decodeBasinStorage, decodeStreamStorage, decodeUsageCounts } from '../storage/usage-rows.ts';
import { minutesKeptFrom, nextBasin } from './expiry.ts';
import { accumulate, type Counted, gauge } from './series.ts';

const { minute: MINUTE, hour: HOUR } = INTERVAL_SECONDS;

/** Series by the names of their counters. */
export type UsageSeries = ReadonlyMap<string, readonly UsagePoint[]>;

/** The counts of a basin by number (0 is the account), including those that were not written yet. */
export async function queryCounts(
  engine: Engine,
  basin: number,
  { start, end }: UsageRange,
  interval: UsageInterval,
  nowSecond: number,
  unwritten: readonly Counted[],
): Promise<UsageSeries> {
  const seconds = INTERVAL_SECONDS[interval];
  const from = bucketOf(start, seconds);
  const to = bucketOf(end, seconds) + seconds;
  const kept = interval === 'minute' ? minutesKeptFrom(nowSecond) : Number.POSITIVE_INFINITY;
  const counted: Counted[] = unwritten.filter(({ second }) => second >= from && second < to);
  await readCounts(engine, 'hours', basin, bucketOf(from, HOUR), Math.min(to, kept), counted);
  await readCounts(engine, 'minutes', basin, Math.max(from, kept), to, counted);
  return accumulate(counted, seconds);
}

/** Metered bytes that a basin stored at the end of each hour; `current` is what it stores now. */
export async function queryBasinStorage(
  engine: Engine,
  basin: { readonly number: number; readonly createdAt: number },
  range: UsageRange,
  nowSecond: number,
  current: number,
): Promise<readonly UsagePoint[]> {
  const from = bucketOf(range.start, HOUR);
  const before = usageRange('basinStorage', [basin.number, 0], [basin.number, from]);
  const [last] = await engine.scan({ ...before, limit: 1, reverse: true });
  const samples: UsagePoint[] = [];
  if (last !== undefined) samples.push([from - HOUR, decodeBasinStorage(last.value).bytes]);
  const within = usageRange('basinStorage', [basin.number, from], [basin.number, range.end + 1]);
  for await (const page of scanPages(engine, within)) {
    for (const { key, value } of page) samples.push([readUsageKey(key)[1], decodeBasinStorage(value).bytes]);
  }
  const known = samples.length > 0 ? samples : [since(basin.createdAt, current)];
  return gauge([...known, [nowSecond, current]], range, HOUR, nowSecond);
}

/** Metered bytes that a stream stored at the end of each minute. */
export async function queryStreamStorage(
  engine: Engine,
  stream: OpenStream,
  range: UsageRange,
  nowSecond: number,
): Promise<readonly UsagePoint[]> {
  const current = stream.durable.meteredBytes;
  const samples: UsagePoint[] = [];
  const last = bucketOf(Math.min(range.end, nowSecond), HOUR);
  for (let hour = minutesKeptFrom(nowSecond); hour <= last; hour += HOUR) {
    const row = await engine.get(usageKey('streamStorage', hour, stream.number));
    if (row === undefined) continue;
    for (const [minute, bytes] of decodeStreamStorage(row)) samples.push([hour + minute * MINUTE, bytes]);
  }
  if (samples.length === 0) samples.push(since(Math.max(stream.createdAt, stream.durable.lastArrival), current));
  return gauge([...samples, [nowSecond, current]], range, MINUTE, nowSecond);
}

/** Basins that stored something in a range, also deleted ones; by number. */
export async function queryStoring(engine: Engine, { start, end }: UsageRange): Promise<ReadonlyMap<number, string>> {
  const storing = new Map<number, string>();
  let number = await nextBasin(engine, 'basinStorage', 0);
  while (number !== undefined) {
    const range = usageRange('basinStorage', [number, bucketOf(start, HOUR)], [number, end + 1]);
    const [row] = await engine.scan({ ...range, limit: 1 });
    if (row !== undefined) storing.set(number, decodeBasinStorage(row.value).basin);
    await nextTurn();
    number = await nextBasin(engine, 'basinStorage', number + 1);
  }
  return storing;
}

/** No sample exists, so nothing has changed since then, or for as long as samples are kept. */
function since(ms: number, bytes: number): UsagePoint {
  return [Math.floor(ms / 1_000), bytes];
}

async function readCounts(
  engine: Engine,
  kind: UsageKind,
  basin: number,
  from: number,
  to: number,
  counted: Counted[],
): Promise<void> {
  if (from >= to) return;
  for await (const page of scanPages(engine, usageRange(kind, [basin, from], [basin, to]))) {
    for (const { key, value } of page) {
      counted.push({ second: readUsageKey(key)[1], counts: decodeUsageCounts(value).counts });
    }
    await nextTurn();
  }
}
