/**
 * How long the last requests of one sender took, in few bytes: counts by size of the latency, of which each is a little
 * larger than the one before, so that a quantile is right to a tenth of itself. What is older than the newest
 * `SENDER_LATENCIES_MAX` requests is forgotten, so that a slow hour of last week does not show for ever.
 */

import { SENDER_LATENCIES_MAX } from '../model/limits.ts';

export interface LatencyQuantiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Sizes of which each is twice as large as the one before are in so many steps. */
const STEPS_PER_DOUBLING = 4;
/** The largest latency of the first size; with the doublings, that of the last one is more than two minutes. */
const SHORTEST_MS = 0.125;
const SIZES = 20 * STEPS_PER_DOUBLING + 1;

/** Half of the requests are in each of two sets; when the newer one is full, the older one goes. */
const SET_MAX = SENDER_LATENCIES_MAX / 2;

export class RecentLatencies {
  #newer = new Uint16Array(SIZES);
  #older = new Uint16Array(SIZES);
  #newerCount = 0;
  #olderCount = 0;

  add(latencyMs: number): void {
    if (this.#newerCount >= SET_MAX) {
      [this.#newer, this.#older] = [this.#older, this.#newer];
      this.#newer.fill(0);
      this.#olderCount = this.#newerCount;
      this.#newerCount = 0;
    }
    const size = sizeOf(latencyMs);
    this.#newer[size] = (this.#newer[size] ?? 0) + 1;
    this.#newerCount++;
  }

  /** How many it knows of. */
  get count(): number {
    return this.#newerCount + this.#olderCount;
  }

  /** Undefined before the first one. */
  quantiles(): LatencyQuantiles | undefined {
    if (this.#newerCount === 0) return undefined;
    return { p50Ms: this.#quantile(0.5), p99Ms: this.#quantile(0.99) };
  }

  #quantile(part: number): number {
    let left = Math.ceil(part * this.count);
    let size = -1;
    while (left > 0 && size < SIZES - 1) {
      size++;
      left -= (this.#newer[size] ?? 0) + (this.#older[size] ?? 0);
    }
    return middleOf(size);
  }
}

function sizeOf(latencyMs: number): number {
  if (!(latencyMs > SHORTEST_MS)) return 0;
  return Math.min(SIZES - 1, Math.ceil(STEPS_PER_DOUBLING * Math.log2(latencyMs / SHORTEST_MS)));
}

/** As far from the smallest latency of the size as from the largest, as a ratio. */
function middleOf(size: number): number {
  return SHORTEST_MS * 2 ** ((size - 0.5) / STEPS_PER_DOUBLING);
}
