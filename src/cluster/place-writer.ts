/** Changes where basins are: on the node that leads the first partition, while it does. */

import { OneAtATime } from '../encoding/one-at-a-time.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import { PLACE_KEPT_MS } from '../model/limits.ts';
import type { Write } from '../storage/engine.ts';
import { basinPlaceKey } from '../storage/keys.ts';
import { type PlaceMove, type PlaceRow, partitionsEntry, placeEntry } from '../storage/place-rows.ts';
import type { KnownPlace, Places } from './places.ts';

export interface PlaceWriterOptions {
  /** Holds all that is durable, and nothing else changes it. */
  readonly places: Places;
  readonly clock: Clock;
  /** Resolves when the rows are durable in the store of the first partition. */
  commit(writes: readonly Write[]): Promise<void>;
}

/** Of a basin that nothing was written of. */
const FIRST: PlaceRow = { partition: 0, move: undefined, lastMove: undefined };

/**
 * What concerns one basin is done one after the other, each step on what the one before it made durable; so of two that
 * build on the same row one is refused. All calls reject as the commit does.
 */
export class PlaceWriter {
  readonly #options: PlaceWriterOptions;
  /** What is under way for a name. */
  readonly #lines = new Map<string, { readonly acts: OneAtATime; waiting: number }>();
  /** How many names are being placed in a partition. */
  readonly #placing = new Map<number, number>();
  /** When a place was last returned, for a basin that may be just being created there. */
  readonly #placedAt = new Map<string, number>();
  readonly #sinceMs: number;

  constructor(options: PlaceWriterOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.monotonicMs();
  }

  /** Writes how many partitions there are, where the store says fewer. To be done before places are in these. */
  keepCount(count: number): Promise<void> {
    return this.#alone('', async () => {
      if (this.#options.places.partitions < count) await this.#commit({ type: 'put', ...partitionsEntry(count) });
    });
  }

  /**
   * Returns where a basin is, also one that is yet to be created: where its row says, or else in the partition that `choose`
   * returns, when that is durable. Those that ask at the same time get the same.
   */
  place(name: string, choose: () => number): Promise<number> {
    return this.#alone(name, async () => {
      const partition = this.#options.places.of(name) ?? (await this.#putNew(name, choose()));
      this.#placedAt.set(name, this.#options.clock.monotonicMs());
      return partition;
    });
  }

  /** How many basins are being placed in a partition, which its places do not say yet. */
  placing(partition: number): number {
    return this.#placing.get(partition) ?? 0;
  }

  /**
   * Notes that a basin moves. Begun again with the same id, it is under way.
   * @throws TailraceError `invalid` where the basin is elsewhere, it moves already, or there is no such partition
   */
  beginMove(name: string, from: number, to: number, id: string): Promise<void> {
    return this.#alone(name, async () => {
      const row = this.#rowOf(name);
      const { partitions } = this.#options.places;
      if (isSame(row.move, { id, to }) && row.partition === from) return;
      if (row.move !== undefined) throw refused(`the basin ${name} moves to partition ${row.move.to} already`);
      if (row.partition !== from) throw refused(`the basin ${name} is in partition ${row.partition}, not in ${from}`);
      if (to === from) throw refused(`the basin ${name} is in partition ${to} already`);
      if (to >= partitions) throw refused(`there is no partition ${to}: the last one is ${partitions - 1}`);
      await this.#put(name, { ...row, move: { id, to } });
    });
  }

  /**
   * Has the basin be where it moves to: the moment of the move. Resolves also where this move is finished already.
   * @throws TailraceError `not_found` for one that is not under way, as it was aborted
   */
  finishMove(name: string, id: string): Promise<void> {
    return this.#alone(name, async () => {
      const { move, lastMove } = this.#rowOf(name);
      if (lastMove === id) return;
      if (move?.id !== id)
        throw new TailraceError('not_found', `the basin ${name} does not move so: that was given up`);
      await this.#put(name, { partition: move.to, move: undefined, lastMove: id });
    });
  }

  /**
   * Has the basin stay where it is. Resolves also where this move is not under way.
   * @throws TailraceError `invalid` for one that is finished
   */
  abortMove(name: string, id: string): Promise<void> {
    return this.#alone(name, async () => {
      const row = this.#rowOf(name);
      if (row.lastMove === id) throw refused(`the basin ${name} has moved to partition ${row.partition} already`);
      if (row.move?.id === id) await this.#put(name, { ...row, move: undefined });
    });
  }

  /**
   * Removes rows of basins that are gone, and returns how many. It leaves rows that are others by now than those that are
   * given, those of basins that move, and those that were placed a short while ago, by this node or by the one that led before
   * it: they may be just being created.
   */
  async remove(gone: readonly KnownPlace[]): Promise<number> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [name, atMs] of this.#placedAt) if (nowMs - atMs >= PLACE_KEPT_MS) this.#placedAt.delete(name);
    if (nowMs - this.#sinceMs < PLACE_KEPT_MS) return 0;
    const removed = await Promise.all(gone.map((place) => this.#alone(place.name, () => this.#removeOne(place))));
    return removed.filter(Boolean).length;
  }

  /** Returns whether there was a row that could be removed. */
  async #removeOne({ name, row }: KnownPlace): Promise<boolean> {
    if (this.#options.places.rowOf(name) !== row || row.move !== undefined || this.#placedAt.has(name)) return false;
    await this.#commit({ type: 'delete', key: basinPlaceKey(name) });
    return true;
  }

  async #putNew(name: string, partition: number): Promise<number> {
    this.#placing.set(partition, this.placing(partition) + 1);
    try {
      await this.#put(name, { ...FIRST, partition });
      return partition;
    } finally {
      this.#placing.set(partition, this.placing(partition) - 1);
    }
  }

  #rowOf(name: string): PlaceRow {
    return this.#options.places.rowOf(name) ?? FIRST;
  }

  #put(name: string, row: PlaceRow): Promise<void> {
    return this.#commit({ type: 'put', ...placeEntry(name, row) });
  }

  async #commit(write: Write): Promise<void> {
    const { commit, places } = this.#options;
    await commit([write]);
    places.follow([write]);
  }

  /** After all that is under way for this name. */
  async #alone<T>(name: string, act: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(name) ?? { acts: new OneAtATime(), waiting: 0 };
    this.#lines.set(name, line);
    line.waiting++;
    try {
      return await line.acts.run(act);
    } finally {
      line.waiting--;
      if (line.waiting === 0) this.#lines.delete(name);
    }
  }
}

function isSame(move: PlaceMove | undefined, { id, to }: PlaceMove): boolean {
  return move?.id === id && move.to === to;
}

function refused(message: string): TailraceError {
  return new TailraceError('invalid', message);
}
