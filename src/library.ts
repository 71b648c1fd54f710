/** The library: a store inside the caller's own process, without a port. */

import { type AppendConditions, type AppendRecord, appendInput, CONDITION_CHECKS } from './client/append-input.ts';
import type { ListStreamsOptions, StreamEntry } from './client/control.ts';
import { onAbort } from './client/on-abort.ts';
import type { ReadAroundOptions, ReadBackOptions, RecordPage } from './client/read-back.ts';
import { parseConfig } from './config.ts';
import { readAround } from './log/around-record.ts';
import { type Basin, existingBasin } from './log/basins.ts';
import { checkBatch } from './log/check-batch.ts';
import type { BackPage, BackWatch } from './log/read-back.ts';
import type { Stream } from './log/stream.ts';
import type { StreamOnPage } from './log/streams.ts';
import type { AbortSignalLike } from './model/abort-signal.ts';
import {
  bytesIn,
  type Checks,
  checkOptions,
  expectAbortSignal,
  expectSignalName,
  expectStart,
  expectText,
  expectWholeNumber,
  oneOf,
  optional,
} from './model/arguments.ts';
import { TailraceError } from './model/error.ts';
import {
  BACK_RECORDS_DEFAULT,
  BACK_RECORDS_MAX,
  CONTEXT_RECORDS_DEFAULT,
  CONTEXT_RECORDS_MAX,
  READ_BATCH_BYTES_MAX,
} from './model/limits.ts';
import { streamNameFault } from './model/names.ts';
import type { AppendAck, Position } from './model/position.ts';
import type { ReadRange, ReadStart } from './model/read-range.ts';
import type { Signal, StreamRecord } from './model/record.ts';
import type { StreamFiguresJson } from './model/stream-figures.ts';
import { type OpenStore, openStore } from './open-store.ts';
import type { ServerOptions } from './options.ts';
import { ingest } from './otlp/ingest.ts';
import type { IngestResult } from './otlp/ingest-result.ts';
import { loadFilter } from './readers/filter/load-filter.ts';
import { checkParts, PART_CHECKS, type StoreParts } from './store-parts.ts';
import { figuresJson } from './usage/figures-json.ts';

/** As the client's, in this process. */
export type BackOptions = Pick<ReadBackOptions, 'before' | 'limit' | 'filter' | 'signal'>;
export type AroundOptions = Pick<ReadAroundOptions, 'context'>;
export type StreamsOptions = Pick<ListStreamsOptions, 'prefix' | 'startAfter'>;

/** Settings of the store. Those of the port and of tokens have no effect here. */
export type StoreOptions = ServerOptions;

export interface OtlpOptions {
  readonly signal: Signal;
  readonly contentType: 'application/x-protobuf' | 'application/json';
}

export interface ReadOptions {
  /** The default is the tail. */
  readonly start?: ReadStart | undefined;
  readonly count?: number | undefined;
  /** Metered bytes. */
  readonly bytes?: number | undefined;
  /** Exclusive timestamp in ms. */
  readonly until?: number | undefined;
  /** Which records are wanted, such as `level>=warn service=checkout`: see src/readers/filter/README.md. */
  readonly filter?: string | undefined;
  /** Ends the read quietly. */
  readonly signal?: AbortSignalLike | undefined;
}

/**
 * An open store. Every call rejects with TailraceError: a wrong argument is `invalid` for that call alone. When an
 * assertion of ours fails, the store is closed, and every call rejects with `fatal`. What is passed may be changed as
 * soon as a call returns.
 */
export interface Tailrace {
  /**
   * Appends all records or none to a stream of the default basin, which is made when missing. Durable when it resolves.
   * @throws TailraceError `seq_num_mismatch` (detail.seqNum), `fencing_token_mismatch` (detail.fencingToken), `invalid`
   * …
   */
  append(stream: string, records: readonly AppendRecord[], options?: AppendConditions): Promise<AppendAck>;
  /**
   * Stores an OTLP Export request, decompressed, as the HTTP endpoint does; a text is taken as UTF-8. Partial success is
   * in the result.
   */
  ingestOtlp(body: Uint8Array | string, options: OtlpOptions): Promise<IngestResult>;
  /** Yields the records from `start` to the tail, or to a bound. The caller owns their bodies and headers. */
  read(stream: string, options?: ReadOptions): AsyncGenerator<StreamRecord>;
  /** The same, and then every record that is appended, until `signal` is aborted or the loop is left. */
  follow(stream: string, options?: ReadOptions): AsyncGenerator<StreamRecord>;
  /**
   * The last records before a position, or before the tail, in the order of the stream; with a filter the last that it
   * wants. There may be fewer than `limit`: see `isAtStart`.
   */
  readBack(stream: string, options?: BackOptions): Promise<RecordPage>;
  /**
   * A record with those before and after it.
   * @throws TailraceError `range_not_satisfiable` when it is not there yet, `not_found` when it was trimmed away
   */
  readAround(stream: string, seqNum: number, options?: AroundOptions): Promise<RecordPage>;
  /** The streams of the default basin in the order of their names, with what they hold. */
  streams(options?: StreamsOptions): AsyncGenerator<StreamEntry>;
  /** The durable tail. @throws TailraceError `stream_not_found` */
  checkTail(stream: string): Promise<Position>;
  /** Removes the records below `seqNum`; resolves when their space is free. */
  trim(stream: string, seqNum: number): Promise<void>;
  /** Waits for the calls under way and releases the data directory. May be called twice. */
  close(): Promise<void>;
}

/**
 * Opens a store in this process, which then is the only one that may use the data directory.
 * @throws TailraceError `config`, `data_dir_in_use`, `format_too_new`, `corrupt`, `storage`, `storage_full`
 */
export async function openTailrace(options: StoreOptions = {}, parts: StoreParts = {}): Promise<Tailrace> {
  checkParts(parts, PART_CHECKS);
  let failed: TailraceError | undefined;
  let close = async (): Promise<void> => {};
  const onFatal = (error: TailraceError): void => {
    failed ??= error;
    parts.onFatal?.(error);
    close().catch(() => {});
  };
  const opened = await openStore(parseConfig(options), { ...parts, onFatal });
  close = () => opened.close();
  const expectSound = (): void => {
    if (failed !== undefined) throw failed;
  };
  return new Library(opened, expectSound);
}

const OTLP_CHECKS: Checks<OtlpOptions> = {
  signal: expectSignalName,
  contentType: oneOf(['application/x-protobuf', 'application/json'] satisfies OtlpOptions['contentType'][]),
};
const BACK_CHECKS: Checks<BackOptions> = {
  before: optional(expectWholeNumber),
  limit: optional(expectWholeNumber),
  filter: optional(expectText),
  signal: optional(expectAbortSignal),
};
const AROUND_CHECKS: Checks<AroundOptions> = { context: optional(expectWholeNumber) };
const STREAMS_CHECKS: Checks<StreamsOptions> = { prefix: optional(expectText), startAfter: optional(expectText) };
const LISTED_STREAMS = 1_000;
const READ_CHECKS: Checks<ReadOptions> = {
  start: optional(expectStart),
  count: optional(expectWholeNumber),
  bytes: optional(expectWholeNumber),
  until: optional(expectWholeNumber),
  filter: optional(expectText),
  signal: optional(expectAbortSignal),
};
/** A batch within this process is as large as its memory allows; S2's limits are those of its requests. */
const NO_LIMITS = { records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
/** The longest time of a timer; it starts again with every record. */
const FOLLOW_MS = 2 ** 31 - 1;

class Library implements Tailrace {
  readonly #opened: OpenStore;
  readonly #expectSound: () => void;
  #closed = false;

  constructor(opened: OpenStore, expectSound: () => void) {
    this.#opened = opened;
    this.#expectSound = expectSound;
  }

  append(name: string, records: readonly AppendRecord[], options?: AppendConditions): Promise<AppendAck> {
    return answered(async () => {
      // Copied before anything is waited for: the caller may use its buffers again.
      const input = appendInput(records, options, CONDITION_CHECKS).map(({ body, headers, timestamp }) => ({
        body: Buffer.from(body),
        headers: headers.map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const),
        timestamp,
      }));
      const { matchSeqNum, fencingToken } = options ?? {};
      const batch = { records: input, matchSeqNum, fencingToken, limits: NO_LIMITS };
      checkBatch(batch);
      return this.#opened.log.appendRecords({ stream: await this.#stream(name, 'append'), ...batch });
    });
  }

  ingestOtlp(given: Uint8Array | string, options: OtlpOptions): Promise<IngestResult> {
    return answered(async () => {
      const body = Buffer.from(bytesIn(given, 'body'));
      checkOptions(options, 'options', OTLP_CHECKS, ['signal', 'contentType']);
      const { signal, contentType } = options;
      const { log, config } = this.#opened;
      const encoding = contentType === 'application/json' ? 'json' : 'protobuf';
      return ingest(log, this.#basin(), { signal, encoding, body }, { limits: config });
    });
  }

  read(name: string, options: ReadOptions = {}): AsyncGenerator<StreamRecord> {
    return this.#records(name, options, 0);
  }

  follow(name: string, options: ReadOptions = {}): AsyncGenerator<StreamRecord> {
    return this.#records(name, options, FOLLOW_MS);
  }

  readBack(name: string, options: BackOptions = {}): Promise<RecordPage> {
    return answered(async () => {
      checkOptions(options, 'options', BACK_CHECKS);
      const { before, limit = BACK_RECORDS_DEFAULT, filter: text, signal } = options;
      const filter = await loadFilter(text === undefined ? [] : [text]);
      const stream = await this.#stream(name, 'read');
      const range = { before, clamp: false, limit: Math.min(limit, BACK_RECORDS_MAX), bytes: Number.POSITIVE_INFINITY };
      return pageOf(await this.#opened.log.readBack(stream, range, watchOf(signal), { filter }));
    });
  }

  readAround(name: string, seqNum: number, options: AroundOptions = {}): Promise<RecordPage> {
    return answered(async () => {
      expectWholeNumber(seqNum, 'seqNum');
      checkOptions(options, 'options', AROUND_CHECKS);
      const context = Math.min(options.context ?? CONTEXT_RECORDS_DEFAULT, CONTEXT_RECORDS_MAX);
      const stream = await this.#stream(name, 'read');
      const range = { seqNum, context, bytes: READ_BATCH_BYTES_MAX };
      const watch = { ...watchOf(undefined), signal: new AbortController().signal };
      return pageOf(await readAround(this.#opened.log, stream, range, watch));
    });
  }

  async *streams(options: StreamsOptions = {}): AsyncGenerator<StreamEntry> {
    checkOptions(options, 'options', STREAMS_CHECKS);
    const { prefix = '', startAfter: first = '' } = options;
    const { log, rates } = this.#opened;
    for (let startAfter = first; ; ) {
      const wanted = { prefix, startAfter, limit: LISTED_STREAMS, hasFigures: true };
      const basin = this.#basin();
      const { streams, hasMore } = await answered(() => log.listStreams(basin, wanted));
      for (const stream of streams) yield entryOf(stream, figuresJson(stream, rates));
      startAfter = streams.at(-1)?.name ?? '';
      if (!hasMore) return;
    }
  }

  checkTail(name: string): Promise<Position> {
    return answered(async () => this.#opened.log.checkTail(await this.#stream(name, 'read')));
  }

  trim(name: string, seqNum: number): Promise<void> {
    return answered(async () => {
      expectWholeNumber(seqNum, 'seqNum');
      await this.#opened.log.trim(await this.#stream(name, 'read'), seqNum);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opened.close();
  }

  async *#records(name: string, options: ReadOptions, waitMs: number): AsyncGenerator<StreamRecord> {
    checkOptions(options, 'options', READ_CHECKS);
    const ending = new AbortController();
    const stop = onAbort(options.signal, () => ending.abort());
    try {
      const filter = await loadFilter(options.filter === undefined ? [] : [options.filter]);
      const stream = await this.#stream(name, 'read');
      const { log } = this.#opened;
      for await (const event of log.read(stream, rangeOf(options, waitMs), ending.signal, { filter })) {
        if (event.type === 'caught_up' && waitMs === 0) return;
        if (event.type !== 'records') continue;
        for (let i = event.from; i < event.to; i++) yield ownRecord(event.block.record(i));
      }
    } catch (error) {
      // For a read that ends at the tail, a start at the tail is not an error: there is nothing to read.
      if (waitMs === 0 && isAtTail(error, options.start)) return;
      throw asTailraceError(error);
    } finally {
      stop();
    }
  }

  async #stream(name: string, purpose: 'append' | 'read'): Promise<Stream> {
    expectText(name, 'the name of a stream');
    const fault = streamNameFault(name);
    if (fault !== undefined) throw new TailraceError('invalid', fault);
    return this.#opened.log.openStream(this.#basin(), name, purpose);
  }

  #basin(): Basin {
    this.#expectSound();
    if (this.#closed) throw new TailraceError('closed', 'the store is closed');
    const { log, config } = this.#opened;
    return existingBasin(log, config.defaultBasin);
  }
}

/** What a call gives, or a TailraceError: also for what was not expected to be thrown. */
async function answered<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw asTailraceError(error);
  }
}

function asTailraceError(error: unknown): TailraceError {
  if (error instanceof TailraceError) return error;
  return new TailraceError('internal', 'a fault of Tailrace: the cause is attached', { cause: error });
}

function rangeOf({ start, count, bytes, until }: ReadOptions, waitMs: number): ReadRange {
  return { start: start ?? { tailOffset: 0 }, clamp: false, count, bytes, until, waitMs };
}

function isAtTail(error: unknown, start: ReadStart | undefined): boolean {
  if (!(error instanceof TailraceError) || error.code !== 'range_not_satisfiable') return false;
  if (start === undefined || 'tailOffset' in start) return true;
  return 'seqNum' in start ? start.seqNum === error.detail.tail?.seqNum : true;
}

/** Memory is the caller's own. */
function watchOf(signal: AbortSignalLike | undefined): BackWatch {
  return { isOver: () => signal?.aborted === true, reserve: () => {} };
}

function pageOf({ parts, start, end, isAtStart }: BackPage): RecordPage {
  const records: StreamRecord[] = [];
  for (const { block, from, to } of parts) for (let i = from; i < to; i++) records.push(ownRecord(block.record(i)));
  return { records, nextBefore: start, nextSeqNum: end, isAtStart };
}

function entryOf({ name, createdAt, deletedAt, cipher }: StreamOnPage, figures: StreamFiguresJson | null): StreamEntry {
  const deleted = deletedAt === undefined ? undefined : new Date(deletedAt).toISOString();
  const known = figures === null ? {} : { figures };
  return { name, createdAt: new Date(createdAt).toISOString(), deletedAt: deleted, cipher, ...known };
}

/** A copy of a record: a block returns views of its memory, but the caller may keep what it gets. */
function ownRecord({ seqNum, timestamp, headers, body }: StreamRecord): StreamRecord {
  return {
    seqNum,
    timestamp,
    headers: headers.map(([name, value]) => [Buffer.from(name), Buffer.from(value)]),
    body: Buffer.from(body),
  };
}
