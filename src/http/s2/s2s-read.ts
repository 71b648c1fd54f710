/** A live read over s2s: a clean end is no frame at all, any other one a terminal frame. */

import type { TailraceError } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import type { ReaderSet } from '../../readers/reader-set.ts';
import type { Batch, Encoded, Frame, Wire } from '../../readers/wire.ts';
import { batchEnd } from '../../s2/batch/batch-end.ts';
import { heartbeatProto } from '../../s2/batch/proto.ts';
import { type FrameCompression, frameCompression, framesOf, terminalFrame } from '../../s2/frame.ts';
import type { RecordDeps } from '../context.ts';
import { s2ErrorBody, s2Status } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { ReadCall } from './call.ts';
import { readLive } from './live-read.ts';
import { sessionEncoder } from './session-frames.ts';
import { S2S_CONTENT_TYPE } from './session-response.ts';
import { startCalledRead } from './start-read.ts';

/** Resolves when the session is over. @throws TailraceError as `startCalledRead`, while nothing is sent */
export function readSession(exchange: Exchange, call: ReadCall, deps: RecordDeps): Promise<void> {
  const wire = new SessionWire(exchange, deps.readers);
  const live = {
    principal: call.principal,
    contentType: S2S_CONTENT_TYPE,
    wire,
    protocol: 's2s',
    view: 's2.proto',
  } as const;
  return readLive(exchange, { ...live, begin: (signal) => startCalledRead(call, call.range, signal, deps) }, deps);
}

const NO_RECORDS = Buffer.alloc(0);

class SessionWire implements Wire {
  readonly gathers = true;
  readonly batchEnd = batchEnd;
  readonly #correlationId: string;
  readonly #readers: ReaderSet;
  readonly #compression: FrameCompression;

  constructor({ correlationId, request }: Exchange, readers: ReaderSet) {
    this.#correlationId = correlationId;
    this.#readers = readers;
    this.#compression = frameCompression(request.headers['accept-encoding']?.toString());
  }

  batch(batch: Batch): Encoded | Promise<Encoded> {
    const form = { compression: this.#compression, reconnectAdvised: this.#readers.draining };
    return this.#readers.frames.encoded(sessionEncoder(form), batch);
  }

  caughtUp(tail: Position): Frame {
    return this.heartbeat(tail);
  }

  heartbeat(tail: Position): Frame {
    return { bytes: framesOf([heartbeatProto(tail)], this.#readers.draining) };
  }

  /** A batch of nothing is a sign of life. No frame of S2 says how far it is: who connects again goes on after the last record. */
  passed(): Frame {
    return { bytes: framesOf([NO_RECORDS], this.#readers.draining) };
  }

  /** Sequence numbers tell: no frame of S2 says it. */
  gap(): undefined {
    return undefined;
  }

  /** A heartbeat: when the server begins to stop, its flag carries the advice. */
  advice(tail: Position): Frame {
    return this.heartbeat(tail);
  }

  lastFrame(error: TailraceError | undefined): Frame | undefined {
    if (error === undefined) return undefined;
    return { bytes: terminalFrame(s2Status(error), s2ErrorBody(error, this.#correlationId)) };
  }
}
