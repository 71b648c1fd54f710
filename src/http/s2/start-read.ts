/** What every way of reading over HTTP begins with. */

import type { LogRead } from '../../log/open-reads.ts';
import type { ReadRange } from '../../model/read-range.ts';
import { loadFilter } from '../../readers/filter/load-filter.ts';
import type { RecordDeps } from '../context.ts';
import { openCalled, type ReadCall } from './call.ts';

/**
 * Begins to read what a call asks for, in the range that its mode makes of it. Whatever is refused is refused here,
 * before a response has begun.
 * @throws TailraceError `bad_query` for a wrong filter; as `openCalled`; `range_not_satisfiable`
 */
export async function startCalledRead(
  call: ReadCall,
  range: ReadRange,
  signal: AbortSignal,
  deps: RecordDeps,
): Promise<LogRead> {
  const filter = await loadFilter(call.filter);
  const stream = await openCalled(call, 'read', deps);
  const { encryptionKey, mode } = call;
  return deps.log.startRead(stream, range, signal, { encryptionKey, protocol: mode, filter });
}
