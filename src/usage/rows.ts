/** Builds the rows of usage metrics: new counts are added to those in the store. */

import { nextTurn } from '../log/next-turn.ts';
import { bucketOf, INTERVAL_SECONDS, type UsagePoint } from '../model/usage.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { type UsageKind, usageKey } from '../storage/keys.ts';
import {
  decodeStreamStorage,
  decodeUsageCounts,
  encodeBasinStorage,
  encodeBasinTotal,
  encodeStreamStorage,
  encodeUsageCounts,
} from '../storage/usage-rows.ts';
import type { BasinTotal } from './basin-totals.ts';
import { addCounts } from './tally.ts';

const { minute: MINUTE, hour: HOUR } = INTERVAL_SECONDS;
/** Rows that are built in one turn. */
const STEP = 256;

/** The counts of a basin in one minute. */
export interface MinuteCounts {
  /** The start of the minute. */
  readonly second: number;
  /** Number of the basin; 0 is the account. */
  readonly basin: number;
  readonly name: string;
  readonly counts: ReadonlyMap<string, number>;
}

/** The rows of minutes and of their hours, with these counts added. */
export async function countRows(engine: Engine, minutes: readonly MinuteCounts[]): Promise<Write[]> {
  const sums = new Map<string, { key: Uint8Array; name: string; counts: Map<string, number> }>();
  const add = (kind: UsageKind, second: number, { basin, name, counts }: MinuteCounts): void => {
    const id = `${kind}/${basin}/${second}`;
    const sum = sums.get(id) ?? { key: usageKey(kind, basin, second), name, counts: new Map<string, number>() };
    addCounts(sum.counts, counts);
    sums.set(id, sum);
  };
  for (const minute of minutes) {
    add('minutes', minute.second, minute);
    add('hours', bucketOf(minute.second, HOUR), minute);
  }
  const rows: Write[] = [];
  for (const { key, name, counts } of sums.values()) {
    const before = await engine.get(key);
    if (before !== undefined) addCounts(counts, decodeUsageCounts(before).counts);
    rows.push({ type: 'put', key, value: encodeUsageCounts({ basin: name, counts }) });
    if (rows.length % STEP === 0) await nextTurn();
  }
  return rows;
}

/** The rows of changed sums: their current value, and the sample of the hour. */
export function totalRows(totals: ReadonlyMap<number, BasinTotal>, second: number): Write[] {
  const hour = bucketOf(second, HOUR);
  return [...totals].flatMap(([number, { name, bytes }]): Write[] => [
    { type: 'put', key: usageKey('basinTotals', number, 0), value: encodeBasinTotal(bytes) },
    { type: 'put', key: usageKey('basinStorage', number, hour), value: encodeBasinStorage({ basin: name, bytes }) },
  ]);
}

/** The rows with a sample of each of these streams, by number, in the minute of this second. */
export async function streamRows(
  engine: Engine,
  stored: ReadonlyMap<number, number>,
  second: number,
): Promise<Write[]> {
  const hour = bucketOf(second, HOUR);
  const minute = (second - hour) / MINUTE;
  const rows: Write[] = [];
  for (const [number, bytes] of stored) {
    const key = usageKey('streamStorage', hour, number);
    const before = await engine.get(key);
    const points = before === undefined ? [] : decodeStreamStorage(before).filter(([at]) => at !== Math.floor(minute));
    const sample: UsagePoint = [Math.floor(minute), bytes];
    const sorted = [...points, sample].sort(([a], [b]) => a - b);
    rows.push({ type: 'put', key, value: encodeStreamStorage(sorted) });
    if (rows.length % STEP === 0) await nextTurn();
  }
  return rows;
}
