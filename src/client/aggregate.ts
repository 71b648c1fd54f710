/** Counts and sums of a stream's records: what there is so far as it comes, and at last the whole. */

import type { AggregateResult } from '../model/aggregate.ts';
import {
  type Checks,
  checkOptions,
  expectFlag,
  expectList,
  expectStart,
  expectText,
  expectWholeNumber,
  optional,
} from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import type { ReadStart } from '../model/read-range.ts';
import { expectHeaderText, identityHeaders, segment } from './calls.ts';
import { readRefusal, refusalError } from './failures.ts';
import { fetchStream } from './fetch-stream.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

/** What is counted and summed. */
export interface AggregateColumns {
  /** A column such as `durationMs`, `costMicrocents` or `attr.bytes`; without one, records are only counted. */
  readonly sum?: string | undefined;
  /** Up to three columns, such as `level`, `service`, `model` or `attr.http.route`. */
  readonly by?: readonly string[] | undefined;
  /** The width of buckets of time, such as `1m` or `1h`. */
  readonly bucket?: string | undefined;
}

export interface AggregateRequestOptions extends RequestOptions, AggregateColumns {
  /** The default is the oldest record. */
  readonly start?: ReadStart | undefined;
  /** A start beyond the tail becomes the tail instead of an error. */
  readonly clamp?: boolean | undefined;
  readonly count?: number | undefined;
  /** Metered bytes. */
  readonly bytes?: number | undefined;
  /** Exclusive timestamp in ms. */
  readonly until?: number | undefined;
  /** Which records are wanted, such as `level>=warn service=checkout`: see src/readers/filter/README.md. */
  readonly filter?: string | undefined;
  /** Base64 of 32 bytes, for a stream that is encrypted. */
  readonly encryptionKey?: string | undefined;
}

export const COLUMN_CHECKS: Checks<AggregateColumns> = {
  sum: optional(expectText),
  by: optional((value, name) => {
    expectList(value, name);
    for (const column of value) expectText(column, `a column of ${name}`);
  }),
  bucket: optional(expectText),
};

const CHECKS: Checks<AggregateRequestOptions> = {
  ...REQUEST_CHECKS,
  ...COLUMN_CHECKS,
  start: optional(expectStart),
  clamp: optional(expectFlag),
  count: optional(expectWholeNumber),
  bytes: optional(expectWholeNumber),
  until: optional(expectWholeNumber),
  filter: optional(expectText),
  encryptionKey: optional(expectHeaderText),
};

/**
 * Yields results while the server looks at the records; the last one is `complete`.
 * @throws TailraceError `bad_query` for a column that does not exist, `stream_not_found`, `unavailable`, `aborted` …
 */
export async function* fetchAggregate(
  target: ServerTarget,
  stream: string,
  options: AggregateRequestOptions,
): AsyncGenerator<AggregateResult> {
  checkOptions(options, 'options', CHECKS);
  const path = `/v1/streams/${segment(stream, 'the name of a stream')}/aggregate`;
  const { basin, encryptionKey, signal } = options;
  const key = encryptionKey === undefined ? {} : { 's2-encryption-key': encryptionKey };
  const headers = { ...identityHeaders(target, basin), accept: 'text/event-stream', ...key };
  const call = { path, query: queryOf(options), headers, what: 'the counts', signal };
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of fetchStream(target, call)) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const result = resultIn(text.slice(0, end), path);
      text = text.slice(end + 2);
      if (result !== undefined) yield result;
      if (result?.complete === true) return;
    }
  }
  throw new TailraceError('unavailable', `GET ${path}: the answer broke off before it was complete`);
}

function queryOf(options: AggregateRequestOptions): URLSearchParams {
  const { start, sum, by = [], bucket, clamp, count, bytes, until, filter } = options;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ sum, bucket, clamp, count, bytes, until, filter })) {
    if (value !== undefined) query.set(name, String(value));
  }
  for (const column of by) query.append('by', column);
  if (start === undefined) return query;
  if ('seqNum' in start) query.set('seq_num', String(start.seqNum));
  else if ('timestamp' in start) query.set('timestamp', String(start.timestamp));
  else query.set('tail_offset', String(start.tailOffset));
  return query;
}

/** The result in an event; undefined for one that is something else. @throws TailraceError that an `error` event tells */
function resultIn(event: string, path: string): AggregateResult | undefined {
  const [, name, data = ''] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
  if (name === 'error') throw refusalError(readRefusal(500, data, null), `GET ${path}`);
  return name === 'aggregate' ? (JSON.parse(data) as AggregateResult) : undefined;
}
