/** Reads a record with those before and after it, by position: what happened around it. */

import { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { RecordsEvent } from './events.ts';
import type { Log } from './log.ts';
import type { LogReadOptions } from './options.ts';
import type { BackPage, BackWatch } from './read-back.ts';
import type { Stream } from './stream.ts';

export interface AroundRange {
  readonly seqNum: number;
  /** The most records on each side. */
  readonly context: number;
  /** The most metered bytes: the record comes first, then both sides have their share of what is left. */
  readonly bytes: number;
}

export interface AroundWatch extends BackWatch {
  /** Ends it early. */
  readonly signal: AbortSignal;
}

type ReadingLog = Pick<Log, 'startRead' | 'readBack' | 'checkTail'>;

/**
 * Newer records begin at `end` of the page.
 * @throws TailraceError `range_not_satisfiable` when the record is not there yet, `not_found` when it was trimmed away;
 *   and as the log's `startRead` and `readBack`
 */
export async function readAround(
  log: ReadingLog,
  stream: Stream,
  range: AroundRange,
  watch: AroundWatch,
  by: Omit<LogReadOptions, 'filter'> = {},
): Promise<BackPage> {
  const { seqNum, context } = range;
  const newer = await fromRecord(log, stream, range, watch, by);
  const [first] = newer;
  const own = first === undefined ? 0 : first.block.meteredBytesOf(first.from);
  const bytes = Math.max(Math.floor((range.bytes - own) / 2), range.bytes - meteredBytesIn(newer));
  const older = await log.readBack(stream, { before: seqNum, clamp: true, limit: context, bytes }, watch, by);
  const rest = firstOf(newer, range.bytes - meteredBytesIn(older.parts));
  const last = rest.at(-1);
  const end = last === undefined ? seqNum : last.block.firstSeq + last.to;
  return { ...older, parts: [...older.parts, ...rest], end, tail: last?.tail };
}

async function fromRecord(
  log: ReadingLog,
  stream: Stream,
  { seqNum, context, bytes }: AroundRange,
  { reserve, signal }: AroundWatch,
  by: LogReadOptions,
): Promise<readonly RecordsEvent[]> {
  const bounds = { count: context + 1, bytes, until: undefined, waitMs: 0 };
  const range = { start: { seqNum }, clamp: false, ...bounds };
  const events: RecordsEvent[] = [];
  let held = 0;
  for await (const event of await log.startRead(stream, range, signal, by)) {
    if (event.type === 'gap') throw gone(stream, seqNum, event.to, await log.checkTail(stream));
    if (event.type !== 'records') continue;
    held += event.block.header.rawBytes;
    reserve(held);
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

function meteredBytesIn(parts: readonly RecordsEvent[]): number {
  return parts.reduce((sum, { block, from, to }) => sum + block.meteredBytesWithin(from, to), 0);
}

function gone(stream: Stream, seqNum: number, first: number, tail: Position): TailraceError {
  const left = first < tail.seqNum ? `the first one is ${first}` : `none is left before the tail, ${first}`;
  return new TailraceError(
    'not_found',
    `record ${seqNum} of stream \`${stream.name}\` is not there any more: it was trimmed away or has expired, and ${left}`,
  );
}
