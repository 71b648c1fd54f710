/** How a server ends what goes on at its ports: requests first, then sessions and readers, then what is still to be sent. */

import type { HttpServer } from './http/server.ts';
import type { Clock } from './model/clock.ts';
import { TailraceError } from './model/error.ts';
import type { ReaderSet } from './readers/reader-set.ts';

/** Share of the time for requests that have begun, and for sessions to end by themselves. */
export const REQUESTS_SHARE = 0.6;
/** Share of it for the last frames of sessions and readers. */
const LAST_FRAMES_SHARE = 0.2;
/** Share of it for sending responses that are ready, and the most time for that. The store has the rest. */
const FLUSH_SHARE = 0.1;
const FLUSH_MS = 1_000;

/** The part of it in which responses that are ready leave. */
export function flushMsOf(withinMs: number): number {
  return Math.min(FLUSH_MS, withinMs * FLUSH_SHARE);
}

/** Returns how long responses that were ready had to leave. */
export async function endServing(
  ports: readonly Pick<HttpServer, 'drain' | 'close'>[],
  readers: Pick<ReaderSet, 'finish' | 'close'>,
  clock: Pick<Clock, 'timer'>,
  withinMs: number,
): Promise<number> {
  const within = (share: number, work: Promise<unknown>): Promise<void> => settledWithin(clock, withinMs * share, work);
  await within(REQUESTS_SHARE, Promise.all(ports.map((port) => port.drain())));
  await within(LAST_FRAMES_SHARE, readers.finish(stopping()));
  await readers.close();
  const flushMs = flushMsOf(withinMs);
  await Promise.all(ports.map((port) => port.close(flushMs)));
  return flushMs;
}

/** What sessions and readers are told when the server ends them. */
function stopping(): TailraceError {
  return new TailraceError('draining', 'the server is stopping: connect again and go on', {
    detail: { retryAfterSeconds: 1 },
  });
}

/** Waits for work, but at most for `waitMs`; the work goes on after that. */
async function settledWithin(clock: Pick<Clock, 'timer'>, waitMs: number, work: Promise<unknown>): Promise<void> {
  let cancel = (): void => {};
  const timeout = new Promise<void>((resolve) => {
    cancel = clock.timer(waitMs, resolve);
  });
  await Promise.race([work, timeout]);
  cancel();
}
