/** How many records of each level and service there were in each span of time, as the server counts them. */

import { call } from './call.ts';
import { streamPath } from './streams.ts';

export interface LevelCount {
  /** The beginning of its bucket, in milliseconds. */
  readonly time: number;
  /** Null for what is no log. */
  readonly level: string | null;
  readonly service: string | null;
  readonly count: number;
}

/** One answer counts for five seconds at most: a count that takes more of them is cut. */
const ANSWERS_MAX = 12;

interface CountAnswer {
  readonly complete: boolean;
  readonly next_seq_num: number;
  readonly rows: readonly {
    readonly group?: { readonly level: string | null; readonly service: string | null };
    readonly bucket?: number;
    readonly count: number;
  }[];
}

export interface LevelCounts {
  /** Of one time, level and service there may be several. */
  readonly counts: readonly LevelCount[];
  /** False where counting took too long: the newest records are not in it. */
  readonly isWhole: boolean;
}

/** @throws WireError, such as for a filter that is wrong */
export async function countLevels(
  basin: string,
  stream: string,
  range: { readonly since: number; readonly bucketMs: number; readonly filter: string },
  signal: AbortSignal,
): Promise<LevelCounts> {
  const { since, bucketMs, filter } = range;
  const query = {
    by: 'level,service',
    bucket: `${bucketMs}ms`,
    clamp: true,
    filter: filter === '' ? undefined : filter,
  };
  const counts: LevelCount[] = [];
  let from: { readonly timestamp: number } | { readonly seq_num: number } = { timestamp: since };
  for (let answers = 0; answers < ANSWERS_MAX; answers++) {
    const options = { basin, query: { ...query, ...from }, signal };
    const answer: CountAnswer = await call<CountAnswer>(streamPath(stream, 'aggregate'), options);
    for (const { group, bucket, count } of answer.rows) {
      const { level = null, service = null } = group ?? {};
      counts.push({ time: bucket ?? since, level, service, count });
    }
    if (answer.complete) return { counts, isWhole: true };
    from = { seq_num: answer.next_seq_num };
  }
  return { counts, isWhole: false };
}
