/** What is counted, in plain fields and without the library of the text format, so that hot paths only add. */

/** Values by their labels. */
export type Labelled = Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>;

interface MetricName {
  readonly name: string;
  readonly help: string;
}

/** A counter or gauge that shows what `read` finds when it is scraped. */
export interface LookedUpMetric extends MetricName {
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  read(): Labelled | Promise<Labelled>;
}

interface Histogram extends MetricName {
  readonly type: 'histogram';
  readonly labels: readonly string[];
  distributions(): Iterable<readonly [labels: Readonly<Record<string, string>>, distribution: Distribution]>;
}

export type ScrapedMetric = LookedUpMetric | Histogram;

/** Bounds of a histogram of waits. */
export const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How often values were at most each bound, and their sum. */
export class Distribution {
  readonly bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  add(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] ?? 0)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** For each bound and for infinity, how many values are at most that. */
  cumulative(): readonly number[] {
    let count = 0;
    return this.#counts.map((inBucket) => {
      count += inBucket;
      return count;
    });
  }
}

/** One value without labels. */
export function unlabelled(value: number): Labelled {
  return [[{}, value]];
}

/** The values of a map, each labelled with its key. */
export function byLabel(label: string, values: Iterable<readonly [string, number]>): Labelled {
  return [...values].map(([key, value]) => [{ [label]: key }, value] as const);
}
