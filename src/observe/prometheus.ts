/** The registry of the library (prom-client) that makes Prometheus' text of metrics; loaded by the first scrape. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { LookedUpMetric, ScrapedMetric } from './scraped-metric.ts';

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

type ScrapedHistogram = Extract<ScrapedMetric, { type: 'histogram' }>;

/** A histogram of the library whose numbers are kept elsewhere. */
class TalliedHistogram extends Histogram<string> {
  readonly #empty: Histogram<string>;
  readonly #metric: ScrapedHistogram;

  constructor(metric: ScrapedHistogram) {
    const { name, help, labels } = metric;
    const configuration = { name, help, labelNames: [...labels], registers: [] };
    super(configuration);
    this.#empty = new Histogram(configuration);
    this.#metric = metric;
  }

  override async get(): ReturnType<Histogram<string>['get']> {
    return { ...(await this.#empty.get()), values: valuesOf(this.#metric) };
  }

  /** Called by a registry when it makes text. */
  getForPromString(): ReturnType<Histogram<string>['get']> {
    return this.get();
  }
}

interface BucketValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

function valuesOf({ name, distributions }: ScrapedHistogram): BucketValue[] {
  return [...distributions()].flatMap(([labels, distribution]) => {
    const counts = distribution.cumulative();
    const bounds = [...distribution.bounds, '+Inf'];
    return [
      ...bounds.map((le, index) => ({
        ...{ metricName: `${name}_bucket`, labels: { ...labels, le } },
        value: counts[index] ?? 0,
      })),
      { metricName: `${name}_sum`, labels, value: distribution.sum },
      { metricName: `${name}_count`, labels, value: counts.at(-1) ?? 0 },
    ];
  });
}
