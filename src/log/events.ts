/** What a read gives its reader, one after another. */

import type { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { Block } from '../storage/block/block.ts';

/** One of many streams that are read together, as its reader knows it. */
export interface Member {
  readonly name: string;
  readonly id: string;
}

/** Which stream an event is about, where many are read together. */
interface OfMember {
  readonly of?: Member | undefined;
}

export type ReadEvent =
  /** Records [from, to) of a block; `tail` is set when they end at the durable tail. */
  | (OfMember & {
      readonly type: 'records';
      readonly block: Block;
      readonly from: number;
      readonly to: number;
      readonly tail: Position | undefined;
      /** Others read the stream as well, and may get the very same block: what is made of it is worth keeping. */
      readonly isShared: boolean;
      /** It came when it became durable, to a reader that was level with the tail. */
      readonly isLive: boolean;
      /** Other records of the same block follow at once. */
      readonly hasMore: boolean;
    })
  /** The records up to `to` were passed over, since the filter wants none of them. `tail` is set when it is the durable tail. */
  | (OfMember & {
      readonly type: 'passed';
      readonly to: Position;
      readonly tail: Position | undefined;
      readonly isLive: boolean;
    })
  /** Sequence numbers [from, to) were trimmed away. */
  | (OfMember & { readonly type: 'gap'; readonly from: number; readonly to: number })
  /**
   * The reader has everything and waits for more. Comes again after each time that it fell behind. Where many streams are
   * read together, each has its own tail, and `tail` says nothing.
   */
  | { readonly type: 'caught_up'; readonly tail: Position }
  /** These are among the streams that are read together, each from `next` on. */
  | { readonly type: 'joined'; readonly members: readonly JoinedMember[] }
  /** No more comes of a stream, and why. */
  | { readonly type: 'left'; readonly of: Member; readonly error: TailraceError };

export interface JoinedMember extends Member {
  readonly next: number;
}

export type RecordsEvent = ReadEvent & { readonly type: 'records' };
