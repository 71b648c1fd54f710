/** What every way of reading over HTTP begins with. */

import type { LogRead } from '../../log/open-reads.ts';
import type { ReadRange } from '../../model/read-range.ts';
import type { RecordDeps } from '../context.ts';
import { openCalled, type ReadCall } from './call.ts';

/**
 * Begins to read what a call asks for, in the range that its mode makes of it. Whatever is refused is refused here,
 * before a response has begun.
 * @throws TailraceError as `openCalled`, and `range_not_satisfiable`
 */
export async function startCalledRead(
  call: ReadCall,
  range: ReadRange,
  signal: AbortSignal,
  deps: RecordDeps,
): Promise<LogRead> {
  const stream = await openCalled(call, 'read', deps);
  const { encryptionKey, mode, filter } = call;
  return deps.log.startRead(stream, range, signal, { encryptionKey, protocol: mode, filter });
}
