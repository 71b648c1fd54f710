/** One benchmark of a stream: appends, a reader that follows them, and one that reads all of it again afterwards. */

import type { Client } from '../../src/client/client.ts';
import { onAbort } from '../../src/client/on-abort.ts';
import type { ServerTarget } from '../../src/client/request.ts';
import { TailraceError } from '../../src/model/error.ts';
import { Faults } from './faults.ts';
import { Latencies, type LatencySummary, SendTimes } from './latencies.ts';
import { Ledger } from './ledger.ts';
import { Payloads } from './payload.ts';
import { BenchReader } from './reader.ts';
import { otlpSink, sessionSink } from './sinks.ts';
import { BenchWriter } from './writer.ts';

export interface BenchPlan {
  readonly target: ServerTarget;
  readonly basin: string;
  readonly stream: string;
  readonly protocol: 's2s' | 'otlp';
  /** What else is measured. */
  readonly reads: ReadonlySet<'tail' | 'catchup'>;
  readonly durationMs: number;
  /** Metered. */
  readonly recordBytes: number;
  /** Records of a batch. */
  readonly batch: number;
  readonly connections: number;
  /** Metered bytes a second, over all connections; undefined is as fast as the server takes them. */
  readonly rate: number | undefined;
}

/** How much, in which time, and how long each took. */
export interface BenchFigures {
  readonly records: number;
  readonly seconds: number;
  readonly latency: LatencySummary | undefined;
}

/** What S2 counts for a record beside its body, without headers. */
const RECORD_OVERHEAD_BYTES = 8;
/** A server that says nothing for so long while an answer is due is taken for lost. */
const SILENCE_MS_MAX = 60_000;
const LOOK_MS = 1_000;

export class Bench {
  readonly faults = new Faults();
  /** Of a processor core, while it wrote: client and readers together. */
  generatorCores: number | undefined;
  readonly #plan: BenchPlan;
  readonly #client: Client;
  readonly #payloads: Payloads;
  readonly #acks = new Latencies();
  readonly #delays = new Latencies();
  readonly #ending = new AbortController();
  #writers: readonly BenchWriter[] = [];
  #startedAt = Number.NaN;
  #writtenAt: number | undefined;
  #tail: BenchReader | undefined;
  #catchup: BenchReader | undefined;

  constructor(plan: BenchPlan, client: Client) {
    this.#plan = plan;
    this.#client = client;
    this.#payloads = new Payloads(plan.recordBytes - RECORD_OVERHEAD_BYTES);
  }

  /** Runs it all. @throws TailraceError what the server refuses, `unavailable` when it is gone, `aborted` by the signal */
  async run(signal: AbortSignal): Promise<void> {
    const stop = onAbort(signal, () => this.#ending.abort());
    const silence = this.#watchSilence();
    try {
      await Promise.race([this.#phases(), silence.failed]);
    } finally {
      stop();
      silence.stop();
      // Ends every session that is still open.
      this.#ending.abort();
    }
  }

  get append(): BenchFigures {
    const records = this.#acknowledged();
    const seconds = ((this.#writtenAt ?? performance.now()) - this.#startedAt) / 1_000;
    return { records, seconds: Number.isNaN(seconds) ? 0 : seconds, latency: this.#acks.summary() };
  }

  /** Undefined when it is not measured, or did not begin. */
  get tail(): BenchFigures | undefined {
    if (this.#tail === undefined) return undefined;
    return { ...figuresOf(this.#tail, this.#startedAt), latency: this.#delays.summary() };
  }

  get catchup(): BenchFigures | undefined {
    return this.#catchup === undefined ? undefined : figuresOf(this.#catchup, this.#catchup.openedAt);
  }

  async #phases(): Promise<void> {
    const { reads, connections, basin, stream, batch } = this.#plan;
    const times = reads.has('tail') ? new SendTimes(connections, batch, this.#intervalMs / batch) : undefined;
    const ledger = this.#ledger('tail');
    if (times !== undefined) {
      const since = () => times.of(this.#payloads.writer, this.#payloads.number);
      this.#tail = this.#reader(ledger, { since, into: this.#delays });
      await this.#tail.opened;
    }
    await this.#write(times);
    const signal = this.#ending.signal;
    const end = (await this.#client.checkTail(stream, { basin, signal })).seqNum;
    const acknowledged = this.#acknowledged();
    if (end !== acknowledged) {
      this.faults.add('miscounted', `the tail is ${end}, and ${acknowledged} records were acknowledged`);
    }
    if (this.#tail !== undefined) {
      await this.#tail.readTo(acknowledged);
      this.#finish(ledger);
      this.#tail.close();
    }
    if (!reads.has('catchup')) return;
    const again = this.#ledger('catch-up');
    this.#catchup = this.#reader(again);
    await this.#catchup.done;
    this.#finish(again);
  }

  /** Between the batches of a writer. */
  get #intervalMs(): number {
    const { batch, connections, rate, recordBytes } = this.#plan;
    return rate === undefined ? 0 : (recordBytes * batch * connections * 1_000) / rate;
  }

  async #write(times: SendTimes | undefined): Promise<void> {
    const { target, basin, stream, protocol, batch, connections, rate, durationMs } = this.#plan;
    const payloads = this.#payloads;
    const { signal } = this.#ending;
    const isPaced = rate !== undefined;
    const sinkOptions = { target, basin, stream, payloads, records: batch, isPaced, signal };
    const before = process.cpuUsage();
    this.#startedAt = performance.now();
    this.#writers = Array.from({ length: connections }, (_, writer) => {
      const sink = protocol === 'otlp' ? otlpSink(sinkOptions) : sessionSink(sinkOptions);
      return new BenchWriter(sink, {
        writer,
        payloads,
        intervalMs: this.#intervalMs,
        durationMs,
        latencies: this.#acks,
        onSend: (first, since) => times?.sent(writer, first, since),
        onMiscount: (got, wanted) => {
          this.faults.add('miscounted', `${got} records were acknowledged of a batch of ${wanted}`);
        },
      });
    });
    const failed = this.#tail === undefined ? [] : [endedEarly(this.#tail)];
    await Promise.race([Promise.all(this.#writers.map((writer) => writer.run())), ...failed]);
    this.#writtenAt = performance.now();
    const { user, system } = process.cpuUsage(before);
    this.generatorCores = (user + system) / 1_000 / (this.#writtenAt - this.#startedAt);
  }

  #reader(
    ledger: Ledger,
    latency?: { readonly since: () => number | undefined; readonly into: Latencies },
  ): BenchReader {
    const { target, basin, stream } = this.#plan;
    return new BenchReader({
      target,
      basin,
      stream,
      signal: this.#ending.signal,
      payloads: this.#payloads,
      ledger,
      follows: latency !== undefined,
      ...(latency === undefined ? {} : { latency }),
    });
  }

  #ledger(reader: string): Ledger {
    return new Ledger(reader, this.#payloads, this.#plan.connections, this.faults);
  }

  #finish(ledger: Ledger): void {
    ledger.finish(this.#writers.map(({ acknowledged }) => acknowledged));
  }

  #acknowledged(): number {
    return this.#writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  /** Rejects when an answer is due and nothing at all comes. */
  #watchSilence(): { readonly failed: Promise<never>; stop(): void } {
    let timer: NodeJS.Timeout | undefined;
    const failed = new Promise<never>((_, reject) => {
      let [heardAt, heard] = [performance.now(), -1];
      timer = setInterval(() => {
        const now = this.#acknowledged() + (this.#tail?.records ?? 0) + (this.#catchup?.records ?? 0);
        // Nothing is due of a writer that waits for its time.
        const isDue = this.#writtenAt !== undefined || this.#writers.some(({ underWay }) => underWay > 0);
        if (now !== heard || !isDue) [heardAt, heard] = [performance.now(), now];
        if (performance.now() - heardAt < SILENCE_MS_MAX) return;
        reject(new TailraceError('unavailable', `the server said nothing for ${SILENCE_MS_MAX / 1_000} s`));
      }, LOOK_MS);
    });
    failed.catch(() => {});
    return { failed, stop: () => clearInterval(timer) };
  }
}

/** A read that follows has no end. */
async function endedEarly(reader: BenchReader): Promise<never> {
  await reader.done;
  throw new TailraceError('unavailable', 'the server ended the read that follows');
}

function figuresOf({ records, lastAt }: BenchReader, startedAt: number): BenchFigures {
  return { records, seconds: records === 0 ? 0 : (lastAt - startedAt) / 1_000, latency: undefined };
}
