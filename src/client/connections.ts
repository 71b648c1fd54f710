/** A read over as many connections as it takes: what a read of one stream and one of many streams have in common. */

import type { AbortSignalLike } from '../model/abort-signal.ts';
import { TailraceError } from '../model/error.ts';
import { identityHeaders, unreachable } from './calls.ts';
import { closeError, isTemporary } from './failures.ts';
import type { SessionFrame } from './frames.ts';
import { onAbort, pause } from './on-abort.ts';
import type { ServerTarget } from './request.ts';
import type { Session } from './session.ts';

/** How far a read has come, and how the next connection goes on from there. */
export interface ReadCursor {
  /** The subprotocol. */
  readonly protocol: string;
  /** A bound was used up: there is nothing to connect again for. */
  readonly done: boolean;
  url(endpoint: string): string;
  /** What a connection begins with. */
  messages(): readonly string[];
  take(frame: SessionFrame): void;
  /** Whether what the server refused after a lost connection only means that there was no more. */
  isAtEnd(error: TailraceError): boolean;
  /** @throws TailraceError when the read cannot go on over a new connection */
  requireResumable(): void;
}

export interface ReadOverOptions {
  readonly basin?: string | undefined;
  readonly encryptionKey?: string | undefined;
  readonly signal?: AbortSignalLike | undefined;
  readonly reconnectForMs?: number | undefined;
}

/** The connection is gone; the next attempt comes in so many ms. */
export interface Reconnecting {
  readonly type: 'reconnecting';
  readonly delayMs: number;
  readonly cause: TailraceError;
}

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/** Frames as they come, over any number of lost connections. @throws TailraceError what ends the read */
export async function* readOver(
  target: ServerTarget,
  cursor: ReadCursor,
  options: ReadOverOptions,
): AsyncGenerator<SessionFrame | Reconnecting, void, void> {
  const attempts = new Attempts(options.reconnectForMs ?? Number.POSITIVE_INFINITY);
  while (!stopped(options) && !cursor.done) {
    const outcome = yield* oneConnection(target, options, cursor, attempts);
    if (outcome === undefined || stopped(options)) return;
    const delayMs = attempts.delay(outcome);
    yield { type: 'reconnecting', delayMs, cause: outcome };
    await pause(delayMs, options.signal);
  }
}

/** Reads over one connection. Returns why it should be tried again, or nothing when the read is over. */
async function* oneConnection(
  target: ServerTarget,
  options: ReadOverOptions,
  cursor: ReadCursor,
  attempts: Attempts,
): AsyncGenerator<SessionFrame, TailraceError | undefined, void> {
  let session: Session;
  try {
    // Loaded when it is needed: every command would wait for the WebSocket library, and most have no use for it.
    session = await (await import('./session.ts')).Session.open({
      url: cursor.url(target.endpoint),
      protocol: cursor.protocol,
      headers: { ...identityHeaders(target, options.basin), ...keyHeader(options) },
      signal: options.signal,
    });
  } catch (error) {
    if (stopped(options)) return undefined;
    return attempts.failed(unreachable(target.endpoint, error));
  }
  const stop = onAbort(options.signal, () => session.close());
  try {
    for (const message of cursor.messages()) session.send(message);
    for (;;) {
      const event = await session.next();
      if (stopped(options)) return undefined;
      if (event.type === 'end') return ending(event.closeCode, event.error, cursor);
      attempts.succeeded();
      cursor.take(event.frame);
      yield event.frame;
    }
  } finally {
    stop();
    session.close();
  }
}

/** What the end of a connection means: undefined is the end of the read, a returned error a reason to go on. */
function ending(closeCode: number, said: TailraceError | undefined, cursor: ReadCursor): TailraceError | undefined {
  if (closeCode === 1000 && said === undefined) return undefined;
  const final = closeError(closeCode, said);
  if (final !== undefined && cursor.isAtEnd(final)) return undefined;
  if (final !== undefined) throw final;
  cursor.requireResumable();
  return said ?? new TailraceError('unavailable', `the connection was closed (code ${closeCode})`);
}

function keyHeader({ encryptionKey }: ReadOverOptions): Record<string, string> {
  return encryptionKey === undefined ? {} : { 's2-encryption-key': encryptionKey };
}

function stopped(options: ReadOverOptions): boolean {
  return options.signal?.aborted ?? false;
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
