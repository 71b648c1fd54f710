/** Basins and streams: lists with figures. */

import { call, segment } from './call.ts';

export interface BasinEntry {
  readonly name: string;
  readonly created_at: string;
  readonly deleted_at: string | null;
}

export interface StreamEntry {
  readonly name: string;
  readonly created_at: string;
  readonly deleted_at: string | null;
  /** Null for what the token may not see. */
  readonly figures: StreamFigures | null;
}

export interface StreamFigures {
  readonly first_seq_num: number;
  readonly next_seq_num: number;
  readonly records: number;
  readonly metered_bytes: number;
  /** Milliseconds; null without a record. */
  readonly first_timestamp: number | null;
  readonly last_timestamp: number | null;
  /** Over the last minute; null when too many streams got records in it. */
  readonly records_per_second: number | null;
  readonly metered_bytes_per_second: number | null;
}

const PAGE = 1_000;
/** A list beyond this is cut, and says so. */
export const STREAMS_LISTED_MAX = 10_000;

export async function listBasins(signal?: AbortSignal): Promise<readonly BasinEntry[]> {
  const options = { query: { limit: PAGE }, ...(signal === undefined ? {} : { signal }) };
  const { basins } = await call<{ readonly basins: readonly BasinEntry[] }>('/v1/basins', options);
  return basins;
}

/** Streams with figures, in the order of their names; at most `max`, and never more than {@link STREAMS_LISTED_MAX}. */
export async function listStreams(
  basin: string,
  prefix = '',
  signal?: AbortSignal,
  max = STREAMS_LISTED_MAX,
): Promise<readonly StreamEntry[]> {
  const found: StreamEntry[] = [];
  for (let hasMore = true; hasMore && found.length < Math.min(max, STREAMS_LISTED_MAX); ) {
    const query = { prefix, limit: Math.min(PAGE, max), figures: true, start_after: found.at(-1)?.name };
    const options = { basin, query, ...(signal === undefined ? {} : { signal }) };
    const page = await call<{ streams: readonly StreamEntry[]; has_more: boolean }>('/v1/streams', options);
    found.push(...page.streams);
    hasMore = page.has_more && page.streams.length > 0;
  }
  return found;
}

/** The path of a stream's resource, such as its records. */
export function streamPath(
  stream: string,
  resource: 'records' | 'records/tail' | 'readers' | 'aggregate' | '' = '',
): string {
  return `/v1/streams/${segment(stream)}${resource === '' ? '' : `/${resource}`}`;
}
