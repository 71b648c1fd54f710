/**
 * Moves basins out of a partition, on the node that leads it:
 *
 * ```
 *   copy ─► seal ─► copy the rest ─► adopted there ─► place changed ─► dropped here
 * ```
 *
 * Until the other partition has adopted the basin the move can be given up; from then on it only goes on. Each step can be
 * repeated, so the next node that leads goes on where this one was.
 */

import { type ConfirmedPlace, outcomeOf, type Places } from '../cluster/places.ts';
import type { ClusterCall } from '../http/cluster-calls.ts';
import type { Log } from '../log/log.ts';
import { CopiedBlocks } from '../log/move/copied-blocks.ts';
import type { Clock } from '../model/clock.ts';
import type { ClusterMove } from '../model/cluster-state.ts';
import { asTailraceError, type ErrorCode } from '../model/error.ts';
import { MOVE_RETRY_MS, MOVE_STALL_MS, MOVE_TRIES_MAX } from '../model/limits.ts';
import type { Logger } from '../observe/logger.ts';
import type { Entry } from '../storage/engine.ts';

export interface BasinMoverDeps {
  /** The one that loses basins. */
  readonly partition: number;
  readonly log: Pick<Log, 'moves'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asks the leader of a partition. */
  call(call: ClusterCall, signal?: AbortSignal): Promise<unknown>;
  /** Applies here what partition 0 holds, so that requests go to where the basin is. */
  catchUp(): Promise<void>;
  /** Writes what was counted of use and is only in memory. */
  flushUsage(): Promise<void>;
}

/** A move of one basin. */
export interface WantedMove {
  readonly basin: string;
  readonly to: number;
  readonly id: string;
}

/** What `forget-basin` returns where the basin was adopted before: the move can only go on. */
export const ADOPTED = 'adopted';

/** The basin is not what it was when the move began. */
const CANNOT_MOVE: ReadonlySet<ErrorCode> = new Set([
  ...(['basin_not_found', 'basin_deletion_pending', 'transaction_conflict', 'invalid'] as const),
]);

/** Lives while the node leads the partition. */
export class BasinMover {
  readonly #deps: BasinMoverDeps;
  readonly #running = new Map<string, RunningMove>();
  /** What begins when the move before it, of the same basin, is over. */
  readonly #next = new Map<string, WantedMove>();
  readonly #stop = new AbortController();

  constructor(deps: BasinMoverDeps) {
    this.#deps = deps;
  }

  /** What moves now. */
  get moves(): readonly ClusterMove[] {
    return [...this.#running.values()].map((move) => move.state);
  }

  /** Goes on with the moves that a node has begun that led before: those of the log, and those of `placed`. */
  resume(placed: Pick<Places, 'moves'>): void {
    for (const move of this.#deps.log.moves.out()) this.begin(move);
    this.follow(placed);
  }

  /** Begins the moves that places say. */
  follow(placed: Pick<Places, 'moves'>): void {
    const { partition } = this.#deps;
    for (const { name, from, to, id } of placed.moves) if (from === partition) this.begin({ basin: name, to, id });
  }

  /** Begins a move, or goes on with one; a move that is under way goes on. */
  begin(wanted: WantedMove): void {
    const { basin, id } = wanted;
    if (this.#stop.signal.aborted) return;
    const running = this.#running.get(basin);
    if (running !== undefined) {
      if (running.id !== id) this.#next.set(basin, wanted);
      return;
    }
    const move = new RunningMove(wanted, this.#deps, this.#stop.signal);
    this.#running.set(basin, move);
    void move.run().finally(() => {
      this.#running.delete(basin);
      const next = this.#next.get(basin);
      this.#next.delete(basin);
      if (next !== undefined) this.begin(next);
    });
  }

  /** The rows of a basin that moves, as the node that takes it asks for them; undefined for one that does not move. */
  rowsOf(basin: string, id: string): AsyncGenerator<readonly Entry[]> | undefined {
    const move = this.#running.get(basin);
    return move?.id === id ? move.rows() : undefined;
  }

  /** What is under way is left as it is. */
  close(): void {
    this.#stop.abort();
  }
}

class RunningMove {
  readonly id: string;
  readonly #wanted: WantedMove;
  readonly #deps: BasinMoverDeps;
  readonly #stop: AbortSignal;
  /** What the first copy has sent. */
  readonly #sent = new CopiedBlocks();
  #phase: ClusterMove['phase'] = 'copying';
  #problem: string | undefined;
  /** Before that the other partition cannot have adopted the basin. */
  #isSealed = false;
  #copiedBytes = 0;
  #progressAt = 0;

  constructor(wanted: WantedMove, deps: BasinMoverDeps, stop: AbortSignal) {
    this.id = wanted.id;
    this.#wanted = wanted;
    this.#deps = deps;
    this.#stop = stop;
  }

  get state(): ClusterMove {
    const { basin, to } = this.#wanted;
    const { partition: from } = this.#deps;
    return { basin, from, to, phase: this.#phase, copiedBytes: this.#copiedBytes, problem: this.#problem };
  }

  async *rows(): AsyncGenerator<readonly Entry[]> {
    for await (const page of this.#deps.log.moves.rows(this.#wanted.basin, this.#sent)) {
      yield page;
      this.#copiedBytes += page.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
      this.#progressAt = this.#deps.clock.monotonicMs();
    }
  }

  /** Resolves when the move is over, or this node leads no more: then it goes on with the one that leads next. */
  async run(): Promise<void> {
    const { basin, to } = this.#wanted;
    const { logger, partition: from } = this.#deps;
    logger.info({ basin, from, to }, 'a basin begins to move');
    for (let said = ''; ; ) {
      try {
        await this.#go();
        return;
      } catch (thrown) {
        const error = asTailraceError(thrown);
        // Nothing of this move is left where another one has the basin.
        if (this.#stop.aborted || error.code === 'transaction_conflict') return;
        if (error.message !== said) {
          logger.warn({ err: error, basin, from, to }, 'a move of a basin does not go on: it is tried again');
        }
        said = error.message;
        this.#problem = said;
      }
      await this.#pause();
    }
  }

  async #go(): Promise<void> {
    const { basin } = this.#wanted;
    // What this node has followed may be old: whoever drops or keeps a basin has to know.
    const place = (await this.#untilDone({ call: 'place-of', partition: 0, basin })) as ConfirmedPlace;
    const outcome = outcomeOf(place, this.id, this.#deps.partition);
    if (outcome === 'finished') await this.#leave();
    else if (outcome === 'aborted') await this.#stay();
    else if (await this.#copyOver()) await this.#finish();
    else await this.#giveUp();
  }

  /** Returns false where it has to be given up. */
  async #copyOver(): Promise<boolean> {
    const { basin, to } = this.#wanted;
    const { log, flushUsage } = this.#deps;
    const { id } = this;
    this.#isSealed = log.moves.out().some((move) => move.basin === basin && move.id === id);
    if (this.#isSealed) this.#phase = 'sealed';
    // One that was adopted already needs no copy.
    if (this.#isSealed && (await this.#adopted())) return true;
    if (!this.#isSealed && !(await this.#copied())) return false;
    try {
      await log.moves.seal(basin, { id, to });
    } catch (thrown) {
      const error = asTailraceError(thrown);
      if (!CANNOT_MOVE.has(error.code)) throw error;
      this.#problem = error.message;
      return false;
    }
    this.#phase = 'sealed';
    this.#isSealed = true;
    await flushUsage();
    return (await this.#copied()) && (await this.#adopted());
  }

  /** Has the other partition take what it does not have yet. */
  async #copied(): Promise<boolean> {
    const { basin, to } = this.#wanted;
    return this.#tried({ call: 'take-basin', partition: to, basin, id: this.id, from: this.#deps.partition });
  }

  #adopted(): Promise<boolean> {
    return this.#tried({ call: 'adopt-basin', partition: this.#wanted.to, basin: this.#wanted.basin, id: this.id });
  }

  /** Repeats what the other node cannot do at the moment, for a while. */
  async #tried(call: ClusterCall): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      this.#expectRunning();
      try {
        await this.#watched(call);
        this.#problem = undefined;
        return true;
      } catch (thrown) {
        this.#expectRunning();
        const error = asTailraceError(thrown);
        this.#problem = error.message;
        if (error.code !== 'unavailable' || tries >= MOVE_TRIES_MAX) return false;
      }
      await this.#pause();
    }
  }

  /** Ends a call while which nothing is copied any more. */
  async #watched(call: ClusterCall): Promise<void> {
    const { clock } = this.#deps;
    const ended = new AbortController();
    const onStop = (): void => ended.abort();
    this.#stop.addEventListener('abort', onStop, { once: true });
    this.#progressAt = clock.monotonicMs();
    let cancel = (): void => {};
    const watch = (): void => {
      cancel = clock.timer(MOVE_STALL_MS, () => {
        if (clock.monotonicMs() - this.#progressAt >= MOVE_STALL_MS) ended.abort();
        else watch();
      });
    };
    watch();
    try {
      await this.#deps.call(call, ended.signal);
    } finally {
      cancel();
      this.#stop.removeEventListener('abort', onStop);
    }
  }

  async #finish(): Promise<void> {
    const { basin, to } = this.#wanted;
    await this.#untilDone({
      ...{ call: 'place', partition: 0, act: 'finish', basin, id: this.id, from: this.#deps.partition, to },
    });
    await this.#leave();
  }

  /** The basin is in the other partition. */
  async #leave(): Promise<void> {
    await this.#repeated(this.#deps.catchUp);
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const { basin, to } = this.#wanted;
    const { log, logger, partition: from } = this.#deps;
    this.#phase = 'dropping';
    await log.moves.drop(basin, this.id);
    logger.info({ basin, from, to, bytes: this.#copiedBytes }, 'a basin has moved');
  }

  /** The move was given up, perhaps by a call that came late: what the other partition has of it is not the basin. */
  async #stay(): Promise<void> {
    const { basin, to } = this.#wanted;
    const { moves } = this.#deps.log;
    this.#phase = 'aborting';
    if (!moves.out().some((move) => move.basin === basin && move.id === this.id)) return;
    await moves.unseal(basin, this.id);
    await this.#tried({ call: 'forget-basin', partition: to, basin, id: this.id });
  }

  /** What the other partition took is forgotten there first: after that it cannot adopt it any more. */
  async #giveUp(): Promise<void> {
    const { basin, to } = this.#wanted;
    const { log, logger, partition: from } = this.#deps;
    const reason = this.#problem;
    this.#phase = 'aborting';
    const left = await this.#untilDone({ call: 'forget-basin', partition: to, basin, id: this.id });
    // A basin that was there before, left over from something else, is not this one.
    if (left === ADOPTED && this.#isSealed) {
      await this.#finish();
      return;
    }
    await this.#untilDone({ call: 'place', partition: 0, act: 'abort', basin, id: this.id, from, to });
    await log.moves.unseal(basin, this.id);
    if (left === ADOPTED) await this.#tried({ call: 'forget-basin', partition: to, basin, id: this.id });
    logger.warn({ basin, from, to, reason }, 'a move of a basin was given up: it stays where it is');
  }

  /** @throws TailraceError for what does not become better */
  #untilDone(call: ClusterCall): Promise<unknown> {
    return this.#repeated(() => this.#deps.call(call));
  }

  async #repeated<T>(act: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#expectRunning();
      try {
        return await act();
      } catch (thrown) {
        this.#expectRunning();
        const error = asTailraceError(thrown);
        this.#problem = error.message;
        if (error.code !== 'unavailable') throw error;
      }
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.timer(MOVE_RETRY_MS, resolve));
  }

  #expectRunning(): void {
    this.#stop.throwIfAborted();
  }
}
