/**
 * What the frames of a live reader look like. Each protocol has a Wire, and a Sink for where the frames go; everything
 * else is the LiveReader's.
 */

import type { BufferPool, Loan } from '../encoding/buffer-pool.ts';
import type { JoinedMember, Member } from '../log/events.ts';
import type { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { BatchLimits } from '../s2/batch/batch-end.ts';
import type { BatchPart } from '../s2/batch/batch-part.ts';
import type { Block } from '../storage/block/block.ts';

/** Bytes that go out together. They may be shared between readers and never change. */
export interface Frame {
  readonly bytes: string | Uint8Array;
  /** WebSocket only: a binary message instead of text. */
  readonly isBinary?: boolean;
  /** Where the bytes are, if that is borrowed: the sink gives it back once they are out, and no other frame uses it. */
  readonly loan?: Loan;
}

/** Records that go out together: one part or several in order; between those of a filtered read records may be missing. */
export interface Batch {
  readonly parts: readonly BatchPart[];
  /** The tail of the stream, when the batch ends there. */
  readonly tail: Position | undefined;
  /** Others read the stream as well and may get the same batch. */
  readonly isShared: boolean;
  /** Of which stream, where many are read together: the frames say it. */
  readonly of?: Member | undefined;
}

/** A batch as frames. */
export interface Encoded {
  readonly frames: readonly Frame[];
  /** A record that cannot be sent at all: the frames hold those before it, and the read ends after them. */
  readonly failure?: TailraceError;
}

/** Makes the frames of a batch that are the same for all readers of the same form. */
export interface Encoder {
  /** Of its form; two encoders with one name make the same bytes. */
  readonly name: string;
  /** With a pool, the frames are for one reader and may be made in its buffers. */
  encode(batch: Batch, pool?: BufferPool): Encoded | Promise<Encoded>;
}

/** One for each reader. All methods are called in the order in which their frames go out. */
export interface Wire {
  /** Whether neighbouring blocks go out as one batch while the reader catches up. */
  readonly gathers: boolean;
  /** Where a batch ends that starts at record `from` of a block: after `from`, and at most at `to`. */
  batchEnd(block: Block, from: number, to: number, limits: BatchLimits): number;
  batch(batch: Batch): Encoded | Promise<Encoded>;
  /** The reader is level with the tail, for the first time or again; one of many streams has so many members. */
  caughtUp(tail: Position, isFirst: boolean, members?: number): Frame | undefined;
  /** There was nothing to send for some time to a reader that has everything up to `tail`. */
  heartbeat(tail: Position, members?: number): Frame;
  /** A filter passed over all records before `next` that were not sent. The last one of several at the same moment is marked. */
  passed(next: Position, of?: Member, isLast?: boolean): Frame | undefined;
  /** Sequence numbers [from, to) were trimmed away before the reader came to them. */
  gap(from: number, to: number, of?: Member): Frame | undefined;
  /** These are among the streams that are read together. */
  joined?(members: readonly JoinedMember[]): Frame | undefined;
  /** No more comes of a stream. */
  left?(of: Member, error: TailraceError): Frame | undefined;
  /** The server begins to stop; the reader has everything up to `tail`. */
  advice(tail: Position): Frame | undefined;
  /** The last frame; `error` is why, unless the read came to its own end. */
  lastFrame(error: TailraceError | undefined): Frame | undefined;
}
