/**
 * Whether a basin may hold more streams, where it bounds them. To count them for each new one would take long, so they are
 * counted at most once a second, and new ones are added to that.
 */

import type { Clock } from '../model/clock.ts';
import { STREAM_COUNT_FRESH_MS } from '../model/limits.ts';
import type { Basin } from './basins.ts';
import type { StreamTable } from './streams.ts';

interface CountedStreams {
  readonly atMs: number;
  /** Those in the store, and those that were allowed since. */
  streams: number;
  /** Names that were allowed: they may not exist yet. */
  readonly names: Set<string>;
}

export class StreamBound {
  readonly #streams: Pick<StreamTable, 'has' | 'count'>;
  readonly #clock: Clock;
  readonly #basins = new Map<number, CountedStreams | Promise<CountedStreams>>();

  constructor(streams: Pick<StreamTable, 'has' | 'count'>, clock: Clock) {
    this.#streams = streams;
    this.#clock = clock;
  }

  /** Whether a stream exists, or may be made in a basin that has at most `most`. */
  has(basin: Basin, name: string, most: number): boolean | Promise<boolean> {
    const exists = this.#streams.has(basin, name);
    return exists === true ? true : this.#take(basin, name, most, exists);
  }

  async #take(basin: Basin, name: string, most: number, exists: boolean | Promise<boolean>): Promise<boolean> {
    if (await exists) return true;
    const counted = await this.#count(basin, most);
    if (counted.names.has(name)) return true;
    if (counted.streams >= most) return false;
    counted.streams++;
    counted.names.add(name);
    return true;
  }

  async #count(basin: Basin, most: number): Promise<CountedStreams> {
    const nowMs = this.#clock.monotonicMs();
    const known = await this.#basins.get(basin.number);
    if (known !== undefined && nowMs - known.atMs < STREAM_COUNT_FRESH_MS) return known;
    // Old counts of other basins are of no use to them either.
    for (const [number, other] of this.#basins) {
      if (!(other instanceof Promise) && nowMs - other.atMs >= STREAM_COUNT_FRESH_MS) this.#basins.delete(number);
    }
    const latest = this.#basins.get(basin.number);
    if (latest !== undefined) return latest;
    const counting = this.#streams
      .count(basin, most)
      .then((streams): CountedStreams => ({ atMs: this.#clock.monotonicMs(), streams, names: new Set() }));
    this.#basins.set(basin.number, counting);
    try {
      const counted = await counting;
      this.#basins.set(basin.number, counted);
      return counted;
    } catch (error) {
      this.#basins.delete(basin.number);
      throw error;
    }
  }
}
