/** A read forwards that is answered once: rows or lines from a position on, as the views show them. */

import { type Checks, checkOptions, expectText, expectWholeNumber, optional } from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import type { MessageRow } from '../model/message-row.ts';
import { exchange, expectHeaderText, expectSuccess, identityHeaders, segment } from './calls.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

export interface ReadPageOptions extends RequestOptions {
  /** One of the two. */
  readonly seqNum?: number | undefined;
  readonly timestamp?: number | undefined;
  /** 1,000 at most. */
  readonly count?: number | undefined;
  /** Which records are wanted, such as `level>=warn service=checkout`: see src/readers/filter/README.md. */
  readonly filter?: string | undefined;
  /** Base64 of 32 bytes, for a stream that is encrypted. */
  readonly encryptionKey?: string | undefined;
}

/** There may be fewer than were asked for: an answer has an end, and goes on at `next`; undefined where it looked at nothing. */
export interface ViewPage<T> {
  readonly content: readonly T[];
  readonly next: number | undefined;
}

export interface PageCalls {
  /** Rows of the view `message`; none at the tail and beyond. */
  readRows(stream: string, options: ReadPageOptions): Promise<ViewPage<MessageRow>>;
  /** Lines of the view `text`, one for each record; none at the tail and beyond. */
  readLines(stream: string, options: ReadPageOptions): Promise<ViewPage<string>>;
}

const CHECKS: Checks<ReadPageOptions> = {
  ...REQUEST_CHECKS,
  seqNum: optional(expectWholeNumber),
  timestamp: optional(expectWholeNumber),
  count: optional(expectWholeNumber),
  filter: optional(expectText),
  encryptionKey: optional(expectHeaderText),
};

/** The calls on one server. `basinOf` says which basin a call is for. */
export function pageCalls(
  target: ServerTarget,
  basinOf: (options: RequestOptions | undefined) => string | undefined,
): PageCalls {
  const linesOf = async (stream: string, options: ReadPageOptions, view: 'message' | 'text', accept: string) => {
    checkOptions(options, 'options', CHECKS);
    const path = `/v1/streams/${segment(stream, 'the name of a stream')}/records`;
    const { seqNum, timestamp, count, filter, encryptionKey, signal } = options;
    const query = new URLSearchParams({ view, clamp: 'true', wait: '0' });
    const asked = { seq_num: seqNum, timestamp, count, filter };
    for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value));
    const key = encryptionKey === undefined ? {} : { 's2-encryption-key': encryptionKey };
    const headers = { ...identityHeaders(target, basinOf(options)), ...key, accept };
    const answer = await exchange({ method: 'GET', url: `${target.endpoint}${path}?${query}`, headers, signal });
    // With `clamp` this says that there is nothing from the tail on.
    if (answer.status === 416) return { lines: [], next: undefined };
    expectSuccess(answer, `GET ${path}`);
    const next = answer.headers.get('tailrace-next-seq-num');
    const lines = Buffer.from(answer.body).toString('utf8').split('\n');
    return { lines: lines.slice(0, -1), next: next === null ? undefined : Number(next) };
  };
  return {
    async readRows(stream, options) {
      const { lines, next } = await linesOf(stream, options, 'message', 'application/x-ndjson');
      return { content: lines.map(rowIn), next };
    },
    async readLines(stream, options) {
      const { lines, next } = await linesOf(stream, options, 'text', 'text/plain');
      return { content: lines, next };
    },
  };
}

function rowIn(line: string): MessageRow {
  try {
    return JSON.parse(line) as MessageRow;
  } catch (cause) {
    throw new TailraceError('internal', 'a row of the answer is not JSON: is this a Tailrace with views?', { cause });
  }
}
