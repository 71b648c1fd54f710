/**
 * The server's metrics for Prometheus. Each server has its own, because a program may run several. Labels come from
 * closed lists, so what clients send never makes new series; and from basins, a limited number of them.
 */

import type { Registry } from 'prom-client';
import { SIGNALS, type Signal } from '../model/record.ts';
import { VERSION } from '../model/version.ts';
import { type EventLoopDelay, eventLoopMetrics } from './event-loop-delay.ts';
import { processMetrics } from './process-metrics.ts';
import {
  byLabel,
  Distribution,
  LATENCY_SECONDS,
  type Labelled,
  type ScrapedMetric,
  unlabelled,
} from './scraped-metric.ts';
import type { Received, RecentSenders } from './senders.ts';

/** What is looked up when the metrics are scraped. */
export interface MetricSources {
  stat(): Promise<StoreStat>;
  /** Connections that are open, on both ports. */
  connections(): number;
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number };
  /** When basins received OTLP data last. */
  received(): Received;
  /** Of the last `RECENT_SENDERS_MS`. */
  recentSenders(): readonly RecentSenders[];
  readonly loop: Pick<EventLoopDelay, 'look'>;
  /** The cap on the store; undefined without one. */
  readonly storeBytesMax: number | undefined;
  /** When the last backup was taken that its client read to the end, in ms; undefined since the start. */
  lastBackup(): number | undefined;
}

export interface StoreStat {
  readonly engine: {
    readonly state: string;
    readonly usedBytes: number;
    readonly fileBytes: number;
    readonly freeBytes: number | undefined;
  };
  readonly openStreams: number;
  readonly reads: { readonly byProtocol: ReadonlyMap<string, number>; readonly lagRecordsMax: number };
}

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
const STATES = ['open', 'full', 'read_only', 'closed'];

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
  #received = (): Received => new Map();
  #readRecords = 0;
  #readBytes = 0;

  constructor() {
    const histogram = (name: string, help: string, bounds: readonly number[]): Distribution => {
      const distribution = new Distribution(bounds);
      this.#metrics.push({ type: 'histogram', name, help, distribution });
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

  /** Adds the metrics of the rest of a server. Must be called at most once, and before `text`. */
  watch(sources: MetricSources): void {
    const { stat, connections, memory, received, recentSenders, loop, storeBytesMax, lastBackup } = sources;
    this.#received = received;
    // One call of `stat` serves all gauges of a scrape.
    let looked: Promise<StoreStat> | undefined;
    const look = (): Promise<StoreStat> => {
      looked ??= stat().finally(() => {
        looked = undefined;
      });
      return looked;
    };
    const gauge = (name: string, help: string, read: (stat: StoreStat) => Labelled, labels: string[] = []): void =>
      void this.#metrics.push({ type: 'gauge', name, help, labels, read: async () => read(await look()) });
    gauge('tailrace_store_used_bytes', 'Bytes of the store in use.', ({ engine }) => unlabelled(engine.usedBytes));
    gauge('tailrace_store_file_bytes', 'Size of the file of the store.', ({ engine }) => unlabelled(engine.fileBytes));
    gauge('tailrace_store_free_bytes', 'Bytes that the store may still take, where that is known.', ({ engine }) =>
      engine.freeBytes === undefined ? [] : unlabelled(engine.freeBytes),
    );
    gauge('tailrace_store_limit_bytes', 'Bytes that the store may have in use, where that has a cap.', () =>
      storeBytesMax === undefined ? [] : unlabelled(storeBytesMax),
    );
    const states = 'The state of the store: 1 for the current one. In read_only only a restart helps.';
    const stateOf = ({ engine }: StoreStat): Labelled =>
      byLabel(
        'state',
        STATES.map((state) => [state, state === engine.state ? 1 : 0] as const),
      );
    gauge('tailrace_store_state', states, stateOf, ['state']);
    gauge('tailrace_open_streams', 'Streams in memory.', ({ openStreams }) => unlabelled(openStreams));
    const readers = 'Reads under way, by protocol.';
    gauge('tailrace_open_readers', readers, ({ reads }) => byLabel('protocol', reads.byProtocol), ['protocol']);
    const lag = 'Records that the slowest reader has not been given yet.';
    gauge('tailrace_reader_lag_records_max', lag, ({ reads }) => unlabelled(reads.lagRecordsMax));
    const own = (name: string, help: string, read: () => number): void =>
      void this.#metrics.push({ type: 'gauge', name, help, labels: [], read: () => unlabelled(read()) });
    const backup = 'When the last backup was taken that was read to its end, since the start.';
    const backedUp = (): Labelled => (lastBackup() === undefined ? [] : unlabelled((lastBackup() ?? 0) / 1_000));
    this.#metrics.push({
      type: 'gauge',
      name: 'tailrace_last_backup_timestamp_seconds',
      help: backup,
      labels: [],
      read: backedUp,
    });
    own('tailrace_open_connections', 'Connections that are open, on both ports.', connections);
    own('tailrace_memory_reserved_bytes', 'Memory that requests in flight hold.', () => memory.usedBytes);
    own('tailrace_memory_limit_bytes', 'Memory that requests in flight may hold.', () => memory.limitBytes);
    this.#metrics.push(sendersLately(recentSenders), ...eventLoopMetrics(loop));
  }

  /** Adds more metrics. Must be called before `text` and `load`. */
  add(metrics: readonly ScrapedMetric[]): void {
    this.#metrics.push(...metrics);
  }

  /** All metrics but those of basins, whose names not everyone may know. */
  get own(): readonly ScrapedMetric[] {
    return this.#metrics;
  }

  /** Makes the registry, so that the first scrape need not wait for its library. Call it after `watch`. */
  async load(): Promise<Registry> {
    const { registryOf } = await import('./prometheus.ts');
    this.#registry ??= registryOf(this.#metrics);
    return this.#registry;
  }

  /** All metrics in Prometheus' text format 0.0.4; those of basins only for the ones that the caller may know. */
  async text(mayKnow: (basin: string) => boolean): Promise<string> {
    const { registryOf } = await import('./prometheus.ts');
    const ofBasins = registryOf([lastReceived(() => this.#received(), mayKnow)]);
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

function sendersLately(recent: () => readonly RecentSenders[]): ScrapedMetric {
  const read = (): Labelled =>
    recent().map(({ outcome, token, count }) => [{ outcome, token: token ? 'valid' : 'none' }, count] as const);
  const help = 'Senders with a request of that outcome in the last 5 minutes; one may have several.';
  return { type: 'gauge', name: 'tailrace_recent_senders', help, labels: ['outcome', 'token'], read };
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
