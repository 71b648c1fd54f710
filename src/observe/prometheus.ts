/** Prometheus metrics whose numbers are kept in plain fields and read when scraped, so that hot paths only add. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Values by their labels. */
export type Labelled = Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>;

export interface MetricName {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** A histogram without labels. */
export class Distribution {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(registry: Registry, { name, help }: MetricName, bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
    const values = (): BucketValue[] => this.#values(name);
    registry.registerMetric(new TalliedHistogram(name, help, bounds, values));
  }

  add(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  #values(name: string): BucketValue[] {
    const values: BucketValue[] = [];
    let count = 0;
    for (const [index, bound] of [...this.#bounds, '+Inf'].entries()) {
      count += this.#counts[index] ?? 0;
      values.push({ metricName: `${name}_bucket`, labels: { le: bound }, value: count });
    }
    values.push({ metricName: `${name}_sum`, labels: {}, value: this.#sum });
    values.push({ metricName: `${name}_count`, labels: {}, value: count });
    return values;
  }
}

/** A counter that shows what `read` finds. */
export function addCounter(registry: Registry, metric: MetricName, read: () => Labelled): void {
  const { name, help, labels = [] } = metric;
  new Counter({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      this.reset();
      for (const [values, value] of read()) this.inc(values, value);
    },
  });
}

/** A gauge that shows what `read` finds. */
export function addGauge(registry: Registry, metric: MetricName, read: () => Labelled | Promise<Labelled>): void {
  const { name, help, labels = [] } = metric;
  new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    async collect() {
      const found = [...(await read())];
      this.reset();
      // Without labels, `reset` sets a zero; but an unknown value is not zero.
      if (labels.length === 0) this.remove({});
      for (const [values, value] of found) this.set(values, value);
    },
  });
}

/** One value without labels. */
export function unlabelled(value: number): Labelled {
  return [[{}, value]];
}

/** The values of a map, each labelled with its key. */
export function byLabel(label: string, values: Iterable<readonly [string, number]>): Labelled {
  return [...values].map(([key, value]) => [{ [label]: key }, value] as const);
}

interface BucketValue {
  readonly metricName: string;
  readonly labels: { readonly le?: string | number };
  readonly value: number;
}

/** A histogram of the library whose numbers are kept elsewhere. */
class TalliedHistogram extends Histogram<'le'> {
  readonly #empty: Histogram<'le'>;
  readonly #values: () => BucketValue[];

  constructor(name: string, help: string, bounds: readonly number[], values: () => BucketValue[]) {
    const configuration = { name, help, buckets: [...bounds], registers: [] };
    super(configuration);
    this.#empty = new Histogram(configuration);
    this.#values = values;
  }

  override async get(): ReturnType<Histogram<'le'>['get']> {
    return { ...(await this.#empty.get()), values: this.#values() };
  }

  /** Called by a registry when it makes text. */
  getForPromString(): ReturnType<Histogram<'le'>['get']> {
    return this.get();
  }
}
