/** Pages of older and newer rows of many streams, cut so that together they are in the order of time. */

import { timeOf } from '../rows/packed-rows.ts';
import type { ReadRows } from '../rows/row-store.ts';
import { WireError } from '../wire/call.ts';
import { type ReadFrom, type ReadPage, readRows } from '../wire/read.ts';

/** Records that a round reads of all streams together, about. */
const ROUND_ROWS = 600;
const STREAM_ROWS_MIN = 50;
const STREAM_ROWS_MAX = 500;
/** Reads at a time. */
const READS_MAX = 8;

export interface ReadScope {
  readonly basin: string;
  readonly filter: string | undefined;
  readonly signal: AbortSignal;
}

const NO_PAGE: ReadPage = { rows: [], text: '', nextSeqNum: undefined, nextBefore: undefined, isAtStart: true };

/** Between two tries of a read while the server is not reached. */
const RETRY_MS = 1_000;

/**
 * As a read, but at the tail and in a stream that is gone there is nothing. While the server is not reached it tries
 * again, until the signal is aborted: the list says meanwhile that the connection is lost.
 */
export async function readPage(
  { basin, filter, signal }: ReadScope,
  stream: string,
  from: ReadFrom,
): Promise<ReadPage> {
  for (;;) {
    try {
      return await readRows(basin, stream, from, { filter, signal });
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      if (thrown.status === 416 || thrown.status === 404) return NO_PAGE;
      if (!thrown.isTemporary) throw thrown;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    signal.throwIfAborted();
  }
}

/** How far each stream was read backwards. */
export interface BackPoint {
  readonly before: number;
  readonly isAtStart: boolean;
}

interface OlderPage extends ReadRows {
  /** Where a read before it goes on. */
  readonly before: number;
  readonly isAtStart: boolean;
}

/** Reads many streams backwards, merged by time. */
export class OlderReads {
  readonly #scope: ReadScope;
  readonly #points = new Map<string, BackPoint>();
  /** Read, and not placed yet: other streams may have newer rows. */
  readonly #waiting = new Map<string, OlderPage>();
  /** Records that were looked at, wanted or not. */
  #looked = 0;

  constructor(scope: ReadScope) {
    this.#scope = scope;
  }

  get looked(): number {
    return this.#looked;
  }

  get isAtStart(): boolean {
    return [...this.#points.values()].every(({ isAtStart }) => isAtStart) && this.#waiting.size === 0;
  }

  /** Where what is older than all rows that were given begins, of each stream that has some. */
  positions(): ReadonlyMap<string, number> {
    const positions = new Map<string, number>();
    for (const [stream, { before, isAtStart }] of this.#points) {
      const last = this.#waiting.get(stream)?.rows.at(-1);
      if (last !== undefined) positions.set(stream, last.seqNum + 1);
      else if (!isAtStart) positions.set(stream, before);
    }
    return positions;
  }

  /** Rows of a stream before that position are older. */
  set(stream: string, before: number): void {
    this.#points.set(stream, { before, isAtStart: before === 0 });
    this.#waiting.delete(stream);
  }

  remove(stream: string): void {
    this.#points.delete(stream);
    this.#waiting.delete(stream);
  }

  /** The next older rows; none may come although there are some, where a filter wants few. */
  async next(roundRows = ROUND_ROWS): Promise<readonly ReadRows[]> {
    const open = [...this.#points].filter(([stream, { isAtStart }]) => !isAtStart && !this.#waiting.has(stream));
    const limit = Math.min(STREAM_ROWS_MAX, Math.max(STREAM_ROWS_MIN, Math.ceil(roundRows / (open.length || 1))));
    await inTurns(open, async ([stream, { before }]) => {
      const page = await readPage(this.#scope, stream, { before, limit, clamp: true });
      const next = page.nextBefore ?? 0;
      this.#looked += before - next;
      const isAtStart = page.isAtStart || next === 0;
      if (page.rows.length === 0) this.#points.set(stream, { before: next, isAtStart });
      else this.#waiting.set(stream, { stream, text: page.text, rows: page.rows, skip: 0, before: next, isAtStart });
    });
    return this.#place();
  }

  /** What is newer than everything that may still come. */
  #place(): readonly ReadRows[] {
    let limit = Number.NEGATIVE_INFINITY;
    for (const { rows, isAtStart } of this.#waiting.values()) {
      if (!isAtStart) limit = Math.max(limit, timeAt(rows, 0));
    }
    const placed: ReadRows[] = [];
    for (const [stream, page] of this.#waiting) {
      let cut = page.rows.length;
      while (cut > 0 && timeAt(page.rows, cut - 1) >= limit) cut--;
      if (cut < page.rows.length) placed.push({ ...page, rows: page.rows.slice(cut), skip: page.skip + cut });
      if (cut === 0) {
        this.#waiting.delete(stream);
        this.#points.set(stream, { before: page.before, isAtStart: page.isAtStart });
      } else this.#waiting.set(stream, { ...page, rows: page.rows.slice(0, cut) });
    }
    return placed;
  }
}

/** A range of time that is read forwards. */
export interface ReadRange {
  readonly until: number | undefined;
  /** Streams that have nothing more before `until`. */
  readonly over: Set<string>;
}

/** Newer rows of each stream from its position on, merged by time; moves the positions. */
export async function newerRows(
  scope: ReadScope,
  positions: Map<string, number>,
  wanted: readonly string[],
  { until, over }: ReadRange,
): Promise<readonly ReadRows[]> {
  const count = Math.min(STREAM_ROWS_MAX * 2, Math.max(STREAM_ROWS_MIN, Math.ceil((ROUND_ROWS * 2) / wanted.length)));
  const pages: (ReadRows & { readonly next: number })[] = [];
  await inTurns(wanted, async (stream) => {
    const from = positions.get(stream) ?? 0;
    const range = until === undefined ? {} : { until };
    const page = await readPage(scope, stream, { seq_num: from, count, ...range });
    const next = page.nextSeqNum ?? from;
    pages.push({ stream, text: page.text, rows: page.rows, skip: 0, next });
    if (until !== undefined && page.rows.length === 0 && next === from) over.add(stream);
  });
  let limit = Number.POSITIVE_INFINITY;
  for (const { rows } of pages) if (rows.length >= count) limit = Math.min(limit, timeAt(rows, rows.length - 1));
  return pages.map((page) => {
    let cut = page.rows.length;
    while (cut > 0 && timeAt(page.rows, cut - 1) > limit) cut--;
    positions.set(page.stream, page.rows[cut]?.seqNum ?? page.next);
    return { ...page, rows: page.rows.slice(0, cut) };
  });
}

/** A few at a time, and all of them before it returns. */
export async function inTurns<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const work = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(READS_MAX, items.length) }, work));
}

function timeAt(rows: ReadRows['rows'], at: number): number {
  const row = rows[at];
  return row === undefined ? 0 : timeOf(row);
}
