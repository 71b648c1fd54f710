/** What a read gets that goes backwards from a position, or shows what is around a record. */

import { readAround } from '../../log/around-record.ts';
import type { BackPage, BackWatch } from '../../log/read-back.ts';
import { READ_BATCH_BYTES_MAX } from '../../model/limits.ts';
import { loadFilter } from '../../readers/filter/load-filter.ts';
import type { BackQuery } from '../../s2/back-query.ts';
import type { RecordDeps } from '../context.ts';
import { openCalled, type ReadCall } from './call.ts';
import type { Collected } from './collect.ts';

export interface BackDeps extends RecordDeps {
  readonly watch: BackWatch;
  readonly signal: AbortSignal;
}

/** Where older records are, and whether there are none. */
const NEXT_BEFORE = 'Tailrace-Next-Before';
const AT_START = 'Tailrace-At-Start';

/**
 * Takes no more than one answer of S2 may hold.
 * @throws TailraceError `bad_query` for a wrong filter; as `openCalled`; `range_not_satisfiable` beyond the tail;
 *   `not_found` for a record that was trimmed away; and as the log's `readBack`
 */
export function collectBack(call: ReadCall, query: BackQuery, deps: BackDeps): Promise<Collected> {
  return query.type === 'before' ? collectBefore(call, query, deps) : collectAround(call, query, deps);
}

async function collectBefore(
  call: ReadCall,
  range: BackQuery & { readonly type: 'before' },
  deps: BackDeps,
): Promise<Collected> {
  const filter = await loadFilter(call.filter);
  const stream = await openCalled(call, 'read', deps);
  const by = { encryptionKey: call.encryptionKey, protocol: 'unary', filter } as const;
  const page = await deps.log.readBack(stream, { ...range, bytes: READ_BATCH_BYTES_MAX }, deps.watch, by);
  return found(page);
}

async function collectAround(
  call: ReadCall,
  { around: seqNum, context }: BackQuery & { readonly type: 'around' },
  { log, watch, signal, ...deps }: BackDeps,
): Promise<Collected> {
  const stream = await openCalled(call, 'read', { ...deps, log });
  const by = { encryptionKey: call.encryptionKey, protocol: 'unary' } as const;
  const range = { seqNum, context, bytes: READ_BATCH_BYTES_MAX };
  const page = await readAround(log, stream, range, { ...watch, signal }, by);
  return found(page);
}

function found({ parts, tail, start, isAtStart, end }: BackPage): Collected {
  const last = parts.at(-1);
  const timestamp = last === undefined ? 0 : last.block.timestamp(last.to - 1);
  const older = [NEXT_BEFORE, String(start), AT_START, String(isAtStart)];
  return { parts, tail, next: { seqNum: end, timestamp }, older };
}
