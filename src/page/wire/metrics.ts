/** Metrics of a stream: their names, the newest record of each, and the records of one within a range of time. */

import { call } from './call.ts';
import { readRows } from './read.ts';
import type { Row } from './rows.ts';
import { streamPath } from './streams.ts';

export interface MetricName {
  readonly name: string;
  readonly records: number;
}

export interface MetricNames {
  readonly names: readonly MetricName[];
  /** False where the server looked for as long as it may and did not reach the end. */
  readonly isComplete: boolean;
}

export interface MetricsRead {
  /** Newer ones begin there. */
  readonly next: number;
  /** Older records of the range were left out. */
  readonly isCut: boolean;
}

const PAGE = 1_000;
/** Of a metric that is far between others a page may be nearly empty. */
const PAGES_MAX = 60;

/** Of records since `from`, in milliseconds; of all without it. */
export async function metricNames(
  basin: string,
  stream: string,
  from: number | undefined,
  signal: AbortSignal,
): Promise<MetricNames> {
  const query = { by: 'name', filter: 'signal=metrics', timestamp: from, clamp: from === undefined ? undefined : true };
  const answer = await call<{
    readonly complete: boolean;
    readonly rows: readonly { readonly group?: { readonly name?: string | null }; readonly count: number }[];
  }>(streamPath(stream, 'aggregate'), { basin, query, signal });
  const names = answer.rows.flatMap(({ group, count }) => {
    const name = group?.name;
    return name === undefined || name === null ? [] : [{ name, records: count }];
  });
  return { names, isComplete: answer.complete };
}

/** The newest metrics of a stream, in its order. */
export async function newestMetrics(
  basin: string,
  stream: string,
  limit: number,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  return (await readRows(basin, stream, { before: 'tail', limit }, { filter: 'signal=metrics', signal })).rows;
}

/** Backwards, so that the newest are there where there are too many; `take` says whether it wants more. */
export async function metricRows(
  basin: string,
  stream: string,
  name: string,
  range: { readonly from: number; readonly to: number | undefined },
  take: (rows: readonly Row[]) => boolean,
  signal: AbortSignal,
): Promise<MetricsRead> {
  const first = await positionAt(basin, stream, range.from, signal);
  let before = range.to === undefined ? undefined : await positionAt(basin, stream, range.to, signal);
  let next: number | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const from = { before: before ?? ('tail' as const), limit: PAGE };
    const page = await readRows(basin, stream, from, { filter: metricFilter(name), signal });
    next ??= page.nextSeqNum ?? before ?? 0;
    const isWanted = take(page.rows);
    before = page.nextBefore;
    if (first === undefined || page.isAtStart || before === undefined || before <= first) return { next, isCut: false };
    if (!isWanted) break;
  }
  return { next: next ?? 0, isCut: true };
}

/** The conditions of a filter that wants one metric. */
export function metricFilter(name: string): string {
  return `signal=metrics name=${JSON.stringify(name)}`;
}

/** The first record at or after a time; undefined where it is the end. */
async function positionAt(
  basin: string,
  stream: string,
  timestamp: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const page = await readRows(basin, stream, { timestamp: Math.floor(timestamp), count: 1, clamp: true }, { signal });
  return page.rows[0]?.seqNum;
}
