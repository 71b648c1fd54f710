/**
 * The server's metrics for Prometheus. Each server has its own, because a program may run several; those of one node of a
 * cluster have them in common. Labels come from closed lists, so what clients send never makes new series; and from
 * basins, a limited number of them.
 */

import type { Registry } from 'prom-client';
import { SIGNALS, type Signal } from '../model/record.ts';
import { VERSION } from '../model/version.ts';
import { processMetrics } from './process-metrics.ts';
import {
  byLabel,
  Distribution,
  LATENCY_SECONDS,
  type Labelled,
  type ScrapedMetric,
  unlabelled,
} from './scraped-metric.ts';
import type { Received } from './senders.ts';
import { type MetricSources, WatchedSources } from './watched-sources.ts';

/** An OTLP request that got a 200. */
export interface Taken {
  readonly accepted: number;
  readonly reasons: readonly { readonly kind: string; readonly count: number }[];
  readonly changes?: readonly { readonly change: string; readonly count: number }[];
  readonly tolerated: ReadonlyMap<string, number>;
}

const RECORDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 100_000];
const BYTES = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];
const ENTRIES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500];

/** Counts the events of the log (it fits LogObserver) and of the OTLP endpoints. */
export class Metrics {
  /** Enum values that came as names in OTLP/JSON. */
  readonly jsonTally = { enumNames: 0 };
  readonly #metrics: ScrapedMetric[] = [];
  #registry: Registry | undefined;
  readonly #permit: Distribution;
  readonly #ack: Distribution;
  readonly #batchRecords: Distribution;
  readonly #batchBytes: Distribution;
  readonly #commit: Distribution;
  readonly #entries: Distribution;
  readonly #transactionBytes: Distribution;
  readonly #appendedRecords = new Tallies<string>();
  readonly #appendedBytes = new Tallies<string>();
  readonly #accepted = new Tallies<Signal>();
  readonly #repeated = new Tallies<Signal>();
  readonly #rejected = new Map<Signal, Tallies<string>>(SIGNALS.map((signal) => [signal, new Tallies()]));
  readonly #changed = new Map<Signal, Tallies<string>>(SIGNALS.map((signal) => [signal, new Tallies()]));
  readonly #tolerated = new Map<Signal, Tallies<string>>(SIGNALS.map((signal) => [signal, new Tallies()]));
  readonly #requests = new Map<Signal, Tallies<string>>(SIGNALS.map((signal) => [signal, new Tallies()]));
  readonly #operations = new Tallies<string>();
  readonly #reads = new Tallies<string>();
  readonly #sources = new WatchedSources();
  #isWatched = false;
  #readRecords = 0;
  #readBytes = 0;

  constructor() {
    const histogram = (name: string, help: string, bounds: readonly number[]): Distribution => {
      const distribution = new Distribution(bounds);
      this.#metrics.push({ type: 'histogram', name, help, labels: [], distributions: () => [[{}, distribution]] });
      return distribution;
    };
    this.#permit = histogram(
      's2_append_permit_latency_seconds',
      'From the acceptance of an append to the transaction that takes it along.',
      LATENCY_SECONDS,
    );
    this.#ack = histogram(
      's2_append_ack_latency_seconds',
      'From the acceptance of an append to its acknowledgement.',
      LATENCY_SECONDS,
    );
    this.#batchRecords = histogram('s2_append_batch_records', 'Records of one append to one stream.', RECORDS);
    this.#batchBytes = histogram('s2_append_batch_bytes', 'Metered bytes of one append to one stream.', BYTES);
    this.#commit = histogram('tailrace_commit_latency_seconds', 'Until a transaction is on disk.', LATENCY_SECONDS);
    this.#entries = histogram('tailrace_transaction_entries', 'Requests that share a transaction.', ENTRIES);
    this.#transactionBytes = histogram('tailrace_transaction_bytes', 'Bytes of one transaction.', BYTES);
    this.#addCounters();
    this.#metrics.push(buildInfo(), ...processMetrics());
  }

  appended(_stream: unknown, kind: string, records: number, meteredBytes: number): void {
    this.#batchRecords.add(records);
    this.#batchBytes.add(meteredBytes);
    this.#appendedRecords.add(kind, records);
    this.#appendedBytes.add(kind, meteredBytes);
  }

  permitted(latencyMs: number): void {
    this.#permit.add(latencyMs / 1_000);
  }

  acked(latencyMs: number): void {
    this.#ack.add(latencyMs / 1_000);
  }

  committed(latencyMs: number, entries: number, bytes: number): void {
    this.#commit.add(latencyMs / 1_000);
    this.#entries.add(entries);
    this.#transactionBytes.add(bytes);
  }

  stored(): void {}

  readBegan(_stream: unknown, protocol: string): void {
    this.#reads.add(protocol, 1);
  }

  read(_stream: unknown, records: number, meteredBytes: number): void {
    this.#readRecords += records;
    this.#readBytes += meteredBytes;
  }

  operation(operation: string): void {
    this.#operations.add(operation, 1);
  }

  /** An OTLP request was stored, all of it or in part. */
  otlpTaken(signal: Signal, { accepted, reasons, tolerated, changes = [] }: Taken): void {
    this.otlpAnswered(signal, 200);
    this.#accepted.add(signal, accepted);
    for (const { kind, count } of reasons) this.#rejected.get(signal)?.add(kind, count);
    for (const [kind, count] of tolerated) this.#tolerated.get(signal)?.add(kind, count);
    for (const { change, count } of changes) this.#changed.get(signal)?.add(change, count);
  }

  /** An OTLP request got the answer to the one that it repeats. */
  otlpRepeated(signal: Signal): void {
    this.otlpAnswered(signal, 200);
    this.#repeated.add(signal, 1);
  }

  /** An OTLP request got a response with this status. */
  otlpAnswered(signal: Signal, status: number): void {
    this.#requests.get(signal)?.add(String(status), 1);
  }

  /**
   * Adds the metrics of the rest of a server; several may have these metrics in common. Returns what ends it: what was
   * counted stays. Call that before the store is closed.
   */
  watch(sources: MetricSources): () => void {
    if (!this.#isWatched) this.add(this.#sources.metrics());
    this.#isWatched = true;
    return this.#sources.add(sources);
  }

  /** Adds more metrics, in the place of those of the same names. */
  add(metrics: readonly ScrapedMetric[]): void {
    for (const metric of metrics) {
      const at = this.#metrics.findIndex(({ name }) => name === metric.name);
      this.#metrics.splice(at < 0 ? this.#metrics.length : at, at < 0 ? 0 : 1, metric);
    }
    this.#registry = undefined;
  }

  /** All metrics but those of basins, whose names not everyone may know. */
  get own(): readonly ScrapedMetric[] {
    return this.#metrics;
  }

  /** Makes the registry, so that the first scrape need not wait for its library. */
  async load(): Promise<Registry> {
    const { registryOf } = await import('./prometheus.ts');
    this.#registry ??= registryOf(this.#metrics);
    return this.#registry;
  }

  /** All metrics in Prometheus' text format 0.0.4; those of basins only for the ones that the caller may know. */
  async text(mayKnow: (basin: string) => boolean): Promise<string> {
    const { registryOf } = await import('./prometheus.ts');
    const ofBasins = registryOf([lastReceived(() => this.#sources.received, mayKnow)]);
    return `${await (await this.load()).metrics()}\n${await ofBasins.metrics()}`;
  }

  #addCounters(): void {
    const counter = (name: string, help: string, labels: string[], read: () => Labelled): void =>
      void this.#metrics.push({ type: 'counter', name, help, labels, read });
    counter('tailrace_appended_records_total', 'Records that became durable.', ['kind'], () =>
      byLabel('kind', this.#appendedRecords),
    );
    counter('tailrace_appended_bytes_total', 'Metered bytes that became durable.', ['kind'], () =>
      byLabel('kind', this.#appendedBytes),
    );
    counter('tailrace_read_records_total', 'Records given to readers.', [], () => unlabelled(this.#readRecords));
    counter('tailrace_read_bytes_total', 'Metered bytes given to readers.', [], () => unlabelled(this.#readBytes));
    counter('tailrace_reads_total', 'Reads that began, by protocol.', ['protocol'], () =>
      byLabel('protocol', this.#reads),
    );
    counter('tailrace_operations_total', 'Calls over HTTP that were allowed, by S2 operation.', ['operation'], () =>
      byLabel('operation', this.#operations),
    );
    const accepted = 'Log records, spans and data points that became durable.';
    counter('tailrace_otlp_accepted_total', accepted, ['signal'], () => everySignal(this.#accepted));
    const repeated = 'Requests that repeat one in the window of their basin, so they were not stored again.';
    counter('tailrace_otlp_repeated_total', repeated, ['signal'], () => everySignal(this.#repeated));
    const rejected = 'Log records, spans and data points that were refused while the rest of their request was stored.';
    counter('tailrace_otlp_rejected_total', rejected, ['signal', 'reason'], () => bySignal('reason', this.#rejected));
    const changed = 'Attributes, values, events and links that the policy of a basin left out or cut.';
    counter('tailrace_otlp_changed_total', changed, ['signal', 'change'], () => bySignal('change', this.#changed));
    const tolerated = 'What OTLP does not allow and was repaired or read all the same: its senders should be fixed.';
    counter('tailrace_otlp_tolerated_total', tolerated, ['signal', 'what'], () => bySignal('what', this.#tolerated));
    counter(
      'tailrace_otlp_requests_total',
      'OTLP requests by the status of their response; calls of gRPC by the status that OTLP/HTTP has for them.',
      ['signal', 'status'],
      () => bySignal('status', this.#requests),
    );
    const enumNames = 'Names of enum values in OTLP/JSON, which requires numbers: their senders should be fixed.';
    counter('tailrace_otlp_json_enum_names_total', enumNames, [], () => unlabelled(this.jsonTally.enumNames));
  }
}

function everySignal(tallies: Tallies<Signal>): Labelled {
  return byLabel(
    'signal',
    SIGNALS.map((signal) => [signal, tallies.get(signal)] as const),
  );
}

/** A value of 1, whose labels say what runs. */
function buildInfo(): ScrapedMetric {
  const read = (): Labelled => [[{ version: VERSION, node: process.versions.node }, 1]];
  const help = 'The version of the server and that of Node.js; the value is always 1.';
  return { type: 'gauge', name: 'tailrace_build_info', help, labels: ['version', 'node'], read };
}

/** When basins received OTLP data last, of those that the caller may know. */
function lastReceived(received: () => Received, mayKnow: (basin: string) => boolean): ScrapedMetric {
  const read = (): Labelled =>
    [...received()].flatMap(([basin, times]) =>
      mayKnow(basin) ? [...times].map(([signal, ms]) => [{ basin, signal }, ms / 1_000] as const) : [],
    );
  const name = 'tailrace_otlp_last_received_timestamp_seconds';
  const help = 'When OTLP data was received last, in Unix seconds: since the start, of the basins that received last.';
  return { type: 'gauge', name, help, labels: ['basin', 'signal'], read };
}

function bySignal(label: string, tallies: ReadonlyMap<Signal, Tallies<string>>): Labelled {
  return [...tallies].flatMap(([signal, values]) =>
    [...values].map(([key, value]) => [{ signal, [label]: key }, value] as const),
  );
}

/** Sums by key. */
class Tallies<K> {
  readonly #sums = new Map<K, number>();

  add(key: K, amount: number): void {
    this.#sums.set(key, (this.#sums.get(key) ?? 0) + amount);
  }

  get(key: K): number {
    return this.#sums.get(key) ?? 0;
  }

  [Symbol.iterator](): Iterator<[K, number]> {
    return this.#sums.entries();
  }
}
