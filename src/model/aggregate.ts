/**
 * What is counted and summed over the records of a stream, and the result: the same for HTTP, the client and the library.
 * Written as text, see src/readers/aggregate/README.md.
 */

import type { AttributeOwner } from './filter.ts';

/** Columns to group by that have one name; the last three are those of the `message` view about language models. */
export const GROUP_FIELDS = [
  'signal',
  'level',
  'service',
  'name',
  'scope',
  'status',
  'trace_id',
  'span_id',
  'spanType',
  'llmSystem',
  'model',
] as const;

/** Columns to sum. `value` is that of the data points of gauges and sums; the others are named as in the `message` view. */
export const SUM_FIELDS = [
  'durationMs',
  'value',
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheCreateTokens',
  'costMicrocents',
] as const;

/** An attribute of the item (of each data point of a metric), its resource or its scope. */
export interface AttributeColumn {
  readonly field: AttributeOwner;
  readonly key: string;
}

export interface FieldColumn<Field extends string> {
  readonly field: Field;
}

export type GroupColumn = FieldColumn<(typeof GROUP_FIELDS)[number]> | AttributeColumn;
export type SumColumn = FieldColumn<(typeof SUM_FIELDS)[number]> | AttributeColumn;

/** What is asked for. */
export interface AggregateQuery {
  /** What is summed; undefined: records are only counted. */
  readonly sum: SumColumn | undefined;
  /** What groups are made of, each under the name that the caller gave it. */
  readonly by: readonly { readonly name: string; readonly column: GroupColumn }[];
  /** Width of the buckets of time, in ms; undefined: one for all times. */
  readonly bucketMs: number | undefined;
}

/** An integer beyond 2^53 − 1, NaN and infinities are texts, as in the `message` view. */
export type AggregateNumber = number | string;

/** One group, in one bucket of time. */
export interface AggregateRow {
  /** The value of each column of `by`, as text; null where a record has none. Absent where groups were not asked for. */
  readonly group?: Readonly<Record<string, string | null>>;
  /** All groups for which there was no place. */
  readonly other?: true;
  /** Where the bucket begins, in ms since 1970. */
  readonly bucket?: number;
  /** Records; of metrics, data points where the query looks at these. */
  readonly count: number;
  /** The numbers that were found in them. What follows is there when there are any. */
  readonly values?: number;
  /** Exact where all values are integers. */
  readonly sum?: AggregateNumber;
  readonly min?: AggregateNumber;
  readonly max?: AggregateNumber;
  readonly average?: AggregateNumber;
  /** Within 1 % of the value at that rank. Absent where there was no memory for them. */
  readonly p50?: AggregateNumber;
  readonly p95?: AggregateNumber;
  readonly p99?: AggregateNumber;
  /** Values that are NaN or infinite: they are in nothing else. */
  readonly not_finite?: number;
}

/** What was found so far, or at the end. */
export interface AggregateResult {
  /** The first record that was looked at. */
  readonly from: number;
  /** Where looking ended: the records before it are counted. */
  readonly next_seq_num: number;
  /** How many records were looked at, whether wanted or not. */
  readonly records: number;
  /** Whether the whole range was looked at. */
  readonly complete: boolean;
  readonly rows: readonly AggregateRow[];
}
