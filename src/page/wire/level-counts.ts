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

interface CountAnswer {
  readonly rows: readonly {
    readonly group?: { readonly level: string | null; readonly service: string | null };
    readonly bucket?: number;
    readonly count: number;
  }[];
}

/** @throws WireError, such as for a filter that is wrong */
export async function countLevels(
  basin: string,
  stream: string,
  range: { readonly since: number; readonly bucketMs: number; readonly filter: string },
  signal: AbortSignal,
): Promise<readonly LevelCount[]> {
  const { since, bucketMs, filter } = range;
  const { rows } = await call<CountAnswer>(streamPath(stream, 'aggregate'), {
    basin,
    query: {
      by: 'level,service',
      bucket: `${bucketMs}ms`,
      timestamp: since,
      clamp: true,
      filter: filter === '' ? undefined : filter,
    },
    signal,
  });
  return rows.map(({ group, bucket, count }) => ({
    time: bucket ?? since,
    level: group?.level ?? null,
    service: group?.service ?? null,
    count,
  }));
}
