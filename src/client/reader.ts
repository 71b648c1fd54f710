/** A read that outlives its connections: it goes on where it was, and gives each record exactly once. */

import type { AbortSignalLike } from '../model/abort-signal.ts';
import {
  type Checks,
  checkOptions,
  expectFlag,
  expectStart,
  expectText,
  expectTimeSpan,
  expectWholeNumber,
  oneOf,
  optional,
} from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import type { ReadStart } from '../model/read-range.ts';
import { meteredBytes } from '../model/record.ts';
import { expectHeaderText, segment } from './calls.ts';
import { type ReadCursor, type Reconnecting, readOver } from './connections.ts';
import {
  type BatchFrame,
  type ClientView,
  type ControlFrame,
  PROTOCOLS,
  recordsIn,
  type SessionFrame,
} from './frames.ts';
import { REQUEST_CHECKS, type ServerTarget } from './request.ts';

/** What to read and how. Without any bound it follows for ever. */
export interface ReaderOptions<V extends ClientView> {
  readonly view: V;
  /** Where to start; the default is the tail. */
  readonly start?: ReadStart | undefined;
  /** A start beyond the tail becomes the tail instead of an error. */
  readonly clamp?: boolean | undefined;
  readonly count?: number | undefined;
  /** Metered bytes. */
  readonly bytes?: number | undefined;
  /** Exclusive timestamp in ms. */
  readonly until?: number | undefined;
  /** How long to wait at the tail, in whole seconds; 0 ends there. */
  readonly waitSeconds?: number | undefined;
  /** Which records are wanted, such as `level>=warn service=checkout`: see src/readers/filter/README.md. */
  readonly filter?: string | undefined;
  readonly basin?: string | undefined;
  /** Base64 of 32 bytes, for a stream that is encrypted. */
  readonly encryptionKey?: string | undefined;
  /** Ends the read quietly. */
  readonly signal?: AbortSignalLike | undefined;
  /** How long to try again after a lost connection before giving up; for ever by default. */
  readonly reconnectForMs?: number | undefined;
}

/** What a read gives: records, what the server says beside them, and what happens to the connection. */
export type ReadFrame<V extends ClientView> = BatchFrame<V> | ControlFrame | Reconnecting;

const CHECKS: Checks<ReaderOptions<ClientView>> = {
  ...REQUEST_CHECKS,
  view: oneOf(Object.keys(PROTOCOLS)),
  start: optional(expectStart),
  clamp: optional(expectFlag),
  count: optional(expectWholeNumber),
  bytes: optional(expectWholeNumber),
  until: optional(expectWholeNumber),
  waitSeconds: optional(expectWholeNumber),
  filter: optional(expectText),
  encryptionKey: optional(expectHeaderText),
  reconnectForMs: optional(expectTimeSpan),
};

/**
 * Reads a stream over WebSocket. Frames of a batch come in order, nothing twice and nothing left out, over
 * any number of lost connections. The consumer sets the pace: what it does not take is not asked for.
 * @throws TailraceError `unavailable` when the first connection fails or the time for reconnecting is over; otherwise
 *   what the server refused: `authn`, `stream_not_found`, `range_not_satisfiable`, `stream_replaced` …
 */
export async function* readStream<V extends ClientView>(
  target: ServerTarget,
  stream: string,
  options: ReaderOptions<V>,
): AsyncGenerator<ReadFrame<V>, void, void> {
  checkOptions<ReaderOptions<ClientView>>(options, 'options', CHECKS, ['view']);
  const cursor = new Cursor(stream, options);
  // The server sends what the subprotocol says, and the subprotocol follows from the view.
  for await (const frame of readOver(target, cursor, options)) yield frame as ReadFrame<V>;
}

/** How far a read has come, and the query that goes on from there. */
class Cursor implements ReadCursor {
  readonly protocol: string;
  readonly #stream: string;
  readonly #options: ReaderOptions<ClientView>;
  #next: number | undefined;
  #streamId: string | undefined;
  #count: number | undefined;
  #bytes: number | undefined;
  #bytesUnknown = false;

  constructor(stream: string, options: ReaderOptions<ClientView>) {
    this.protocol = PROTOCOLS[options.view].name;
    this.#stream = stream;
    this.#options = options;
    this.#count = options.count;
    this.#bytes = options.bytes;
  }

  /** Whether a bound was used up: then there is nothing to connect again for. */
  get done(): boolean {
    return this.#next !== undefined && (this.#count === 0 || this.#bytes === 0);
  }

  messages(): readonly string[] {
    return [];
  }

  take(given: SessionFrame): void {
    const frame = given as ReadFrame<ClientView>;
    if (frame.type === 'hello') this.#streamId = frame.streamId;
    else if (frame.type === 'caught_up') this.#next = frame.tail.seqNum;
    else if (frame.type === 'gap') this.#next = Math.max(this.#next ?? 0, frame.to);
    else if (frame.type === 'skipped') this.#advance(frame.next.seqNum, frame.count);
    else if (frame.type === 'passed') this.#next = frame.next.seqNum;
    else if (frame.type === 'batch') this.#takeBatch(frame);
  }

  /** S2 refuses a bounded read that starts at the tail. After a lost connection that only means: there was no more. */
  isAtEnd(error: TailraceError): boolean {
    return (
      error.code === 'range_not_satisfiable' && this.#next !== undefined && error.detail.tail?.seqNum === this.#next
    );
  }

  /** @throws TailraceError `unavailable` for a bound in bytes that cannot be carried over to a new connection. */
  requireResumable(): void {
    if (!this.#bytesUnknown) return;
    throw new TailraceError(
      'unavailable',
      'the connection was lost; a read bounded by bytes goes on by itself only in the raw view',
    );
  }

  url(endpoint: string): string {
    const { options, query } = { options: this.#options, query: new URLSearchParams() };
    const set = (name: string, value: number | string | undefined) => {
      if (value !== undefined) query.set(name, String(value));
    };
    this.#setStart(set);
    set('count', this.#count);
    set('bytes', this.#bytes);
    set('until', options.until);
    set('wait', options.waitSeconds);
    set('filter', options.filter);
    set('stream_id', this.#streamId);
    set('format', PROTOCOLS[options.view].format);
    const base = endpoint.replace(/^http/, 'ws');
    return `${base}/v1/streams/${segment(this.#stream, 'the name of a stream')}/records?${query}`;
  }

  #setStart(set: (name: string, value: number | string | undefined) => void): void {
    if (this.#next !== undefined) {
      set('seq_num', this.#next);
      return;
    }
    const start = this.#options.start ?? { tailOffset: 0 };
    if ('seqNum' in start) set('seq_num', start.seqNum);
    else if ('timestamp' in start) set('timestamp', start.timestamp);
    else set('tail_offset', start.tailOffset);
    if (this.#options.clamp) set('clamp', 'true');
  }

  #advance(next: number, records: number): void {
    this.#next = next;
    if (this.#count !== undefined) this.#count = Math.max(0, this.#count - records);
  }

  #takeBatch(frame: BatchFrame<ClientView>): void {
    this.#advance(frame.next.seqNum, recordsIn(frame));
    if (this.#bytes === undefined) return;
    if (!('records' in frame)) {
      this.#bytesUnknown = true;
      return;
    }
    const taken = frame.records.reduce((sum, record) => sum + meteredBytes(record.headers, record.body.length), 0);
    this.#bytes = Math.max(0, this.#bytes - taken);
  }
}
