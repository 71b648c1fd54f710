/** Who reads a stream live, where they are, and how far behind. */

import { type Checks, checkOptions, expectWholeNumber, optional } from '../model/arguments.ts';
import type { Position } from '../model/position.ts';
import { callApi, objectIn, segment } from './calls.ts';
import { positionIn } from './records.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

/** One live read over WebSocket, server-sent events or s2s. */
export interface ReaderJson {
  readonly protocol: 'websocket' | 'sse' | 's2s';
  /** What records look like, as the name of a subprotocol of WebSocket. */
  readonly view: string;
  /** When it connected, RFC 3339. */
  readonly since: string;
  /** The next record that it gets. */
  readonly next_seq_num: number;
  /** Records up to the tail; what was trimmed away before it came there counts too. */
  readonly lag_records: number;
  /** Bytes that it has not taken yet. */
  readonly waiting_bytes: number;
  /** The id; as the address, null for readers of others when the caller may not see the senders of the basin. */
  readonly token: string | null;
  readonly address: string | null;
}

export interface StreamReaders {
  readonly tail: Position;
  /** The one that is farthest behind comes first. */
  readonly readers: readonly ReaderJson[];
  readonly hasMore: boolean;
}

export interface ReadersRequestOptions extends RequestOptions {
  /** At most so many; 1,000 by default, which is the most. */
  readonly limit?: number | undefined;
}

export interface ReadersCalls {
  /** Who reads a stream live. @throws TailraceError `stream_not_found`, `permission_denied` */
  readers(stream: string, options?: ReadersRequestOptions): Promise<StreamReaders>;
}

const CHECKS: Checks<ReadersRequestOptions> = { ...REQUEST_CHECKS, limit: optional(expectWholeNumber) };

/** The call on one server. `basinOf` says which basin it is for. */
export function readersCalls(
  target: ServerTarget,
  basinOf: (options: RequestOptions | undefined) => string | undefined,
): ReadersCalls {
  return {
    async readers(stream, options = {}) {
      checkOptions(options, 'options', CHECKS);
      const { limit, signal } = options;
      const path = `/v1/streams/${segment(stream, 'the name of a stream')}/readers`;
      const page = limit === undefined ? {} : { query: new URLSearchParams({ limit: String(limit) }) };
      const { json } = await callApi(target, { basin: basinOf(options), signal, method: 'GET', path, ...page });
      const { tail, readers, has_more: hasMore } = objectIn(json, `GET ${path}`);
      const rows = Array.isArray(readers) ? (readers as ReaderJson[]) : [];
      return { tail: positionIn(tail), readers: rows, hasMore: hasMore === true };
    },
  };
}
