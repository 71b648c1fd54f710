/** In which partition each basin of a cluster is, as the store of the first partition says on any node. */

import type { Engine, Entry, Write } from '../storage/engine.ts';
import { FAMILY, familyRange, readBasinPlaceKey } from '../storage/keys.ts';
import { type PlaceMove, type PlaceRow, readPlace } from '../storage/place-rows.ts';

interface MovingBasin extends PlaceMove {
  readonly name: string;
  readonly from: number;
}

/** What was known of a basin at a moment. */
export interface KnownPlace {
  readonly name: string;
  readonly row: PlaceRow;
}

/** What the place of a basin says of a move: under way, done, or given up. */
type PlacedMove = 'moving' | 'finished' | 'aborted';

/** Where a basin is, and where it moves to, as the leader of the first partition has confirmed it. */
export interface ConfirmedPlace {
  readonly partition: number;
  readonly move?: PlaceMove | undefined;
}

/** What has become of a move out of a partition. A basin that is elsewhere by now has left, and may have moved on since. */
export function outcomeOf({ partition, move }: ConfirmedPlace, id: string, from: number): PlacedMove {
  if (move?.id === id) return 'moving';
  return partition === from ? 'aborted' : 'finished';
}

/** Rows of one look at the store. */
const PAGE_ROWS = 1_000;

export class Places {
  #rows = new Map<string, PlaceRow>();
  /** Those of basins that move. */
  #moving = new Map<string, PlaceRow>();
  #partitions = 1;
  #changes = 0;

  /**
   * Takes all from a store, to which nothing is written meanwhile, in place of what it knew.
   * @throws TailraceError `corrupt`, `storage`
   */
  async load(engine: Pick<Engine, 'scan'>): Promise<void> {
    const read = new Places();
    const { from: first, to } = familyRange(FAMILY.places);
    for (let from = first; ; ) {
      const rows = await engine.scan({ from, to, limit: PAGE_ROWS });
      for (const row of rows) read.#take(row);
      const last = rows.at(-1);
      if (last === undefined) break;
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
    this.#rows = read.#rows;
    this.#moving = read.#moving;
    this.#changes++;
    this.#partitions = read.#partitions;
  }

  /** Takes what a transaction, which is durable, says of places. @throws TailraceError `corrupt` */
  follow(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.key[0] !== FAMILY.places) continue;
      if (write.type === 'put') this.#take(write);
      else this.#drop(readBasinPlaceKey(write.key));
    }
  }

  /** Another number each time that a basin, of which there is a row, is somewhere else than before. */
  get changes(): number {
    return this.#changes;
  }

  /** How many partitions the rows may name: at least one. */
  get partitions(): number {
    return this.#partitions;
  }

  /** Undefined for a basin without a row, which is in the first partition if it is there. */
  of(name: string): number | undefined {
    return this.#rows.get(name)?.partition;
  }

  rowOf(name: string): PlaceRow | undefined {
    return this.#rows.get(name);
  }

  moveOf(name: string): PlaceMove | undefined {
    return this.#rows.get(name)?.move;
  }

  /** The id of the move that brought it where it is. */
  lastMoveOf(name: string): string | undefined {
    return this.#rows.get(name)?.lastMove;
  }

  /** All rows; another one is another object. */
  get all(): readonly KnownPlace[] {
    return [...this.#rows].map(([name, row]) => ({ name, row }));
  }

  /** Basins that move. */
  get moves(): readonly MovingBasin[] {
    return [...this.#moving].flatMap(([name, { partition, move }]) =>
      move === undefined ? [] : [{ ...move, name, from: partition }],
    );
  }

  #take(row: Entry): void {
    const read = readPlace(row);
    if (read.type === 'partitions') {
      this.#partitions = read.count;
      return;
    }
    const { name, place } = read;
    const before = this.#rows.get(name);
    if (before !== undefined && before.partition !== place.partition) this.#changes++;
    this.#rows.set(name, place);
    if (place.move === undefined) this.#moving.delete(name);
    else this.#moving.set(name, place);
  }

  #drop(name: string): void {
    if (this.#rows.delete(name)) this.#changes++;
    this.#moving.delete(name);
  }
}
