/** The reads that are under way: how many by protocol, what they get, and how far they are behind. */

import { SCAN_BYTES_MAX, SCAN_BYTES_MIN_EACH, SCANS_BYTES_MAX } from '../model/limits.ts';
import type { Block } from '../storage/block/block.ts';
import type { Member, ReadEvent } from './events.ts';
import type { LogObserver, ReaderProtocol } from './observer.ts';
import type { BackPage } from './read-back.ts';
import type { OpenStream, Stream } from './stream.ts';

/**
 * A read that is under way. One consumer asks for one event at a time; `return` ends it, and must be called by whoever
 * does not ask to the end. It counts as open from the first time that an event is asked for.
 */
export interface LogRead extends AsyncIterableIterator<ReadEvent> {
  next(): Promise<IteratorResult<ReadEvent, undefined>>;
  return(): Promise<IteratorResult<ReadEvent, undefined>>;
  /** The next record that it gets of a stream; undefined when it does not read that stream. */
  positionIn(stream: Stream): number | undefined;
  /** It holds a page of the store, since it is not level with the tail. */
  readonly isScanning: boolean;
  /** Positions that it keeps besides: one of many streams has some for those that are behind. */
  readonly positions?: number;
  /** Streams that one of many has. */
  readonly members?: number;
  /**
   * Lets go of everything but the position; the next event begins with what is `unsent`, if anything is, which then is
   * given again. What was given twice counts once. Must not be called while an event is asked for.
   */
  park(unsent: readonly Unsent[]): Promise<void>;
}

/** A read of one stream. */
export interface StreamRead extends LogRead {
  /** The next record that it gets. */
  readonly position: number;
}

/** The first record of those that were given and did not go out, and the block that holds it: used again if it is still in memory then. */
export interface Unsent {
  readonly seqNum: number;
  readonly block: Block;
  readonly of?: Member | undefined;
}

export interface ReadsStat {
  readonly byProtocol: ReadonlyMap<ReaderProtocol, number>;
  /** Records that the one farthest behind has not been given yet. */
  readonly lagRecordsMax: number;
}

export interface OpenReadsDeps {
  readonly observer: LogObserver;
  /** Notes a fault of ours; returns the error. */
  onFault(error: unknown): unknown;
}

/** What a read is of, and who reads. */
export interface ReadSource {
  readonly stream: OpenStream;
  readonly protocol: ReaderProtocol;
  /** The first record that it gets. */
  readonly start: number;
  /** Events from a position on; `known` is a block that may hold it. */
  events(position: number, known: Block | undefined): AsyncGenerator<ReadEvent>;
}

/** A read of many streams, as it counts. */
export interface CountedRead {
  readonly protocol: ReaderProtocol;
  readonly isScanning: boolean;
  readonly lagRecords: number;
}

export class OpenReads {
  readonly #deps: OpenReadsDeps;
  readonly #reads = new Set<OpenRead>();
  /** Reads under way that go backwards; each has a page of the store. */
  #backwards = 0;
  /** Those of many streams. */
  readonly many = new Set<CountedRead>();

  constructor(deps: OpenReadsDeps) {
    this.#deps = deps;
  }

  /** A read that has not begun. */
  begin(source: ReadSource): StreamRead {
    this.#deps.observer.readBegan(source.stream, source.protocol);
    return new OpenRead(source, this.#reads, this.#deps);
  }

  /** Does a read that goes backwards, which is over when it is answered. */
  async back(stream: OpenStream, protocol: ReaderProtocol, read: () => Promise<BackPage>): Promise<BackPage> {
    this.#deps.observer.readBegan(stream, protocol);
    stream.readers++;
    this.#backwards++;
    try {
      const page = await read();
      for (const { block, from, to } of page.parts) {
        this.#deps.observer.read(stream, to - from, block.meteredBytesWithin(from, to));
      }
      return page;
    } catch (error) {
      throw this.#deps.onFault(error);
    } finally {
      stream.readers--;
      this.#backwards--;
    }
  }

  /** Reads that scan share the memory for their pages. Looks at every open read. */
  pageBytesMax(): number {
    if (this.#reads.size + this.many.size + this.#backwards <= SCANS_BYTES_MAX / SCAN_BYTES_MAX) return SCAN_BYTES_MAX;
    let scanning = this.#backwards;
    for (const read of this.#reads) if (read.isScanning) scanning++;
    for (const read of this.many) if (read.isScanning) scanning++;
    const share = SCANS_BYTES_MAX / Math.max(1, scanning);
    return Math.min(SCAN_BYTES_MAX, Math.max(SCAN_BYTES_MIN_EACH, share));
  }

  /** Looks at every open read. */
  stat(): ReadsStat {
    const byProtocol = new Map<ReaderProtocol, number>();
    let lagRecordsMax = 0;
    for (const { stream, protocol, position } of this.#reads) {
      byProtocol.set(protocol, (byProtocol.get(protocol) ?? 0) + 1);
      lagRecordsMax = Math.max(lagRecordsMax, stream.durable.nextSeq - position);
    }
    for (const { protocol, lagRecords } of this.many) {
      byProtocol.set(protocol, (byProtocol.get(protocol) ?? 0) + 1);
      lagRecordsMax = Math.max(lagRecordsMax, lagRecords);
    }
    return { byProtocol, lagRecordsMax };
  }
}

class OpenRead implements StreamRead {
  readonly stream: OpenStream;
  readonly protocol: ReaderProtocol;
  position: number;
  readonly #source: ReadSource;
  readonly #open: Set<OpenRead>;
  readonly #deps: OpenReadsDeps;
  #events: AsyncGenerator<ReadEvent> | undefined;
  /** Others may hold the block, or the garbage collector has not come by. */
  #parkedAt: WeakRef<Block> | undefined;
  #state: 'new' | 'open' | 'over' = 'new';
  #isLevel = false;
  /** After the last record that the observer heard of. */
  #counted: number;

  constructor(source: ReadSource, open: Set<OpenRead>, deps: OpenReadsDeps) {
    this.stream = source.stream;
    this.protocol = source.protocol;
    this.position = source.start;
    this.#counted = source.start;
    this.#source = source;
    this.#open = open;
    this.#deps = deps;
  }

  get isScanning(): boolean {
    return this.#events !== undefined && !this.#isLevel;
  }

  positionIn({ id }: Stream): number | undefined {
    return id === this.stream.id ? this.position : undefined;
  }

  [Symbol.asyncIterator](): LogRead {
    return this;
  }

  async next(): Promise<IteratorResult<ReadEvent, undefined>> {
    if (this.#state === 'over') return OVER;
    if (this.#state === 'new') this.#begin();
    this.#events ??= this.#source.events(this.position, this.#parkedAt?.deref());
    this.#parkedAt = undefined;
    const result = await nextOf(this.#events, () => this.#end(), this.#deps);
    if (result.done !== true) this.#note(result.value);
    return result;
  }

  return(): Promise<IteratorResult<ReadEvent, undefined>> {
    return returned(this.#events, () => this.#end());
  }

  async park([first]: readonly Unsent[]): Promise<void> {
    const events = this.#events;
    this.#events = undefined;
    this.#isLevel = false;
    this.position = Math.min(this.position, first?.seqNum ?? Number.POSITIVE_INFINITY);
    this.#parkedAt = first === undefined ? undefined : new WeakRef(first.block);
    await events?.return(undefined);
  }

  #begin(): void {
    this.#state = 'open';
    this.stream.readers++;
    this.#open.add(this);
  }

  #end(): void {
    this.#events = undefined;
    if (this.#state === 'open') {
      this.stream.readers--;
      this.#open.delete(this);
    }
    this.#state = 'over';
  }

  #note(event: ReadEvent): void {
    this.#isLevel = event.type === 'caught_up' || ('isLive' in event && event.isLive);
    if (event.type === 'caught_up' || event.type === 'joined' || event.type === 'left') return;
    if (event.type === 'gap') {
      this.position = event.to;
      return;
    }
    if (event.type === 'passed') {
      this.position = event.to.seqNum;
      return;
    }
    const { block, to } = event;
    const from = Math.max(event.from, this.#counted - block.firstSeq);
    this.position = block.firstSeq + to;
    if (from >= to) return;
    this.#counted = this.position;
    this.#deps.observer.read(this.stream, to - from, block.meteredBytesWithin(from, to));
  }
}

export const OVER: IteratorResult<never, undefined> = { done: true, value: undefined };

/** The next of the events of a read, which is over after the last one and after an error. */
export async function nextOf(
  events: AsyncGenerator<ReadEvent>,
  end: () => void,
  { onFault }: Pick<OpenReadsDeps, 'onFault'>,
): Promise<IteratorResult<ReadEvent, undefined>> {
  try {
    const result = await events.next();
    if (result.done !== true) return result;
  } catch (error) {
    end();
    throw onFault(error);
  }
  end();
  return OVER;
}

/** Ends a read: first what it is part of, which ends its wait, then its events. */
export async function returned(
  events: AsyncGenerator<ReadEvent> | undefined,
  end: () => void,
): Promise<IteratorResult<ReadEvent, undefined>> {
  end();
  await events?.return(undefined);
  return OVER;
}
