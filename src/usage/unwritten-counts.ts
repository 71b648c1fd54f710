/** Counts that were not written yet, by minute. Bounded: while the store takes no writes, old minutes are merged. */

import type { MinuteCounts } from './rows.ts';
import type { Counted } from './series.ts';
import { addCounts, type UsageTally } from './tally.ts';

interface BasinCounts {
  readonly name: string;
  readonly counts: Map<string, number>;
}

export class UnwrittenCounts {
  /** By minute, then by basin; minutes in the order of arrival. */
  readonly #minutes = new Map<number, Map<number, BasinCounts>>();

  get isEmpty(): boolean {
    return this.#minutes.size === 0;
  }

  /** Adds the counts of a minute. Merges the oldest minutes when there are more than `minutesMax`. */
  add(second: number, tallies: ReadonlyMap<number, UsageTally>, minutesMax: number): void {
    for (const [basin, tally] of tallies) {
      const counts = tally.counts();
      if (counts.size > 0) this.#add({ second, basin, name: tally.name, counts });
    }
    while (this.#minutes.size > minutesMax) this.#joinOldest();
  }

  /** The counts of one basin. */
  ofBasin(basin: number): readonly Counted[] {
    return [...this.#minutes].flatMap(([second, basins]) => {
      const counts = basins.get(basin)?.counts;
      return counts === undefined ? [] : [{ second, counts }];
    });
  }

  /** Drops the counts of one basin. */
  forget(basin: number): void {
    for (const [second, basins] of this.#minutes) {
      basins.delete(basin);
      if (basins.size === 0) this.#minutes.delete(second);
    }
  }

  /** Removes and returns all counts, to be written. */
  take(): readonly MinuteCounts[] {
    const taken = [...this.#minutes].flatMap(([second, basins]) =>
      [...basins].map(([basin, { name, counts }]) => ({ second, basin, name, counts })),
    );
    this.#minutes.clear();
    return taken;
  }

  /** Takes back counts that could not be written. */
  giveBack(minutes: readonly MinuteCounts[]): void {
    const since = [...this.#minutes];
    this.#minutes.clear();
    for (const minute of minutes) this.#add(minute);
    for (const [second, basins] of since) {
      for (const [basin, { name, counts }] of basins) this.#add({ second, basin, name, counts });
    }
  }

  #joinOldest(): void {
    const [oldest, next] = this.#minutes;
    if (oldest === undefined || next === undefined) return;
    this.#minutes.delete(oldest[0]);
    for (const [basin, { name, counts }] of oldest[1]) this.#add({ second: next[0], basin, name, counts });
  }

  #add({ second, basin, name, counts }: MinuteCounts): void {
    const minute = this.#minutes.get(second) ?? new Map<number, BasinCounts>();
    this.#minutes.set(second, minute);
    const sum = minute.get(basin) ?? { name, counts: new Map<string, number>() };
    minute.set(basin, sum);
    addCounts(sum.counts, counts);
  }
}
