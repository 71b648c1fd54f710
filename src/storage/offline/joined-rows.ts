/**
 * The rows of several stores as those of one, in the order of their keys: a basin is in one of the stores with all that it
 * has, and numbers of basins and streams are given out once over all of them. What each store has for itself comes from
 * the first, with these exceptions:
 *
 * - usage metrics of the account: the sums
 * - whether the sums by basin are right: only when every store says so
 * - counters of numbers: at the next multiple of `EPOCH_NUMBERS` above all that is there, which leaves as many for the
 *   partitions of a cluster that the restored store may become
 */

import { TailraceError } from '../../model/error.ts';
import { BACKUP_PAGE_BYTES, BACKUP_PAGE_ROWS_MAX } from '../../model/limits.ts';
import type { Entry, ScanOptions, Snapshot } from '../engine.ts';
import {
  basinRange,
  FAMILY,
  isPending,
  type KeyRange,
  pendingRange,
  readBasinKey,
  readPendingKey,
  readUsageKey,
  settingsKey,
  usageRange,
} from '../keys.ts';
import { decodeShutdown, decodeUsageCounts, encodeShutdown, encodeUsageCounts } from '../usage-rows.ts';
import { decodeBasin, decodeCounters, encodeCounters } from '../values.ts';

/** What reads rows. */
type Rows = Pick<Snapshot, 'scan'>;

/** More numbers than the stores of one cluster give out: 16 with 2^40 each. */
const EPOCH_NUMBERS = 2 ** 44;
const COUNTERS = settingsKey('counters');
/** Families of which only the first store has rows that count: the others have them for themselves. */
const OF_THE_FIRST: ReadonlySet<number | undefined> = new Set([
  FAMILY.settings,
  FAMILY.tokensByHash,
  FAMILY.tokensById,
]);
/** Pending work of later kinds than these: a basin that moves from one store to another one. */
const MOVES: KeyRange = { from: Buffer.of(FAMILY.pendingWork, 5), to: Buffer.of(FAMILY.pendingWork + 1) };

/** Pages of the rows in these ranges, which ascend. */
export async function* rowPages(
  rows: Rows,
  ranges: readonly KeyRange[],
  bytesMax = BACKUP_PAGE_BYTES,
): AsyncGenerator<readonly Entry[]> {
  for (const { from: first, to } of ranges) {
    for (let from = first; ; ) {
      const options: ScanOptions = { from, to, limit: BACKUP_PAGE_ROWS_MAX, bytesMax };
      const page = await rows.scan(options);
      const last = page.at(-1);
      if (last === undefined) break;
      yield page;
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }
}

/** Pages of the rows of all stores, as those of one. */
export async function* joinedPages(
  stores: readonly Rows[],
  ranges: readonly KeyRange[],
): AsyncGenerator<readonly Entry[]> {
  const bytesEach = Math.ceil(BACKUP_PAGE_BYTES / stores.length);
  const cursors = await Promise.all(
    stores.map((rows, index) => StoreCursor.at(rowPages(rows, ranges, bytesEach), index === 0)),
  );
  let page: Entry[] = [];
  let bytes = 0;
  for (;;) {
    const lowest = lowestOf(cursors);
    const [first] = lowest;
    if (first?.row === undefined) break;
    const row = lowest.length === 1 && !isJoined(first.row) ? first.row : joined(lowest, stores.length);
    page.push(row);
    bytes += row.value.length;
    for (const cursor of lowest) if (cursor.next() === undefined) await cursor.load();
    if (page.length < BACKUP_PAGE_ROWS_MAX && bytes < BACKUP_PAGE_BYTES) continue;
    yield page;
    page = [];
    bytes = 0;
  }
  if (page.length > 0) yield page;
}

/**
 * Whether these stores are as a whole now: while a basin moves, rows of it are in two of them, or will be.
 * @throws TailraceError `unavailable`
 */
export async function expectNoMoves(stores: readonly Rows[]): Promise<void> {
  const homes = new Map<string | number, Rows>();
  for (const rows of stores) {
    for await (const page of rowPages(rows, [basinRange()])) {
      for (const { key, value } of page) {
        for (const id of [readBasinKey(key), decodeBasin(value).number]) {
          if (homes.has(id)) throw moving();
          homes.set(id, rows);
        }
      }
    }
  }
  for (const rows of stores) {
    for await (const page of rowPages(rows, [pendingRange('basinDeletion'), MOVES])) {
      for (const { key } of page) {
        if (!isPending(key, 'basinDeletion')) throw moving();
        // Its rows are being deleted in a store that it has left.
        if ((homes.get(readPendingKey(key)) ?? rows) !== rows) throw moving();
      }
    }
  }
}

/** A place in the rows of one store. */
class StoreCursor {
  readonly #pages: AsyncGenerator<readonly Entry[]>;
  readonly #isFirst: boolean;
  #page: readonly Entry[] = [];
  #at = -1;
  /** Undefined at the end. */
  row: Entry | undefined;

  private constructor(pages: AsyncGenerator<readonly Entry[]>, isFirst: boolean) {
    this.#pages = pages;
    this.#isFirst = isFirst;
  }

  static async at(pages: AsyncGenerator<readonly Entry[]>, isFirst: boolean): Promise<StoreCursor> {
    const cursor = new StoreCursor(pages, isFirst);
    await cursor.load();
    return cursor;
  }

  /** The next row of the page; undefined behind its last one. */
  next(): Entry | undefined {
    do this.row = this.#page[++this.#at];
    while (this.row !== undefined && this.#isPassedOver(this.row));
    return this.row;
  }

  async load(): Promise<void> {
    do {
      const { value, done } = await this.#pages.next();
      if (done === true) return;
      this.#page = value;
      this.#at = -1;
    } while (this.next() === undefined);
  }

  #isPassedOver({ key }: Entry): boolean {
    return !this.#isFirst && OF_THE_FIRST.has(key[0]) && !isCounters(key);
  }
}

/** Those that are at the lowest key; empty when all are at their end. */
function lowestOf(cursors: readonly StoreCursor[]): readonly StoreCursor[] {
  let lowest: StoreCursor[] = [];
  for (const cursor of cursors) {
    if (cursor.row === undefined) continue;
    const order = lowest[0]?.row === undefined ? -1 : Buffer.compare(cursor.row.key, lowest[0].row.key);
    if (order < 0) lowest = [cursor];
    else if (order === 0) lowest.push(cursor);
  }
  return lowest;
}

/** Whether a row is not as it is in its store, even where only one has it. */
function isJoined({ key }: Entry): boolean {
  return isCounters(key) || isIn(key, usageRange('shutdown'));
}

/** What rows with the same key are together. @throws TailraceError `corrupt` */
function joined(cursors: readonly StoreCursor[], stores: number): Entry {
  const rows = cursors.flatMap(({ row }) => row ?? []);
  const [first] = rows;
  if (first === undefined) throw new TailraceError('fatal', 'there is a row at each place');
  const { key } = first;
  if (isCounters(key)) return { key, value: countersAbove(rows) };
  if (isIn(key, usageRange('shutdown'))) {
    return { key, value: encodeShutdown(rows.length === stores && rows.every(({ value }) => decodeShutdown(value))) };
  }
  if (isIn(key, usageRange('minutes')) || isIn(key, usageRange('hours'))) return { key, value: countsOf(rows) };
  if (key[0] === FAMILY.usage) return first;
  const hex = Buffer.from(key).toString('hex');
  throw new TailraceError('corrupt', `two partitions have a row with the key ${hex}: no backup can hold both`);
}

function isCounters(key: Uint8Array): boolean {
  return Buffer.compare(key, COUNTERS) === 0;
}

function isIn(key: Uint8Array, { from, to }: KeyRange): boolean {
  return Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0;
}

function countersAbove(rows: readonly Entry[]): Uint8Array {
  const nexts = rows.map(({ value }) => decodeCounters(value));
  const highest = Math.max(...nexts.flatMap(({ nextBasin, nextStream }) => [nextBasin, nextStream]));
  const next = (Math.floor(highest / EPOCH_NUMBERS) + 1) * EPOCH_NUMBERS + 1;
  if (!Number.isSafeInteger(next + EPOCH_NUMBERS)) {
    throw new TailraceError(
      'storage',
      'no numbers are left for basins and streams: export them, and import them again',
    );
  }
  return encodeCounters({ nextBasin: next, nextStream: next });
}

/** @throws TailraceError `corrupt` when they are not of the same basin */
function countsOf(rows: readonly Entry[]): Uint8Array {
  const [first, ...others] = rows.map(({ key, value }) => ({ of: readUsageKey(key)[0], ...decodeUsageCounts(value) }));
  const counts = new Map(first?.counts);
  for (const other of others) {
    for (const [name, count] of other.counts) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return encodeUsageCounts({ basin: first?.basin ?? '', counts });
}

function moving(): TailraceError {
  return new TailraceError('unavailable', 'a basin is moving to another partition: a backup waits for its end', {
    detail: { retryAfterSeconds: 10 },
  });
}
