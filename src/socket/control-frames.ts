/** Text frames that are not records. All are JSON objects with a `type`. */

import type { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import { type FrameWords, positionText } from '../readers/frame-words.ts';

/** The first frame of each connection. Another stream id than before: the stream was deleted and made again. */
export function helloFrame(words: FrameWords, basin: string, stream: string, streamId: string): string {
  return JSON.stringify({ type: 'hello', [words.streamId]: streamId, basin, stream });
}

/** Once, when the reader first reaches the tail. */
export function caughtUpFrame(words: FrameWords, tail: Position): string {
  return `{"type":"caught_up","tail":${positionText(words, tail)}}`;
}

/** While there is nothing new; the tail is exactly where the reader is. */
export function heartbeatFrame(words: FrameWords, tail: Position): string {
  return `{"type":"heartbeat","tail":${positionText(words, tail)}}`;
}

/** A filter passed over the records before `next` that were not sent: a reader that connects again goes on from there. */
export function passedFrame(words: FrameWords, next: Position): string {
  return `{"type":"passed","next":${positionText(words, next)}}`;
}

/** Sequence numbers [from, to) were trimmed away before the reader came to them. */
export function gapFrame(from: number, to: number): string {
  return JSON.stringify({ type: 'gap', from, to });
}

/** The last frame before a close that is not the regular end. */
export function errorFrame(words: FrameWords, error: TailraceError): string {
  const { tail, retryAfterSeconds } = error.detail;
  return JSON.stringify({
    type: 'error',
    code: error.code,
    message: error.message,
    ...(tail === undefined ? {} : { tail: { [words.seqNum]: tail.seqNum, timestamp: tail.timestamp } }),
    ...(retryAfterSeconds === undefined ? {} : { [words.retryAfter]: retryAfterSeconds }),
  });
}
