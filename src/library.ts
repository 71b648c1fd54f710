/** The library: a store inside the caller's own process, without a port. */

import { type AppendConditions, type AppendRecord, appendInput, CONDITION_CHECKS } from './client/append-input.ts';
import type { StreamEntry } from './client/control.ts';
import { onAbort } from './client/on-abort.ts';
import type { RecordPage } from './client/read-back.ts';
import { parseConfig } from './config.ts';
import { readAround } from './log/around-record.ts';
import { type Basin, existingBasin } from './log/basins.ts';
import { checkBatch } from './log/check-batch.ts';
import type { RecordsEvent } from './log/events.ts';
import type { BackPage, BackWatch } from './log/read-back.ts';
import type { Stream } from './log/stream.ts';
import type { StreamOnPage } from './log/streams.ts';
import type { AbortSignalLike } from './model/abort-signal.ts';
import type { AggregateResult } from './model/aggregate.ts';
import { bytesIn, checkOptions, expectText, expectWholeNumber } from './model/arguments.ts';
import { TailraceError } from './model/error.ts';
import {
  BACK_RECORDS_DEFAULT,
  BACK_RECORDS_MAX,
  CONTEXT_RECORDS_DEFAULT,
  CONTEXT_RECORDS_MAX,
  READ_BATCH_BYTES_MAX,
} from './model/limits.ts';
import type { MessageRow } from './model/message-row.ts';
import { streamNameFault } from './model/names.ts';
import type { AppendAck, Position } from './model/position.ts';
import type { ReadRange, ReadStart } from './model/read-range.ts';
import type { StreamRecord } from './model/record.ts';
import { expectSelection, type StreamSelection, selectionPairs } from './model/selection.ts';
import type { StreamFiguresJson } from './model/stream-figures.ts';
import { type OpenStore, openStore } from './open-store.ts';
import { ingest } from './otlp/ingest.ts';
import type { IngestResult } from './otlp/ingest-result.ts';
import { messageRows } from './otlp/views/message.ts';
import { parseAggregate } from './readers/aggregate/parse-aggregate.ts';
import { FROM_OLDEST, runAggregate } from './readers/aggregate/run-aggregate.ts';
import { loadFilter } from './readers/filter/load-filter.ts';
import { parseManyQuery, selectionOf } from './readers/many/parse-many-query.ts';
import { checkParts, PART_CHECKS, type StoreParts } from './store-parts.ts';
import {
  AGGREGATE_CHECKS,
  type AggregateCallOptions,
  AROUND_CHECKS,
  type AroundOptions,
  BACK_CHECKS,
  type BackOptions,
  type FollowManyOptions,
  MANY_CHECKS,
  type MemberRecord,
  OTLP_CHECKS,
  type OtlpOptions,
  READ_CHECKS,
  type ReadOptions,
  STREAMS_CHECKS,
  type StoreOptions,
  type StreamsOptions,
  type Tailrace,
} from './tailrace.ts';
import { figuresJson } from './usage/figures-json.ts';

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

const LISTED_STREAMS = 1_000;
const ANY_STREAM = { absolute: (name: string) => name, mayRead: () => true };
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
      const { signal, contentType, encryptionKey } = options;
      const { log, config } = this.#opened;
      const encoding = contentType === 'application/json' ? 'json' : 'protobuf';
      return ingest(log, this.#basin(), { signal, encoding, body }, { limits: config, encryptionKey });
    });
  }

  read(name: string, options: ReadOptions = {}): AsyncGenerator<StreamRecord> {
    return this.#read(name, options, 0, recordsOf);
  }

  follow(name: string, options: ReadOptions = {}): AsyncGenerator<StreamRecord> {
    return this.#read(name, options, FOLLOW_MS, recordsOf);
  }

  rows(name: string, options: ReadOptions = {}): AsyncGenerator<MessageRow> {
    return this.#read(name, options, 0, rowsOf);
  }

  followRows(name: string, options: ReadOptions = {}): AsyncGenerator<MessageRow> {
    return this.#read(name, options, FOLLOW_MS, rowsOf);
  }

  async *aggregate(name: string, options: AggregateCallOptions = {}): AsyncGenerator<AggregateResult> {
    checkOptions(options, 'options', AGGREGATE_CHECKS);
    const ending = new AbortController();
    const stop = onAbort(options.signal, () => ending.abort());
    try {
      const { sum, by = [], bucket, filter, start = FROM_OLDEST, encryptionKey } = options;
      const query = parseAggregate({ sum, by, bucket });
      const stream = await this.#stream(name, 'read');
      const { log, clock } = this.#opened;
      const run = {
        clock,
        signal: ending.signal,
        msMax: undefined,
        hasPartial: true,
        reserve: () => {},
        range: rangeOf({ ...options, start }, 0),
        filter: filter === undefined ? [] : [filter],
        query,
      };
      yield* await runAggregate(log, stream, run, { protocol: 'library', encryptionKey });
    } catch (error) {
      throw asTailraceError(error);
    } finally {
      stop();
      ending.abort();
    }
  }

  async *followMany(selection: StreamSelection, options: FollowManyOptions = {}): AsyncGenerator<MemberRecord> {
    expectSelection(selection, 'selection');
    checkOptions(options, 'options', MANY_CHECKS);
    const ending = new AbortController();
    const stop = onAbort(options.signal, () => ending.abort());
    try {
      const filter = await loadFilter(options.filter === undefined ? [] : [options.filter]);
      const many = parseManyQuery(new URLSearchParams(selectionPairs(selection)));
      const range = { selection: selectionOf(many, ANY_STREAM), from: options.from ?? 'tail' } as const;
      const read = await this.#opened.log.startMany(this.#basin(), range, ending.signal, { filter });
      for await (const event of read) {
        if (event.type !== 'records' || event.of === undefined) continue;
        const { block, from, to, of } = event;
        for (let i = from; i < to; i++) yield { stream: of.name, ...ownRecord(block.record(i)) };
      }
    } catch (error) {
      throw asTailraceError(error);
    } finally {
      stop();
    }
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

  async *#read<T>(
    name: string,
    options: ReadOptions,
    waitMs: number,
    shownAs: (event: RecordsEvent) => Iterable<T>,
  ): AsyncGenerator<T> {
    checkOptions(options, 'options', READ_CHECKS);
    const ending = new AbortController();
    const stop = onAbort(options.signal, () => ending.abort());
    try {
      const filter = await loadFilter(options.filter === undefined ? [] : [options.filter]);
      const stream = await this.#stream(name, 'read');
      const { log } = this.#opened;
      const { encryptionKey } = options;
      for await (const event of log.read(stream, rangeOf(options, waitMs), ending.signal, { filter, encryptionKey })) {
        if (event.type === 'caught_up' && waitMs === 0) return;
        if (event.type === 'records') yield* shownAs(event);
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

function* recordsOf({ block, from, to }: RecordsEvent): Generator<StreamRecord> {
  for (let i = from; i < to; i++) yield ownRecord(block.record(i));
}

function rowsOf({ block, from, to }: RecordsEvent): readonly MessageRow[] {
  return messageRows(block, from, to);
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
