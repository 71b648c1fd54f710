/** Reads that are answered once: the last records before a position, and those around a record. */

import { type Checks, checkOptions, expectText, expectWholeNumber, optional } from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import type { StreamRecord } from '../model/record.ts';
import { type ApiResponse, callApi, expectHeaderText, objectIn, segment } from './calls.ts';
import { recordOf } from './frames.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

export interface ReadBackOptions extends RequestOptions {
  /** The default is the tail. */
  readonly before?: number | undefined;
  /** 100 by default, 1,000 at most. */
  readonly limit?: number | undefined;
  /** Which records are wanted, such as `level>=warn service=checkout`: see src/readers/filter/README.md. */
  readonly filter?: string | undefined;
  /** Base64 of 32 bytes, for a stream that is encrypted. */
  readonly encryptionKey?: string | undefined;
}

export interface ReadAroundOptions extends RequestOptions {
  /** How many records on each side: 5 by default, 499 at most. */
  readonly context?: number | undefined;
  /** As in {@link ReadBackOptions}. */
  readonly encryptionKey?: string | undefined;
}

/** Records in the order of the stream, and where others are. */
export interface RecordPage {
  /** There may be fewer than were asked for, and others before them, unless `isAtStart`. */
  readonly records: readonly StreamRecord[];
  /** Older records are before this sequence number. */
  readonly nextBefore: number;
  /** Newer records begin at this one. */
  readonly nextSeqNum: number;
  /** No older record exists. */
  readonly isAtStart: boolean;
}

export interface BackCalls {
  /** The last records before a position that are wanted. @throws TailraceError `range_not_satisfiable` beyond the tail */
  readBack(stream: string, options?: ReadBackOptions): Promise<RecordPage>;
  /**
   * A record with those before and after it.
   * @throws TailraceError `range_not_satisfiable` when it is not there yet, `not_found` when it was trimmed away
   */
  readAround(stream: string, seqNum: number, options?: ReadAroundOptions): Promise<RecordPage>;
}

type KeyedOptions = Pick<ReadBackOptions, 'basin' | 'signal' | 'encryptionKey'>;

const KEY_CHECKS: Checks<KeyedOptions> = { ...REQUEST_CHECKS, encryptionKey: optional(expectHeaderText) };
const BACK_CHECKS: Checks<ReadBackOptions> = {
  ...KEY_CHECKS,
  before: optional(expectWholeNumber),
  limit: optional(expectWholeNumber),
  filter: optional(expectText),
};
const AROUND_CHECKS: Checks<ReadAroundOptions> = { ...KEY_CHECKS, context: optional(expectWholeNumber) };

/** The calls on one server. `basinOf` says which basin a call is for. */
export function backCalls(
  target: ServerTarget,
  basinOf: (options: RequestOptions | undefined) => string | undefined,
): BackCalls {
  const page = async (stream: string, options: KeyedOptions, asked: Readonly<Record<string, unknown>>) => {
    const path = `/v1/streams/${segment(stream, 'the name of a stream')}/records`;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value));
    const { encryptionKey, signal } = options;
    const key = encryptionKey === undefined ? {} : { 's2-encryption-key': encryptionKey };
    const headers = { 's2-format': 'base64', ...key };
    return pageIn(await callApi(target, { basin: basinOf(options), signal, method: 'GET', path, query, headers }));
  };
  return {
    async readBack(stream, options = {}) {
      checkOptions(options, 'options', BACK_CHECKS);
      const { before = 'tail', limit, filter } = options;
      return page(stream, options, { before, limit, filter });
    },
    async readAround(stream, around, options = {}) {
      expectWholeNumber(around, 'seqNum');
      checkOptions(options, 'options', AROUND_CHECKS);
      return page(stream, options, { around, context: options.context });
    },
  };
}

function pageIn({ headers, json }: ApiResponse): RecordPage {
  const { records } = objectIn(json, 'the records');
  const [nextBefore, nextSeqNum] = ['tailrace-next-before', 'tailrace-next-seq-num'].map((name) => headers.get(name));
  if (nextBefore == null || nextSeqNum == null || !Array.isArray(records)) {
    throw new TailraceError(
      'internal',
      'the answer does not say where it ends: is this a Tailrace that reads backwards?',
    );
  }
  return {
    records: records.map(recordOf),
    nextBefore: Number(nextBefore),
    nextSeqNum: Number(nextSeqNum),
    isAtStart: headers.get('tailrace-at-start') === 'true',
  };
}
