/** Streams that are open: found by name, read from the store when first asked for, let go when nobody needs them. */

import { TailraceError } from '../model/error.ts';
import { OPEN_STREAMS_MAX } from '../model/limits.ts';
import { resolveStreamConfig } from '../model/stream-config.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { blockRange, readStreamKey, streamKey, streamRange, streamStateKey } from '../storage/keys.ts';
import {
  decodeStream,
  decodeStreamState,
  encodeStream,
  encodeStreamState,
  type StreamStateRow,
} from '../storage/values.ts';
import type { Basin, BasinTable } from './basins.ts';
import { EMPTY_STATE, OpenStream } from './stream.ts';

/** A row of a list. */
export interface StreamInfo {
  readonly name: string;
  readonly createdAt: number;
}

export interface ListOptions {
  readonly prefix: string;
  /** Exclusive. */
  readonly startAfter: string;
  /** 1 to 1,000. */
  readonly limit: number;
}

const COUNT_PAGE = 10_000;

/** Open streams by basin and name, the one used least recently first. */
export class StreamTable {
  readonly #engine: Engine;
  readonly #basins: BasinTable;
  readonly #now: () => number;
  readonly #open = new Map<string, OpenStream>();
  readonly #loading = new Map<string, Promise<OpenStream | undefined>>();
  /** Resolves when what failed has settled and the store may be read again. */
  readonly #recovered: () => Promise<void>;

  constructor(engine: Engine, basins: BasinTable, now: () => number, recovered: () => Promise<void>) {
    this.#engine = engine;
    this.#basins = basins;
    this.#now = now;
    this.#recovered = recovered;
  }

  /** The stream when it is open and good to use. */
  peek(basin: Basin, name: string): OpenStream | undefined {
    const stream = this.#open.get(nameOf(basin, name));
    return stream === undefined || stream.stale ? undefined : stream;
  }

  /** The stream, read from the store if need be; undefined when it is not there. Concurrent calls share one look. */
  load(basin: Basin, name: string): Promise<OpenStream | undefined> {
    const id = nameOf(basin, name);
    const loading = this.#loading.get(id) ?? this.#read(basin, name, id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  /** A stream that exists only in memory until its first append is durable. */
  make(basin: Basin, name: string): OpenStream {
    const row = {
      number: this.#basins.takeStreamNumber(),
      config: resolveStreamConfig(basin.config),
      createdAt: this.#now(),
    };
    const stream = new OpenStream(basin, name, row, EMPTY_STATE, false);
    this.#put(nameOf(basin, name), stream);
    return stream;
  }

  /** The rows that make a stream exist; they go with its first append. */
  rowsOf(stream: OpenStream): Write[] {
    const row = { number: stream.number, config: stream.config, createdAt: stream.createdAt };
    return [
      this.#basins.counterRow(),
      { type: 'put', key: streamKey(stream.basin.number, stream.name), value: encodeStream(row) },
      { type: 'put', key: streamStateKey(stream.number), value: encodeStreamState(EMPTY_STATE) },
    ];
  }

  /** After a failed commit nothing in memory can be trusted: every stream is read again before it is used. */
  distrust(): void {
    for (const [id, stream] of this.#open) {
      stream.stale = true;
      if (!stream.exists && stream.readers === 0) this.#open.delete(id);
    }
  }

  /** Streams of a basin that are durable, in order of their names' bytes. */
  async list(basin: Basin, options: ListOptions): Promise<{ streams: readonly StreamInfo[]; hasMore: boolean }> {
    const range = streamRange(basin.number, options.prefix, options.startAfter);
    const entries = await this.#engine.scan({ ...range, limit: options.limit + 1 });
    const streams = entries.slice(0, options.limit).map(({ key, value }) => ({
      name: readStreamKey(key).name,
      createdAt: decodeStream(value).createdAt,
    }));
    return { streams, hasMore: entries.length > options.limit };
  }

  /** How many durable streams a basin has. */
  async count(basin: Basin): Promise<number> {
    let { from, to } = streamRange(basin.number);
    for (let count = 0; ; ) {
      const page = await this.#engine.scan({ from, to, limit: COUNT_PAGE, valueBytesMax: 1 });
      count += page.length;
      const last = page.at(-1);
      if (last === undefined || page.length < COUNT_PAGE) return count;
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  async #read(basin: Basin, name: string, id: string): Promise<OpenStream | undefined> {
    await this.#recovered();
    const known = this.#open.get(id);
    if (known !== undefined && !known.stale) return known;
    const value = await this.#engine.get(streamKey(basin.number, name));
    if (value === undefined) {
      this.#open.delete(id);
      return undefined;
    }
    const row = decodeStream(value);
    const state = await this.#readState(row.number, name);
    if (known !== undefined && known.number === row.number) {
      known.reload(state);
      return known;
    }
    const stream = new OpenStream(basin, name, row, state, true);
    this.#put(id, stream);
    return stream;
  }

  async #readState(number: number, name: string): Promise<StreamStateRow> {
    const value = await this.#engine.get(streamStateKey(number));
    if (value === undefined) throw damaged(name, 'its state is missing');
    const state = decodeStreamState(value);
    const beyond = await this.#engine.scan({ ...blockRange(number, state.nextSeq), limit: 1, valueBytesMax: 1 });
    if (beyond.length > 0) throw damaged(name, 'it has records behind its tail');
    return state;
  }

  #put(id: string, stream: OpenStream): void {
    this.#open.set(id, stream);
    if (this.#open.size <= OPEN_STREAMS_MAX) return;
    for (const [oldest, candidate] of this.#open) {
      if (candidate === stream || !candidate.idle) continue;
      this.#open.delete(oldest);
      return;
    }
  }
}

function nameOf(basin: Basin, name: string): string {
  return `${basin.number}/${name}`;
}

function damaged(name: string, why: string): TailraceError {
  return new TailraceError('corrupt', `stream ${JSON.stringify(name)} is damaged: ${why}`);
}
