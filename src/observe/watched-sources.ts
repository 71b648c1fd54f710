/**
 * What is looked up when metrics are scraped, of all the servers that have them in common: most programs have one, a node
 * of a cluster has one for each partition. What several give as the same object or function is counted once.
 */

import { type EventLoopDelay, eventLoopMetrics } from './event-loop-delay.ts';
import { byLabel, type Labelled, type ScrapedMetric, unlabelled } from './scraped-metric.ts';
import type { Received, RecentSenders } from './senders.ts';

/** What is looked up of a server. */
export interface MetricSources {
  stat(): Promise<StoreStat>;
  /** Connections that are open, on both ports. */
  readonly connections: () => number;
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number };
  /** When basins received OTLP data last. */
  readonly received: () => Received;
  /** Of the last `RECENT_SENDERS_MS`. */
  readonly recentSenders: () => readonly RecentSenders[];
  /** That of the first one counts: it is one loop. */
  readonly loop: Pick<EventLoopDelay, 'look'>;
  /** The cap on the store; undefined without one. */
  readonly storeBytesMax: number | undefined;
  /** When the last backup was taken that its client read to the end, in ms; undefined since the start. */
  readonly lastBackup: () => number | undefined;
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

/** The worst is the last. */
const STATES = ['open', 'full', 'read_only', 'closed'];

/** Servers come and go. */
export class WatchedSources {
  readonly #watched = new Set<MetricSources>();
  /** One look at the stores serves all gauges of a scrape. */
  #looked: Promise<StoreStat | undefined> | undefined;

  /** Returns what ends it: call it before the store is closed. */
  add(sources: MetricSources): () => void {
    this.#watched.add(sources);
    return () => void this.#watched.delete(sources);
  }

  get received(): Received {
    const [first, ...others] = this.#each(({ received }) => received());
    return others.reduce<Received>(latest, first ?? new Map());
  }

  metrics(): ScrapedMetric[] {
    const memories = (): Iterable<MetricSources['memory']> => this.#each(({ memory }) => memory);
    return [
      ...this.#ofStores(),
      own('tailrace_last_backup_timestamp_seconds', BACKUP, () => {
        const times = [...this.#each(({ lastBackup }) => lastBackup)].flatMap((lastBackup) => lastBackup() ?? []);
        return times.length === 0 ? undefined : Math.max(...times) / 1_000;
      }),
      own('tailrace_open_connections', 'Connections that are open, on both ports.', () =>
        sum(
          this.#each(({ connections }) => connections),
          (count) => count(),
        ),
      ),
      own('tailrace_memory_reserved_bytes', 'Memory that requests in flight hold.', () =>
        sum(memories(), ({ usedBytes }) => usedBytes),
      ),
      own('tailrace_memory_limit_bytes', 'Memory that requests in flight may hold.', () =>
        sum(memories(), ({ limitBytes }) => limitBytes),
      ),
      sendersLately(() => [...this.#each(({ recentSenders }) => recentSenders)].flatMap((recent) => recent())),
      ...eventLoopMetrics({ look: () => [...this.#watched][0]?.loop.look() ?? { p50: 0, p99: 0, max: 0 } }),
    ];
  }

  #ofStores(): ScrapedMetric[] {
    const gauge = (
      name: string,
      help: string,
      read: (stat: StoreStat) => Labelled,
      labels: string[] = [],
    ): ScrapedMetric => {
      const readNow = async (): Promise<Labelled> => {
        const stat = await this.#look();
        return stat === undefined ? [] : read(stat);
      };
      return { type: 'gauge', name, help, labels, read: readNow };
    };
    const stateOf = ({ engine }: StoreStat): Labelled =>
      byLabel(
        'state',
        STATES.map((state) => [state, state === engine.state ? 1 : 0] as const),
      );
    return [
      gauge('tailrace_store_used_bytes', 'Bytes of the store in use.', ({ engine }) => unlabelled(engine.usedBytes)),
      gauge('tailrace_store_file_bytes', 'Size of the file of the store.', ({ engine }) =>
        unlabelled(engine.fileBytes),
      ),
      gauge('tailrace_store_free_bytes', 'Bytes that the store may still take, where that is known.', ({ engine }) =>
        engine.freeBytes === undefined ? [] : unlabelled(engine.freeBytes),
      ),
      own('tailrace_store_limit_bytes', 'Bytes that the store may have in use, where that has a cap.', () => {
        const caps = [...this.#watched].flatMap(({ storeBytesMax }) => storeBytesMax ?? []);
        return caps.length === 0 ? undefined : sum(caps, (cap) => cap);
      }),
      gauge('tailrace_store_state', STATE, stateOf, ['state']),
      gauge('tailrace_open_streams', 'Streams in memory.', ({ openStreams }) => unlabelled(openStreams)),
      gauge('tailrace_open_readers', READERS, ({ reads }) => byLabel('protocol', reads.byProtocol), ['protocol']),
      gauge('tailrace_reader_lag_records_max', LAG, ({ reads }) => unlabelled(reads.lagRecordsMax)),
    ];
  }

  /** Undefined without a store. */
  #look(): Promise<StoreStat | undefined> {
    this.#looked ??= Promise.all([...this.#watched].map((sources) => sources.stat()))
      .then((stats) => (stats.length === 0 ? undefined : stats.reduce(together)))
      .finally(() => {
        this.#looked = undefined;
      });
    return this.#looked;
  }

  /** Each once. */
  #each<T>(part: (sources: MetricSources) => T): Set<T> {
    return new Set([...this.#watched].map(part));
  }
}

const BACKUP = 'When the last backup was taken that was read to its end, since the start.';
const STATE = 'The state of the store: 1 for the current one. In read_only only a restart helps.';
const READERS = 'Reads under way, by protocol.';
const LAG = 'Records that the slowest reader has not been given yet.';

/** What two stores are together: the fullest and the worst of them say what does not add up. */
function together(one: StoreStat, other: StoreStat): StoreStat {
  const frees = [one, other].flatMap(({ engine }) => engine.freeBytes ?? []);
  const byProtocol = new Map(one.reads.byProtocol);
  for (const [protocol, count] of other.reads.byProtocol) {
    byProtocol.set(protocol, (byProtocol.get(protocol) ?? 0) + count);
  }
  const isWorse = STATES.indexOf(other.engine.state) > STATES.indexOf(one.engine.state);
  return {
    engine: {
      state: isWorse ? other.engine.state : one.engine.state,
      usedBytes: one.engine.usedBytes + other.engine.usedBytes,
      fileBytes: one.engine.fileBytes + other.engine.fileBytes,
      freeBytes: frees.length === 0 ? undefined : Math.min(...frees),
    },
    openStreams: one.openStreams + other.openStreams,
    reads: { byProtocol, lagRecordsMax: Math.max(one.reads.lagRecordsMax, other.reads.lagRecordsMax) },
  };
}

function latest(one: Received, other: Received): Received {
  const all = new Map(one);
  for (const [basin, times] of other) {
    const known = new Map(all.get(basin));
    for (const [signal, ms] of times) known.set(signal, Math.max(ms, known.get(signal) ?? 0));
    all.set(basin, known);
  }
  return all;
}

/** A gauge without labels; without a value where that is not known. */
function own(name: string, help: string, value: () => number | undefined): ScrapedMetric {
  const read = (): Labelled => {
    const now = value();
    return now === undefined ? [] : unlabelled(now);
  };
  return { type: 'gauge', name, help, labels: [], read };
}

function sendersLately(recent: () => readonly RecentSenders[]): ScrapedMetric {
  const read = (): Labelled => {
    const counts = new Map<string, readonly [labels: Readonly<Record<string, string>>, value: number]>();
    for (const { outcome, token, count } of recent()) {
      const labels = { outcome, token: token ? 'valid' : 'none' };
      const key = `${outcome} ${token}`;
      counts.set(key, [labels, count + (counts.get(key)?.[1] ?? 0)]);
    }
    return counts.values();
  };
  const help = 'Senders with a request of that outcome in the last 5 minutes; one may have several.';
  return { type: 'gauge', name: 'tailrace_recent_senders', help, labels: ['outcome', 'token'], read };
}

function sum<T>(all: Iterable<T>, value: (one: T) => number): number {
  let total = 0;
  for (const one of all) total += value(one);
  return total;
}
