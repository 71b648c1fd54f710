/** Text frames that are not records. All are JSON objects with a `type`. */

import type { JoinedMember, Member } from '../log/events.ts';
import type { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import { type FrameWords, positionText, streamText } from '../readers/frame-words.ts';

/** The first frame of each connection. Another stream id than before: the stream was deleted and made again. */
export function helloFrame(words: FrameWords, basin: string, stream: string, streamId: string): string {
  return JSON.stringify({ type: 'hello', [words.streamId]: streamId, basin, stream });
}

/** The first frame of a reader of many streams. */
export function helloManyFrame(basin: string): string {
  return JSON.stringify({ type: 'hello', basin });
}

/** These are among the streams of a reader of many, each from a position on. */
export function joinedFrame(words: FrameWords, members: readonly JoinedMember[]): string {
  const streams = members.map(({ name, id, next }) => ({ stream: name, [words.streamId]: id, [words.seqNum]: next }));
  return JSON.stringify({ type: 'joined', streams });
}

/** No more comes of a stream. */
export function leftFrame(words: FrameWords, { name, id }: Member, { code, message }: TailraceError): string {
  const streamId = id === '' ? {} : { [words.streamId]: id };
  return JSON.stringify({ type: 'left', stream: name, ...streamId, code, message });
}

/** A reader of many has everything of so many streams, for the first time or after a silence. */
export function levelFrame(type: 'caught_up' | 'heartbeat', streams: number): string {
  return JSON.stringify({ type, streams });
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
export function passedFrame(words: FrameWords, next: Position, of?: Member): string {
  return `{"type":"passed"${streamText(of)},"next":${positionText(words, next)}}`;
}

/** Sequence numbers [from, to) were trimmed away before the reader came to them. */
export function gapFrame(from: number, to: number, of?: Member): string {
  return JSON.stringify({ type: 'gap', ...(of === undefined ? {} : { stream: of.name }), from, to });
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
