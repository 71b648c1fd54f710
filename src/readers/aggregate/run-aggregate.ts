/** Begins to count and sum what a caller asks for, over HTTP or in the library. What it needs is loaded with the first one. */

import type { Log } from '../../log/log.ts';
import type { LogReadOptions } from '../../log/options.ts';
import type { Stream } from '../../log/stream.ts';
import type { AggregateQuery, AggregateResult } from '../../model/aggregate.ts';
import type { ReadRange, ReadStart } from '../../model/read-range.ts';
import { loadFilter } from '../filter/load-filter.ts';
import type { AggregateOptions } from './aggregate.ts';

/** The default is the oldest record that is there. */
export const FROM_OLDEST: ReadStart = { seqNum: 0 };
/** Long enough to be told that there is nothing more: an empty range is no error. */
const WAIT_MS = 1;

export interface AggregateRun extends Omit<AggregateOptions, 'tail'> {
  readonly range: Omit<ReadRange, 'waitMs'>;
  /** As it was asked; none for all records. */
  readonly filter: readonly string[];
  readonly query: AggregateQuery;
}

/**
 * Whatever is refused is refused before the first result is asked for; who does not ask to the end must call `return`.
 * @throws TailraceError `bad_query` for a wrong filter, `range_not_satisfiable` for a start beyond the tail; as
 *   `Log.startRead`
 */
export async function runAggregate(
  log: Log,
  stream: Stream,
  run: AggregateRun,
  by: Omit<LogReadOptions, 'filter'>,
): Promise<AsyncGenerator<AggregateResult>> {
  const filter = await loadFilter(run.filter);
  const { aggregate } = await import('./aggregate.ts');
  const range = { ...run.range, waitMs: WAIT_MS };
  const read = await log.startRead(stream, range, run.signal, { ...by, filter });
  const tail = (await log.checkTail(stream)).seqNum;
  return aggregate(read, run.query, { ...run, tail });
}
