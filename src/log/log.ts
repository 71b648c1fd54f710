/** The log: basins of streams, appended to in order and read back. The front door of this room. */

import type { Clock } from '../model/clock.ts';
import { assert, TailraceError } from '../model/error.ts';
import type { AppendAck, Position } from '../model/position.ts';
import type { ReadRange } from '../model/read-range.ts';
import type { BasinConfig } from '../model/stream-config.ts';
import type { BlockDraft, SealedBlock } from '../storage/block.ts';
import { Block } from '../storage/block-read.ts';
import type { CommitOptions, Engine, EngineStat, EngineState, Write } from '../storage/engine.ts';
import { type CommitEntry, CommitQueue } from './acks.ts';
import { type AssignedAppend, ackOf, assignPositions } from './append.ts';
import { type Basin, BasinTable, sameConfig } from './basins.ts';
import { BlockCache } from './blocks.ts';
import { type ReadEvent, readFrom, resolveStart } from './read.ts';
import { OpenStream, type Stream } from './stream.ts';
import { type ListOptions, type StreamInfo, StreamTable } from './streams.ts';
import { removeBlocks } from './trim.ts';

export interface LogOptions {
  readonly clock: Clock;
  /** Told of a fault of ours: the process should end, or the store be closed. */
  onFatal(error: TailraceError): void;
}

export interface LogStat {
  readonly engine: EngineStat;
}

/** Records for one stream, as blocks without positions. */
export interface StreamAppend {
  readonly stream: Stream;
  readonly drafts: readonly BlockDraft[];
}

/** Trims may use the room that is kept for freeing room. */
const RESERVE: CommitOptions = { mayUseReserve: true };

/** Opened over an engine, which it does not close. Data goes one way: append, commit, durable, followers. */
export class Log {
  readonly #engine: Engine;
  readonly #options: LogOptions;
  readonly #basins: BasinTable;
  readonly #streams: StreamTable;
  readonly #commits: CommitQueue;
  readonly #cache = new BlockCache();
  #engineState: EngineState = 'open';
  #draining = false;

  private constructor(engine: Engine, options: LogOptions, basins: BasinTable) {
    this.#engine = engine;
    this.#options = options;
    this.#basins = basins;
    this.#commits = new CommitQueue(engine, () => this.#streams.distrust());
    const { clock } = options;
    this.#streams = new StreamTable(
      engine,
      basins,
      () => clock.now(),
      () => this.#commits.settled(),
    );
    engine.onState((state) => {
      this.#engineState = state;
    });
  }

  /** Reads what the log keeps in memory. @throws TailraceError `corrupt` */
  static async open(engine: Engine, options: LogOptions): Promise<Log> {
    const log = new Log(engine, options, await BasinTable.load(engine));
    log.#engineState = (await engine.stat()).state;
    return log;
  }

  basin(name: string): Basin | undefined {
    return this.#basins.get(name);
  }

  /** In order of their names. */
  listBasins(): readonly Basin[] {
    return this.#basins.list();
  }

  /** Makes a basin, or gives it this configuration; durable when it resolves. */
  async ensureBasin(name: string, config: BasinConfig): Promise<Basin> {
    const known = this.#basins.get(name);
    if (known !== undefined && sameConfig(known.config, config)) return known;
    const { basin, rows } = this.#basins.prepare(name, config, this.#options.clock.now());
    await this.#engine.commit(rows);
    this.#basins.put(basin);
    return basin;
  }

  /**
   * The stream of that name; answers at once when it is open. For `append` it is made when the basin makes streams on
   * append; its rows are written with its first append, so a stream that nobody could append to does not exist.
   * @throws TailraceError `stream_not_found`, `corrupt`
   */
  openStream(basin: Basin, name: string, purpose: 'append' | 'read'): Stream | Promise<Stream> {
    const open = this.#streams.peek(basin, name);
    if (open !== undefined && (open.exists || purpose === 'append')) return open;
    return this.#open(basin, name, purpose);
  }

  /**
   * All appends of one request in one transaction, or nothing. Positions are assigned before this returns, so requests
   * take effect in the order of the calls; resolves when it is durable, with one answer per append. The drafts'
   * timestamps are overwritten; their payloads must not change until it has settled.
   * @throws TailraceError `draining`; `storage_full`: nothing was written; `storage`: all of it or nothing
   */
  append(appends: readonly StreamAppend[]): Promise<readonly AppendAck[]> {
    try {
      this.#expectWritable();
      return this.#accept(appends);
    } catch (error) {
      return Promise.reject(this.#noteFatal(error));
    }
  }

  /**
   * Reads and follows; see {@link readFrom}. The start is judged when the first event is asked for.
   * @throws TailraceError `range_not_satisfiable`, `stream_not_found`, `corrupt`
   */
  async *read(stream: Stream, range: ReadRange, signal: AbortSignal): AsyncGenerator<ReadEvent> {
    const open = opened(stream);
    const context = { engine: this.#engine, clock: this.#options.clock, cache: this.#cache };
    open.readers++;
    try {
      const start = await resolveStart(context, open, range);
      if (start !== undefined) yield* readFrom(context, open, range, start, signal);
    } catch (error) {
      throw this.#noteFatal(error);
    } finally {
      open.readers--;
    }
  }

  /** The durable tail. */
  checkTail(stream: Stream): Position {
    return opened(stream).tail;
  }

  listStreams(basin: Basin, options: ListOptions): Promise<{ streams: readonly StreamInfo[]; hasMore: boolean }> {
    return this.#streams.list(basin, options);
  }

  /** Makes `seqNum` the first record of a stream, tail at most; never backwards. Resolves when the room is free. */
  async trim(stream: Stream, seqNum: number): Promise<void> {
    const open = await this.#fresh(opened(stream));
    const trimPoint = Math.min(Math.max(seqNum, open.assigned.trimPoint), open.assigned.nextSeq);
    if (trimPoint > open.assigned.trimPoint) {
      const state = { ...open.assigned, trimPoint };
      open.assigned = state;
      await this.#commit([], [[open, state]], RESERVE);
    }
    await removeBlocks(this.#engine, open.number, trimPoint);
  }

  async stat(): Promise<LogStat> {
    return { engine: await this.#engine.stat() };
  }

  /** Durable streams of all basins. Walks their names: for banners, not for every request. */
  async countStreams(): Promise<number> {
    let count = 0;
    for (const basin of this.#basins.list()) count += await this.#streams.count(basin);
    return count;
  }

  /** Refuses new appends with `draining`; resolves when those that were accepted are settled. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#commits.settled();
  }

  /** Drains. The engine is its owner's to close. May be called twice. */
  async close(): Promise<void> {
    await this.drain();
  }

  async #open(basin: Basin, name: string, purpose: 'append' | 'read'): Promise<Stream> {
    const found = await this.#streams.load(basin, name);
    if (found !== undefined && (found.exists || purpose === 'append')) return found;
    // While it was looked for, another request may have made it.
    const made = this.#streams.peek(basin, name);
    const wanted = purpose === 'append' ? basin.config.createStreamOnAppend : basin.config.createStreamOnRead;
    if (!wanted) throw new TailraceError('stream_not_found', `stream \`${name}\` in basin \`${basin.name}\` not found`);
    const stream = made ?? this.#streams.make(basin, name);
    if (purpose === 'append') return stream;
    await this.#commit(this.#streams.rowsOf(stream), [[stream, stream.assigned]], {});
    return stream;
  }

  #accept(appends: readonly StreamAppend[]): Promise<readonly AppendAck[]> {
    const now = this.#options.clock.now();
    const rows: Write[] = [];
    for (const { stream } of appends) {
      const open = opened(stream);
      if (open.stale)
        throw new TailraceError('storage', 'a write before this one failed; of this one nothing was written');
      if (!open.exists && open.assigned.nextSeq === 0) rows.push(...this.#streams.rowsOf(open));
    }
    const assigned = appends.map(({ stream, drafts }) => assignPositions(opened(stream), drafts, now));
    for (const { stream } of assigned) stream.inFlight++;
    return new Promise((resolve, reject) => {
      this.#commits.push({
        sealing: assigned.flatMap((append) => append.sealing),
        states: assigned.map(({ stream, state }) => [stream, state]),
        rows,
        bytes: assigned.reduce((sum, append) => sum + append.bytes, 0),
        options: {},
        durable: (blocks) => {
          publish(assigned, blocks);
          resolve(assigned.map(ackOf));
        },
        failed: (cause) => {
          for (const { stream } of assigned) stream.inFlight--;
          reject(this.#noteFatal(cause));
        },
      });
    });
  }

  /** Rows and states without records, in order with the appends around them. */
  #commit(rows: readonly Write[], states: CommitEntry['states'], options: CommitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#commits.push({ sealing: [], states, rows, bytes: 0, options, durable: () => resolve(), failed: reject });
    });
  }

  /** The same stream with a state that can be built on. */
  async #fresh(stream: OpenStream): Promise<OpenStream> {
    if (!stream.stale) return stream;
    const found = await this.#streams.load(stream.basin, stream.name);
    if (found === stream) return stream;
    throw new TailraceError(
      'stream_not_found',
      `stream \`${stream.name}\` in basin \`${stream.basin.name}\` not found`,
    );
  }

  #expectWritable(): void {
    if (this.#draining) {
      throw new TailraceError('draining', 'the server is shutting down: try again', {
        detail: { retryAfterSeconds: 1 },
      });
    }
    if (this.#engineState === 'full') {
      throw new TailraceError('storage_full', 'the store has no room left: free some, or raise --store-bytes-max', {
        detail: { retryAfterSeconds: 5 },
      });
    }
    if (this.#engineState !== 'open') {
      throw new TailraceError('storage', 'the store takes no more writes until the server is started again');
    }
  }

  #noteFatal(error: unknown): unknown {
    if (error instanceof TailraceError && error.code === 'fatal') this.#options.onFatal(error);
    return error;
  }
}

/** Hands the durable blocks to whoever follows their streams. */
function publish(appends: readonly AssignedAppend[], blocks: readonly SealedBlock[]): void {
  let at = 0;
  for (const { stream, sealing } of appends) {
    stream.inFlight--;
    const end = at + sealing.length;
    if (stream.followers.size > 0) {
      const durable = blocks.slice(at, end).map(unpacked);
      for (const follower of stream.followers) follower.push(durable);
    }
    at = end;
  }
}

/** A block that nobody followed when it was sealed is read back from a copy of its bytes. */
function unpacked({ key, value, block }: SealedBlock): Block {
  return block ?? Block.open(key, Buffer.from(value));
}

function opened(stream: Stream): OpenStream {
  assert(stream instanceof OpenStream, 'streams come from openStream');
  return stream;
}
