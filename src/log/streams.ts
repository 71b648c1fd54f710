/**
 * Streams that are open: found by name, read from the store when first asked for, let go when nobody needs them. There
 * is never more than one object for a stream: one that was let go comes back as long as anybody holds it.
 */

import { TailraceError } from '../model/error.ts';
import { OPEN_STREAMS_MAX } from '../model/limits.ts';
import { resolveStreamConfig, type StreamCipher, type StreamConfigRequest } from '../model/stream-config.ts';
import { BLOCK_HEADER_BYTES_MAX, readBlockHeader } from '../storage/block/block.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { blockRange, dueKey, readStreamKey, streamKey, streamRange, streamStateKey } from '../storage/keys.ts';
import {
  decodeStream,
  decodeStreamListing,
  decodeStreamState,
  encodePending,
  encodeStream,
  encodeStreamState,
  type StreamRow,
} from '../storage/values.ts';
import type { Basin, BasinTable } from './basins.ts';
import { firstDueAt } from './expiry.ts';
import { scanPages } from './scan-pages.ts';
import { EMPTY_STATE, OpenStream, type StreamState } from './stream.ts';

/** A row of a list. */
export interface StreamInfo {
  readonly name: string;
  readonly createdAt: number;
  /** When its deletion was asked for; undefined while it lives. */
  readonly deletedAt: number | undefined;
  readonly cipher: StreamCipher | undefined;
}

export interface ListOptions {
  readonly prefix: string;
  /** Exclusive. */
  readonly startAfter: string;
  /** 1 to 1,000. */
  readonly limit: number;
}

const COUNT_PAGE = 10_000;
/** Streams that are looked up in one turn, while everybody else waits: so many take about a millisecond. */
const VISIT_PAGE = 64;

/** What the table asks of those around it. */
export interface StreamTableDeps {
  readonly engine: Engine;
  readonly basins: BasinTable;
  /** The wall clock, in ms. */
  now(): number;
  /** Resolves when what failed has settled and the store may be read again. */
  recovered(): Promise<void>;
}

/** Open streams by basin and name. */
export class StreamTable {
  readonly #deps: StreamTableDeps;
  readonly #open = new Map<string, OpenStream>();
  /** Also those that were let go and that somebody still holds. */
  readonly #known = new Map<string, WeakRef<OpenStream>>();
  readonly #loading = new Map<string, Promise<OpenStream | undefined>>();
  readonly #forgotten = new FinalizationRegistry<string>((id) => {
    if (this.#known.get(id)?.deref() === undefined) this.#known.delete(id);
  });

  constructor(deps: StreamTableDeps) {
    this.#deps = deps;
  }

  /** The stream when it is in memory and good to use. */
  peek(basin: Basin, name: string): OpenStream | undefined {
    const stream = this.#find(nameOf(basin, name));
    return stream === undefined || stream.stale ? undefined : stream;
  }

  /** The stream, read from the store if need be; undefined when it is not there. Concurrent calls share one look. */
  load(basin: Basin, name: string): Promise<OpenStream | undefined> {
    const id = nameOf(basin, name);
    const loading = this.#loading.get(id) ?? this.#read(basin, name, id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  /** The stream, whether it was made or is only about to be; see {@link load}. */
  async find(basin: Basin, name: string): Promise<OpenStream | undefined> {
    const found = this.peek(basin, name) ?? (await this.load(basin, name));
    // While it was looked for, another call may have made it.
    return this.peek(basin, name) ?? found;
  }

  /**
   * Calls `act` with the stream, good to build on; undefined when it is not there. While it was looked up, another call
   * may have made it, or the write that was to make it may have failed. From the last look to the call nothing is awaited.
   */
  async withFresh<T>(basin: Basin, name: string, act: (found: OpenStream | undefined) => Promise<T>): Promise<T> {
    for (;;) {
      const looked = await this.find(basin, name);
      const found = this.#find(nameOf(basin, name)) ?? looked;
      if (found?.stale !== true) return act(found);
    }
  }

  /**
   * A stream that exists only in memory until its rows are handed to a commit. One that waits for its first append is
   * taken over: it does not exist yet.
   * @throws TailraceError `transaction_conflict` when there is one by now
   */
  make(basin: Basin, name: string, request: StreamConfigRequest, requestKey?: string): OpenStream {
    const waiting = this.#find(nameOf(basin, name));
    if (waiting?.made === true)
      throw new TailraceError('transaction_conflict', `stream \`${name}\` was made meanwhile`);
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
    const stream = waiting ?? new OpenStream(basin, name, row, EMPTY_STATE, false);
    stream.row = row;
    stream.stale = false;
    this.#put(nameOf(basin, name), stream);
    return stream;
  }

  /** The rows that make a stream exist; they go with its first append, or alone. */
  rowsOf(stream: OpenStream): Write[] {
    return [
      this.#deps.basins.counterRow(),
      rowOf(stream),
      { type: 'put', key: streamStateKey(stream.number), value: encodeStreamState(EMPTY_STATE) },
      ...scheduleRows(stream, undefined),
    ];
  }

  /** The stream was deleted for good: its name is free. */
  forget(stream: OpenStream): void {
    const id = nameOf(stream.basin, stream.name);
    if (this.#find(id) !== stream) return;
    this.#open.delete(id);
    this.#known.delete(id);
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

  /** Lets streams go that nobody asked for since the last sweep. */
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

  /** Streams of a basin that are durable, in order of their names' bytes. */
  async list(basin: Basin, options: ListOptions): Promise<{ streams: readonly StreamInfo[]; hasMore: boolean }> {
    const range = streamRange(basin.number, options.prefix, options.startAfter);
    const entries = await this.#deps.engine.scan({ ...range, limit: options.limit + 1 });
    const streams = entries.slice(0, options.limit).map(({ key, value }) => {
      const { createdAt, deletedAt, cipher } = decodeStreamListing(value);
      return { name: readStreamKey(key).name, createdAt, deletedAt, cipher };
    });
    return { streams, hasMore: entries.length > options.limit };
  }

  /** How many durable streams a basin has; once there are `most`, it counts no further than a page. */
  async count(basin: Basin, most = Number.POSITIVE_INFINITY): Promise<number> {
    let count = 0;
    const pages = scanPages(this.#deps.engine, streamRange(basin.number), { limit: COUNT_PAGE, valueBytesMax: 1 });
    for await (const page of pages) {
      count += page.length;
      if (count >= most) break;
    }
    return count;
  }

  /** How many all basins have, `most` at most. */
  async countAll(most: number): Promise<number> {
    let count = 0;
    for (const basin of this.#deps.basins.list()) {
      if (count >= most) break;
      count += await this.count(basin, most - count);
    }
    return Math.min(count, most);
  }

  /**
   * Tells what each of the next streams behind a name stores, as it is known to be durable at that very moment. Answers
   * the last name; undefined when there are no more.
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
        return value === undefined ? 0 : (decodeStreamState(value).meteredBytes ?? (await this.#countBytes(number)));
      }),
    );
    for (const [index, { name }] of streams.entries()) {
      visit(name, this.peek(basin, name)?.durable.meteredBytes ?? stored[index] ?? 0);
    }
    return page.length < VISIT_PAGE ? undefined : streams.at(-1)?.name;
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
    if (value === undefined) {
      if (known !== undefined) this.forget(known);
      return this.#good(id);
    }
    const row = decodeStream(value);
    const state = await this.#readState(row, name);
    if (state === undefined || row.deletedAt !== undefined) {
      // Its removal may have become durable between two looks: then there is nothing, or another stream.
      const again = await engine.get(key);
      if (again === undefined || Buffer.compare(again, value) !== 0) return this.#read(basin, name, id);
      if (state === undefined) throw damaged(name, 'its state is missing');
    }
    const now = this.#find(id);
    if (now !== undefined && now.number === row.number) {
      if (now.stale) now.reload(row, state);
      return now;
    }
    const stream = new OpenStream(basin, name, row, state, true);
    this.#put(id, stream);
    return stream;
  }

  #good(id: string): OpenStream | undefined {
    const stream = this.#find(id);
    return stream?.stale === true ? undefined : stream;
  }

  async #readState({ number }: StreamRow, name: string): Promise<StreamState | undefined> {
    const { engine } = this.#deps;
    const value = await engine.get(streamStateKey(number));
    if (value === undefined) return undefined;
    const state = decodeStreamState(value);
    const beyond = await engine.scan({ ...blockRange(number, state.nextSeq), limit: 1, valueBytesMax: 1 });
    if (beyond.length > 0) throw damaged(name, 'it has records behind its tail');
    return { ...state, meteredBytes: state.meteredBytes ?? (await this.#countBytes(number)) };
  }

  /** A store of the first format did not count them. */
  async #countBytes(number: number): Promise<number> {
    let bytes = 0;
    const pages = scanPages(this.#deps.engine, blockRange(number), { valueBytesMax: BLOCK_HEADER_BYTES_MAX });
    for await (const page of pages) {
      for (const { key, value } of page) bytes += readBlockHeader(key, value).meteredBytes;
    }
    return bytes;
  }

  #put(id: string, stream: OpenStream): void {
    stream.used = true;
    this.#open.set(id, stream);
    if (this.#known.get(id)?.deref() !== stream) {
      this.#known.set(id, new WeakRef(stream));
      this.#forgotten.register(stream, id);
    }
    if (this.#open.size > OPEN_STREAMS_MAX) this.#letOneGo(stream);
  }

  /** The one that came first and that nobody asked for since it was looked at. */
  #letOneGo(newest: OpenStream): void {
    for (const [id, stream] of this.#open) {
      if (stream === newest) return;
      this.#open.delete(id);
      if (!stream.used && stream.idle) return;
      stream.used = false;
      this.#open.set(id, stream);
    }
  }
}

/** The row of a stream as it was accepted last. */
export function rowOf(stream: OpenStream): Write {
  return { type: 'put', key: streamKey(stream.basin.number, stream.name), value: encodeStream(stream.row) };
}

/** Moves a stream in the schedule from where it stood to where its row says. */
export function scheduleRows(stream: OpenStream, before: number | undefined): Write[] {
  const { dueAt } = stream.row;
  if (before === dueAt) return [];
  const rows: Write[] = [];
  if (before !== undefined) rows.push({ type: 'delete', key: dueKey(before, stream.number) });
  if (dueAt !== undefined) rows.push(scheduled(stream, dueAt));
  return rows;
}

function scheduled(stream: OpenStream, at: number): Write {
  const value = encodePending({ basin: stream.basin.number, name: stream.name });
  return { type: 'put', key: dueKey(at, stream.number), value };
}

function nameOf(basin: Basin, name: string): string {
  return `${basin.number}/${name}`;
}

function damaged(name: string, why: string): TailraceError {
  return new TailraceError('corrupt', `stream ${JSON.stringify(name)} is damaged: ${why}`);
}
