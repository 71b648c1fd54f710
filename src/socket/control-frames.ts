/** Text frames that are not records (readers.md, WebSocket; users.md 6 and 7). All are JSON objects with a `type`. */

import type { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';

/** A position as readers get it. */
interface WirePosition {
  readonly seq_num: number;
  readonly timestamp: number;
}

function wirePosition(position: Position): WirePosition {
  return { seq_num: position.seqNum, timestamp: position.timestamp };
}

/** The first frame of each connection. Another `stream_id` than before: the stream was deleted and made again. */
export function helloFrame(basin: string, stream: string, streamId: string): string {
  return JSON.stringify({ type: 'hello', stream_id: streamId, basin, stream });
}

/** Once, when the reader first reaches the tail. */
export function caughtUpFrame(tail: Position): string {
  return JSON.stringify({ type: 'caught_up', tail: wirePosition(tail) });
}

/** While nothing comes; the tail is exactly where the reader stands. */
export function heartbeatFrame(tail: Position): string {
  return JSON.stringify({ type: 'heartbeat', tail: wirePosition(tail) });
}

/** Sequence numbers [from, to) were trimmed away before the reader came to them. */
export function gapFrame(from: number, to: number): string {
  return JSON.stringify({ type: 'gap', from, to });
}

/** The last frame before a close that is not the regular end. */
export function errorFrame(error: TailraceError): string {
  const { tail, retryAfterSeconds } = error.detail;
  return JSON.stringify({
    type: 'error',
    code: error.code,
    message: error.message,
    ...(tail === undefined ? {} : { tail: wirePosition(tail) }),
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
  });
}
