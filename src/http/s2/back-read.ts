/** What a read gets that goes backwards from a position, or shows what is around a record. */

import type { RecordsEvent } from '../../log/read.ts';
import type { BackPage, BackWatch } from '../../log/read-back.ts';
import type { Stream } from '../../log/stream.ts';
import { TailraceError } from '../../model/error.ts';
import { READ_BATCH_BYTES_MAX } from '../../model/limits.ts';
import type { Position } from '../../model/position.ts';
import { loadFilter } from '../../readers/filter/load-filter.ts';
import type { BackQuery } from '../../s2/back-query.ts';
import { meteredBytesOf } from '../../s2/batch/batch-part.ts';
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
  return found(page.parts, page.tail, page.end, whereOlderAre(page));
}

/** The record itself comes first, then both sides have their share of what is left. */
async function collectAround(
  call: ReadCall,
  { around, context }: BackQuery & { readonly type: 'around' },
  deps: BackDeps,
): Promise<Collected> {
  const stream = await openCalled(call, 'read', deps);
  const newer = await fromRecord(call, stream, around, context + 1, deps);
  const [first] = newer;
  const own = first === undefined ? 0 : first.block.meteredBytesOf(first.from);
  const half = Math.floor((READ_BATCH_BYTES_MAX - own) / 2);
  const bytes = Math.max(half, READ_BATCH_BYTES_MAX - meteredBytesOf(newer));
  const by = { encryptionKey: call.encryptionKey, protocol: 'unary' } as const;
  const older = await deps.log.readBack(stream, { before: around, clamp: true, limit: context, bytes }, deps.watch, by);
  const rest = firstOf(newer, READ_BATCH_BYTES_MAX - meteredBytesOf(older.parts));
  const last = rest.at(-1);
  const end = last === undefined ? around : last.block.firstSeq + last.to;
  return found([...older.parts, ...rest], last?.tail, end, whereOlderAre(older));
}

/** So many records from one on. */
async function fromRecord(
  { encryptionKey }: ReadCall,
  stream: Stream,
  seqNum: number,
  count: number,
  { log, watch, signal }: BackDeps,
): Promise<readonly RecordsEvent[]> {
  const bounds = { count, bytes: READ_BATCH_BYTES_MAX, until: undefined, waitMs: 0 };
  const range = { start: { seqNum }, clamp: false, ...bounds };
  const events: RecordsEvent[] = [];
  let bytes = 0;
  for await (const event of await log.startRead(stream, range, signal, { encryptionKey, protocol: 'unary' })) {
    if (event.type === 'gap') throw gone(stream, seqNum, event.to, await log.checkTail(stream));
    if (event.type !== 'records') continue;
    bytes += event.block.header.rawBytes;
    watch.reserve(bytes);
    events.push(event);
  }
  return events;
}

/** The first records that have so many bytes. */
function firstOf(parts: readonly RecordsEvent[], bytesMax: number): readonly RecordsEvent[] {
  const first: RecordsEvent[] = [];
  let bytes = 0;
  for (const part of parts) {
    let to = part.from;
    while (to < part.to) {
      bytes += part.block.meteredBytesOf(to);
      if (bytes > bytesMax) break;
      to++;
    }
    if (to === part.to) {
      first.push(part);
      continue;
    }
    if (to > part.from) first.push({ ...part, to, tail: undefined });
    return first;
  }
  return first;
}

function found(
  parts: readonly RecordsEvent[],
  tail: Position | undefined,
  end: number,
  older: readonly string[],
): Collected {
  const last = parts.at(-1);
  const timestamp = last === undefined ? 0 : last.block.timestamp(last.to - 1);
  return { parts, tail, next: { seqNum: end, timestamp }, older };
}

function whereOlderAre({ start, isAtStart }: BackPage): readonly string[] {
  return [NEXT_BEFORE, String(start), AT_START, String(isAtStart)];
}

function gone(stream: Stream, seqNum: number, first: number, tail: Position): TailraceError {
  const left = first < tail.seqNum ? `the first one is ${first}` : `none is left before the tail, ${first}`;
  return new TailraceError(
    'not_found',
    `record ${seqNum} of stream \`${stream.name}\` is not there any more: it was trimmed away or has expired, and ${left}`,
  );
}
