/** What a reader's frames look like on a WebSocket: those of its subprotocol, and control frames as text. */

import type { JoinedMember, Member } from '../log/events.ts';
import type { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { Subprotocol } from '../readers/encoders.ts';
import type { FrameCache } from '../readers/frame-cache.ts';
import type { Batch, Encoded, Frame, Wire } from '../readers/wire.ts';
import {
  caughtUpFrame,
  errorFrame,
  gapFrame,
  heartbeatFrame,
  joinedFrame,
  leftFrame,
  levelFrame,
  passedFrame,
} from './control-frames.ts';

export class SocketWire implements Wire {
  readonly gathers: boolean;
  readonly batchEnd: Wire['batchEnd'];
  readonly #subprotocol: Subprotocol;
  readonly #frames: FrameCache;

  constructor(subprotocol: Subprotocol, frames: FrameCache) {
    this.gathers = subprotocol.gathers;
    this.batchEnd = subprotocol.batchEnd;
    this.#subprotocol = subprotocol;
    this.#frames = frames;
  }

  batch(batch: Batch): Encoded | Promise<Encoded> {
    return this.#frames.encoded(this.#subprotocol, batch);
  }

  caughtUp(tail: Position, isFirst: boolean, members?: number): Frame | undefined {
    if (!isFirst) return undefined;
    return {
      bytes: members === undefined ? caughtUpFrame(this.#subprotocol.words, tail) : levelFrame('caught_up', members),
    };
  }

  heartbeat(tail: Position, members?: number): Frame {
    return {
      bytes: members === undefined ? heartbeatFrame(this.#subprotocol.words, tail) : levelFrame('heartbeat', members),
    };
  }

  passed(next: Position, of?: Member): Frame {
    return { bytes: passedFrame(this.#subprotocol.words, next, of) };
  }

  gap(from: number, to: number, of?: Member): Frame {
    return { bytes: gapFrame(from, to, of) };
  }

  joined(members: readonly JoinedMember[]): Frame {
    return { bytes: joinedFrame(this.#subprotocol.words, members) };
  }

  left(of: Member, error: TailraceError): Frame {
    return { bytes: leftFrame(this.#subprotocol.words, of, error) };
  }

  /** No frame says it: the reader is told when the server ends the read. */
  advice(): undefined {
    return undefined;
  }

  lastFrame(error: TailraceError | undefined): Frame | undefined {
    return error === undefined ? undefined : { bytes: errorFrame(this.#subprotocol.words, error) };
  }
}
