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
import { expectHeaderText, identityHeaders, segment, unreachable } from './calls.ts';
import { closeError, isTemporary } from './failures.ts';
import { type BatchFrame, type ClientView, type ControlFrame, PROTOCOLS, recordsIn } from './frames.ts';
import { onAbort, pause } from './on-abort.ts';
import { REQUEST_CHECKS, type ServerTarget } from './request.ts';
import type { Session } from './session.ts';

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
export type ReadFrame<V extends ClientView> =
  | BatchFrame<V>
  | ControlFrame
  /** The connection is gone; the next attempt comes in so many ms. */
  | { readonly type: 'reconnecting'; readonly delayMs: number; readonly cause: TailraceError };

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;

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
  const cursor = new Cursor(options);
  const attempts = new Attempts(options.reconnectForMs ?? Number.POSITIVE_INFINITY);
  while (!stopped(options) && !cursor.done) {
    const outcome = yield* oneConnection(target, stream, options, cursor, attempts);
    if (outcome === undefined || stopped(options)) return;
    const delayMs = attempts.delay(outcome);
    yield { type: 'reconnecting', delayMs, cause: outcome };
    await pause(delayMs, options.signal);
  }
}

/** Reads over one connection. Returns why it should be tried again, or nothing when the read is over. */
async function* oneConnection<V extends ClientView>(
  target: ServerTarget,
  stream: string,
  options: ReaderOptions<V>,
  cursor: Cursor,
  attempts: Attempts,
): AsyncGenerator<ReadFrame<V>, TailraceError | undefined, void> {
  let session: Session;
  try {
    // Loaded when it is needed: every command would wait for the WebSocket library, and most have no use for it.
    session = await (await import('./session.ts')).Session.open({
      url: cursor.url(target.endpoint, stream),
      protocol: PROTOCOLS[options.view].name,
      headers: { ...identityHeaders(target, options.basin), ...keyHeader(options) },
      signal: options.signal,
    });
  } catch (error) {
    if (stopped(options)) return undefined;
    return attempts.failed(unreachable(target.endpoint, error));
  }
  const stop = onAbort(options.signal, () => session.close());
  try {
    for (;;) {
      const event = await session.next();
      if (stopped(options)) return undefined;
      if (event.type === 'end') return ending(event.closeCode, event.error, cursor);
      attempts.succeeded();
      // The server sends what the subprotocol says, and the subprotocol follows from the view.
      const frame = event.frame as ReadFrame<V>;
      cursor.take(frame);
      yield frame;
    }
  } finally {
    stop();
    session.close();
  }
}

/** What the end of a connection means: undefined is the end of the read, a returned error a reason to go on. */
function ending(closeCode: number, said: TailraceError | undefined, cursor: Cursor): TailraceError | undefined {
  if (closeCode === 1000 && said === undefined) return undefined;
  const final = closeError(closeCode, said);
  if (final !== undefined && cursor.isAtEnd(final)) return undefined;
  if (final !== undefined) throw final;
  cursor.requireResumable();
  return said ?? new TailraceError('unavailable', `the connection was closed (code ${closeCode})`);
}

function keyHeader({ encryptionKey }: ReaderOptions<ClientView>): Record<string, string> {
  return encryptionKey === undefined ? {} : { 's2-encryption-key': encryptionKey };
}

function stopped(options: ReaderOptions<ClientView>): boolean {
  return options.signal?.aborted ?? false;
}

/** How far a read has come, and the query that goes on from there. */
class Cursor {
  readonly #options: ReaderOptions<ClientView>;
  #next: number | undefined;
  #streamId: string | undefined;
  #count: number | undefined;
  #bytes: number | undefined;
  #bytesUnknown = false;

  constructor(options: ReaderOptions<ClientView>) {
    this.#options = options;
    this.#count = options.count;
    this.#bytes = options.bytes;
  }

  /** Whether a bound was used up: then there is nothing to connect again for. */
  get done(): boolean {
    return this.#next !== undefined && (this.#count === 0 || this.#bytes === 0);
  }

  take(frame: ReadFrame<ClientView>): void {
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

  url(endpoint: string, stream: string): string {
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
    return `${base}/v1/streams/${segment(stream, 'the name of a stream')}/records?${query}`;
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

/** How often and how long to try again: 100 ms doubling up to 5 s, with jitter, so that readers do not come in step. */
class Attempts {
  readonly #forMs: number;
  #everConnected = false;
  #failures = 0;
  #downSince: number | undefined;

  constructor(forMs: number) {
    this.#forMs = forMs;
  }

  succeeded(): void {
    this.#everConnected = true;
    this.#failures = 0;
    this.#downSince = undefined;
  }

  /** @throws TailraceError the error itself, when another attempt makes no sense. */
  failed(error: TailraceError): TailraceError {
    if (!isTemporary(error) || !this.#everConnected) throw error;
    return error;
  }

  /** How long to wait before the next attempt. @throws TailraceError `cause`, when the time is over. */
  delay(cause: TailraceError): number {
    const now = performance.now();
    this.#downSince ??= now;
    if (now - this.#downSince > this.#forMs) throw cause;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures++, 10));
    const jittered = Math.round(ceiling * (0.5 + Math.random() / 2));
    return Math.max(jittered, (cause.detail.retryAfterSeconds ?? 0) * 1_000);
  }
}
