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
import { amongLiving, type BlockCache, findTime, loadBlocks, missing } from './blocks.ts';
import { refreshFloor } from './expiry.ts';
import { Follower } from './followers.ts';
import { BlockSkipper, type MayWant } from './skip-blocks.ts';
import { deletionPending, type OpenStream } from './stream.ts';

/** One of many streams that are read together, as its reader knows it. */
export interface Member {
  readonly name: string;
  readonly id: string;
}

/** Which stream an event is about, where many are read together. */
interface OfMember {
  readonly of?: Member | undefined;
}

export type ReadEvent =
  /** Records [from, to) of a block; `tail` is set when they end at the durable tail. */
  | (OfMember & {
      readonly type: 'records';
      readonly block: Block;
      readonly from: number;
      readonly to: number;
      readonly tail: Position | undefined;
      /** Others read the stream as well, and may get the very same block: what is made of it is worth keeping. */
      readonly isShared: boolean;
      /** It came when it became durable, to a reader that was level with the tail. */
      readonly isLive: boolean;
      /** Other records of the same block follow at once. */
      readonly hasMore: boolean;
    })
  /** The records up to `to` were passed over, since the filter wants none of them. `tail` is set when it is the durable tail. */
  | (OfMember & {
      readonly type: 'passed';
      readonly to: Position;
      readonly tail: Position | undefined;
      readonly isLive: boolean;
    })
  /** Sequence numbers [from, to) were trimmed away. */
  | (OfMember & { readonly type: 'gap'; readonly from: number; readonly to: number })
  /**
   * The reader has everything and waits for more. Comes again after each time that it fell behind. Where many streams are
   * read together, each has its own tail, and `tail` says nothing.
   */
  | { readonly type: 'caught_up'; readonly tail: Position }
  /** These are among the streams that are read together, each from `next` on. */
  | { readonly type: 'joined'; readonly members: readonly JoinedMember[] }
  /** No more comes of a stream, and why. */
  | { readonly type: 'left'; readonly of: Member; readonly error: TailraceError };

export interface JoinedMember extends Member {
  readonly next: number;
}

export type RecordsEvent = ReadEvent & { readonly type: 'records' };

/** Chooses the records of a read. */
export interface RecordFilter {
  /** Says of a stored block, by its header, whether it may hold a wanted record; of those in memory nothing is asked. */
  readonly mayWant?: MayWant;
  /** The wanted records among [from, to) of a block, as runs in order: from and to of each. */
  runs(block: Block, from: number, to: number): Promise<readonly number[]>;
}

/** What a read needs of the log. */
export interface ReadContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly cache: BlockCache;
  /** The clock that records expire by, in ms. */
  expiryNow(): number;
  /** Makes a stored block readable: decrypts it where that is needed. */
  plain(block: Block): Block;
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
  const mayWant = context.filter?.mayWant;
  const skipper = mayWant === undefined ? undefined : new BlockSkipper(context.engine, stream, mayWant);
  while (!signal.aborted) {
    await refreshFloor(context.engine, stream, context.expiryNow());
    if (position < stream.floor) {
      yield { type: 'gap', from: position, to: stream.floor };
      position = stream.floor;
    }
    const block = first;
    first = undefined;
    if (block !== undefined && block.firstSeq <= position && position < block.firstSeq + block.header.count) {
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
      for await (const block of scanPage(context, stream, position, pageBytes, glance?.readUntil)) {
        const plain = context.plain(block);
        if (context.filter !== undefined) yield* wanted(context.filter, bounds, plain, position, stream, false);
        else {
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
    if (stream.deleting) throw deletionPending(stream.name);
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
  const runs = await filter.runs(block, position - block.firstSeq, block.header.count);
  yield* bounds.cutRuns(block, runs, stream, isLive);
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

/**
 * The blocks of one page of the store, from the one that holds `position`, each checked to join the one before: that one
 * alone, or as many as have `pageBytes`, up to the one that begins at `toSeq`.
 */
async function* scanPage(
  { engine, cache }: ReadContext,
  stream: OpenStream,
  position: number,
  pageBytes: number,
  toSeq: number | undefined,
): AsyncGenerator<Block> {
  const until = stream.durable.nextSeq;
  const entries = await loadBlocks(engine, stream, position, pageBytes, toSeq);
  let expected = position;
  for (const entry of entries) {
    const block = cache.open(entry, stream.readers > 1);
    const end = block.firstSeq + block.header.count;
    const joins = expected === position ? block.firstSeq <= position && end > position : block.firstSeq === expected;
    if (!joins) {
      // Trimmed while the page was fetched: the loop above looks at the trim point again.
      if (expected < stream.durable.trimPoint) return;
      if (stream.deleting) throw deletionPending(stream.name);
      throw missing(stream, expected);
    }
    // A block of a transaction that is not known to be durable yet may show already.
    if (block.firstSeq >= until) return;
    expected = end;
    yield block;
  }
  if (expected !== position || position < stream.durable.trimPoint) return;
  if (stream.deleting) throw deletionPending(stream.name);
  throw missing(stream, position);
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

/**
 * What is left of the bounds of a read: count, bytes and until over the whole session, wait at the tail. What was counted
 * once is free when it is read again.
 */
export class Bounds {
  reached = false;
  readonly mayFollow: boolean;
  readonly until: number | undefined;
  readonly #waitMs: number | undefined;
  #count: number;
  #bytes: number;
  #deadlineMs: number | undefined;
  /** After the last record that was counted. */
  #counted = 0;

  constructor({ count, bytes, until, waitMs }: ReadRange) {
    const bounded = count !== undefined || bytes !== undefined || until !== undefined;
    this.#waitMs = waitMs ?? (bounded ? 0 : undefined);
    this.mayFollow = this.#waitMs === undefined || this.#waitMs > 0;
    this.#count = count ?? Number.POSITIVE_INFINITY;
    this.#bytes = bytes ?? Number.POSITIVE_INFINITY;
    this.until = until;
  }

  /** The records of a block from `position` on that the bounds allow; undefined when there is no such record. */
  cut(block: Block, position: number, stream: OpenStream, isLive: boolean): ReadEvent | undefined {
    const from = position - block.firstSeq;
    const whole =
      this.#count === Number.POSITIVE_INFINITY && this.#bytes === Number.POSITIVE_INFINITY && this.until === undefined;
    const { count } = block.header;
    const to = whole ? count : this.#take(block, from, count);
    if (to === from) return undefined;
    const tail = tailAt(block, to, stream);
    return { type: 'records', block, from, to, tail, isShared: stream.readers > 1, isLive, hasMore: false };
  }

  /** The records of some runs of a block that the bounds allow, and how far the block was passed over after them. */
  *cutRuns(block: Block, runs: readonly number[], stream: OpenStream, isLive: boolean): Generator<ReadEvent> {
    const { count, lastTimestamp } = block.header;
    let end = 0;
    for (let r = 0; r < runs.length && !this.reached; r += 2) {
      const from = runs[r] ?? 0;
      end = runs[r + 1] ?? 0;
      const to = this.#take(block, from, end);
      if (to === from) break;
      const hasMore = r + 2 < runs.length && !this.reached;
      yield { type: 'records', block, from, to, tail: tailAt(block, to, stream), isShared: false, isLive, hasMore };
    }
    const passed = this.pass({ seqNum: block.firstSeq + count, timestamp: lastTimestamp }, stream, isLive);
    if (passed !== undefined && end !== count) yield passed;
  }

  /** That all records up to a position were passed over; undefined when a bound is reached. */
  pass(to: Position, stream: OpenStream, isLive = false): ReadEvent | undefined {
    // Times never decrease, so what is not wanted can tell as well that the time is over.
    if (this.until !== undefined && to.timestamp >= this.until) this.reached = true;
    if (this.reached) return undefined;
    const tail = to.seqNum === stream.tail.seqNum ? stream.tail : undefined;
    return { type: 'passed', to, tail, isLive };
  }

  /** Data came: the wait starts anew the next time that there is none. */
  delivered(): void {
    this.#deadlineMs = undefined;
  }

  /** Whether the wait is over. The first look at an empty queue starts it. */
  expired(clock: Clock): boolean {
    if (this.#waitMs === undefined) return false;
    this.#deadlineMs ??= clock.monotonicMs() + this.#waitMs;
    return clock.monotonicMs() >= this.#deadlineMs;
  }

  /** Calls `wake` when the wait is over; returns how to cancel that. */
  arm(clock: Clock, wake: () => void): () => void {
    if (this.#deadlineMs === undefined) return () => {};
    return clock.timer(Math.max(0, this.#deadlineMs - clock.monotonicMs()), wake);
  }

  /** Counts the records [from, end) as far as the bounds allow, and returns where that ends. */
  #take(block: Block, from: number, end: number): number {
    const to = this.#last(block, from, end);
    const next = block.firstSeq + to;
    const isUsedUp = (this.#count === 0 || this.#bytes === 0) && next >= this.#counted;
    this.reached = to < end || isUsedUp;
    this.#counted = Math.max(this.#counted, next);
    return to;
  }

  #last(block: Block, from: number, end: number): number {
    let to = from;
    while (to < end && block.firstSeq + to < this.#counted) to++;
    while (to < end && this.#count > 0) {
      const bytes = block.meteredBytesOf(to);
      if (bytes > this.#bytes) break;
      if (this.until !== undefined && block.timestamp(to) >= this.until) break;
      this.#count--;
      this.#bytes -= bytes;
      to++;
    }
    return to;
  }
}

/** The tail, where record `to` of a block is it. */
function tailAt(block: Block, to: number, stream: OpenStream): Position | undefined {
  return block.firstSeq + to === stream.tail.seqNum ? stream.tail : undefined;
}
