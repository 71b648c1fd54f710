/**
 * What reads many streams of a basin follows here: everything that becomes durable in the basin, in that order. Streams
 * without news cost nothing; a reader that falls behind keeps the position of each stream that it has missed something of.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import type { TailraceError } from '../../model/error.ts';
import {
  FEED_BLOCKS_MAX,
  FEED_BYTES_MAX,
  FEED_NEWS_MAX,
  FEED_TOLD_AT_ONCE_MAX,
  FEED_TOLD_COST_BYTES,
} from '../../model/limits.ts';
import type { Block } from '../../storage/block/block.ts';
import type { Basin } from '../basins.ts';
import type { Member } from '../events.ts';
import type { OpenStream } from '../stream.ts';

/** News of a stream: a block, or that the stream was deleted. */
export interface FeedItem {
  readonly stream: OpenStream;
  readonly member: Member;
  readonly block: Block | undefined;
}

/** A stream that must be read from the store. */
export interface Behind {
  readonly basin: Basin;
  /** Its full name. */
  readonly name: string;
  readonly member: Member;
  next: number;
  /** The reader has not been told that the stream is there. */
  isNew: boolean;
  /** After the last record that was counted as read. */
  counted: number;
  /** Its deletion is under way; nothing is read until that is known to be durable, or to have failed. */
  isLeaving: boolean;
}

/** What feeds need to know of a stream that need not be in memory. */
export type FedStream = Pick<OpenStream, 'basin' | 'name' | 'number' | 'id'>;

/** What one append wrote, which is told in turns: for each stream its first new record. */
interface News {
  readonly streams: Map<number, { readonly stream: FedStream; readonly next: number }>;
  /** Who is told: those that were there. */
  readonly feeds: readonly Feed[];
  readonly onTold: () => void;
}

/** A part of an append, as far as feeds need it when they must go back for it. */
interface ToldAppend {
  readonly stream: FedStream;
  readonly start: { readonly seqNum: number };
  readonly sealing: readonly unknown[];
}

/** The feeds of all basins. A basin that is deleted and made again has the same feeds. */
export class Feeds {
  readonly #byBasin = new Map<string, Set<Feed>>();
  /** Those whose readers have not found all of their streams yet. */
  readonly #listing = new Set<Feed>();
  /** What is being told in each basin, the oldest first. */
  readonly #news = new Map<string, News[]>();
  readonly #toldAtOnceMax: number;

  /** `toldAtOnceMax` is of streams of an append times feeds. */
  constructor(toldAtOnceMax: number = FEED_TOLD_AT_ONCE_MAX) {
    this.#toldAtOnceMax = toldAtOnceMax;
  }

  /** Those that may want what a stream gets; undefined for none. */
  of({ basin }: Pick<FedStream, 'basin'>): ReadonlySet<Feed> | undefined {
    return this.#byBasin.get(basin.name);
  }

  /** A stream that is not known by name got records: see {@link Feed.unlisted}. */
  noteUnlisted(number: number, next: number): void {
    for (const { unlisted } of this.#listing) if (!unlisted.has(number)) unlisted.set(number, next);
  }

  /** The basin is in another partition now: its readers end. */
  end(basin: string, error: TailraceError): void {
    for (const feed of this.#byBasin.get(basin) ?? []) feed.fail(error);
  }

  /** The reader of a feed has found all streams that were there before it. @throws TailraceError as {@link Feed.take} */
  listed(feed: Feed): void {
    feed.expectGoingOn();
    this.#listing.delete(feed);
    feed.unlisted.clear();
  }

  /** Returns how to take it out again. */
  add(basin: string, feed: Feed): () => void {
    const feeds = this.#byBasin.get(basin) ?? new Set();
    this.#byBasin.set(basin, feeds.add(feed));
    this.#listing.add(feed);
    return () => {
      feeds.delete(feed);
      this.#listing.delete(feed);
      feed.end();
      if (feeds.size === 0 && this.#byBasin.get(basin) === feeds) this.#byBasin.delete(basin);
    };
  }

  /**
   * Tells the feeds of an append in turns of the event loop where there are too many of both for one turn, and of what comes
   * behind it: then they get no blocks, but keep where they must go back to. Undefined where it is to be told at once;
   * otherwise an answer must wait for the promise, so that no more is untold than a little.
   */
  tellInTurns(appends: readonly ToldAppend[]): Promise<void> | undefined {
    const [first] = appends;
    const feeds = first === undefined ? undefined : this.of(first.stream);
    if (first === undefined || feeds === undefined) return undefined;
    const { name } = first.stream.basin;
    const line = this.#news.get(name);
    if (line === undefined && appends.length * feeds.size <= this.#toldAtOnceMax) return undefined;
    const streams: News['streams'] = new Map();
    for (const { stream, start, sealing } of appends) {
      if (sealing.length > 0 && !streams.has(stream.number)) {
        streams.set(stream.number, { stream, next: start.seqNum });
      }
    }
    let onTold = (): void => {};
    const told = new Promise<void>((resolve) => {
      onTold = resolve;
    });
    const news = { streams, feeds: [...feeds], onTold };
    for (const feed of feeds) feed.expect(news.streams);
    if (line === undefined) void this.#tell(name, news);
    else line.push(news);
    return (line?.length ?? 0) > FEED_NEWS_MAX ? told : Promise.resolve();
  }

  async #tell(basin: string, first: News): Promise<void> {
    const line = [first];
    this.#news.set(basin, line);
    const work: Telling = { told: 0 };
    for (let news = line[0]; news !== undefined; news = line[0]) {
      for (const feed of news.feeds) await tellOne(feed, news.streams, work);
      line.shift();
      news.onTold();
    }
    this.#news.delete(basin);
  }
}

/** How much was told, of whatever news to whichever feeds: small appends share a turn, or a line of them never ends. */
interface Telling {
  told: number;
}

async function tellOne(feed: Feed, streams: News['streams'], work: Telling): Promise<void> {
  for (const { stream, next } of streams.values()) {
    if (work.told++ % TOLD_A_SHARE === 0) await goOnWithWork(TOLD_A_SHARE * FEED_TOLD_COST_BYTES);
    if (!feed.expects(streams)) return;
    feed.miss(stream, next);
  }
  feed.toldAll(streams);
}

/** Streams that feeds are told of between two shares of a turn. */
const TOLD_A_SHARE = 512;

/** One reader's news: a short queue, and where it must go back to scanning. */
export class Feed {
  /** Streams that must be read from the store, by number, in the order in which they fell behind. */
  readonly behind = new Map<number, Behind>();
  /** Those that can't be read by this reader: nothing of theirs is wanted any more. */
  readonly refused = new Set<number>();
  /** Until its reader has found all of its streams: the first new record of those that only their number is known of. */
  readonly unlisted = new Map<number, number>();
  readonly #shownAs: (name: string) => string | undefined;
  #queue: FeedItem[] = [];
  #queuedBytes = 0;
  /** Its reader takes nothing: only positions are kept. */
  #isParked = true;
  #woken = false;
  #wake: (() => void) | undefined;
  /** What it is being told in turns: until it was, it does not know of all that is durable. */
  #untold: News['streams'][] = [];
  #onTold: (() => void)[] = [];
  #failure: TailraceError | undefined;

  /** `shownAs` is asked anew for each block: what its reader calls the stream, or undefined for one that it may not have. */
  constructor(shownAs: (name: string) => string | undefined) {
    this.#shownAs = shownAs;
  }

  /** The blocks of one durable append. */
  push(stream: OpenStream, blocks: readonly Block[]): void {
    const [first] = blocks;
    if (first === undefined || this.refused.has(stream.number)) return;
    const member = this.memberOf(stream);
    if (member === undefined) return;
    const behind = this.behind.get(stream.number);
    // What comes after a deletion that failed tells that the stream lives.
    if (behind !== undefined) behind.isLeaving = false;
    else if (this.#isParked) this.#keep(stream, member, first.firstSeq);
    else for (const block of blocks) this.#add({ stream, member, block });
    this.wake();
  }

  /** It will be told of these streams, in turns. */
  expect(streams: News['streams']): void {
    this.#untold.push(streams);
  }

  expects(streams: News['streams']): boolean {
    return this.#untold[0] === streams;
  }

  /** Its reader must go back to the store for a stream. */
  miss(stream: FedStream, next: number): void {
    if (this.refused.has(stream.number)) return;
    const member = this.memberOf(stream);
    if (member === undefined) return;
    const behind = this.behind.get(stream.number);
    if (behind === undefined) this.#keep(stream, member, next);
    else behind.isLeaving = false;
  }

  toldAll(streams: News['streams']): void {
    if (this.expects(streams)) this.#untold.shift();
    if (this.#untold.length === 0) for (const resolve of this.#onTold.splice(0)) resolve();
    this.wake();
  }

  get isBeingTold(): boolean {
    return this.#untold.length > 0;
  }

  /** Resolves when it was told everything; more may have come since. */
  told(): Promise<void> {
    return new Promise((resolve) => this.#onTold.push(resolve));
  }

  /** Its reader is gone: it is told nothing more. */
  end(): void {
    this.#untold = [];
    for (const resolve of this.#onTold.splice(0)) resolve();
  }

  /** The stream was deleted. One that never had a record was never told of. */
  left(stream: OpenStream): void {
    const { number } = stream;
    const member = this.memberOf(stream);
    this.behind.delete(number);
    for (const streams of this.#untold) streams.delete(number);
    if (this.refused.delete(number) || member === undefined || stream.durable.nextSeq === 0) return;
    this.#queue.push({ stream, member, block: undefined });
    this.wake();
  }

  /** Where its reader goes on in a stream that it has missed something of; undefined for one that it has all of. */
  positionIn({ number }: OpenStream): number | undefined {
    const waiting = this.#queue.find(({ stream, block }) => stream.number === number && block !== undefined);
    const untold = this.#untold.find((streams) => streams.has(number))?.get(number);
    return this.behind.get(number)?.next ?? waiting?.block?.firstSeq ?? untold?.next;
  }

  memberOf(stream: { readonly name: string; readonly id: string }): Member | undefined {
    const name = this.#shownAs(stream.name);
    return name === undefined ? undefined : { name, id: stream.id };
  }

  /** Nothing more comes: thrown at its reader once it has taken what came before. */
  fail(error: TailraceError): void {
    this.#failure = error;
    this.wake();
  }

  expectGoingOn(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The next news; undefined when there is none now. @throws TailraceError `unavailable` when nothing more comes */
  take(): FeedItem | undefined {
    const item = this.#queue.shift();
    if (item === undefined) this.expectGoingOn();
    if (item?.block !== undefined) this.#queuedBytes -= item.block.header.rawBytes;
    return item;
  }

  /** The next stream to read from the store; undefined when there is none. */
  nextBehind(): readonly [number: number, behind: Behind] | undefined {
    for (const entry of this.behind) if (!entry[1].isLeaving) return entry;
    return undefined;
  }

  /** From now on its reader takes what comes. */
  follow(): void {
    this.#isParked = false;
  }

  /** Lets go of all blocks and keeps where each of their streams goes on. */
  park(): void {
    this.#isParked = true;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const item of queue) {
      const { stream, member, block } = item;
      if (block !== undefined) this.#keep(stream, member, block.firstSeq);
      else {
        this.behind.delete(stream.number);
        this.#queue.push(item);
      }
    }
  }

  /** The stream goes on at `next`, though its reader was given what is before `counted`. */
  rewind(stream: OpenStream, member: Member, next: number, counted: number): void {
    const { basin, name, number } = stream;
    const behind = this.behind.get(number);
    if (behind === undefined) {
      this.behind.set(number, { basin, name, member, next, isNew: false, counted, isLeaving: false });
      return;
    }
    behind.next = Math.min(behind.next, next);
    behind.isNew = false;
    behind.counted = Math.max(behind.counted, counted);
  }

  /** Ends a `wait`. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Resolves when there was news, or it was woken, since the last `wait`. */
  async wait(): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#woken = false;
  }

  #add(item: FeedItem & { readonly block: Block }): void {
    const { stream, member, block } = item;
    if (this.behind.has(stream.number)) return;
    // A block that is alone always fits: a large append must not send a level reader back to the disk.
    if (this.#queue.length >= FEED_BLOCKS_MAX || this.#queuedBytes >= FEED_BYTES_MAX) {
      this.#keep(stream, member, block.firstSeq);
      return;
    }
    this.#queue.push(item);
    this.#queuedBytes += block.header.rawBytes;
  }

  /** Keeps where a stream goes on that is not behind yet. */
  #keep(stream: FedStream, member: Member, next: number): void {
    const { basin, name, number } = stream;
    if (this.behind.has(number)) return;
    this.behind.set(number, { basin, name, member, next, isNew: next === 0, counted: next, isLeaving: false });
  }
}
