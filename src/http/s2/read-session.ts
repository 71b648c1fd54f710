/** A live read over s2s (S2 API §5.8): a clean end is no frame at all, any other one a terminal frame. */

import type { TailraceError } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import { heartbeatProto } from '../../s2/batch/proto.ts';
import { type FrameCompression, frameCompression, framesOf, terminalFrame } from '../../s2/frame.ts';
import type { RecordDeps } from '../context.ts';
import { s2ErrorBody, s2Status } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { batchFrame } from './batch-frames.ts';
import type { ReadCall } from './call.ts';
import { type LiveBatch, type LivePiece, type LiveWire, readLive } from './live-read.ts';
import { S2S_CONTENT_TYPE } from './session-response.ts';

/** Resolves when the session is over. @throws TailraceError as `startCalledRead`, while nothing is sent */
export function readSession(exchange: Exchange, call: ReadCall, deps: RecordDeps): Promise<void> {
  return readLive(exchange, call, call.range, new S2sReadWire(exchange, deps), deps);
}

const NOTHING = new Uint8Array(0);

class S2sReadWire implements LiveWire {
  readonly contentType = S2S_CONTENT_TYPE;
  readonly #correlationId: string;
  readonly #deps: RecordDeps;
  readonly #compression: FrameCompression;

  constructor({ correlationId, request }: Exchange, deps: RecordDeps) {
    this.#correlationId = correlationId;
    this.#deps = deps;
    this.#compression = frameCompression(request.headers['accept-encoding']?.toString());
  }

  batch({ block, ...piece }: LivePiece): LiveBatch {
    const reconnectAdvised = this.#deps.sessions.draining;
    return batchFrame(block, { ...piece, compression: this.#compression, reconnectAdvised }, this.#deps.reading.pool);
  }

  /** When the server begins to stop, this is the frame that carries the advice. */
  heartbeat(level: Position): Uint8Array {
    return framesOf([heartbeatProto(level)], this.#deps.sessions.draining);
  }

  lastWord(error: TailraceError | undefined): Uint8Array {
    return error === undefined ? NOTHING : terminalFrame(s2Status(error), s2ErrorBody(error, this.#correlationId));
  }
}
