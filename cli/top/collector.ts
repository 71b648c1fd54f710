/**
 * Asks a server for what `top` shows, with the calls that there are for everyone. One look takes a bounded number of
 * calls, however many streams there are.
 */

import type { Client } from '../../src/client/client.ts';
import type { StreamEntry } from '../../src/client/control.ts';
import type { ScrapedSample } from '../../src/client/scrape.ts';
import type { SenderJson, SendersJson } from '../../src/client/senders.ts';
import { upTo } from '../control-plane.ts';
import { defaultBasin, formatStreamUri } from '../flags/names.ts';
import { softwareText } from '../print/sender.ts';
import { isDenied, sendersSeen } from '../senders-seen.ts';
import { BucketWindow, quantile, RateWindow } from './rate-window.ts';
import type { TopSender, TopServer, TopSnapshot, TopStream } from './snapshot.ts';
import { StreamDetailsLooker } from './stream-details.ts';

/** What one look lists at most. */
const BASINS_MAX = 8;
const STREAMS_MAX = 2_000;
const SENDERS_MAX = 500;

/** Of the time, a server spends at most so much on us: what takes long is done less often, down to once in ten seconds. */
const LOOK_SHARE = 10;
const PAUSE_MS_MAX = 10_000;

/**
 * How long to wait after a look that took so long. One that failed, or that waited for a server that was away, says
 * nothing about the work that it makes, so it must not keep the screen from going on.
 */
export function pauseAfter(tookMs: number, intervalMs: number, isLost: boolean): number {
  const rest = isLost ? 0 : Math.min(PAUSE_MS_MAX, tookMs * (LOOK_SHARE - 1));
  return Math.max(intervalMs - tookMs, rest, 1);
}

export interface TopTarget {
  readonly endpoint: string;
  /** Undefined: all that the token may list. */
  readonly basin: string | undefined;
  readonly prefix: string;
}

interface ListedEntry {
  readonly basin: string;
  readonly entry: StreamEntry;
}

export class TopCollector {
  readonly #client: Client;
  readonly #target: TopTarget;
  readonly #signal: AbortSignal;
  readonly #rates = new RateWindow();
  readonly #acks = new BucketWindow();
  readonly #details: StreamDetailsLooker;
  readonly #hidden = new Set<'metrics' | 'senders' | 'streams'>();

  constructor(client: Client, target: TopTarget, signal: AbortSignal) {
    this.#client = client;
    this.#target = target;
    this.#signal = signal;
    this.#details = new StreamDetailsLooker(client, signal);
  }

  /** @throws TailraceError `unavailable` when the server does not answer; `authn` */
  async look(shown: ReadonlySet<string>): Promise<TopSnapshot> {
    const [samples = [], senders, listed = []] = await Promise.all([
      this.#allowed('metrics', () => this.#client.scrape({ signal: this.#signal })),
      this.#allowed('senders', () => this.#senders()),
      this.#allowed('streams', () => this.#list()),
    ]);
    const nowMs = senders === undefined ? Date.now() : Date.parse(senders.now);
    const atMs = performance.now();
    const server = this.#server(samples, atMs);
    const entries = listed.slice(0, STREAMS_MAX);
    const streams = entries.map((entry) => this.#stream(entry, atMs));
    await this.#details.look(streams, shown, nowMs, server.readers !== 0);
    const rows = (senders?.senders ?? []).map((sender) => this.#sender(sender, atMs));
    this.#rates.endLook();
    return {
      nowMs,
      server,
      streams: streams.map((stream) => ({ ...stream, ...this.#details.of(stream.uri, nowMs) })),
      senders: rows,
      hasMoreStreams: listed.length > entries.length,
      hidden: this.#hiddenTexts(),
    };
  }

  async #allowed<T>(what: 'metrics' | 'senders' | 'streams', ask: () => Promise<T>): Promise<T | undefined> {
    if (this.#hidden.has(what)) return undefined;
    try {
      return await ask();
    } catch (error) {
      if (!isDenied(error)) throw error;
      this.#hidden.add(what);
      return undefined;
    }
  }

  #hiddenTexts(): readonly string[] {
    const texts = {
      metrics: 'figures of the server (operation account-metrics)',
      senders: 'senders (operation basin-metrics)',
      streams: 'streams (operation list-streams)',
      errors: 'errors (operation read)',
      readers: 'readers (operation read)',
    };
    return [...this.#hidden, ...this.#details.hidden].map((what) => texts[what]);
  }

  #senders(): Promise<SendersJson> {
    return sendersSeen(this.#client, { basin: this.#target.basin, limit: SENDERS_MAX, signal: this.#signal });
  }

  /** One more than are shown, where there are more. */
  async #list(): Promise<readonly ListedEntry[]> {
    const { prefix } = this.#target;
    const listed: ListedEntry[] = [];
    for (const basin of await this.#basins()) {
      const options = { basin, prefix, figures: true, signal: this.#signal };
      const entries = upTo(STREAMS_MAX + 1 - listed.length, this.#client.listStreams(options));
      for await (const entry of entries) listed.push({ basin, entry });
    }
    return listed;
  }

  /** One that may not list basins sees its own one. */
  async #basins(): Promise<readonly string[]> {
    if (this.#target.basin !== undefined) return [this.#target.basin];
    try {
      const names: string[] = [];
      for await (const { name } of upTo(BASINS_MAX, this.#client.listBasins({ signal: this.#signal })))
        names.push(name);
      return names;
    } catch (error) {
      if (!isDenied(error)) throw error;
      const { basin, default_basin: usual = defaultBasin() } = await this.#client.whoami({ signal: this.#signal });
      return [basin ?? usual];
    }
  }

  #stream(
    { basin, entry }: ListedEntry,
    atMs: number,
  ): Omit<TopStream, 'errors' | 'hasMoreErrors' | 'readers' | 'lag'> {
    const { name: stream, figures } = entry;
    const uri = formatStreamUri({ basin, stream });
    const nextSeqNum = figures?.next_seq_num ?? 0;
    const records = this.#rates.rate(`records ${uri}`, atMs, nextSeqNum);
    const bytes = this.#rates.rate(`bytes ${uri}`, atMs, figures?.metered_bytes ?? 0);
    return {
      ...{ uri, basin, stream, nextSeqNum },
      // At the first look, and where something was trimmed meanwhile, the server's own rate of the last minute.
      recordsPerSecond: records ?? figures?.records_per_second ?? undefined,
      bytesPerSecond: bytes ?? figures?.metered_bytes_per_second ?? undefined,
      lastMs: figures?.last_timestamp ?? undefined,
    };
  }

  #sender(sender: SenderJson, atMs: number): TopSender {
    const { address, basin, token, user_agent: agent, service_names: services, accepted, rejected, refused } = sender;
    const key = JSON.stringify([address, agent, token, basin, services]);
    return {
      ...{ key, address, accepted, rejected, refused },
      basin: basin ?? undefined,
      streams: sender.streams,
      service: services.join(', ') || '-',
      sdk: softwareText(sender),
      recordsPerSecond: this.#rates.rate(`sender ${key}`, atMs, accepted),
      reason: reasonOf(sender),
      lastMs: Date.parse(sender.last_seen),
    };
  }

  #server(samples: readonly ScrapedSample[], atMs: number): TopServer {
    const found = (name: string) => samples.filter((sample) => sample.name === name);
    const sum = (name: string): number | undefined => {
      const values = found(name).map(({ value }) => value);
      return values.length === 0 ? undefined : values.reduce((total, value) => total + value, 0);
    };
    const rate = (name: string): number | undefined => {
      const value = samples.length === 0 ? undefined : (sum(name) ?? 0);
      return value === undefined ? undefined : this.#rates.rate(name, atMs, value);
    };
    const started = sum('process_start_time_seconds');
    const buckets = found('s2_append_ack_latency_seconds_bucket');
    const acks = this.#acks.since(atMs, {
      bounds: buckets.map(({ labels }) => (labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le))),
      counts: buckets.map(({ value }) => value),
    });
    const ms = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1_000);
    return {
      endpoint: this.#target.endpoint,
      version: found('tailrace_build_info')[0]?.labels.version,
      startedMs: ms(started),
      storeBytes: sum('tailrace_store_used_bytes'),
      recordsPerSecond: rate('tailrace_appended_records_total'),
      bytesPerSecond: rate('tailrace_appended_bytes_total'),
      readers: samples.length === 0 ? undefined : (sum('tailrace_open_readers') ?? 0),
      memoryBytes: sum('tailrace_memory_reserved_bytes'),
      memoryLimitBytes: sum('tailrace_memory_limit_bytes'),
      ackP50Ms: ms(quantile(acks, 0.5)),
      ackP99Ms: ms(quantile(acks, 0.99)),
    };
  }
}

/** The newest reason why something of it was not stored. */
function reasonOf({ rejections, refusals }: SenderJson): string | undefined {
  const reasons = [
    ...rejections.map(({ last_seen: last, message, reason }) => ({ last, text: message ?? reason })),
    ...refusals.map(({ last_seen: last, status, message, code }) => ({ last, text: `${status} ${message ?? code}` })),
  ];
  return reasons.sort((a, b) => (a.last < b.last ? 1 : -1))[0]?.text;
}
