/** What every way of reading over HTTP begins with, and how it learns that its client is gone. */

import type { LogRead } from '../../log/open-reads.ts';
import type { ReadRange } from '../../model/read-range.ts';
import type { RecordDeps } from '../context.ts';
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
  deps: RecordDeps,
): Promise<LogRead> {
  const stream = await openCalled(call, 'read', deps);
  return deps.log.startRead(stream, range, signal, { encryptionKey: call.encryptionKey, protocol: call.mode });
}

/** Calls once the client is gone, or the response is sent. Returns how to cancel that. */
export function onceOver(exchange: Exchange, call: () => void): () => void {
  if (isGone(exchange)) {
    call();
    return () => {};
  }
  const { transport } = exchange;
  const sink = transport.version === 1 ? transport.response : transport.stream;
  sink.once('close', call);
  return () => void sink.off('close', call);
}
