/** A log over a memory engine whose commits a test holds back, counts and fails, and a clock that a test moves. */

import type { Basin } from '../../src/log/basins.ts';
import type { ReadEvent } from '../../src/log/events.ts';
import { Log } from '../../src/log/log.ts';
import type { LogOptions } from '../../src/log/options.ts';
import type { Stream } from '../../src/log/stream.ts';
import type { Clock } from '../../src/model/clock.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import type { BasinConfig } from '../../src/model/stream-config.ts';
import { type BlockDraft, draftRecords } from '../../src/storage/block/seal.ts';
import type { CommitOptions, Engine, EngineState, ScanOptions, Snapshot, Write } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';

export const BASIN: BasinConfig = {
  createStreamOnAppend: true,
  createStreamOnRead: false,
  defaultStream: { storageClass: 'express' },
  streamCipher: undefined,
  otlpDefaultStream: '',
  oidc: undefined,
};

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  wallMs = 1_000_000;
  #monotonicMs = 0;
  #timers = new Set<{ readonly dueMs: number; readonly call: () => void }>();

  now(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  timer(delayMs: number, call: () => void): () => void {
    const timer = { dueMs: this.#monotonicMs + delayMs, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.wallMs += ms;
    this.#monotonicMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.dueMs > this.#monotonicMs) continue;
      this.#timers.delete(timer);
      timer.call();
    }
  }
}

/** Passes everything on to an engine; commits wait while they are held, and fail when told to. */
export class HeldEngine implements Engine {
  readonly inner: Engine;
  /** Writes of each transaction that was handed over, in order. */
  readonly transactions: (readonly Write[])[] = [];
  /** The highest number of transactions that were under way at once. */
  inFlightMost = 0;
  #inFlight = 0;
  #held = false;
  #gates: ((outcome: 'go' | 'fail') => void)[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #failing = false;

  constructor(inner: Engine = openMemoryEngine()) {
    this.inner = inner;
  }

  hold(): void {
    this.#held = true;
  }

  /** Completes the oldest held transaction, or fails it: then those handed over after it fail too. */
  async settleOne(outcome: 'go' | 'fail' = 'go'): Promise<void> {
    while (this.#gates.length === 0) await turn();
    this.#gates.shift()?.(outcome);
    await turn();
  }

  release(): void {
    this.#held = false;
    for (const gate of this.#gates.splice(0)) gate('go');
  }

  get waiting(): number {
    return this.#gates.length;
  }

  commit(writes: readonly Write[], options?: CommitOptions): Promise<void> {
    this.transactions.push(writes);
    this.#inFlight++;
    this.inFlightMost = Math.max(this.inFlightMost, this.#inFlight);
    const gate = this.#held ? new Promise<'go' | 'fail'>((resolve) => this.#gates.push(resolve)) : 'go';
    const before = this.#last;
    const done = (async () => {
      try {
        await before;
        if (this.#failing || (await gate) === 'fail') {
          this.#failing = true;
          throw new TailraceError('storage', 'told to fail');
        }
        await this.inner.commit(writes, options);
      } finally {
        this.#inFlight--;
        if (this.#inFlight === 0) this.#failing = false;
      }
    })();
    const settled = done.catch(() => {});
    this.#last = settled;
    return done;
  }

  get(key: Uint8Array) {
    return this.inner.get(key);
  }

  snapshot(): Promise<Snapshot> {
    return this.inner.snapshot();
  }

  scan(scan: ScanOptions) {
    return this.inner.scan(scan);
  }

  stat() {
    return this.inner.stat();
  }

  confirm(): Promise<void> {
    return this.inner.confirm();
  }

  onState(listener: (state: EngineState) => void): void {
    this.inner.onState(listener);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

export interface Harness {
  readonly log: Log;
  readonly engine: HeldEngine;
  readonly clock: TestClock;
  readonly basin: Basin;
  readonly fatal: TailraceError[];
  stream(name: string): Promise<Stream>;
  /** Another log over the same store, as after a restart. */
  reopen(): Promise<Harness>;
}

export async function openHarness(
  engine = new HeldEngine(),
  clock = new TestClock(),
  config = BASIN,
  more: Partial<LogOptions> = {},
): Promise<Harness> {
  const fatal: TailraceError[] = [];
  const options: LogOptions = { clock, onFatal: (error) => fatal.push(error), ...more };
  const log = await Log.open(engine, options);
  const { it: basin } = await log.ensureBasin('basin-one', config);
  return {
    log,
    engine,
    clock,
    basin,
    fatal,
    stream: async (name) => log.openStream(basin, name, 'append'),
    reopen: () => openHarness(new HeldEngine(engine.inner), clock, config, more),
  };
}

/** A draft of text records. */
export function texts(...bodies: readonly string[]): BlockDraft {
  return draftRecords(bodies.map((body) => ({ headers: [], body: Buffer.from(body) })));
}

/** A draft of records with client timestamps. */
export function timed(...timestamps: readonly number[]): BlockDraft {
  return draftRecords(
    timestamps.map((timestamp) => ({ timestamp, headers: [], body: Buffer.from(String(timestamp)) })),
  );
}

export const FROM_START: ReadRange = {
  start: { seqNum: 0 },
  clamp: false,
  count: undefined,
  bytes: undefined,
  until: undefined,
  waitMs: undefined,
};

/** One record in a form that tests compare. */
export interface Seen {
  readonly seqNum: number;
  readonly timestamp: number;
  readonly body: string;
}

/** The records of an event. */
export function recordsOf(event: ReadEvent): Seen[] {
  if (event.type !== 'records') return [];
  return Array.from({ length: event.to - event.from }, (_, i) => {
    const { seqNum, timestamp, body } = event.block.record(event.from + i);
    return { seqNum, timestamp, body: Buffer.from(body).toString() };
  });
}

/** Everything that a bounded read returns; a following read ends at the tail. */
export async function readAll(log: Log, stream: Stream, range: Partial<ReadRange> = {}): Promise<Seen[]> {
  const abort = new AbortController();
  const seen: Seen[] = [];
  for await (const event of log.read(stream, { ...FROM_START, ...range }, abort.signal)) {
    if (event.type === 'caught_up') break;
    seen.push(...recordsOf(event));
  }
  return seen;
}

/** The next turn of the event loop, after all work that is ready. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
