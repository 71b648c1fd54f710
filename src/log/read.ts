/**
 * The one thing that reads: scans stored blocks up to the durable tail, then follows. Unary reads, SSE, s2s, WebSocket
 * and the library all read through it.
 */

import type { Clock } from '../model/clock.ts';
import { assert, TailraceError } from '../model/error.ts';
import { SCAN_BYTES_MIN } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import type { ReadRange } from '../model/read-range.ts';
import type { Block } from '../storage/block/block.ts';
import type { Engine } from '../storage/engine.ts';
import type { BlockLender } from './block-lender.ts';
import { amongLiving, type BlockCache, findTime, loadBlocks, missing } from './blocks.ts';
import type { Bounds } from './bounds.ts';
import type { ReadEvent } from './events.ts';
import { refreshFloor } from './expiry.ts';
import { Follower } from './followers.ts';
import { BlockSkipper, type MayWant } from './skip-blocks.ts';
import type { OpenStream } from './stream.ts';
import type { WantRows } from './summaries/row-finder.ts';

/** Chooses the records of a read. */
export interface RecordFilter {
  /** Says of a stored block, by its summary, whether it may hold a wanted record; of those in memory nothing is asked. */
  readonly mayWant?: MayWant;
  /** The hash of the trace id that all wanted records have. */
  readonly traceHash?: number | undefined;
  /** The wanted records among [from, to) of a block, as runs in order: from and to of each. */
  runs(block: Block, from: number, to: number): readonly number[] | Promise<readonly number[]>;
}

/** What a read needs of the log. */
export interface ReadContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly cache: BlockCache;
  readonly lender: BlockLender;
  /** The clock that records expire by, in ms. */
  expiryNow(): number;
  /** Makes a stored block readable: decrypts it where that is needed. */
  plain(block: Block): Block;
  /** Told where a read would need rows of summaries. */
  readonly wantRows: WantRows;
  /** Undefined when all records are wanted. */
  readonly filter: RecordFilter | undefined;
  /** How many bytes a page of the store may have at this moment. */
  pageBytesMax(): number;
}

/**
 * Checks and resolves the start of a read against the durable tail. Returns undefined when a bound is used up already.
 * @throws TailraceError `range_not_satisfiable` with the tail
 */
export async function resolveStart(
  context: ReadContext,
  stream: OpenStream,
  range: ReadRange,
): Promise<number | undefined> {
  if (range.count === 0 || range.bytes === 0) return undefined;
  await refreshFloor(context.engine, stream, context.expiryNow());
  const { tail } = stream;
  const start = await startSeq(context, stream, range, tail);
  const bounded = range.count !== undefined || range.bytes !== undefined || range.until !== undefined;
  const mayWait = !bounded || (range.waitMs ?? 0) > 0;
  if (start === tail.seqNum && !mayWait) throw beyond(stream, tail);
  return start;
}

/**
 * The records from `start` on, within bounds that are used up by what it yields. Ends at a bound, when `wait` is over, or
 * when the signal is aborted; never holds a snapshot of the store while it is suspended. It may be given up at any event,
 * and another one begun with the same bounds from a position that this one has reached. `known` is a block in the clear
 * that may hold `start`: then it is not fetched again.
 * @throws TailraceError `corrupt` for a damaged or missing block
 */
export async function* readFrom(
  context: ReadContext,
  stream: OpenStream,
  bounds: Bounds,
  start: number,
  signal: AbortSignal,
  known?: Block,
): AsyncGenerator<ReadEvent> {
  let position = start;
  let first = known;
  let pageBytes = 0;
  /** What a reader with a filter takes from the store: it keeps little of that. */
  let area: Uint8Array | undefined;
  const { mayWant, traceHash } = context.filter ?? {};
  const skipper =
    mayWant === undefined
      ? undefined
      : new BlockSkipper(context.engine, stream, { mayWant, traceHash }, context.wantRows);
  while (!signal.aborted) {
    if (stream.place.state === 'gone') stream.place.expectHere();
    await refreshFloor(context.engine, stream, context.expiryNow());
    if (position < stream.floor) {
      yield { type: 'gap', from: position, to: stream.floor };
      position = stream.floor;
    }
    const block = first;
    first = undefined;
    if (block?.isWhole === true && block.firstSeq <= position && position < block.firstSeq + block.header.count) {
      if (context.filter !== undefined) yield* wanted(context.filter, bounds, block, position, stream, false);
      else {
        const event = bounds.cut(block, position, stream, false);
        if (event !== undefined) yield event;
      }
      if (bounds.reached) return;
      position = block.firstSeq + block.header.count;
      continue;
    }
    if (position < stream.durable.nextSeq) {
      const glance = await skipper?.look(position, bounds.until);
      if (glance?.passed !== undefined) {
        const event = bounds.pass(glance.passed, stream);
        if (event !== undefined) yield event;
        if (bounds.reached) return;
        position = glance.passed.seqNum;
        continue;
      }
      if (context.filter === undefined || stream.readers > 1) area = undefined;
      else if (area === undefined || area.length < pageBytes) area = Buffer.allocUnsafeSlow(pageBytes);
      for await (const block of scanPage(context, stream, position, { pageBytes, toSeq: glance?.readUntil, area })) {
        const plain = context.plain(block);
        if (context.filter !== undefined) {
          const runs = await wantedIn(context.filter, plain, position);
          // Where nothing is wanted only the header is looked at.
          const kept = runs.length === 0 ? plain : plain.keep(runs);
          context.lender.takeBack(block);
          yield* bounds.cutRuns(kept, runs, stream, false);
        } else {
          const event = bounds.cut(plain, position, stream, false);
          if (event !== undefined) yield event;
        }
        if (bounds.reached || signal.aborted) return;
        position = block.firstSeq + block.header.count;
      }
      // Most reads want little and want it soon; those that go on get larger pages, which cost less.
      pageBytes = Math.min(context.pageBytesMax(), Math.max(SCAN_BYTES_MIN, 4 * pageBytes));
      continue;
    }
    if (stream.readEnd !== undefined) throw stream.readEnd;
    if (!bounds.mayFollow) return;
    // No await comes between this look at the tail and the subscription, so nothing falls between them.
    const next = yield* follow(context, stream, bounds, position, signal);
    if (next === undefined) return;
    position = next;
  }
}

/** What a filter wants of a block: only what it wants counts for the bounds. */
export async function* wanted(
  filter: RecordFilter,
  bounds: Bounds,
  block: Block,
  position: number,
  stream: OpenStream,
  isLive: boolean,
): AsyncGenerator<ReadEvent> {
  yield* bounds.cutRuns(block, await wantedIn(filter, block, position), stream, isLive);
}

function wantedIn(filter: RecordFilter, block: Block, position: number): ReturnType<RecordFilter['runs']> {
  return filter.runs(block, position - block.firstSeq, block.header.count);
}

/** Follows until it fell behind (returns the position) or the read is over (undefined). */
async function* follow(
  { clock, plain, filter }: ReadContext,
  stream: OpenStream,
  bounds: Bounds,
  start: number,
  signal: AbortSignal,
): AsyncGenerator<ReadEvent, number | undefined> {
  const follower = new Follower();
  stream.followers.add(follower);
  const wake = (): void => follower.wake();
  signal.addEventListener('abort', wake);
  let position = start;
  let cancelTimer = (): void => {};
  try {
    yield { type: 'caught_up', tail: stream.tail };
    for (;;) {
      const block = follower.take();
      if (signal.aborted) return undefined;
      if (block === undefined) {
        if (follower.overflowed) return position;
        if (follower.ended !== undefined) throw follower.ended;
        if (bounds.expired(clock)) return undefined;
        cancelTimer();
        cancelTimer = bounds.arm(clock, wake);
        await follower.wait();
        continue;
      }
      assert(block.firstSeq === position, 'a follower gets every block once, in order');
      if (filter !== undefined) yield* wanted(filter, bounds, plain(block), position, stream, true);
      else {
        const event = bounds.cut(plain(block), position, stream, true);
        if (event !== undefined) yield event;
      }
      if (bounds.reached) return undefined;
      bounds.delivered();
      position = block.firstSeq + block.header.count;
    }
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', wake);
    stream.followers.delete(follower);
  }
}

interface StorePage {
  readonly pageBytes: number;
  readonly toSeq: number | undefined;
  /** Memory for it, which is used again: its blocks are lent. Readers close after one another have none and share blocks. */
  readonly area: Uint8Array | undefined;
}

/**
 * The blocks of one page of the store, from the one that holds `position`, each checked to join the one before: that one
 * alone, or as many as have `pageBytes`, up to the one that begins at `toSeq`.
 */
async function* scanPage(
  { engine, cache, lender }: ReadContext,
  stream: OpenStream,
  position: number,
  { pageBytes, toSeq, area }: StorePage,
): AsyncGenerator<Block> {
  const until = stream.durable.nextSeq;
  const entries = await loadBlocks(engine, stream, position, pageBytes, toSeq, area);
  let expected = position;
  for (const entry of entries) {
    const block = area === undefined ? cache.open(entry, stream.readers > 1) : lender.lend(entry);
    try {
      const end = block.firstSeq + block.header.count;
      const joins = expected === position ? block.firstSeq <= position && end > position : block.firstSeq === expected;
      if (!joins) {
        // Trimmed while the page was fetched: the loop above looks at the trim point again.
        if (expected < stream.durable.trimPoint) return;
        throw stream.readEnd ?? missing(stream, expected);
      }
      // A block of a transaction that is not known to be durable yet may show already.
      if (block.firstSeq >= until) return;
      expected = end;
      yield block;
    } finally {
      lender.takeBack(block);
    }
  }
  if (expected !== position || position < stream.durable.trimPoint) return;
  throw stream.readEnd ?? missing(stream, position);
}

async function startSeq(context: ReadContext, stream: OpenStream, range: ReadRange, tail: Position): Promise<number> {
  const { start, clamp } = range;
  if ('tailOffset' in start) return Math.max(0, tail.seqNum - start.tailOffset);
  if ('seqNum' in start) {
    if (start.seqNum <= tail.seqNum) return start.seqNum;
    if (clamp) return tail.seqNum;
    throw beyond(stream, tail);
  }
  if (start.timestamp > tail.timestamp) {
    if (clamp) return tail.seqNum;
    throw beyond(stream, tail);
  }
  const { timestamp } = start;
  return amongLiving(stream, () => findTime(context.engine, stream, timestamp, stream.floor, tail.seqNum));
}

/** The error of a read that begins beyond the tail. */
export function beyond(stream: OpenStream, tail: Position): TailraceError {
  return new TailraceError(
    'range_not_satisfiable',
    `nothing to read there: the tail of stream ${JSON.stringify(stream.name)} is ${tail.seqNum}`,
    { detail: { tail } },
  );
}
