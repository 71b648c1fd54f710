/** What every way of reading over HTTP begins with, and how it learns that its client is gone. */

import type { LogRead } from '../../log/open-reads.ts';
import { TailraceError } from '../../model/error.ts';
import type { ReadRange } from '../../model/read-range.ts';
import type { HttpDeps } from '../context.ts';
import { type Exchange, isGone } from '../exchange.ts';
import { openCalled, type ReadCall } from './call.ts';

/**
 * Begins to read what a call asks for, in the range that its mode makes of it. Whatever is refused is refused here,
 * before a response has begun.
 * @throws TailraceError as `openCalled`, and `range_not_satisfiable`
 */
export async function startCalledRead(
  call: ReadCall,
  range: ReadRange,
  signal: AbortSignal,
  deps: HttpDeps,
): Promise<LogRead> {
  const stream = await openCalled(call, 'read', deps);
  return deps.log.startRead(stream, range, signal, { encryptionKey: call.encryptionKey, protocol: call.mode });
}

/** New work is not begun while the server stops. @throws TailraceError `draining` */
export function expectOpen(deps: HttpDeps): void {
  if (deps.replyContext.closing())
    throw new TailraceError('draining', 'the server is stopping: send again in a moment');
}

/** Calls once the client is gone, or the response is out. Returns how to cancel that. */
export function onceOver(exchange: Exchange, call: () => void): () => void {
  if (isGone(exchange)) {
    call();
    return () => {};
  }
  const { way } = exchange;
  const sink = way.version === 1 ? way.response : way.stream;
  sink.once('close', call);
  return () => void sink.off('close', call);
}
