/** Counts and sums by group and bucket of time. Groups and what they take are bounded: further ones are one group. */

import { goOnWithWork } from '../../encoding/turns.ts';
import type { AggregateQuery, AggregateRow } from '../../model/aggregate.ts';
import type { FilterNumber } from '../../model/filter.ts';
import { AGGREGATE_BINS_MAX, AGGREGATE_GROUPS_MAX, YIELD_BYTES } from '../../model/limits.ts';
import { type Names, OTHER_NAME } from '../../otlp/extract/names.ts';
import { ValueTotal } from './total.ts';

/** What a group takes besides its bins, and what a bin takes. */
const GROUP_BYTES = 512;
const BIN_BYTES = 48;
/** More than there are names, so that each list of names has a number of its own. */
const NAMES_MAX = 2 ** 14;

interface Group {
  readonly names: readonly number[];
  readonly bucket: number;
  count: number;
  readonly total: ValueTotal | undefined;
}

export class Groups {
  readonly #query: AggregateQuery;
  readonly #names: Names;
  readonly #bins = { left: AGGREGATE_BINS_MAX };
  readonly #buckets = new Map<number, Map<number, Group>>();
  #size = 0;
  #other: Group | undefined;
  /** The bucket of the record before: most often it is that of the next one too. */
  #lastStart = Number.NaN;
  #lastBucket = new Map<number, Group>();

  constructor(query: AggregateQuery, names: Names) {
    this.#query = query;
    this.#names = names;
  }

  /** What all groups take in memory, about. */
  get heldBytes(): number {
    return this.#size * GROUP_BYTES + (AGGREGATE_BINS_MAX - this.#bins.left) * BIN_BYTES + this.#names.heldBytes;
  }

  /** Counts one record at a time in ms, with the number of the name of each column, and a value to sum. */
  add(timestamp: number, names: ArrayLike<number>, value: FilterNumber | undefined): void {
    const group = this.#groupOf(timestamp, names);
    group.count++;
    if (value !== undefined) group.total?.add(value);
  }

  /** By bucket, the largest groups first, and what had no place at the end. Takes turns. */
  async rows(): Promise<readonly AggregateRow[]> {
    const groups = [...this.#buckets.values()].flatMap((bucket) => [...bucket.values()]);
    groups.sort((a, b) => a.bucket - b.bucket || b.count - a.count);
    const rows: AggregateRow[] = [];
    let work = 0;
    for (const group of groups) {
      rows.push(this.#rowOf(group));
      // To sort the bins of a group takes about as long as so many bytes.
      work += GROUP_BYTES + (group.total?.bins ?? 0) * BIN_BYTES;
      if (work < YIELD_BYTES) continue;
      await goOnWithWork(work);
      work = 0;
    }
    if (this.#other !== undefined) rows.push({ other: true, ...countOf(this.#other) });
    return rows;
  }

  #groupOf(timestamp: number, names: ArrayLike<number>): Group {
    const { bucketMs } = this.#query;
    const start = bucketMs === undefined ? 0 : timestamp - (timestamp % bucketMs);
    let key = 0;
    for (let n = names.length - 1; n >= 0; n--) {
      if (names[n] === OTHER_NAME) return this.#otherGroup();
      key = key * NAMES_MAX + (names[n] as number);
    }
    if (start !== this.#lastStart) {
      this.#lastBucket = this.#buckets.get(start) ?? new Map<number, Group>();
      this.#lastStart = start;
    }
    const known = this.#lastBucket.get(key);
    if (known !== undefined) return known;
    if (this.#size >= AGGREGATE_GROUPS_MAX) return this.#otherGroup();
    const group = this.#newGroup(Array.from(names), start);
    this.#buckets.set(start, this.#lastBucket.set(key, group));
    this.#size++;
    return group;
  }

  #otherGroup(): Group {
    this.#other ??= this.#newGroup([], 0);
    return this.#other;
  }

  #newGroup(names: readonly number[], bucket: number): Group {
    return { names, bucket, count: 0, total: this.#query.sum === undefined ? undefined : new ValueTotal(this.#bins) };
  }

  #rowOf(group: Group): AggregateRow {
    const { by, bucketMs } = this.#query;
    const pairs = by.map(({ name }, n) => [name, this.#names.text(group.names[n] ?? 0)] as const);
    return {
      ...(by.length === 0 ? {} : { group: Object.fromEntries(pairs) }),
      ...(bucketMs === undefined ? {} : { bucket: group.bucket }),
      ...countOf(group),
    };
  }
}

function countOf({ count, total }: Group): AggregateRow {
  return { count, ...total?.summed() };
}
