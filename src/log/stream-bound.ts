/**
 * Whether a basin may hold more streams, where it bounds them. To count them for each new one would take long, so they are
 * counted at most once a second, and new ones are added to that.
 */

import type { Clock } from '../model/clock.ts';
import { STREAM_COUNT_FRESH_MS } from '../model/limits.ts';
import type { Basin } from './basins.ts';
import type { StreamTable } from './streams.ts';

/** A request that makes streams: those that it was allowed are perhaps not in the store until it is over. */
export interface StreamMaker {
  readonly isOver: boolean;
}

interface CountedStreams {
  readonly atMs: number;
  /** Those in the store, and those that were allowed since. */
  streams: number;
  /** Names that were allowed: they may not exist yet. */
  readonly names: Set<string>;
  /** Requests that were allowed some. While one is under way a new count would miss what it makes. */
  readonly makers: Set<StreamMaker>;
}

export class StreamBound {
  readonly #streams: Pick<StreamTable, 'has' | 'count'>;
  readonly #clock: Clock;
  readonly #basins = new Map<number, CountedStreams | Promise<CountedStreams>>();

  constructor(streams: Pick<StreamTable, 'has' | 'count'>, clock: Clock) {
    this.#streams = streams;
    this.#clock = clock;
  }

  /** Whether a stream exists, or may be made by this request in a basin that has at most `most`. */
  has(basin: Basin, name: string, most: number, maker: StreamMaker): boolean | Promise<boolean> {
    const exists = this.#streams.has(basin, name);
    return exists === true ? true : this.#take(basin, name, most, { maker, exists });
  }

  async #take(
    basin: Basin,
    name: string,
    most: number,
    { maker, exists }: { readonly maker: StreamMaker; readonly exists: boolean | Promise<boolean> },
  ): Promise<boolean> {
    if (await exists) return true;
    const counted = await this.#count(basin, most);
    if (!counted.names.has(name)) {
      if (counted.streams >= most) return false;
      counted.streams++;
      counted.names.add(name);
    }
    counted.makers.add(maker);
    return true;
  }

  async #count(basin: Basin, most: number): Promise<CountedStreams> {
    const nowMs = this.#clock.monotonicMs();
    const known = await this.#basins.get(basin.number);
    if (known !== undefined && !isOld(known, nowMs)) return known;
    // Old counts of other basins are of no use to them either.
    for (const [number, other] of this.#basins) {
      if (!(other instanceof Promise) && isOld(other, nowMs)) this.#basins.delete(number);
    }
    const latest = this.#basins.get(basin.number);
    if (latest !== undefined) return latest;
    const counting = this.#streams.count(basin, most).then(
      (streams): CountedStreams => ({
        atMs: this.#clock.monotonicMs(),
        streams,
        names: new Set(),
        makers: new Set(),
      }),
    );
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

function isOld({ atMs, makers }: CountedStreams, nowMs: number): boolean {
  if (nowMs - atMs < STREAM_COUNT_FRESH_MS) return false;
  for (const maker of makers) if (maker.isOver) makers.delete(maker);
  return makers.size === 0;
}
