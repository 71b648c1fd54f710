/**
 * Usage metrics (S2 API §8): what is done in basins and in the account, counted per minute, and how much is stored. They
 * are in memory for a minute, then they go to disk in a transaction with others; what kill -9 takes is the last minute.
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
import { UsageWaiting } from './unwritten.ts';

const { minute: MINUTE, hour: HOUR } = INTERVAL_SECONDS;
const ACCOUNT = 0;
const SHUTDOWN_KEY = usageKey('shutdown', 0, 0);
/** Streams that are looked at for one that was there in a range. */
const LOOK_MAX = 16;

/** What usage metrics need of the log, which has it all. */
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
  /** Hears why something was not written down; it is tried again. */
  onError?(error: unknown): void;
}

/** Made before the log, as its observer: counts at once, and writes from `start` to `close`. */
export class Usage implements LogObserver {
  readonly permitted = NO_OBSERVER.permitted;
  readonly acked = NO_OBSERVER.acked;
  readonly committed = NO_OBSERVER.committed;
  readonly #deps: UsageDeps;
  /** Sums by basin as they were at the last stop; undefined when it was none. */
  readonly #stored: ReadonlyMap<number, number> | undefined;
  readonly #totals = new BasinTotals();
  readonly #waiting = new UsageWaiting();
  readonly #touched = new Map<number, number>();
  #tallies = new Map<number, UsageTally>();
  /** The minute that the tallies are of, and the one that was put aside last. */
  #minute: number;
  #lastMinute: number;
  #port: UsagePort | undefined;
  /** Flushes and questions come one after the other: a question never sees half of a flush. */
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

  /** Takes up what was written down. Call it before the log is opened. @throws TailraceError `corrupt`, `storage` */
  static async open(deps: UsageDeps): Promise<Usage> {
    const { engine } = deps;
    const shutdown = await engine.get(SHUTDOWN_KEY);
    if (shutdown === undefined || !decodeShutdown(shutdown)) return new Usage(deps, undefined);
    const stored = await readTotals(engine);
    // From the first change on, the sums on disk are behind what is stored.
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

  /** Operations on basins that are not there are not counted: anybody may name them. */
  operation(operation: string, basinName?: string): void {
    const level = levelOf(operation);
    if (level === undefined) return;
    const basin = level === 'account' ? ACCOUNT_BASIN : this.#port?.basin(basinName ?? '');
    if (basin !== undefined) this.#tally(basin).operation(operation);
  }

  /** Goes on each minute. Call it once the log is open, before the first request. */
  start(port: UsagePort): void {
    this.#port = port;
    const stored = this.#stored;
    if (stored === undefined) this.#totals.recount(port, this.#report);
    else for (const { number, name } of port.listBasins()) this.#totals.load(number, name, stored.get(number) ?? 0);
    this.#arm();
  }

  /** Writes down what was counted. Resolves when it is durable, or could not be written now. */
  flush(): Promise<void> {
    this.#rotate();
    return this.#inTurn(() => this.#flush());
  }

  /** Writes everything down; call it when the log takes nothing more. May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer();
    await this.#totals.close();
    if (this.#port === undefined) return;
    await this.flush();
    if (!this.#totals.isExact || !this.#waiting.isEmpty) return;
    await this.#tryCommit([{ type: 'put', key: SHUTDOWN_KEY, value: encodeShutdown(true) }]);
  }

  /** What was counted of the account. */
  account(range: UsageRange, interval: UsageInterval): Promise<UsageSeries> {
    return this.#counts(ACCOUNT, range, interval);
  }

  /** What was counted of a basin, by the names in `usage-tally.ts`. */
  basin(basin: Basin, range: UsageRange, interval: UsageInterval): Promise<UsageSeries> {
    return this.#counts(basin.number, range, interval);
  }

  /** Metered bytes of all its streams, a point for each hour. */
  async basinStorage(basin: Basin, range: UsageRange): Promise<readonly UsagePoint[]> {
    await this.#totals.settled();
    return this.#inTurn(() =>
      queryBasinStorage(this.#deps.engine, basin, range, this.#now(), this.#totals.bytesOf(basin.number)),
    );
  }

  /** Its metered bytes, a point for each minute. */
  streamStorage(stream: Stream, range: UsageRange): Promise<readonly UsagePoint[]> {
    if (!(stream instanceof OpenStream)) return Promise.resolve([]);
    return this.#inTurn(() => queryStreamStorage(this.#deps.engine, stream, range, this.#now()));
  }

  /** Names of the basins that had a stream in a range, in order. */
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
      const waiting = this.#waiting.of(basin);
      return queryCounts(this.#deps.engine, basin, range, interval, this.#now(), waiting);
    });
  }

  async #hadStream(basin: Basin, { end }: UsageRange): Promise<boolean> {
    const page = await this.#port?.listStreams(basin, { prefix: '', startAfter: '', limit: LOOK_MAX });
    return (page?.streams ?? []).some(({ createdAt }) => createdAt < (end + 1) * 1_000);
  }

  async #flush(): Promise<void> {
    const { engine } = this.#deps;
    const second = this.#lastMinute;
    const minutes = this.#waiting.take();
    const totals = this.#totals.takeChanged();
    const streams = this.#takeTouched();
    if (minutes.length === 0 && totals.size === 0 && streams.size === 0) return;
    const isWritten = await this.#tryWrite(async () => [
      ...(await countRows(engine, minutes)),
      ...totalRows(totals, second),
      ...(await streamRows(engine, streams, second)),
    ]);
    if (!isWritten) {
      this.#waiting.giveBack(minutes);
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

  /** Whether the rows are durable. */
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

  /** Puts what was counted aside, for the minute in which that was; a new one may begin. */
  #rotate(): void {
    this.#waiting.add(this.#minute, this.#tallies, USAGE_MINUTES_WAITING_MAX);
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
