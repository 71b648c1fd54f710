/** Begins reads, of one stream and of many, with what all of them need of the log; and knows which are under way. */

import type { ReadRange } from '../model/read-range.ts';
import type { Engine } from '../storage/engine.ts';
import type { Basin } from './basins.ts';
import { BlockLender } from './block-lender.ts';
import { BlockCache } from './blocks.ts';
import { Bounds } from './bounds.ts';
import { decrypterFor } from './decrypt.ts';
import type { ReadEvent } from './events.ts';
import { type CatchUp, catchUpFirst, lookAgain } from './follow/look-again.ts';
import type { Feeds } from './many/feeds.ts';
import type { MemberListDeps } from './many/list-members.ts';
import { type ManyRange, ManyRead } from './many/read-many.ts';
import type { LogObserver } from './observer.ts';
import { type LogRead, OpenReads, type ReadsStat, type StreamRead } from './open-reads.ts';
import type { LogOptions, LogReadOptions } from './options.ts';
import { type ReadContext, type RecordFilter, readFrom, resolveStart } from './read.ts';
import { type BackPage, type BackRange, type BackWatch, readBack } from './read-back.ts';
import { deletionPending, type OpenStream } from './stream.ts';
import type { StreamTable } from './streams.ts';
import type { WantRows } from './summaries/row-finder.ts';

export interface ReadsDeps {
  readonly engine: Engine;
  readonly clock: LogOptions['clock'];
  readonly streams: StreamTable;
  readonly feeds: Feeds;
  readonly observer: LogObserver;
  /** The clock that records expire by, in ms. */
  expiryNow(): number;
  readonly wantRows: WantRows;
  /** Undefined where nothing can be late. */
  readonly catchUp?: CatchUp | undefined;
  /** As {@link MemberListDeps.undisturbed}. */
  undisturbed<T>(read: () => Promise<T>): Promise<T>;
  /** As {@link MemberListDeps.onListed}. */
  onListed?: MemberListDeps['onListed'];
  /** Notes a fault of ours; returns the error. */
  onFault(error: unknown): unknown;
}

export class Reads {
  readonly #deps: ReadsDeps;
  readonly #reads: OpenReads;
  readonly #cache = new BlockCache();
  readonly #lender = new BlockLender();

  constructor(deps: ReadsDeps) {
    this.#deps = deps;
    this.#reads = new OpenReads(deps);
  }

  /** A stream that is there, and whose cipher is ready. @throws as `Log.startRead` */
  async start(stream: OpenStream, range: ReadRange, signal: AbortSignal, by: LogReadOptions): Promise<StreamRead> {
    const { encryptionKey, protocol = 'library', filter } = by;
    const context = { ...this.#context(filter), plain: decrypterFor(stream, encryptionKey) };
    try {
      const { catchUp } = this.#deps;
      const bounds = new Bounds(range);
      await catchUpFirst(catchUp, bounds.mayFollow && range.waitMs === undefined);
      // Its deletion may have come meanwhile.
      if (catchUp !== undefined && stream.deleting) throw deletionPending(stream.name);
      const start = await lookAgain(() => resolveStart(context, stream, range), catchUp);
      return this.#reads.begin({
        stream,
        protocol,
        start: start ?? stream.tail.seqNum,
        events: (at, known) => (start === undefined ? nothing() : readFrom(context, stream, bounds, at, signal, known)),
      });
    } catch (error) {
      throw this.#deps.onFault(error);
    }
  }

  /** As `start`, for a read that goes backwards. @throws as `readBack` */
  back(stream: OpenStream, range: BackRange, watch: BackWatch, by: LogReadOptions): Promise<BackPage> {
    const { encryptionKey, protocol = 'library', filter } = by;
    const context = { ...this.#context(filter), plain: decrypterFor(stream, encryptionKey) };
    return this.#reads.back(stream, protocol, () => readBack(context, stream, range, watch));
  }

  /** From the return on nothing is missed. */
  startMany(basin: Basin, range: ManyRange, signal: AbortSignal, by: LogReadOptions): LogRead {
    const { encryptionKey, protocol = 'library', filter } = by;
    const { many } = this.#reads;
    const own = {
      context: this.#context(filter),
      encryptionKey,
      protocol,
      onEnd: (ended: ManyRead) => many.delete(ended),
    };
    const read = new ManyRead(basin, range, signal, { ...this.#deps, ...own });
    many.add(read);
    return read;
  }

  stat(): ReadsStat {
    return this.#reads.stat();
  }

  #context(filter: RecordFilter | undefined): Omit<ReadContext, 'plain'> {
    const { engine, clock, expiryNow, wantRows } = this.#deps;
    return {
      engine,
      clock,
      cache: this.#cache,
      lender: this.#lender,
      expiryNow,
      wantRows,
      filter,
      pageBytesMax: () => this.#reads.pageBytesMax(),
    };
  }
}

async function* nothing(): AsyncGenerator<ReadEvent> {}
