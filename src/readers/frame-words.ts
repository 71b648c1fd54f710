/** How frames spell their names, in every view and on every protocol. */

import type { Member } from '../log/events.ts';
import type { Position } from '../model/position.ts';

export interface FrameWords {
  readonly seqNum: 'seq_num' | 'seqNum';
  readonly streamId: 'stream_id' | 'streamId';
  readonly retryAfter: 'retry_after' | 'retryAfter';
}

/** As S2 spells them. */
export const S2_WORDS: FrameWords = { seqNum: 'seq_num', streamId: 'stream_id', retryAfter: 'retry_after' };
/** As the rows of the `message` view spell theirs: a page reads rows and positions in one way. */
export const VIEW_WORDS: FrameWords = { seqNum: 'seqNum', streamId: 'streamId', retryAfter: 'retryAfter' };

/** The field that says of which stream a frame is, where many are read together. */
export function streamText(of: Member | undefined): string {
  return of === undefined ? '' : `,"stream":${JSON.stringify(of.name)}`;
}

/** A position as JSON. */
export function positionText(words: FrameWords, { seqNum, timestamp }: Position): string {
  return `{"${words.seqNum}":${seqNum},"timestamp":${timestamp}}`;
}
