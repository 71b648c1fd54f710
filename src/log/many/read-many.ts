/**
 * Many streams of a basin read as one: each first from the store up to its tail, one after the other, and then all of
 * them in the order in which their records become durable. What a read of one stream holds, this one holds once.
 */

import { goOnWithWork, noteWork } from '../../encoding/turns.ts';
import { assert, TailraceError } from '../../model/error.ts';
import {
  BEHIND_TURN_BYTES,
  LIST_MEMBERS_PAGE,
  READER_SLICE_BYTES,
  READER_STREAMS_MAX,
  READER_TURN_BLOCK_BYTES,
  TURN_STREAM_BYTES,
} from '../../model/limits.ts';
import type { Basin } from '../basins.ts';
import { Bounds } from '../bounds.ts';
import { decrypterFor, withCipher } from '../decrypt.ts';
import type { JoinedMember, Member, ReadEvent } from '../events.ts';
import { type CatchUp, lookAgain } from '../follow/look-again.ts';
import type { LogObserver, ReaderProtocol } from '../observer.ts';
import { type LogRead, nextOf, OVER, returned, type Unsent } from '../open-reads.ts';
import { type ReadContext, readFrom, wanted } from '../read.ts';
import { deletionPending, type OpenStream, opened, type Stream, streamNotFound } from '../stream.ts';
import { type Behind, Feed, type FeedItem, type Feeds } from './feeds.ts';
import { type FoundMember, listMembers, type ManySelection, type MemberListDeps } from './list-members.ts';

/** Where a reader was in a stream. */
export interface ResumePoint {
  readonly next: number;
  /** The stream that it knew by that name, if it says so. */
  readonly id: string | undefined;
}

export interface ManyRange {
  readonly selection: ManySelection;
  /** Or by name, as the reader knows it, or by id, where the reader was; other streams are new to it. */
  readonly from: 'tail' | 'start' | ReadonlyMap<string, ResumePoint> | { readonly byId: ReadonlyMap<string, number> };
}

export interface ManyReadDeps extends MemberListDeps {
  readonly context: Omit<ReadContext, 'plain'>;
  readonly feeds: Feeds;
  readonly observer: LogObserver;
  readonly encryptionKey: Uint8Array | undefined;
  readonly protocol: ReaderProtocol;
  readonly catchUp?: CatchUp | undefined;
  /** Notes a fault of ours; returns the error. */
  onFault(error: unknown): unknown;
  onEnd(read: ManyRead): void;
}

/** Without bounds, and without a wait at the tail. */
const NO_BOUNDS = { count: undefined, bytes: undefined, until: undefined };
const UP_TO_TAIL = { start: { seqNum: 0 }, clamp: false, ...NO_BOUNDS, waitMs: 0 };
/** Each stream has its own. */
const NO_TAIL = { seqNum: 0, timestamp: 0 };

/** A stream whose records are being given. */
interface Giving {
  readonly stream: OpenStream;
  readonly member: Member;
  next: number;
  counted: number;
}

export class ManyRead implements LogRead {
  readonly protocol: ReaderProtocol;
  readonly #deps: ManyReadDeps;
  readonly #basin: Basin;
  readonly #selection: ManySelection;
  #from: ManyRange['from'];
  readonly #signal: AbortSignal;
  readonly #feed: Feed;
  #leaveFeeds = (): void => {};
  #events: AsyncGenerator<ReadEvent> | undefined;
  #isOver = false;
  #isScanning = false;
  #isCounted = false;
  /** Streams that were told, and have not left. */
  #members = 0;
  /** The last name that was looked at; undefined when all streams were. */
  #listedTo: string | undefined = '';
  /** Names in the resume map that no stream was found for. */
  readonly #unknown: Set<string>;
  /** The live block that is being given: what is left of it is not in the queue. */
  #current: (Giving & { readonly end: number }) | undefined;
  /** Of those that events were about: the stream, and how far its records were given. */
  readonly #homes = new WeakMap<Member, { readonly stream: OpenStream; reached: number }>();

  /** From here on nothing is missed. */
  constructor(basin: Basin, range: ManyRange, signal: AbortSignal, deps: ManyReadDeps) {
    this.protocol = deps.protocol;
    this.#deps = deps;
    this.#basin = basin;
    this.#selection = range.selection;
    this.#from = range.from;
    this.#signal = signal;
    this.#feed = new Feed((name) => range.selection.shownAs(name));
    this.#unknown = new Set(range.from instanceof Map ? range.from.keys() : []);
    this.#leaveFeeds = deps.feeds.add(basin.name, this.#feed);
    signal.addEventListener('abort', this.#wake);
  }

  get isScanning(): boolean {
    return this.#isScanning;
  }

  get members(): number {
    return this.#members;
  }

  /** Positions that it keeps. */
  get positions(): number {
    return this.#feed.behind.size + this.#feed.refused.size + this.#unknown.size;
  }

  /** Records that the stream farthest behind has and the reader does not. Looks at streams in memory only. */
  get lagRecords(): number {
    let lag = 0;
    for (const { basin, name, next } of this.#feed.behind.values()) {
      lag = Math.max(lag, (this.#deps.streams.peek(basin, name)?.durable.nextSeq ?? next) - next);
    }
    return lag;
  }

  positionIn(stream: Stream): number | undefined {
    const open = opened(stream);
    if (open.basin.name !== this.#basin.name || this.#selection.shownAs(open.name) === undefined) return undefined;
    if (this.#feed.refused.has(open.number)) return undefined;
    const current = this.#current?.stream === open ? this.#current : undefined;
    return this.#feed.positionIn(open) ?? current?.next ?? open.tail.seqNum;
  }

  [Symbol.asyncIterator](): LogRead {
    return this;
  }

  async next(): Promise<IteratorResult<ReadEvent, undefined>> {
    if (this.#isOver) return OVER;
    this.#events ??= this.#read();
    return nextOf(this.#events, () => this.#end(), this.#deps);
  }

  return(): Promise<IteratorResult<ReadEvent, undefined>> {
    return returned(this.#events, () => this.#end());
  }

  async park(unsent: readonly Unsent[]): Promise<void> {
    const events = this.#events;
    this.#events = undefined;
    await events?.return(undefined);
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined && current.next < current.end) {
      this.#feed.rewind(current.stream, current.member, current.next, current.next);
    }
    this.#feed.park();
    for (const { of, seqNum } of unsent) {
      const home = of === undefined ? undefined : this.#homes.get(of);
      assert(of !== undefined && home !== undefined, 'all that many streams give says of which it is');
      this.#feed.rewind(home.stream, of, seqNum, home.reached);
    }
  }

  readonly #wake = (): void => this.#feed.wake();

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events = undefined;
    this.#leaveFeeds();
    this.#wake();
    this.#deps.onEnd(this);
    this.#signal.removeEventListener('abort', this.#wake);
  }

  async *#read(): AsyncGenerator<ReadEvent> {
    while (this.#listedTo !== undefined && !this.#signal.aborted) yield* this.#list(this.#listedTo);
    this.#from = 'tail';
    this.#deps.feeds.listed(this.#feed);
    for (const name of this.#unknown) {
      this.#unknown.delete(name);
      yield { type: 'left', of: { name, id: '' }, error: streamNotFound(this.#basin.name, name) };
    }
    this.#feed.follow();
    let isLevel = false;
    while (!this.#signal.aborted && !this.#isOver) {
      const item = this.#feed.take();
      if (item !== undefined) {
        yield* item.block === undefined
          ? this.#leave(item.stream.number, item.member, deletionPending(item.member.name))
          : this.#live(item);
        continue;
      }
      const [number, behind] = this.#feed.nextBehind() ?? [];
      if (number !== undefined && behind !== undefined) {
        isLevel = false;
        yield* this.#catchUp(number, behind);
        continue;
      }
      if (this.#feed.isBeingTold) {
        await this.#feed.told();
        continue;
      }
      if (!isLevel) {
        isLevel = true;
        yield { type: 'caught_up', tail: NO_TAIL };
        continue;
      }
      await this.#feed.wait();
    }
  }

  async *#list(after: string): AsyncGenerator<ReadEvent> {
    // The store answers within a turn, and many readers may begin at once.
    await goOnWithWork(LIST_MEMBERS_PAGE * TURN_STREAM_BYTES);
    const joined = await lookAgain(() => this.#page(after), this.#deps.catchUp);
    if (joined.length > 0) yield this.#join(joined);
  }

  // May be called twice for a page: what the first call has set is set again.
  async #page(after: string): Promise<readonly JoinedMember[]> {
    const page = await listMembers(this.#deps, this.#basin, this.#selection, after);
    while (this.#feed.isBeingTold) await this.#feed.told();
    const joined = page.streams.flatMap((stream) => {
      const member = this.#feed.memberOf({ name: stream.name, id: String(stream.number) });
      return member === undefined ? [] : [{ ...member, next: this.#begin(stream, member) }];
    });
    this.#listedTo = page.after;
    return joined;
  }

  /** Where the reader begins in a stream that was there before it. */
  #begin({ name, number, nextSeq }: FoundMember, member: Member): number {
    const { behind } = this.#feed;
    const touched = behind.get(number);
    const next = this.#startOf(member) ?? touched?.next ?? this.#feed.unlisted.get(number) ?? nextSeq;
    if (next > nextSeq && touched === undefined) throw beyond(member.name, next, nextSeq);
    this.#unknown.delete(member.name);
    if (touched !== undefined) {
      touched.next = next;
      touched.isNew = false;
    } else if (next < nextSeq) {
      behind.set(number, { basin: this.#basin, name, member, next, isNew: false, counted: 0, isLeaving: false });
    }
    return next;
  }

  /** Undefined for the tail. */
  #startOf({ name, id }: Member): number | undefined {
    const from = this.#from;
    if (from === 'tail') return undefined;
    if (from === 'start') return 0;
    if ('byId' in from) return from.byId.get(id) ?? 0;
    const point = from.get(name);
    // Another stream by the same name is a new one.
    return point === undefined || (point.id !== undefined && point.id !== id) ? 0 : point.next;
  }

  #join(members: readonly JoinedMember[]): ReadEvent {
    this.#members += members.length;
    if (this.#members > READER_STREAMS_MAX) throw tooMany();
    return { type: 'joined', members };
  }

  async *#leave(number: number, of: Member, error: TailraceError): AsyncGenerator<ReadEvent> {
    this.#feed.behind.delete(number);
    if (error.code !== 'stream_deletion_pending') this.#feed.refused.add(number);
    this.#members = Math.max(0, this.#members - 1);
    yield { type: 'left', of, error };
  }

  /** A block that became durable while the reader was level. */
  async *#live({ stream, member, block }: FeedItem): AsyncGenerator<ReadEvent> {
    if (block === undefined) return;
    const { firstSeq, header } = block;
    const current = { stream, member, next: firstSeq, counted: firstSeq, end: firstSeq + header.count };
    this.#current = current;
    if (firstSeq === 0) yield this.#join([{ ...member, next: 0 }]);
    const { filter } = this.#deps.context;
    const bounds = new Bounds(UP_TO_TAIL);
    try {
      const plain = decrypterFor(await withCipher(stream), this.#deps.encryptionKey)(block);
      if (filter === undefined) {
        const event = bounds.cut(plain, firstSeq, stream, true);
        if (event !== undefined) yield this.#given(event, current);
      } else {
        for await (const event of wanted(filter, bounds, plain, firstSeq, stream, true)) {
          yield this.#given(event, current);
        }
      }
    } catch (error) {
      if (!isOfStream(error)) throw error;
      yield* this.#leave(stream.number, member, error);
    }
    this.#current = undefined;
  }

  /** Reads a stream that is behind from the store, up to its tail or for as long as it may before others. */
  async *#catchUp(number: number, behind: Behind): AsyncGenerator<ReadEvent> {
    const { streams, context, encryptionKey } = this.#deps;
    const { basin, name, member } = behind;
    // It may be the reader's no more.
    if (this.#feed.memberOf({ name, id: member.id }) === undefined) {
      yield* this.#leave(number, member, notAllowed(member.name));
      return;
    }
    // A stream with few bytes takes as long to find as many bytes take to send.
    if (noteWork(BEHIND_TURN_BYTES)) await goOnWithWork(BEHIND_TURN_BYTES);
    const stream = await streams.find(basin, name);
    if (this.#feed.behind.get(number) !== behind) return;
    if (stream === undefined || stream.number !== number) {
      yield* this.#leave(number, member, streamNotFound(basin.name, member.name));
      return;
    }
    if (behind.isNew) {
      behind.isNew = false;
      yield this.#join([{ ...member, next: behind.next }]);
    }
    stream.readers++;
    this.#isScanning = true;
    try {
      const plain = decrypterFor(await withCipher(stream), encryptionKey);
      const events = readFrom({ ...context, plain }, stream, new Bounds(UP_TO_TAIL), behind.next, this.#signal);
      const giving = { stream, member, next: behind.next, counted: behind.counted };
      let given = 0;
      for await (const event of events) {
        given += Math.max(event.type === 'records' ? event.block.header.rawBytes : 0, READER_TURN_BLOCK_BYTES);
        const out = this.#given(event, giving);
        behind.next = giving.next;
        behind.counted = giving.counted;
        yield out;
        if (given >= READER_SLICE_BYTES) break;
      }
      while (this.#feed.isBeingTold) await this.#feed.told();
      this.#rest(stream, behind);
    } catch (error) {
      if (!isOfStream(error)) throw error;
      if (error.code === 'stream_deletion_pending') behind.isLeaving = true;
      else yield* this.#leave(number, member, error);
    } finally {
      this.#isScanning = false;
      stream.readers--;
    }
  }

  /** Whether a stream is level is known without an `await`: then nothing falls between the store and the feed. */
  #rest({ number, durable }: OpenStream, behind: Behind): void {
    const { behind: all } = this.#feed;
    if (all.get(number) !== behind) return;
    all.delete(number);
    if (behind.next < durable.nextSeq) all.set(number, behind);
  }

  /** The event as the reader gets it; notes how far that is, before it is given. */
  #given(event: ReadEvent, giving: Giving): ReadEvent {
    const { stream, member: of } = giving;
    if (event.type === 'gap') giving.next = event.to;
    else if (event.type === 'passed') giving.next = event.to.seqNum;
    if (event.type !== 'records') return event.type === 'gap' || event.type === 'passed' ? { ...event, of } : event;
    const { block, from, to } = event;
    giving.next = block.firstSeq + to;
    const first = Math.max(from, giving.counted - block.firstSeq);
    const { observer, feeds, context } = this.#deps;
    if (!this.#isCounted) observer.readBegan(stream, this.protocol);
    this.#isCounted = true;
    if (first < to) observer.read(stream, to - first, block.meteredBytesWithin(first, to));
    giving.counted = Math.max(giving.counted, giving.next);
    this.#homes.set(of, { stream, reached: giving.counted });
    // Others get the very same block at the same moment, but not what a filter wants of it.
    const isShared = event.isLive && context.filter === undefined && (feeds.of(stream)?.size ?? 0) > 1;
    return { ...event, of, isShared };
  }
}

/** What concerns one stream and leaves the others going on. */
const OF_STREAM: ReadonlySet<string> = new Set(['stream_deletion_pending', 'bad_header', 'decryption_failed']);

function isOfStream(error: unknown): error is TailraceError {
  return error instanceof TailraceError && OF_STREAM.has(error.code);
}

function notAllowed(name: string): TailraceError {
  return new TailraceError('permission_denied', `the token may not read stream \`${name}\` any more`);
}

function tooMany(): TailraceError {
  return new TailraceError(
    'invalid',
    `more than ${READER_STREAMS_MAX.toLocaleString('en-US')} streams match, the most that one reader may have: narrow it by a longer prefix, glob or list, and use several readers`,
  );
}

function beyond(name: string, next: number, tail: number): TailraceError {
  const message = `stream \`${name}\` cannot be resumed at ${next}: its tail is ${tail}`;
  return new TailraceError('range_not_satisfiable', message);
}
