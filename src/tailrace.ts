/** What the library offers: an open store and what its calls take. */

import { type AggregateColumns, COLUMN_CHECKS } from './client/aggregate.ts';
import type { AppendConditions, AppendRecord } from './client/append-input.ts';
import type { ListStreamsOptions, StreamEntry } from './client/control.ts';
import type { ReadAroundOptions, ReadBackOptions, RecordPage } from './client/read-back.ts';
import type { AbortSignalLike } from './model/abort-signal.ts';
import type { AggregateResult } from './model/aggregate.ts';
import {
  type Checks,
  expectAbortSignal,
  expectBytes,
  expectSignalName,
  expectStart,
  expectText,
  expectWholeNumber,
  oneOf,
  optional,
} from './model/arguments.ts';
import type { MessageRow } from './model/message-row.ts';
import type { AppendAck, Position } from './model/position.ts';
import type { ReadStart } from './model/read-range.ts';
import type { Signal, StreamRecord } from './model/record.ts';
import type { StreamSelection } from './model/selection.ts';
import type { ServerOptions } from './options.ts';
import type { IngestResult } from './otlp/ingest-result.ts';
/** As the client's, in this process. */
export type BackOptions = Pick<ReadBackOptions, 'before' | 'limit' | 'filter' | 'signal'>;
export type AroundOptions = Pick<ReadAroundOptions, 'context'>;
export type StreamsOptions = Pick<ListStreamsOptions, 'prefix' | 'startAfter'>;

/** Settings of the store. Those of the port and of tokens have no effect here. */
export type StoreOptions = ServerOptions;

export interface OtlpOptions {
  readonly signal: Signal;
  readonly contentType: 'application/x-protobuf' | 'application/json';
  /** 32 bytes: what goes to streams with a cipher is encrypted with. Without it, that is rejected. */
  readonly encryptionKey?: Uint8Array | undefined;
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
  /** 32 bytes, for a stream with a cipher. */
  readonly encryptionKey?: Uint8Array | undefined;
  /** Ends the read quietly. */
  readonly signal?: AbortSignalLike | undefined;
}

/** What to count and sum: the names of columns and the spans of time are those of the HTTP call. */
export interface AggregateCallOptions extends ReadOptions, AggregateColumns {}

export interface FollowManyOptions extends Pick<ReadOptions, 'filter' | 'signal'> {
  /** Where to start in the streams that are there; the default is their tails. */
  readonly from?: 'tail' | 'start' | undefined;
}

/** A record of one of many streams. */
export interface MemberRecord extends StreamRecord {
  readonly stream: string;
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
   * Counts records, and sums a column of them, by group and bucket of time: what there is so far about once a second, and at
   * last the whole, which is `complete`. See src/readers/aggregate/README.md.
   * @throws TailraceError `bad_query` for a column that does not exist
   */
  aggregate(stream: string, options?: AggregateCallOptions): AsyncGenerator<AggregateResult>;
  /**
   * The records of many streams of the default basin in the order in which they become durable, each with the name of its
   * stream, for as long as `follow`. Streams that are made later join with their first record.
   */
  followMany(selection: StreamSelection, options?: FollowManyOptions): AsyncGenerator<MemberRecord>;
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
  /** The records from `start` to the tail, or to a bound, as rows: each log record, span or metric with its columns. */
  rows(stream: string, options?: ReadOptions): AsyncGenerator<MessageRow>;
  /** The same, and then those of every record that is appended, for as long as `follow`. */
  followRows(stream: string, options?: ReadOptions): AsyncGenerator<MessageRow>;
  /** The durable tail. @throws TailraceError `stream_not_found` */
  checkTail(stream: string): Promise<Position>;
  /** Removes the records below `seqNum`; resolves when their space is free. */
  trim(stream: string, seqNum: number): Promise<void>;
  /** Waits for the calls under way and releases the data directory. May be called twice. */
  close(): Promise<void>;
}

export const OTLP_CHECKS: Checks<OtlpOptions> = {
  signal: expectSignalName,
  contentType: oneOf(['application/x-protobuf', 'application/json'] satisfies OtlpOptions['contentType'][]),
  encryptionKey: optional(expectBytes),
};
export const BACK_CHECKS: Checks<BackOptions> = {
  before: optional(expectWholeNumber),
  limit: optional(expectWholeNumber),
  filter: optional(expectText),
  signal: optional(expectAbortSignal),
};
export const AROUND_CHECKS: Checks<AroundOptions> = { context: optional(expectWholeNumber) };
export const STREAMS_CHECKS: Checks<StreamsOptions> = {
  prefix: optional(expectText),
  startAfter: optional(expectText),
};
export const READ_CHECKS: Checks<ReadOptions> = {
  start: optional(expectStart),
  count: optional(expectWholeNumber),
  bytes: optional(expectWholeNumber),
  until: optional(expectWholeNumber),
  filter: optional(expectText),
  encryptionKey: optional(expectBytes),
  signal: optional(expectAbortSignal),
};
export const AGGREGATE_CHECKS: Checks<AggregateCallOptions> = { ...READ_CHECKS, ...COLUMN_CHECKS };
export const MANY_CHECKS: Checks<FollowManyOptions> = {
  from: optional(oneOf(['tail', 'start'])),
  filter: optional(expectText),
  signal: optional(expectAbortSignal),
};
