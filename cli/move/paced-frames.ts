/**
 * Frames at the pace at which their records were written, or at a multiple of it. A frame holds many records and says the
 * time of its last one only, so a paced read asks for what is due: the next record alone, for its time, and then all that
 * fell due while it waited for that.
 */

import type { BatchFrame } from '../../src/client/frames.ts';
import type { ReadFrame } from '../../src/client/reader.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { FollowBounds } from '../follow.ts';

export type OtlpFrame = ReadFrame<'otlp'>;

export interface PacedRead {
  read(bounds: FollowBounds): AsyncGenerator<OtlpFrame, void, void>;
  readonly start: FollowBounds['start'];
  readonly until: number | undefined;
  readonly follow: boolean;
  /** 1 is the original pace. */
  readonly speed: number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Ends earlier when the read is over. */
  pause(ms: number): Promise<void>;
  isOver(): boolean;
}

/** Records within such a span go together: each read is a connection. */
const WINDOW_MS = 200;
/** How long one read waits at the tail for the next record. */
const WAIT_SECONDS = 30;

export async function* pacedFrames(paced: PacedRead): AsyncGenerator<OtlpFrame, void, void> {
  const { until, follow, speed, now } = paced;
  let start = paced.start;
  let origin: { readonly recordedAt: number; readonly startedAt: number } | undefined;
  while (!paced.isOver()) {
    let head: BatchFrame<'otlp'> | undefined;
    let hasMoved = false;
    const one = { start, clamp: true, count: 1, until, waitSeconds: follow ? WAIT_SECONDS : 0 };
    for await (const frame of untilTail(paced.read(one))) {
      const next = nextOf(frame);
      if (next !== undefined) [start, hasMoved] = [{ seqNum: next }, true];
      if (frame.type === 'batch') head = frame;
      else yield frame;
    }
    if (head === undefined && !hasMoved && !follow) return;
    if (head === undefined) continue;
    origin ??= { recordedAt: head.next.timestamp, startedAt: now() };
    const dueAt = origin.startedAt + (head.next.timestamp - origin.recordedAt) / speed;
    if (dueAt > now()) await paced.pause(dueAt - now());
    if (paced.isOver()) return;
    yield head;
    await paced.pause(WINDOW_MS);
    if (paced.isOver()) return;
    const reached = Math.floor(origin.recordedAt + (now() - origin.startedAt) * speed) + 1;
    const due = { start, clamp: true, until: Math.min(reached, until ?? reached), waitSeconds: 0 };
    for await (const frame of untilTail(paced.read(due))) {
      const next = nextOf(frame);
      if (next !== undefined) start = { seqNum: next };
      yield frame;
    }
  }
}

function nextOf(frame: OtlpFrame): number | undefined {
  if (frame.type === 'gap') return frame.to;
  return 'next' in frame ? frame.next.seqNum : undefined;
}

/** S2 refuses a bounded read that starts at the tail: here there is nothing more just now. */
export async function* untilTail(frames: AsyncGenerator<OtlpFrame, void, void>): AsyncGenerator<OtlpFrame, void, void> {
  try {
    yield* frames;
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'range_not_satisfiable') throw error;
  }
}
