/** What a reader's frames look like on a WebSocket: those of its subprotocol, and control frames as text. */

import type { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { Subprotocol } from '../readers/encoders.ts';
import type { FrameCache } from '../readers/frame-cache.ts';
import type { Batch, Encoded, Frame, Wire } from '../readers/wire.ts';
import { caughtUpFrame, errorFrame, gapFrame, heartbeatFrame, passedFrame } from './control-frames.ts';

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

  caughtUp(tail: Position, isFirst: boolean): Frame | undefined {
    return isFirst ? { bytes: caughtUpFrame(this.#subprotocol.words, tail) } : undefined;
  }

  heartbeat(tail: Position): Frame {
    return { bytes: heartbeatFrame(this.#subprotocol.words, tail) };
  }

  passed(next: Position): Frame {
    return { bytes: passedFrame(this.#subprotocol.words, next) };
  }

  gap(from: number, to: number): Frame {
    return { bytes: gapFrame(from, to) };
  }

  /** No frame says it: the reader is told when the server ends the read. */
  advice(): undefined {
    return undefined;
  }

  lastFrame(error: TailraceError | undefined): Frame | undefined {
    return error === undefined ? undefined : { bytes: errorFrame(this.#subprotocol.words, error) };
  }
}
