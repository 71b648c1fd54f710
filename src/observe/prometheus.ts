/** The registry of the library (prom-client) that makes Prometheus' text of metrics; loaded by the first scrape. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Distribution, LookedUpMetric, ScrapedMetric } from './scraped-metric.ts';

/** A registry that looks up all of them at each scrape. */
export function registryOf(metrics: readonly ScrapedMetric[]): Registry {
  const registry = new Registry();
  for (const metric of metrics) {
    if (metric.type === 'histogram') registry.registerMetric(new TalliedHistogram(metric));
    else if (metric.type === 'counter') addCounter(registry, metric);
    else addGauge(registry, metric);
  }
  return registry;
}

function addCounter(registry: Registry, { name, help, labels, read }: LookedUpMetric): void {
  new Counter({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    async collect() {
      const found = await read();
      this.reset();
      for (const [values, value] of found) this.inc(values, value);
    },
  });
}

function addGauge(registry: Registry, { name, help, labels, read }: LookedUpMetric): void {
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

/** A histogram of the library whose numbers are kept elsewhere. */
class TalliedHistogram extends Histogram<'le'> {
  readonly #empty: Histogram<'le'>;
  readonly #name: string;
  readonly #distribution: Distribution;

  constructor({ name, help, distribution }: Extract<ScrapedMetric, { type: 'histogram' }>) {
    const configuration = { name, help, buckets: [...distribution.bounds], registers: [] };
    super(configuration);
    this.#empty = new Histogram(configuration);
    this.#name = name;
    this.#distribution = distribution;
  }

  override async get(): ReturnType<Histogram<'le'>['get']> {
    return { ...(await this.#empty.get()), values: valuesOf(this.#name, this.#distribution) };
  }

  /** Called by a registry when it makes text. */
  getForPromString(): ReturnType<Histogram<'le'>['get']> {
    return this.get();
  }
}

interface BucketValue {
  readonly metricName: string;
  readonly labels: { readonly le?: string | number };
  readonly value: number;
}

function valuesOf(name: string, distribution: Distribution): BucketValue[] {
  const counts = distribution.cumulative();
  const bounds = [...distribution.bounds, '+Inf'];
  return [
    ...bounds.map((le, index) => ({ metricName: `${name}_bucket`, labels: { le }, value: counts[index] ?? 0 })),
    { metricName: `${name}_sum`, labels: {}, value: distribution.sum },
    { metricName: `${name}_count`, labels: {}, value: counts.at(-1) ?? 0 },
  ];
}
