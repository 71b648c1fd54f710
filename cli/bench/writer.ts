/**
 * One connection that appends: batches that are made once and numbered again each time, so many under way at once as the
 * load asks for. At a rate, a batch is due when the last of its records has come, and each counts from the time at which it
 * came, however late the batch goes out: what waits for its batch, or for a slow server, counts as slow.
 */

import type { Latencies } from './latencies.ts';
import type { Payloads } from './payload.ts';

/** Bytes that hold a batch, and where its payloads begin. */
export interface NumberedBatch {
  readonly bytes: Buffer;
  readonly payloads: readonly number[];
}

/** Where batches go: an append session, or requests one after the other. */
export interface BatchSink {
  /** Makes a batch for a writer, with payloads that are filled in. */
  batch(writer: number): NumberedBatch;
  /** Sends it; `onAck` is called with how many records the server has taken. */
  send(batch: NumberedBatch, onAck: (records: number) => void): void;
  /** Nothing more will be sent. Resolves when the server has ended it in order; rejects as soon as it fails. */
  end(): Promise<void>;
  readonly failed: Promise<never>;
  /** So many batches may be under way. */
  readonly inFlightMax: number;
}

export interface WriterOptions {
  readonly writer: number;
  readonly payloads: Payloads;
  /** Between batches; 0 sends as fast as the server takes them. */
  readonly intervalMs: number;
  readonly durationMs: number;
  readonly latencies: Latencies;
  /** Called before a batch goes out: its first number, and since when its last record counts. */
  readonly onSend: (firstNumber: number, since: number) => void;
  /** Called with how many records were acknowledged instead of how many were sent. */
  readonly onMiscount: (got: number, wanted: number) => void;
}

export class BenchWriter {
  /** Records that the server has taken. */
  acknowledged = 0;
  /** Batches that it was not yet heard of. */
  underWay = 0;
  readonly #sink: BatchSink;
  readonly #options: WriterOptions;
  readonly #free: NumberedBatch[] = [];
  #sent = 0;
  #batches = 0;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #over: () => void = () => {};
  #isStopped = false;

  constructor(sink: BatchSink, options: WriterOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Writes until the time is over and everything is acknowledged. @throws what the sink fails with */
  async run(): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    this.#startedAt = performance.now();
    this.#fill();
    await Promise.race([finished, this.#sink.failed]);
    await Promise.race([this.#sink.end(), this.#sink.failed]);
  }

  /** Sends nothing more; `run` ends when what is under way is acknowledged. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#endIfDone();
  }

  /** Sends what may go out now, and waits for the time of the next. */
  #fill(): void {
    const { intervalMs, durationMs } = this.#options;
    clearTimeout(this.#timer);
    while (!this.#isStopped && this.underWay < this.#sink.inFlightMax) {
      const now = performance.now() - this.#startedAt;
      const due = intervalMs === 0 ? now : this.#batches * intervalMs;
      if (Math.max(due, now) >= durationMs) {
        this.#isStopped = true;
      } else if (due > now) {
        this.#timer = setTimeout(() => this.#fill(), due - now);
        return;
      } else {
        this.#send(this.#startedAt + due);
      }
    }
    this.#endIfDone();
  }

  #send(since: number): void {
    const { payloads, latencies, intervalMs, onSend, onMiscount } = this.#options;
    const batch = this.#free.pop() ?? this.#sink.batch(this.#options.writer);
    const first = this.#sent;
    for (const at of batch.payloads) payloads.renumber(batch.bytes, at, this.#sent++);
    this.#batches++;
    this.underWay++;
    onSend(first, since);
    this.#sink.send(batch, (records) => {
      const wanted = batch.payloads.length;
      const took = performance.now() - since;
      for (let after = 0; after < wanted; after++) latencies.add(took + (after * intervalMs) / wanted);
      if (records !== wanted) onMiscount(records, wanted);
      this.acknowledged += wanted;
      this.underWay--;
      this.#free.push(batch);
      this.#fill();
    });
  }

  #endIfDone(): void {
    if (this.#isStopped && this.underWay === 0) this.#over();
  }
}
