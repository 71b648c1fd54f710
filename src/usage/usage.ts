/**
 * Usage metrics (S2): what is done in basins and in the account, counted per minute, and how much is stored. Counts are
 * in memory for a minute, then they are written in a transaction with others. kill -9 loses the last minute.
 */

import type { Basin } from '../log/basins.ts';
import { type LogObserver, NO_OBSERVER, type ReaderProtocol } from '../log/observer.ts';
import { scanPages } from '../log/scan-pages.ts';
import { OpenStream, type Stream } from '../log/stream.ts';
import type { Clock } from '../model/clock.ts';
import { USAGE_MINUTES_WAITING_MAX, USAGE_STREAMS_PER_MINUTE_MAX, USAGE_STREAMS_WAITING_MAX } from '../model/limits.ts';
import { bucketOf, INTERVAL_SECONDS, type UsageInterval, type UsagePoint, type UsageRange } from '../model/usage.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { readUsageKey, usageKey, usageRange } from '../storage/keys.ts';
import { decodeBasinTotal, decodeShutdown, encodeShutdown } from '../storage/usage-rows.ts';
import { BasinTotals, type StoredStreams } from './basin-totals.ts';
import { expireUsage } from './expiry.ts';
import { queryBasinStorage, queryCounts, queryStoring, queryStreamStorage, type UsageSeries } from './query.ts';
import { countRows, streamRows, totalRows } from './rows.ts';
import { levelOf, UsageTally } from './tally.ts';
import { UnwrittenCounts } from './unwritten-counts.ts';

const { minute: MINUTE, hour: HOUR } = INTERVAL_SECONDS;
const ACCOUNT = 0;
const SHUTDOWN_KEY = usageKey('shutdown', 0, 0);
/** Streams that are searched for one that existed in a range. */
const LOOK_MAX = 16;

/** The part of the log that usage metrics need. */
export interface UsagePort extends StoredStreams {
  basin(name: string): Basin | undefined;
  commitRows(rows: readonly Write[]): Promise<void>;
  expiryNow(): number;
  listStreams(
    basin: Basin,
    options: { prefix: string; startAfter: string; limit: number },
  ): Promise<{ streams: readonly { readonly createdAt: number }[] }>;
}

export interface UsageDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Called with the reason why something was not written. It is tried again. */
  onError?(error: unknown): void;
}

/** Created before the log, as its observer. It counts at once, and writes from `start` to `close`. */
export class Usage implements LogObserver {
  readonly permitted = NO_OBSERVER.permitted;
  readonly acked = NO_OBSERVER.acked;
  readonly committed = NO_OBSERVER.committed;
  readonly #deps: UsageDeps;
  /** Sums by basin at the last stop; undefined when that was not a clean one. */
  readonly #stored: ReadonlyMap<number, number> | undefined;
  readonly #totals = new BasinTotals();
  readonly #unwritten = new UnwrittenCounts();
  readonly #touched = new Map<number, number>();
  #tallies = new Map<number, UsageTally>();
  /** The minute of the current tallies, and the one that was completed last. */
  #minute: number;
  #lastMinute: number;
  #port: UsagePort | undefined;
  /** Flushes and queries run one after the other: a query never sees half of a flush. */
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: () => void = () => {};
  #expiredHour = 0;
  #closed = false;

  private constructor(deps: UsageDeps, stored: ReadonlyMap<number, number> | undefined) {
    this.#deps = deps;
    this.#stored = stored;
    this.#minute = bucketOf(this.#now(), MINUTE);
    this.#lastMinute = this.#minute;
  }

  /** Loads what was written. Call it before the log is opened. @throws TailraceError `corrupt`, `storage` */
  static async open(deps: UsageDeps): Promise<Usage> {
    const { engine } = deps;
    const shutdown = await engine.get(SHUTDOWN_KEY);
    if (shutdown === undefined || !decodeShutdown(shutdown)) return new Usage(deps, undefined);
    const stored = await readTotals(engine);
    // With the first change, the sums on disk are older than what is stored.
    const row = { type: 'put', key: SHUTDOWN_KEY, value: encodeShutdown(false) } as const;
    await engine.commit([row], { mayUseReserve: true });
    return new Usage(deps, stored);
  }

  appended(stream: Stream, _kind: string, _records: number, meteredBytes: number): void {
    this.#tally(stream.basin).appended(stream.config.storageClass, meteredBytes);
  }

  stored(stream: Stream, change: number, total: number): void {
    this.#totals.add(stream.basin, stream.name, change, total);
    const number = numberOf(stream);
    if (this.#touched.size < USAGE_STREAMS_WAITING_MAX || this.#touched.has(number)) this.#touched.set(number, total);
  }

  readBegan(stream: Stream, protocol: ReaderProtocol): void {
    const tally = this.#tally(stream.basin);
    if (protocol === 'unary') tally.unaryReads++;
    else tally.streamingReads++;
  }

  read(stream: Stream, _records: number, meteredBytes: number): void {
    this.#tally(stream.basin).readBytes += meteredBytes;
  }

  /** Its rows came with it. */
  basinCame({ number, name }: Basin, meteredBytes: number): void {
    this.#totals.load(number, name, meteredBytes);
  }

  /** What was written of it went with it; what was counted since is dropped. */
  basinLeft({ number }: Basin): void {
    this.#tallies.delete(number);
    this.#unwritten.forget(number);
    this.#totals.forget(number);
  }

  /** Operations on basins that do not exist are not counted: any client can name them. */
  operation(operation: string, basinName?: string): void {
    const level = levelOf(operation);
    if (level === undefined) return;
    const basin = level === 'account' ? ACCOUNT_BASIN : this.#port?.basin(basinName ?? '');
    if (basin !== undefined) this.#tally(basin).operation(operation);
  }

  /** Starts writing every minute. Call it when the log is open, before the first request. */
  start(port: UsagePort): void {
    this.#port = port;
    const stored = this.#stored;
    if (stored === undefined) this.#totals.recount(port, this.#report);
    else for (const { number, name } of port.listBasins()) this.#totals.load(number, name, stored.get(number) ?? 0);
    this.#arm();
  }

  /** Writes the counts. Resolves when they are durable, or could not be written now. */
  flush(): Promise<void> {
    this.#rotate();
    return this.#inTurn(() => this.#flush());
  }

  /** Writes everything. Call it when the log accepts nothing more. May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer();
    await this.#totals.close();
    if (this.#port === undefined) return;
    await this.flush();
    if (!this.#totals.isExact || !this.#unwritten.isEmpty) return;
    await this.#tryCommit([{ type: 'put', key: SHUTDOWN_KEY, value: encodeShutdown(true) }]);
  }

  /** The counts of the account. */
  account(range: UsageRange, interval: UsageInterval): Promise<UsageSeries> {
    return this.#counts(ACCOUNT, range, interval);
  }

  /** The counts of a basin, by the names in `tally.ts`. */
  basin(basin: Basin, range: UsageRange, interval: UsageInterval): Promise<UsageSeries> {
    return this.#counts(basin.number, range, interval);
  }

  /** Metered bytes of all streams of a basin, a point for each hour. */
  async basinStorage(basin: Basin, range: UsageRange): Promise<readonly UsagePoint[]> {
    await this.#totals.settled();
    return this.#inTurn(() =>
      queryBasinStorage(this.#deps.engine, basin, range, this.#now(), this.#totals.bytesOf(basin.number)),
    );
  }

  /** Metered bytes of a stream, a point for each minute. */
  streamStorage(stream: Stream, range: UsageRange): Promise<readonly UsagePoint[]> {
    if (!(stream instanceof OpenStream)) return Promise.resolve([]);
    return this.#inTurn(() => queryStreamStorage(this.#deps.engine, stream, range, this.#now()));
  }

  /** Names of the basins that had a stream in a range, sorted. */
  activeBasins(range: UsageRange): Promise<readonly string[]> {
    return this.#inTurn(async () => {
      const names = new Set<string>();
      const live = this.#port?.listBasins() ?? [];
      const numbers = new Set(live.map(({ number }) => number));
      for (const basin of live) if (await this.#hadStream(basin, range)) names.add(basin.name);
      for (const [number, name] of await queryStoring(this.#deps.engine, range)) {
        if (!numbers.has(number)) names.add(name);
      }
      return [...names].sort();
    });
  }

  #counts(basin: number, range: UsageRange, interval: UsageInterval): Promise<UsageSeries> {
    return this.#inTurn(() => {
      this.#rotate();
      const unwritten = this.#unwritten.ofBasin(basin);
      return queryCounts(this.#deps.engine, basin, range, interval, this.#now(), unwritten);
    });
  }

  async #hadStream(basin: Basin, { end }: UsageRange): Promise<boolean> {
    const page = await this.#port?.listStreams(basin, { prefix: '', startAfter: '', limit: LOOK_MAX });
    return (page?.streams ?? []).some(({ createdAt }) => createdAt < (end + 1) * 1_000);
  }

  async #flush(): Promise<void> {
    const { engine } = this.#deps;
    const second = this.#lastMinute;
    const minutes = this.#unwritten.take();
    const totals = this.#totals.takeChanged();
    const streams = this.#takeTouched();
    if (minutes.length === 0 && totals.size === 0 && streams.size === 0) return;
    const isWritten = await this.#tryWrite(async () => [
      ...(await countRows(engine, minutes)),
      ...totalRows(totals, second),
      ...(await streamRows(engine, streams, second)),
    ]);
    if (!isWritten) {
      this.#unwritten.giveBack(minutes);
      this.#totals.giveBack(totals.keys());
      for (const [number, bytes] of streams) if (!this.#touched.has(number)) this.#touched.set(number, bytes);
      return;
    }
    await this.#expire();
  }

  async #expire(): Promise<void> {
    const port = this.#port;
    if (port === undefined || this.#closed) return;
    const hour = bucketOf(Math.floor(port.expiryNow() / 1_000), HOUR);
    if (hour === this.#expiredHour) return;
    this.#expiredHour = hour;
    const remove = (rows: readonly Write[]): Promise<void> => port.commitRows(rows);
    await expireUsage(this.#deps.engine, hour, remove, () => this.#closed).catch(this.#report);
  }

  #takeTouched(): ReadonlyMap<number, number> {
    const taken = new Map<number, number>();
    for (const [number, bytes] of this.#touched) {
      if (taken.size === USAGE_STREAMS_PER_MINUTE_MAX) break;
      taken.set(number, bytes);
      this.#touched.delete(number);
    }
    return taken;
  }

  /** Returns whether the rows are durable. */
  async #tryWrite(rows: () => Promise<readonly Write[]>): Promise<boolean> {
    try {
      return await this.#tryCommit(await rows());
    } catch (error) {
      this.#report(error);
      return false;
    }
  }

  async #tryCommit(rows: readonly Write[]): Promise<boolean> {
    try {
      await this.#port?.commitRows(rows);
      return true;
    } catch (error) {
      this.#report(error);
      return false;
    }
  }

  readonly #report = (error: unknown): void => this.#deps.onError?.(error);

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Keeps the counts as those of their minute, and begins a new one. */
  #rotate(): void {
    this.#unwritten.add(this.#minute, this.#tallies, USAGE_MINUTES_WAITING_MAX);
    this.#tallies = new Map();
    this.#lastMinute = this.#minute;
    this.#minute = bucketOf(this.#now(), MINUTE);
  }

  #arm(): void {
    const { clock } = this.#deps;
    const left = MINUTE * 1_000 - (clock.now() % (MINUTE * 1_000));
    this.#cancelTimer = clock.timer(left, () => {
      if (this.#closed) return;
      this.#arm();
      void this.flush();
    });
  }

  #tally(basin: { readonly number: number; readonly name: string }): UsageTally {
    const known = this.#tallies.get(basin.number);
    if (known !== undefined) return known;
    const tally = new UsageTally(basin.name);
    this.#tallies.set(basin.number, tally);
    return tally;
  }

  #now(): number {
    return Math.floor(this.#deps.clock.now() / 1_000);
  }
}

async function readTotals(engine: Engine): Promise<ReadonlyMap<number, number>> {
  const totals = new Map<number, number>();
  for await (const page of scanPages(engine, usageRange('basinTotals'))) {
    for (const { key, value } of page) totals.set(readUsageKey(key)[0], decodeBasinTotal(value));
  }
  return totals;
}

const ACCOUNT_BASIN = { number: ACCOUNT, name: '' };

function numberOf(stream: Stream): number {
  return stream instanceof OpenStream ? stream.number : Number(stream.id);
}
