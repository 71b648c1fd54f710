/**
 * Open streams: found by name, read from the store on first use, dropped from memory when not needed. There is never
 * more than one object per stream: a dropped one is used again as long as any caller holds it.
 */

import { TailraceError } from '../model/error.ts';
import { OPEN_STREAMS_MAX } from '../model/limits.ts';
import { resolveStreamConfig, type StreamCipher, type StreamConfigRequest } from '../model/stream-config.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { blockRange, readStreamKey, streamKey, streamRange, streamStateKey } from '../storage/keys.ts';
import { decodeStream, decodeStreamListing, decodeStreamState, type StreamRow } from '../storage/values.ts';
import type { Basin, BasinTable } from './basins.ts';
import { firstDueAt } from './expiry.ts';
import { countStoredBytes, type StreamFigures, streamFigures } from './figures.ts';
import { scanPages } from './scan-pages.ts';
import { rowOf, scheduleRows } from './schedule-rows.ts';
import { EMPTY_STATE, OpenStream, type StreamHome, type StreamState } from './stream.ts';

/** One stream in a list. */
export interface StreamInfo {
  readonly name: string;
  readonly createdAt: number;
  /** When its deletion was requested; undefined while it lives. */
  readonly deletedAt: number | undefined;
  readonly cipher: StreamCipher | undefined;
}

export interface StreamOnPage extends StreamInfo {
  /** As {@link Stream.id}. */
  readonly id: string;
  /** When it was asked for; undefined for one that is gone by now. */
  readonly figures: StreamFigures | undefined;
}

export interface StreamPage {
  readonly streams: readonly StreamOnPage[];
  readonly hasMore: boolean;
}

export interface StreamListOptions {
  readonly prefix: string;
  /** Exclusive. */
  readonly startAfter: string;
  /** 1 to 1,000. */
  readonly limit: number;
  /** Whether what each stream stores is looked up. */
  readonly hasFigures?: boolean;
}

const COUNT_PAGE = 10_000;
/** Streams that are read in one turn of the event loop, which takes about a millisecond. */
const VISIT_PAGE = 64;

/** Open streams that are looked at when one is added beyond the limit. */
const DROP_LOOKS = 8;

/** What the table needs from its caller. */
export interface StreamTableDeps {
  readonly engine: Engine;
  readonly basins: BasinTable;
  /** The wall clock, in ms. */
  now(): number;
  /** Resolves when failed commits have settled and the store may be read again. */
  recovered(): Promise<void>;
  /** Reads several rows while no transaction becomes visible that is not known of yet. Not within another such read. */
  undisturbed<T>(read: () => Promise<T>): Promise<T>;
}

/** Open streams by basin and name. */
export class StreamTable {
  readonly #deps: StreamTableDeps;
  readonly #open = new Map<string, OpenStream>();
  /** Also dropped ones that a caller still holds. */
  readonly #known = new Map<string, WeakRef<OpenStream>>();
  readonly #loading = new Map<string, Promise<OpenStream | undefined>>();
  readonly #ids = new Map<number, string>();
  readonly #forgotten = new FinalizationRegistry<{ readonly id: string; readonly number: number }>(({ id, number }) => {
    if (this.#known.get(id)?.deref() === undefined) this.#known.delete(id);
    if (this.byNumber(number) === undefined) this.#ids.delete(number);
  });

  constructor(deps: StreamTableDeps) {
    this.#deps = deps;
  }

  /** The stream when it is in memory and not stale. */
  peek(basin: Basin, name: string): OpenStream | undefined {
    const stream = this.#find(nameOf(basin, name));
    return stream === undefined || stream.stale ? undefined : stream;
  }

  /** The stream with this number when it is in memory, also when only a caller still holds it. Does not count as its use. */
  byNumber(number: number): OpenStream | undefined {
    const stream = this.#known.get(this.#ids.get(number) ?? '')?.deref();
    return stream?.number === number ? stream : undefined;
  }

  /** The same by name. */
  byName(basin: Pick<Basin, 'number'>, name: string): OpenStream | undefined {
    return this.#known.get(nameOf(basin, name))?.deref();
  }

  /** The stream, read from the store if needed; undefined when it does not exist. Concurrent calls share one read. */
  load(basin: Basin, name: string): Promise<OpenStream | undefined> {
    const id = nameOf(basin, name);
    const known = this.#loading.get(id);
    if (known !== undefined) return known;
    const loading = this.#deps.undisturbed(() => this.#read(basin, name, id)).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  /** The stream, whether it exists or only waits for its first append; see {@link load}. */
  async find(basin: Basin, name: string): Promise<OpenStream | undefined> {
    const found = this.peek(basin, name) ?? (await this.load(basin, name));
    // Meanwhile another call may have created it.
    return this.peek(basin, name) ?? found;
  }

  /**
   * Calls `act` with the stream, which is not stale, or with undefined when it does not exist. While it was read,
   * another call may have created it, or the write that creates it may have failed. Nothing is awaited between the last
   * check and the call.
   */
  async withFresh<T>(basin: Basin, name: string, act: (found: OpenStream | undefined) => Promise<T>): Promise<T> {
    for (;;) {
      const looked = await this.find(basin, name);
      const found = this.#find(nameOf(basin, name)) ?? looked;
      if (found?.stale !== true) return act(found);
    }
  }

  /**
   * Creates a stream that exists only in memory until its rows are passed to a commit. A stream that waits for its
   * first append does not exist yet, so it is taken over.
   * @throws TailraceError `transaction_conflict` when it exists by now
   */
  make(basin: Basin, name: string, request: StreamConfigRequest, requestKey?: string): OpenStream {
    const waiting = this.#find(nameOf(basin, name));
    if (waiting?.made === true)
      throw new TailraceError('transaction_conflict', `stream \`${name}\` was created meanwhile`);
    const createdAt = this.#deps.now();
    const config = resolveStreamConfig(basin.config, request);
    const row = {
      number: waiting?.number ?? this.#deps.basins.takeStreamNumber(),
      config,
      createdAt,
      deletedAt: undefined,
      cipher: basin.config.streamCipher,
      requestKey,
      dueAt: firstDueAt(config, createdAt),
    };
    const stream = waiting ?? new OpenStream(this.#homeOf(basin, name), row, EMPTY_STATE, false);
    stream.row = row;
    stream.stale = false;
    this.#put(nameOf(basin, name), stream);
    return stream;
  }

  /** Takes a stream into memory whose rows are in the store by now. Nothing happens where one of its name is in memory. */
  adopt(basin: Basin, name: string, row: StreamRow, state: StreamState): void {
    const id = nameOf(basin, name);
    if (this.#find(id) === undefined) this.#put(id, new OpenStream(this.#homeOf(basin, name), row, state, true));
  }

  /** The rows that create streams, beside their states, which each commit writes. None for no streams. */
  rowsOf(streams: readonly OpenStream[]): Write[] {
    const rows = streams.length === 0 ? [] : [this.#deps.basins.counterRow()];
    for (const stream of streams) rows.push(rowOf(stream), ...scheduleRows(stream, undefined));
    return rows;
  }

  /** Called when the stream is deleted: its name is free. */
  forget(stream: OpenStream): void {
    const id = nameOf(stream.basin, stream.name);
    if (this.#find(id) !== stream) return;
    this.#open.delete(id);
    this.#known.delete(id);
  }

  /** Forgets all streams of a basin, which is here no more; returns those that are in memory. */
  forgetBasin({ number }: Basin): readonly OpenStream[] {
    const streams = [...this.#known.values()].flatMap((known) => known.deref() ?? []);
    const ofBasin = streams.filter(({ basin }) => basin.number === number);
    for (const stream of ofBasin) this.forget(stream);
    return ofBasin;
  }

  /** After a failed commit nothing in memory can be trusted: every stream is read again before it is used. */
  distrust(): void {
    for (const [id, reference] of this.#known) {
      const stream = reference.deref();
      if (stream === undefined) continue;
      stream.stale = true;
      if (stream.exists || stream.readers > 0) continue;
      this.#open.delete(id);
      this.#known.delete(id);
    }
  }

  /** Drops streams that were not requested since the last sweep. */
  sweep(): void {
    for (const [id, stream] of this.#open) {
      if (!stream.used && stream.idle) this.#open.delete(id);
      stream.used = false;
    }
  }

  /** How many are in memory. */
  get size(): number {
    return this.#open.size;
  }

  /** Durable streams of a basin, in the order of their names' bytes. */
  async list(basin: Basin, { prefix, startAfter, limit, hasFigures = false }: StreamListOptions): Promise<StreamPage> {
    const { engine } = this.#deps;
    const entries = await engine.scan({ ...streamRange(basin.number, prefix, startAfter), limit: limit + 1 });
    const rows = entries.slice(0, limit).map(({ key, value }) => ({
      ...{ name: readStreamKey(key).name, ...decodeStreamListing(value) },
    }));
    const names = new Map(rows.map(({ number, name }) => [number, name]));
    const durable = (number: number) => this.#durableOf(basin, names.get(number) ?? '', number);
    const figures = hasFigures ? await streamFigures(engine, [...names.keys()], durable) : undefined;
    const streams = rows.map(({ number, ...row }) => ({ ...row, id: String(number), figures: figures?.get(number) }));
    return { streams, hasMore: entries.length > limit };
  }

  /** Of a stream that is in memory; does not count as its use. */
  #durableOf(basin: Basin, name: string, number: number): StreamState | undefined {
    const open = this.#open.get(nameOf(basin, name));
    return open?.number === number && open.exists ? open.durable : undefined;
  }

  /** How many durable streams a basin has. It stops at the end of the page on which it reaches `most`. */
  async count(basin: Basin, most = Number.POSITIVE_INFINITY): Promise<number> {
    let count = 0;
    const pages = scanPages(this.#deps.engine, streamRange(basin.number), { limit: COUNT_PAGE, valueBytesMax: 1 });
    for await (const page of pages) {
      count += page.length;
      if (count >= most) break;
    }
    return count;
  }

  /** Whether a stream exists, or will with an append that was accepted; without a promise when it is in memory. */
  has(basin: Basin, name: string): boolean | Promise<boolean> {
    const open = this.peek(basin, name);
    if (open !== undefined) return isThere(open);
    return this.find(basin, name).then(isThere);
  }

  /** How many all basins have, at most `most`. */
  async countAll(most: number): Promise<number> {
    let count = 0;
    for (const basin of this.#deps.basins.list()) {
      if (count >= most) break;
      count += await this.count(basin, most - count);
    }
    return Math.min(count, most);
  }

  /**
   * Calls `visit` with what each of the streams after a name stores, as it is durable at that very moment. Returns the
   * last name, or undefined when there are no more.
   */
  async visitStored(
    basin: Basin,
    startAfter: string,
    visit: (name: string, meteredBytes: number) => void,
  ): Promise<string | undefined> {
    const { engine } = this.#deps;
    const page = await engine.scan({ ...streamRange(basin.number, '', startAfter), limit: VISIT_PAGE });
    const streams = page.map(({ key, value }) => ({
      name: readStreamKey(key).name,
      number: decodeStream(value).number,
    }));
    const stored = await Promise.all(
      streams.map(async ({ name, number }) => {
        if (this.#open.has(nameOf(basin, name))) return 0;
        const value = await engine.get(streamStateKey(number));
        return value === undefined
          ? 0
          : (decodeStreamState(value).meteredBytes ?? (await countStoredBytes(engine, number)));
      }),
    );
    for (const [index, { name }] of streams.entries()) {
      visit(name, this.peek(basin, name)?.durable.meteredBytes ?? stored[index] ?? 0);
    }
    return page.length < VISIT_PAGE ? undefined : streams.at(-1)?.name;
  }

  #homeOf(basin: Basin, name: string): StreamHome {
    return { basin, name, place: this.#deps.basins.moves.placeOf(basin.number) };
  }

  #find(id: string): OpenStream | undefined {
    const open = this.#open.get(id);
    if (open !== undefined) {
      open.used = true;
      return open;
    }
    const held = this.#known.get(id)?.deref();
    if (held !== undefined) this.#put(id, held);
    return held;
  }

  async #read(basin: Basin, name: string, id: string): Promise<OpenStream | undefined> {
    await this.#deps.recovered();
    const known = this.#find(id);
    if (known !== undefined && !known.stale) return known;
    const { engine } = this.#deps;
    const key = streamKey(basin.number, name);
    const value = await engine.get(key);
    // The rows of a basin that goes to another partition meanwhile are removed, and then say nothing of the stream.
    const { moves } = this.#deps.basins;
    if (value === undefined) {
      moves.expectNotGone(basin);
      if (known !== undefined) this.forget(known);
      return this.#fresh(id);
    }
    const row = decodeStream(value);
    const state = await this.#readState(row, name);
    if (state === undefined || row.deletedAt !== undefined) {
      // Its removal may have become durable between two reads: then there is nothing, or another stream.
      const again = await engine.get(key);
      if (again === undefined || Buffer.compare(again, value) !== 0) return this.#read(basin, name, id);
      if (state === undefined) {
        moves.expectNotGone(basin);
        throw damaged(name, 'its state is missing');
      }
    }
    const now = this.#find(id);
    if (now !== undefined && now.number === row.number) {
      if (now.stale) now.reload(row, state);
      return now;
    }
    const stream = new OpenStream(this.#homeOf(basin, name), row, state, true);
    this.#put(id, stream);
    return stream;
  }

  #fresh(id: string): OpenStream | undefined {
    const stream = this.#find(id);
    return stream?.stale === true ? undefined : stream;
  }

  async #readState({ number }: StreamRow, name: string): Promise<StreamState | undefined> {
    const { engine } = this.#deps;
    const value = await engine.get(streamStateKey(number));
    if (value === undefined) return undefined;
    const state = decodeStreamState(value);
    const beyond = await engine.scan({ ...blockRange(number, state.nextSeq), limit: 1, valueBytesMax: 1 });
    if (beyond.length > 0) throw damaged(name, 'it has records after its tail');
    return { ...state, meteredBytes: state.meteredBytes ?? (await countStoredBytes(engine, number)) };
  }

  #put(id: string, stream: OpenStream): void {
    stream.used = true;
    this.#open.set(id, stream);
    if (this.#known.get(id)?.deref() !== stream) {
      this.#known.set(id, new WeakRef(stream));
      this.#ids.set(stream.number, id);
      this.#forgotten.register(stream, { id, number: stream.number });
    }
    if (this.#open.size > OPEN_STREAMS_MAX) this.#dropOne(stream);
  }

  /**
   * Drops one of the first few: one that was not requested since it was checked here, otherwise any that is idle. It
   * looks at a few only: while thousands are in use at once, to look at all of them for each new one would hold up
   * every caller.
   */
  #dropOne(newest: OpenStream): void {
    let looks = DROP_LOOKS;
    let idle: string | undefined;
    for (const [id, stream] of this.#open) {
      if (stream === newest || looks-- === 0) break;
      this.#open.delete(id);
      if (!stream.used && stream.idle) return;
      stream.used = false;
      this.#open.set(id, stream);
      if (stream.idle) idle ??= id;
    }
    if (idle !== undefined) this.#open.delete(idle);
  }
}

function isThere(stream: OpenStream | undefined): boolean {
  return stream?.made === true && !stream.deleting;
}

function nameOf(basin: Pick<Basin, 'number'>, name: string): string {
  return `${basin.number}/${name}`;
}

function damaged(name: string, why: string): TailraceError {
  return new TailraceError('corrupt', `stream ${JSON.stringify(name)} is damaged: ${why}`);
}
