/** In which partition each basin of a cluster is, as the store of the first partition says on any node. */

import type { Engine, Entry, Write } from '../storage/engine.ts';
import { FAMILY, familyRange, readBasinPlaceKey } from '../storage/keys.ts';
import { type PlaceMove, type PlaceRow, readPlace } from '../storage/place-rows.ts';

interface MovingBasin extends PlaceMove {
  readonly name: string;
  readonly from: number;
}

/** Rows of one look at the store. */
const PAGE_ROWS = 1_000;

export class Places {
  #rows = new Map<string, PlaceRow>();
  #partitions = 1;

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
    this.#partitions = read.#partitions;
  }

  /** Takes what a transaction, which is durable, says of places. @throws TailraceError `corrupt` */
  follow(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.key[0] !== FAMILY.places) continue;
      if (write.type === 'put') this.#take(write);
      else this.#rows.delete(readBasinPlaceKey(write.key));
    }
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

  /** Names whose rows say this partition; those of the first one without a row are not known here. */
  namesIn(partition: number): readonly string[] {
    return [...this.#rows].filter(([, row]) => row.partition === partition).map(([name]) => name);
  }

  /** Basins that move. */
  get moves(): readonly MovingBasin[] {
    return [...this.#rows].flatMap(([name, { partition, move }]) =>
      move === undefined ? [] : [{ ...move, name, from: partition }],
    );
  }

  #take(row: Entry): void {
    const read = readPlace(row);
    if (read.type === 'place') this.#rows.set(read.name, read.place);
    else this.#partitions = read.count;
  }
}
