/** One s2s session that reads what a benchmark wrote, and looks at every record. */

import { type ExchangeOptions, S2sExchange } from '../../src/client/s2s/exchange.ts';
import { eachRecord } from '../../src/client/s2s/messages.ts';
import type { Latencies } from './latencies.ts';
import type { Ledger } from './ledger.ts';
import type { Payloads } from './payload.ts';

export interface BenchReaderOptions extends Omit<ExchangeOptions, 'method' | 'query'> {
  readonly payloads: Payloads;
  readonly ledger: Ledger;
  /** Whether it waits for more at the end. */
  readonly follows: boolean;
  /** Since when the record counts that `payloads` has looked at last, and where that goes. */
  readonly latency?: { readonly since: () => number | undefined; readonly into: Latencies };
}

export class BenchReader {
  records = 0;
  readonly openedAt = performance.now();
  /** When the last record came. */
  lastAt = Number.NaN;
  readonly #exchange: S2sExchange;
  readonly #options: BenchReaderOptions;
  /** The tail that a heartbeat has said: what did not come before it never comes. */
  #tail = 0;
  #end = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};

  constructor(options: BenchReaderOptions) {
    this.#options = options;
    const query = new URLSearchParams({ seq_num: '0', ...(options.follows ? {} : { wait: '0' }) });
    this.#exchange = new S2sExchange({ ...options, method: 'GET', query }, (message) => this.#take(message));
  }

  /** Resolves when the session is open. @throws TailraceError (rejects) when it is refused */
  get opened(): Promise<void> {
    return this.#exchange.answered;
  }

  /** @throws TailraceError (rejects) when the session fails. Resolves when the server ends it. */
  get done(): Promise<void> {
    return this.#exchange.done;
  }

  /** Resolves when there is nothing more to come before this sequence number. */
  async readTo(end: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#reached = resolve;
    });
    this.#end = end;
    this.#look();
    await Promise.race([reached, this.#exchange.done]);
  }

  close(): void {
    this.#exchange.close();
  }

  #take(message: Buffer): void {
    const { ledger, latency } = this.#options;
    const now = performance.now();
    const before = this.records;
    const tail = eachRecord(message, (seqNum, bytes, start, end) => {
      this.records++;
      if (!ledger.take(seqNum, bytes, start, end) || latency === undefined) return;
      const since = latency.since();
      if (since !== undefined) latency.into.add(now - since);
    });
    if (this.records > before) this.lastAt = now;
    else if (tail !== undefined) this.#tail = tail.seqNum;
    this.#look();
  }

  #look(): void {
    if (Math.max(this.#tail, this.#options.ledger.nextSeqNum) >= this.#end) this.#reached();
  }
}
