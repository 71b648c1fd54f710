/** Looks for the nearest error beyond the rows that are loaded: the server searches, stream by stream. */

import { timeOf } from '../rows/packed-rows.ts';
import type { Row, RowAddress } from '../wire/rows.ts';
import { inTurns, type ReadScope, readPage } from './page-reads.ts';

/** A filter has no "or": logs have a level, and spans a status. */
const ERROR_CONDITIONS = ['level>=error', 'status=error'] as const;

export interface ErrorSearch {
  readonly scope: ReadScope;
  /** Where it begins in each stream: the next position, or that behind the rows before. */
  readonly positions: ReadonlyMap<string, number>;
  readonly step: 1 | -1;
  /** Records later than that are none of the list. */
  readonly until: number | undefined;
  /** So many more records were looked at. */
  onLooked(records: number): void;
}

interface FoundError extends RowAddress {
  readonly time: number;
}

/** The first one later, or the last one earlier, in the order of time. Rejects when the signal of the scope is aborted. */
export async function findErrorBeyond(search: ErrorSearch): Promise<RowAddress | undefined> {
  const { step } = search;
  let best: FoundError | undefined;
  const tasks = [...search.positions].flatMap(([stream, from]) =>
    ERROR_CONDITIONS.map((condition) => ({ stream, from, condition })),
  );
  await inTurns(tasks, async ({ stream, from, condition }) => {
    const { filter } = search.scope;
    const scope = { ...search.scope, filter: filter === undefined ? condition : `${filter} ${condition}` };
    for (let at: number | undefined = from; at !== undefined; ) {
      const { row, next }: ErrorPage = await errorPage({ ...search, scope }, stream, at);
      search.onLooked(Math.abs((row?.seqNum ?? next ?? at) - at));
      if (row !== undefined) {
        const found = { stream, seqNum: row.seqNum, time: timeOf(row) };
        if (best === undefined || isNearer(found, best, step)) best = found;
        return;
      }
      // What is beyond the best one so far need not be looked at.
      if (next !== undefined && best !== undefined && (await isBeyond(search, stream, next, best.time))) return;
      at = next;
    }
  });
  return best;
}

interface ErrorPage {
  readonly row: Row | undefined;
  /** Where the search goes on; undefined at the end of the stream. */
  readonly next: number | undefined;
}

async function errorPage({ scope, step, until }: ErrorSearch, stream: string, at: number): Promise<ErrorPage> {
  if (step === -1) {
    const { rows, nextBefore = 0, isAtStart } = await readPage(scope, stream, { before: at, limit: 1, clamp: true });
    return { row: rows[0], next: isAtStart || nextBefore === 0 || nextBefore >= at ? undefined : nextBefore };
  }
  const range = until === undefined ? {} : { until };
  const { rows, nextSeqNum = at } = await readPage(scope, stream, { seq_num: at, count: 1, ...range });
  return { row: rows[0], next: nextSeqNum > at ? nextSeqNum : undefined };
}

async function isBeyond({ scope, step }: ErrorSearch, stream: string, at: number, time: number): Promise<boolean> {
  const from = { seq_num: step === 1 ? at : at - 1, count: 1 };
  const [row] = (await readPage({ ...scope, filter: undefined }, stream, from)).rows;
  return row !== undefined && (step === 1 ? timeOf(row) > time : timeOf(row) < time);
}

/** In one stream its order counts, whatever the times say. */
function isNearer(one: FoundError, other: FoundError, step: 1 | -1): boolean {
  const by = one.stream === other.stream ? one.seqNum - other.seqNum : one.time - other.time;
  return step === 1 ? by < 0 : by > 0;
}
