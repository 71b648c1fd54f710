/** The library: a store inside the caller's own process, without a port. */

import type { AppendRecord } from './client/records.ts';
import { parseConfig, type ServerOptions } from './config.ts';
import type { Basin } from './log/basins.ts';
import type { Stream } from './log/stream.ts';
import { TailraceError } from './model/error.ts';
import { BLOCK_BYTES_MAX, RECORD_METERED_BYTES_MAX } from './model/limits.ts';
import { streamNameFault } from './model/names.ts';
import type { AppendAck, Position } from './model/position.ts';
import type { ReadRange, ReadStart } from './model/read-range.ts';
import { type Header, meteredBytes, type Signal, type StreamRecord } from './model/record.ts';
import { type OpenStore, type OpenStoreParts, openStore } from './open-store.ts';
import { type IngestResult, ingest } from './otlp/ingest.ts';
import { type BlockDraft, draftRecords } from './storage/block/seal.ts';

/** Settings of the store. Those of the port and of tokens have no effect here. */
export type StoreOptions = ServerOptions;
export type StoreParts = Omit<OpenStoreParts, 'wrapEngine'>;

export interface OtlpOptions {
  readonly signal: Signal;
  readonly contentType: 'application/x-protobuf' | 'application/json';
}

export interface ReadOptions {
  /** The default is the tail. */
  readonly start?: ReadStart;
  readonly count?: number;
  /** Metered bytes. */
  readonly bytes?: number;
  /** Exclusive timestamp in ms. */
  readonly until?: number;
  readonly signal?: AbortSignal;
}

/** An open store. When an assertion of ours fails, it is closed, and every call rejects with `fatal`. */
export interface Tailrace {
  /**
   * Appends all records or none to a stream of the default basin, which is made when missing. Durable when it resolves.
   */
  append(stream: string, records: readonly AppendRecord[]): Promise<AppendAck>;
  /** Stores an OTLP Export request, decompressed, as the HTTP endpoint does. Partial success is in the result. */
  ingestOtlp(body: Uint8Array, options: OtlpOptions): Promise<IngestResult>;
  /** Yields the records from `start` to the tail, or to a bound. The caller owns their bodies and headers. */
  read(stream: string, options?: ReadOptions): AsyncGenerator<StreamRecord>;
  /** The same, and then every record that is appended, until `signal` is aborted or the loop is left. */
  follow(stream: string, options?: ReadOptions): AsyncGenerator<StreamRecord>;
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

  async append(name: string, records: readonly AppendRecord[]): Promise<AppendAck> {
    const drafts = draftsOf(records);
    const stream = await this.#stream(name, 'append');
    const [ack] = await this.#opened.log.append([{ stream, drafts }]);
    if (ack === undefined) throw new TailraceError('internal', 'an append was not answered');
    return ack;
  }

  async ingestOtlp(body: Uint8Array, { signal, contentType }: OtlpOptions): Promise<IngestResult> {
    const { log, config } = this.#opened;
    const encoding = contentType === 'application/json' ? 'json' : 'protobuf';
    return ingest(log, this.#basin(), { signal, encoding, body }, { limits: config });
  }

  read(name: string, options: ReadOptions = {}): AsyncGenerator<StreamRecord> {
    return this.#records(name, options, 0);
  }

  follow(name: string, options: ReadOptions = {}): AsyncGenerator<StreamRecord> {
    return this.#records(name, options, FOLLOW_MS);
  }

  async checkTail(name: string): Promise<Position> {
    return this.#opened.log.checkTail(await this.#stream(name, 'read'));
  }

  async trim(name: string, seqNum: number): Promise<void> {
    await this.#opened.log.trim(await this.#stream(name, 'read'), seqNum);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opened.close();
  }

  async *#records(name: string, options: ReadOptions, waitMs: number): AsyncGenerator<StreamRecord> {
    const stream = await this.#stream(name, 'read');
    const range = rangeOf(options, waitMs);
    const signal = options.signal ?? new AbortController().signal;
    try {
      for await (const event of this.#opened.log.read(stream, range, signal)) {
        if (event.type === 'caught_up' && waitMs === 0) return;
        if (event.type !== 'records') continue;
        for (let i = event.from; i < event.to; i++) yield ownRecord(event.block.record(i));
      }
    } catch (error) {
      // For a read that ends at the tail, a start at the tail is not an error: there is nothing to read.
      if (waitMs === 0 && isAtTail(error, options.start)) return;
      throw error;
    }
  }

  async #stream(name: string, purpose: 'append' | 'read'): Promise<Stream> {
    const fault = streamNameFault(name);
    if (fault !== undefined) throw new TailraceError('invalid', fault);
    return this.#opened.log.openStream(this.#basin(), name, purpose);
  }

  #basin(): Basin {
    this.#expectSound();
    if (this.#closed) throw new TailraceError('closed', 'the store is closed');
    const { log, config } = this.#opened;
    const basin = log.basin(config.defaultBasin);
    if (basin === undefined) throw new TailraceError('basin_not_found', `basin \`${config.defaultBasin}\` not found`);
    return basin;
  }
}

/** Blocks of at most their usual size; all of them go into one transaction. */
function draftsOf(records: readonly AppendRecord[]): BlockDraft[] {
  if (records.length === 0) throw new TailraceError('invalid', 'an append needs at least one record');
  const drafts: BlockDraft[] = [];
  let part: {
    readonly timestamp?: number | undefined;
    readonly headers: readonly Header[];
    readonly body: Uint8Array;
  }[] = [];
  let bytes = 0;
  for (const { headers = [], ...record } of records) {
    const metered = meteredBytes(headers, record.body.length);
    if (metered > RECORD_METERED_BYTES_MAX) {
      throw new TailraceError(
        'invalid',
        `a record has at most ${RECORD_METERED_BYTES_MAX} metered bytes, this one ${metered}`,
      );
    }
    if (part.length > 0 && bytes + metered > BLOCK_BYTES_MAX) {
      drafts.push(draftRecords(part));
      part = [];
      bytes = 0;
    }
    part.push({ ...record, headers });
    bytes += metered;
  }
  return [...drafts, draftRecords(part)];
}

function rangeOf({ start, count, bytes, until }: ReadOptions, waitMs: number): ReadRange {
  return { start: start ?? { tailOffset: 0 }, clamp: false, count, bytes, until, waitMs };
}

function isAtTail(error: unknown, start: ReadStart | undefined): boolean {
  if (!(error instanceof TailraceError) || error.code !== 'range_not_satisfiable') return false;
  if (start === undefined || 'tailOffset' in start) return true;
  return 'seqNum' in start ? start.seqNum === error.detail.tail?.seqNum : true;
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
