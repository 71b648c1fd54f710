/** How fast counters grow, over the last seconds that they were looked at. */

const WINDOW_MS = 10_000;

interface GrownCount {
  readonly atMs: number;
  readonly value: number;
}

/** The rates of many counters by name. It remembers those that were counted at the last look. */
export class RateWindow {
  #before = new Map<string, readonly GrownCount[]>();
  #now = new Map<string, readonly GrownCount[]>();

  /** How much it grew in a second. Undefined at the first look, and when it fell: the server was started again. */
  rate(name: string, atMs: number, value: number): number | undefined {
    const known = this.#before.get(name) ?? [];
    const isSame = known.every((count) => count.value <= value && count.atMs < atMs);
    const counts = isSame ? [...known.filter((count) => atMs - count.atMs <= WINDOW_MS), { atMs, value }] : [];
    this.#now.set(name, isSame ? counts : [{ atMs, value }]);
    const [first] = counts;
    if (first === undefined || counts.length < 2) return undefined;
    return ((value - first.value) * 1_000) / (atMs - first.atMs);
  }

  /** Ends a look: what it did not count is forgotten. */
  endLook(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }
}

/** A histogram with cumulative counts, as Prometheus has it. */
export interface AckBuckets {
  /** Upper bounds in seconds, the last of which is infinite. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

/** What came into a histogram over the last seconds; at the first look all of it. */
export class BucketWindow {
  #looks: { readonly atMs: number; readonly counts: readonly number[] }[] = [];

  /** The new part. */
  since(atMs: number, { bounds, counts }: AckBuckets): AckBuckets {
    const last = this.#looks.at(-1);
    if (last?.counts.some((count, i) => count > (counts[i] ?? 0)) === true) this.#looks = [];
    this.#looks = this.#looks.filter((look) => atMs - look.atMs <= WINDOW_MS);
    const [first] = this.#looks;
    this.#looks.push({ atMs, counts });
    return { bounds, counts: counts.map((count, i) => count - (first?.counts[i] ?? 0)) };
  }
}

/** A quantile in seconds, as Prometheus estimates it: evenly within a bucket. Undefined when nothing came in. */
export function quantile({ bounds, counts }: AckBuckets, share: number): number | undefined {
  const total = counts.at(-1) ?? 0;
  if (total === 0) return undefined;
  const rank = share * total;
  const i = counts.findIndex((count) => count >= rank);
  const [low, high] = [bounds[i - 1] ?? 0, bounds[i] ?? 0];
  if (!Number.isFinite(high)) return low;
  const before = counts[i - 1] ?? 0;
  const within = (counts[i] ?? 0) - before;
  return within === 0 ? high : low + ((high - low) * (rank - before)) / within;
}
