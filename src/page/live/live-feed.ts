/** One selection of streams with one filter, from its first rows to the next selection: the socket, the rows, what to say of them. */

import { signal } from '@preact/signals';
import { countText } from '../parts/time.ts';
import { trimmedText } from '../rows/list-source.ts';
import { ManySocket, type RowBatch, type StreamSelection } from '../wire/many-socket.ts';
import type { RowAddress } from '../wire/rows.ts';
import { listStreams } from '../wire/streams.ts';
import { Continuity } from './continuity.ts';
import { onlyStream } from './list-place.ts';
import { ManyRows, STREAMS_READ_BACK_MAX } from './many-rows.ts';
import { SeenCounts } from './seen-counts.ts';
import { StreamRows } from './stream-rows.ts';

export interface FeedOptions {
  readonly basin: string;
  readonly select: StreamSelection;
  readonly filter: string | undefined;
  /** Where the list begins, in milliseconds, in place of the tail. */
  readonly time: number | undefined;
  /** The first record of its stream in a list that begins at a time. */
  readonly at?: RowAddress | undefined;
  readonly until: number | undefined;
  /** Rows are shown when {@link ManyRows.showTo} says so. */
  readonly isReplay?: boolean;
}

interface JoinedStream {
  readonly stream: string;
  readonly seqNum: number;
  /** Another one than before: another stream of that name. */
  readonly streamId: string;
}

export type FeedState =
  | { readonly type: 'connecting' }
  | { readonly type: 'open' }
  | { readonly type: 'lost'; readonly reason: string; readonly retryAt: number };

/** A painting that takes more comes every second or third frame only. */
const SLOW_PAINT_MS = 5;
const LEARN_MS = 500;
const PAINT_MS = 30;

export class LiveFeed {
  /** Raised once a frame while there is something new to paint. */
  readonly version = signal(0);
  readonly state = signal<FeedState>({ type: 'connecting' });
  /** What happened to the connection or a stream; the last one. */
  readonly note = signal<string | undefined>(undefined);
  readonly error = signal<unknown>(undefined);
  /** The first rows are there, or there are none. */
  readonly isReady = signal(false);
  /** Positions in the list are those of a stream that is gone. */
  readonly isReplaced = signal(false);
  readonly counts = new SeenCounts();
  readonly source: ManyRows | StreamRows;
  readonly options: FeedOptions;
  /** Rows that came since the list was last at its end. */
  fresh = 0;
  /** Rows that came over the socket. */
  received = 0;
  /** Streams that joined, with where they began. */
  readonly streams = new Map<string, number>();
  readonly #streamIds = new Map<string, string>();
  readonly #abort = new AbortController();
  readonly #continuity: Continuity;
  readonly #batchTakers = new Set<(batch: RowBatch) => void>();
  #socket: ManySocket;
  #isOpened = false;
  #isAgain = false;
  #frame = 0;
  #learnedAt = 0;
  #paintMs = 0;
  #paintedAt = 0;
  /** Batches of a stream whose first rows are still being read. */
  #early: RowBatch[] | undefined = [];

  constructor(options: FeedOptions) {
    this.options = options;
    const { basin, select, filter } = options;
    const events = {
      changed: () => this.#paint(),
      failed: (error: unknown) => {
        this.error.value = error;
      },
    };
    const scope = { basin, filter, signal: this.#abort.signal };
    const only = onlyStream(select);
    const isWhole = filter === undefined && options.until === undefined && options.isReplay !== true;
    this.source =
      isWhole && only !== undefined ? new StreamRows(scope, only, events) : new ManyRows(scope, options, events);
    this.#continuity = new Continuity(filter !== undefined);
    this.#socket = new ManySocket({ basin, select, from: 'tail', filter }, this.#handlers());
  }

  /** The only stream, all of whose records are in the list. */
  get stream(): StreamRows | undefined {
    return this.source instanceof StreamRows ? this.source : undefined;
  }

  /** Whether the list is at its end: what came is seen, and old rows may be let go. */
  follow(isFollowing: boolean): void {
    if (isFollowing) this.fresh = 0;
    // A replay shows what comes only later: nothing may go before.
    if (this.source instanceof ManyRows) this.source.follow(isFollowing && this.options.isReplay !== true);
  }

  /** So many rows more of a replay are shown. */
  replayed(rows: number): void {
    this.fresh += rows;
    this.#paint();
  }

  onBatch(take: (batch: RowBatch) => void): () => void {
    this.#batchTakers.add(take);
    return () => this.#batchTakers.delete(take);
  }

  close(): void {
    this.#abort.abort();
    this.#socket.close();
    cancelAnimationFrame(this.#frame);
  }

  #handlers() {
    const continuity = this.#continuity;
    return {
      opened: (isAgain: boolean) => {
        this.#isAgain = isAgain;
        this.state.value = { type: 'open' };
      },
      joined: (streams: readonly JoinedStream[]) => this.#join(streams),
      batch: (batch: RowBatch) => {
        continuity.take(batch);
        if (this.#early === undefined) this.#take(batch);
        else this.#early.push(batch);
      },
      passed: (stream: string, next: number) => {
        continuity.pass(stream, next);
        if (this.source instanceof ManyRows) this.source.pass(stream, next);
      },
      gap: (stream: string, from: number, to: number) => {
        continuity.gap(stream, from, to);
        if (this.source instanceof ManyRows) this.source.gap(stream, from, to);
        else this.source.gap(from, to);
        this.note.value = `${stream} ${trimmedText(from, to)} before they were read`;
        this.#paint();
      },
      left: (stream: string, code: string, message: string) => {
        continuity.leave(stream);
        if (this.source instanceof ManyRows) this.source.leave(stream);
        this.streams.delete(stream);
        this.note.value =
          code === 'stream_deletion_pending' ? `${stream} was deleted: no more comes of it` : `${stream}: ${message}`;
        this.#paint();
      },
      caughtUp: () => this.#caughtUp(),
      lost: (reason: string, retryMs: number) => {
        continuity.lost();
        this.state.value = { type: 'lost', reason, retryAt: Date.now() + retryMs };
      },
      failed: (error: unknown) => {
        this.error.value = error;
        this.isReady.value = true;
        this.#paint();
      },
    };
  }

  #join(streams: readonly JoinedStream[]): void {
    for (const { stream, seqNum, streamId } of streams) {
      const known = this.#streamIds.get(stream);
      this.#streamIds.set(stream, streamId);
      if (known !== undefined && known !== streamId) {
        this.#continuity.leave(stream);
        this.note.value = `${stream} was deleted and made again: it begins at #0`;
        if (this.source instanceof StreamRows) this.isReplaced.value = true;
      }
      this.#continuity.begin(stream, seqNum);
      this.counts.know(stream);
      if (this.streams.has(stream)) continue;
      this.streams.set(stream, seqNum);
      if (this.#isOpened && this.source instanceof ManyRows) this.source.join(stream, seqNum);
    }
    this.#paint();
  }

  #caughtUp(): void {
    if (this.#isAgain) this.note.value = this.#continuity.reconnected();
    this.#isAgain = false;
    if (!this.#isOpened) {
      this.#isOpened = true;
      void this.#begin();
    }
    this.#paint();
  }

  /** The first rows: those before the position at which the socket began. */
  async #begin(): Promise<void> {
    try {
      const joined = [...this.streams].map(([stream, seqNum]) => ({ stream, seqNum }));
      if (this.source instanceof StreamRows) await this.source.begin(joined[0]?.seqNum ?? 0);
      else await this.source.begin(joined.length > STREAMS_READ_BACK_MAX ? await this.#recentFirst(joined) : joined);
    } catch (thrown) {
      if (!this.#abort.signal.aborted) this.error.value = thrown;
    }
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const batch of early) this.#take(batch);
    this.isReady.value = true;
    performance.mark('first-rows');
    this.#paint();
  }

  async #recentFirst<T extends { readonly stream: string }>(joined: readonly T[]): Promise<readonly T[]> {
    const listed = await listStreams(this.options.basin, '', this.#abort.signal).catch(() => []);
    const times = new Map(listed.map(({ name, figures }) => [name, figures?.last_timestamp ?? 0]));
    this.note.value = `older records of the ${STREAMS_READ_BACK_MAX} most recent of ${countText(joined.length)} streams`;
    return joined.toSorted((a, b) => (times.get(b.stream) ?? 0) - (times.get(a.stream) ?? 0));
  }

  #take(batch: RowBatch): void {
    this.received += batch.rows.length;
    if (this.options.isReplay !== true) this.fresh += batch.rows.length;
    this.counts.take(batch, Date.now());
    this.source.take(batch);
    for (const take of this.#batchTakers) take(batch);
    this.#paint();
  }

  /** Keys and values of the rows on the screen are suggested to filters. */
  learn(from: number, to: number): void {
    const now = Date.now();
    if (now - this.#learnedAt < LEARN_MS) return;
    for (let id = from; id < to; id++) {
      const row = this.source.rowAt(id)?.row;
      if (row === undefined) continue;
      this.counts.learn(row);
      this.#learnedAt = now;
    }
  }

  /** What the last painting of the list took. */
  painted(ms: number): void {
    this.#paintMs = this.#paintMs * 0.8 + ms * 0.2;
  }

  /** Once a frame, however much comes; less often where painting takes much of a frame. */
  #paint(): void {
    if (this.#frame !== 0 || this.#abort.signal.aborted) return;
    this.#frame = requestAnimationFrame((now) => {
      this.#frame = 0;
      if (this.#paintMs > SLOW_PAINT_MS && now - this.#paintedAt < PAINT_MS) this.#paint();
      else {
        this.#paintedAt = now;
        this.version.value++;
      }
    });
  }
}
