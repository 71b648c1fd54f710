/**
 * The rows of many streams, or of one through a filter, as one list: what comes live at its new end, older ones by reading
 * backwards. It is bounded: while one looks at older rows, what comes is remembered by position and read later.
 */

import type { ListedRow, ListSource, SourceEvents } from '../rows/list-source.ts';
import { trimmedText } from '../rows/list-source.ts';
import { RowStore, type SeqRanges } from '../rows/row-store.ts';
import type { RowBatch } from '../wire/many-socket.ts';
import type { RowAddress } from '../wire/rows.ts';
import { inTurns, newerRows, OlderReads, type ReadScope, readPage } from './page-reads.ts';

const ROWS_MAX = 100_000;
const BYTES_MAX = 96_000_000;
/** A screen, so that it is there soon. */
const FIRST_ROWS = 120;
/** Rows before an end at which more is loaded. */
const NEAR = 80;
/** So few records are missing that what comes meanwhile is kept beside them. */
const CLOSE = 4_000;
/** Streams that are read backwards; others show what comes. */
export const STREAMS_READ_BACK_MAX = 64;

export interface ManyStart {
  /** Milliseconds: the list begins there in place of the tail. */
  readonly time: number | undefined;
  /** The stream of this record begins with it, whatever its time says. */
  readonly at?: RowAddress | undefined;
  /** It ends there. */
  readonly until: number | undefined;
  /** Rows from the begin on are shown only when {@link ManyRows.showTo} says so. */
  readonly isReplay?: boolean;
}

export class ManyRows implements ListSource {
  readonly #scope: ReadScope;
  readonly #events: SourceEvents;
  readonly #start: ManyStart;
  readonly #store = new RowStore();
  readonly #older: OlderReads;
  readonly #rules = new Map<number, string>();
  /** Where the socket is in each stream. */
  readonly #live = new Map<string, number>();
  /** Rows from there on are not in the list; undefined when it reaches the socket. */
  #ahead: Map<string, number> | undefined;
  /** What came since so few were missing, and where that began. */
  #pending: { readonly from: Map<string, number>; readonly batches: RowBatch[] } | undefined;
  #loading: 'older' | 'newer' | undefined;
  #isFollowing = true;
  #isBegun = false;
  /** Streams whose reads came to `until`, and whether all have. */
  readonly #over = new Set<string>();
  #isAtUntil = false;
  /** Rows from there on wait for {@link showTo}. */
  #shownEnd: number;

  constructor(scope: ReadScope, start: ManyStart, events: SourceEvents) {
    this.#scope = scope;
    this.#start = start;
    this.#events = events;
    this.#older = new OlderReads(scope);
    this.#shownEnd = start.isReplay === true ? 0 : Number.POSITIVE_INFINITY;
  }

  get start(): number {
    return this.#store.start;
  }

  get end(): number {
    return Math.max(this.start, Math.min(this.#store.end, this.#shownEnd));
  }

  /** Behind the last row that is loaded, shown or not. */
  get loadedEnd(): number {
    return this.#store.end;
  }

  /** Shows the rows before that one; in a replay only. */
  showTo(id: number): void {
    this.#shownEnd = id;
  }

  /** Records that were looked at backwards for those that the filter wants. */
  get looked(): number {
    return this.#older.looked;
  }

  /** All older records are in the list. */
  get isAtStart(): boolean {
    return this.#isBegun && this.#older.isAtStart;
  }

  get isLoading(): boolean {
    return !this.#isBegun || this.#loading !== undefined;
  }

  /** Later records are on the server only. */
  get hasAhead(): boolean {
    return this.#ahead !== undefined && !this.#isAtUntil;
  }

  rowAt(id: number): ListedRow | undefined {
    return this.#store.rowAt(id);
  }

  ruleAt(id: number): string | undefined {
    return this.#rules.get(id);
  }

  findError(id: number, step: 1 | -1): number | undefined {
    const found = this.#store.findError(id, step);
    return found === undefined || found < this.end ? found : undefined;
  }

  positionsBeyond(_id: number, step: 1 | -1): ReadonlyMap<string, number> {
    if (step === -1) return this.#older.positions();
    return this.hasAhead && this.#start.isReplay !== true ? new Map(this.#ahead) : new Map();
  }

  idOf(stream: string, seqNum: number): number | undefined {
    return this.#store.idOf(stream, seqNum);
  }

  timeAt(id: number): number | undefined {
    return this.#store.timeAt(id);
  }

  follow(isFollowing: boolean): void {
    this.#isFollowing = isFollowing;
  }

  /** The streams that are there when the socket opens, the most recent first. */
  async begin(streams: readonly { readonly stream: string; readonly seqNum: number }[]): Promise<void> {
    for (const { stream, seqNum } of streams) if (!this.#live.has(stream)) this.#live.set(stream, seqNum);
    const read = streams.slice(0, STREAMS_READ_BACK_MAX);
    const { time } = this.#start;
    if (time === undefined) for (const { stream, seqNum } of read) this.#older.set(stream, seqNum);
    else {
      const ahead = new Map<string, number>();
      this.#ahead = ahead;
      await inTurns(read, async ({ stream }) => {
        const from = await this.#firstFrom(stream, time);
        this.#older.set(stream, from);
        ahead.set(stream, from);
      });
    }
    this.#isBegun = true;
    if (time !== undefined) await this.loadNewer();
    if (this.end - this.start < NEAR) await this.loadOlder();
    this.#events.changed();
  }

  async #firstFrom(stream: string, time: number): Promise<number> {
    const { at } = this.#start;
    if (at?.stream === stream) return at.seqNum;
    const scope = { ...this.#scope, filter: undefined };
    const page = await readPage(scope, stream, { timestamp: time, count: 1, clamp: true });
    return page.rows[0]?.seqNum ?? page.nextSeqNum ?? this.#live.get(stream) ?? 0;
  }

  /** A stream that is there only now. */
  join(stream: string, seqNum: number): void {
    this.#live.set(stream, seqNum);
    this.#ahead?.set(stream, seqNum);
    this.#pending?.from.set(stream, seqNum);
  }

  leave(stream: string): void {
    this.#older.remove(stream);
    this.#ahead?.delete(stream);
    this.#live.delete(stream);
  }

  /** Returns whether the rows are in the list now. */
  take(batch: RowBatch): boolean {
    if (this.#ahead === undefined && !this.#makePlace(batch)) this.#ahead = new Map(this.#live);
    this.#live.set(batch.stream, batch.next);
    if (this.#ahead !== undefined) {
      this.#keep(batch);
      return false;
    }
    this.#store.append({ stream: batch.stream, text: batch.text }, batch.rows);
    return true;
  }

  pass(stream: string, next: number): void {
    this.#live.set(stream, next);
  }

  gap(stream: string, from: number, to: number): void {
    this.#live.set(stream, to);
    if (this.#ahead === undefined) this.#rules.set(this.#store.end, `${stream} ${trimmedText(from, to)}`);
  }

  want(from: number, to: number): void {
    if (!this.#isBegun || this.#loading !== undefined) return;
    if (this.hasAhead && this.#store.end - to < NEAR) void this.loadNewer();
    else if (from - this.start < NEAR && this.#store.count > 0 && !this.#older.isAtStart) void this.loadOlder();
  }

  async loadOlder(): Promise<void> {
    if (this.#loading !== undefined) return;
    await this.#load('older', async () => {
      const pages = await this.#older.next(this.#store.count === 0 ? FIRST_ROWS : undefined);
      this.#store.prependMerged(pages);
      while (this.#isFull()) {
        const dropped = this.#store.dropPart(false);
        if (dropped === undefined) break;
        this.#putAhead(dropped);
      }
    });
  }

  async loadNewer(): Promise<void> {
    const ahead = this.#ahead;
    if (this.#loading !== undefined || ahead === undefined || !this.hasAhead) return;
    await this.#load('newer', async () => {
      const missing = [...ahead].filter(
        ([stream, next]) => next < (this.#live.get(stream) ?? 0) && !this.#over.has(stream),
      );
      const records = missing.reduce((sum, [stream, next]) => sum + (this.#live.get(stream) ?? 0) - next, 0);
      if (records < CLOSE && this.#start.until === undefined) {
        this.#pending ??= { from: new Map(this.#live), batches: [] };
      }
      const wanted = missing.map(([stream]) => stream);
      const range = { until: this.#start.until, over: this.#over };
      const pages = wanted.length === 0 ? [] : await newerRows(this.#scope, ahead, wanted, range);
      this.#store.appendMerged(pages);
      this.#isAtUntil = range.until !== undefined && wanted.every((stream) => this.#over.has(stream));
      this.#joinLive(ahead);
      while (this.#isFull()) {
        const dropped = this.#store.dropPart(true);
        if (dropped === undefined) break;
        for (const [stream, { to }] of dropped) this.#older.set(stream, to);
      }
    });
  }

  async #load(what: 'older' | 'newer', run: () => Promise<void>): Promise<void> {
    this.#loading = what;
    try {
      await run();
    } catch (thrown) {
      if (!this.#scope.signal.aborted) this.#events.failed(thrown);
    }
    this.#loading = undefined;
    this.#events.changed();
  }

  /** What was read reaches what came meanwhile: from here on the list is live. */
  #joinLive(ahead: ReadonlyMap<string, number>): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    for (const [stream, next] of ahead) if (next < (pending.from.get(stream) ?? 0)) return;
    this.#pending = undefined;
    this.#ahead = undefined;
    for (const { stream, text, rows } of pending.batches) {
      const skip = rows.findIndex(({ seqNum }) => seqNum >= (ahead.get(stream) ?? 0));
      if (skip >= 0) this.#store.append({ stream, text }, rows.slice(skip), skip);
    }
  }

  #keep(batch: RowBatch): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    pending.batches.push(batch);
    // The reads do not catch up: they go on by position.
    if (pending.batches.reduce((sum, { rows }) => sum + rows.length, 0) > CLOSE * 2) this.#pending = undefined;
  }

  #isFull(): boolean {
    return this.#store.count > ROWS_MAX || this.#store.bytes > BYTES_MAX;
  }

  /** False where nothing may be let go, because one looks at it. */
  #makePlace({ rows }: RowBatch): boolean {
    while (this.#store.count + rows.length > ROWS_MAX || this.#store.bytes > BYTES_MAX) {
      if (!this.#isFollowing) return false;
      const dropped = this.#store.dropPart(true);
      if (dropped === undefined) return true;
      for (const [stream, { to }] of dropped) this.#older.set(stream, to);
    }
    return true;
  }

  #putAhead(dropped: SeqRanges): void {
    this.#pending = undefined;
    this.#isAtUntil = false;
    this.#over.clear();
    const ahead = this.#ahead ?? new Map(this.#live);
    this.#ahead = ahead;
    for (const [stream, { from }] of dropped) ahead.set(stream, Math.min(from, ahead.get(stream) ?? from));
  }
}
