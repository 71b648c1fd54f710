/**
 * Background work between commits: trims, retention, deletion of streams and basins, deletion on empty (S2). Its tasks
 * are rows in the store, so it continues after a restart. One worker does them in bounded steps.
 */

import type { Clock } from '../model/clock.ts';
import { BACKGROUND_FULL_RETRY_MS, BACKGROUND_PAGE, BACKGROUND_TICK_MS } from '../model/limits.ts';
import { resolveBasinConfig } from '../model/stream-config.ts';
import type { Engine, Entry, Write } from '../storage/engine.ts';
import { dueRange, type PendingKind, pendingRange, readDueKey, readPendingKey, settingsKey } from '../storage/keys.ts';
import { decodeClock, decodePending, encodeClock } from '../storage/values.ts';
import type { Answers } from './answers.ts';
import type { Basin, BasinTable } from './basins.ts';
import type { CommitQueue } from './commit-queue.ts';
import { commitRows } from './commit-rows.ts';
import { dropOldest } from './drop-oldest.ts';
import type { ExpiryClock } from './expiry-clock.ts';
import { removeBasin, removeTaken } from './move/basin-removal.ts';
import type { LogObserver } from './observer.ts';
import { applyRetention } from './retention.ts';
import type { OpenStream } from './stream.ts';
import type { StreamTable } from './streams.ts';
import type { RowWriter } from './summaries/row-writer.ts';
import { removeStream, removeTrimmed } from './trim.ts';

const CLOCK_KEY = settingsKey('clock');

/** The last time of the wall clock that the store saw, in ms; undefined in a new one. */
export async function readLastSeen(engine: Engine): Promise<number | undefined> {
  const row = await engine.get(CLOCK_KEY);
  return row === undefined ? undefined : decodeClock(row);
}

export interface BackgroundDeps {
  readonly engine: Engine;
  readonly commits: CommitQueue;
  readonly basins: BasinTable;
  readonly streams: StreamTable;
  readonly clock: Clock;
  readonly expiry: ExpiryClock;
  readonly observer: LogObserver;
  readonly answers: Pick<Answers, 'sweep'>;
  readonly rows: Pick<RowWriter, 'work'>;
  /** The first half of a deletion: from then on the stream refuses calls. */
  markDeleted(stream: OpenStream): Promise<void>;
  /** Called when the oldest records were dropped because there was no space. */
  onDropped(): void;
  /** Called with the reason why a pass ended early. The next one tries again. */
  onError(error: unknown): void;
}

/** What is not known any more of a basin whose name belongs to another one; its streams need none of it. */
const GONE = { config: resolveBasinConfig({}), createdAt: 0, deletedAt: 0 };

/** Runs from the first `nudge` to `close`. */
export class Background {
  readonly #deps: BackgroundDeps;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #cancelTimer: () => void = () => {};
  #lastSeen = 0;
  #full = false;
  readonly #soon = new Set<OpenStream>();

  constructor(deps: BackgroundDeps) {
    this.#deps = deps;
  }

  /** There is work, or may be: starts a pass now, or after the one in progress. */
  nudge(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** Checks a stream before its scheduled time: it holds too much, or became empty. */
  checkSoon(stream: OpenStream): void {
    this.#soon.add(stream);
    this.nudge();
  }

  /** The store is full: drops its oldest records. */
  freeUp(): void {
    this.#full = true;
    this.nudge();
  }

  /** Resolves when no pass is running or requested. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Stops between two steps. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#cancelTimer();
    let dueMs = BACKGROUND_TICK_MS;
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        dueMs = await this.#pass();
      } catch (error) {
        if (!this.#closed) this.#deps.onError(error);
        dueMs = this.#full ? BACKGROUND_FULL_RETRY_MS : BACKGROUND_TICK_MS;
      }
    }
    this.#running = undefined;
    if (this.#closed) return;
    this.#cancelTimer = this.#deps.clock.timer(dueMs, () => this.nudge());
  }

  /** Does everything that is due now. Returns in how many ms there is more. */
  async #pass(): Promise<number> {
    this.#deps.streams.sweep();
    if (this.#full && (await dropOldest(this.#deps))) this.#deps.onDropped();
    this.#full = false;
    await this.#each('basinRemoval', (entry) => this.#removeMoved(entry));
    await this.#each('streamRemoval', (entry) => removeTaken(this.#deps, entry));
    await this.#each('basinDeletion', (entry) => this.#removeBasin(entry));
    await this.#each('streamDeletion', (entry) => this.#removeDeleted(entry));
    await this.#each('trim', (entry) => this.#removeTrimmed(entry));
    await this.#deps.answers.sweep();
    const soon = [...this.#soon];
    this.#soon.clear();
    await Promise.all(soon.map((stream) => applyRetention(this.#deps, stream)));
    const dueMs = await this.#checkDue();
    if (await this.#deps.rows.work(() => this.#closed)) this.#again = true;
    await this.#noteClock();
    return dueMs;
  }

  /** Does the pending work of a kind, page by page. What fails stays in the store for the next pass. */
  async #each(kind: PendingKind, act: (entry: Entry) => Promise<void>): Promise<void> {
    const { engine } = this.#deps;
    let { from, to } = pendingRange(kind);
    for (;;) {
      if (this.#closed) return;
      const page = await engine.scan({ from, to, limit: BACKGROUND_PAGE });
      const last = page.at(-1);
      if (last === undefined) return;
      // In parallel, so that they share transactions.
      await Promise.all(page.map(act));
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  /** What is left of a basin that moved to another partition. */
  async #removeMoved(entry: Entry): Promise<void> {
    const number = readPendingKey(entry.key);
    if (!(await removeBasin(this.#deps, number, () => this.#closed))) return;
    await this.#drop(entry);
    this.#deps.basins.moves.removals.delete(number);
  }

  async #removeBasin({ key, value }: Entry): Promise<void> {
    const { basins, streams, commits } = this.#deps;
    const number = readPendingKey(key);
    const { name } = decodePending(value);
    const known = basins.get(name);
    // The kept basin has a successor already.
    const isReplaced = known?.number !== number;
    const basin = isReplaced ? { ...GONE, name, number } : known;
    for (let startAfter = ''; !this.#closed; ) {
      const page = await streams.list(basin, { prefix: '', startAfter, limit: BACKGROUND_PAGE });
      await Promise.all(page.streams.map(({ name: stream }) => this.#removeFromBasin(basin, stream)));
      startAfter = page.streams.at(-1)?.name ?? '';
      if (!page.hasMore) break;
    }
    if (this.#closed || (await streams.count(basin)) > 0) return;
    const options = { mayUseReserve: true };
    if (isReplaced) return commitRows(commits, [{ type: 'delete', key }], { options });
    const rows: Write[] = [...basins.assign(name, undefined), { type: 'delete', key }];
    await commitRows(commits, rows, { options, durable: () => basins.settle(name, undefined) });
  }

  async #removeFromBasin(basin: Basin, name: string): Promise<void> {
    const { streams, markDeleted } = this.#deps;
    const stream = await streams.withFresh(basin, name, async (found) => {
      if (found !== undefined) await markDeleted(found);
      return found;
    });
    if (stream !== undefined) await this.#remove(stream);
  }

  async #removeDeleted(entry: Entry): Promise<void> {
    const stream = await this.#streamOf(entry, readPendingKey(entry.key));
    if (stream === undefined) return;
    // If a stream lost its deletion mark, that would be our bug: never delete a stream that is not marked.
    if (stream.deleting) await this.#remove(stream);
  }

  async #remove(stream: OpenStream): Promise<void> {
    await this.#deps.commits.barrier();
    await removeStream(this.#deps, stream);
    this.#deps.observer.stored(stream, -stream.durable.meteredBytes, 0);
    this.#deps.streams.forget(stream);
  }

  async #removeTrimmed(entry: Entry): Promise<void> {
    const stream = await this.#streamOf(entry, readPendingKey(entry.key));
    if (stream === undefined || stream.deleting) return;
    await removeTrimmed(this.#deps, stream);
    await applyRetention(this.#deps, stream);
  }

  /** Checks the streams that are due. Returns how long it is until the next one. */
  async #checkDue(): Promise<number> {
    const { engine, expiry } = this.#deps;
    for (let { from, to } = dueRange(); ; ) {
      const now = expiry.now();
      if (this.#closed) return BACKGROUND_TICK_MS;
      const page = await engine.scan({ from, to: dueRange(now + 1).to, limit: BACKGROUND_PAGE });
      await Promise.all(page.map((entry) => this.#checkOne(entry)));
      const last = page.at(-1)?.key;
      // A row that stays, as those of a basin that moves, is left to the next pass.
      if (last !== undefined) {
        from = Buffer.concat([last, Buffer.of(0)]);
        continue;
      }
      const [next] = await engine.scan({ from, to, limit: 1 });
      if (next === undefined) return BACKGROUND_TICK_MS;
      return Math.max(1, Math.min(BACKGROUND_TICK_MS, readDueKey(next.key).due - now));
    }
  }

  async #checkOne(entry: Entry): Promise<void> {
    const { due, stream: number } = readDueKey(entry.key);
    const stream = await this.#streamOf(entry, number);
    if (stream === undefined) return;
    if (stream.deleting || stream.row.dueAt !== due) return this.#drop(entry);
    await applyRetention(this.#deps, stream);
  }

  /**
   * Returns the stream that a row is about. Deletes the row when that stream no longer exists; one of a basin that moves stays
   * as it is.
   */
  async #streamOf(entry: Entry, number: number): Promise<OpenStream | undefined> {
    const { basin: basinNumber, name } = decodePending(entry.value);
    if (this.#deps.basins.moves.isMoving(basinNumber)) return undefined;
    const basin = this.#deps.basins.byNumber(basinNumber);
    const stream = basin === undefined ? undefined : await this.#deps.streams.find(basin, name);
    if (stream?.number === number && stream.exists) return stream;
    await this.#drop(entry);
    return undefined;
  }

  #drop({ key }: Entry): Promise<void> {
    return commitRows(this.#deps.commits, [{ type: 'delete', key }], { options: { mayUseReserve: true } });
  }

  /**
   * Writes the time of the clock to disk from time to time, so that a jump while the server was stopped is detected.
   */
  async #noteClock(): Promise<void> {
    const now = this.#deps.expiry.now();
    if (now - this.#lastSeen < BACKGROUND_TICK_MS / 2) return;
    this.#lastSeen = now;
    const row = { type: 'put', key: CLOCK_KEY, value: encodeClock(now) } as const;
    await commitRows(this.#deps.commits, [row], { options: { mayUseReserve: true } });
  }
}
