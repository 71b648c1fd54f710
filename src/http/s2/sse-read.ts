/** A live read as server-sent events. */

import type { TailraceError } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import type { ReaderSet } from '../../readers/reader-set.ts';
import type { Batch, Encoded, Encoder, Frame, Wire } from '../../readers/wire.ts';
import { batchEnd } from '../../s2/batch/batch-end.ts';
import { endOf, meteredBytesOf, recordsIn } from '../../s2/batch/batch-part.ts';
import { type JsonFormat, readBatchJson } from '../../s2/batch/json.ts';
import {
  batchEvent,
  type Delivered,
  DONE_EVENT,
  deliveredWith,
  errorEvent,
  passedEvent,
  pingEvent,
  rangeAfter,
  SSE_CONTENT_TYPE,
} from '../../s2/sse.ts';
import type { RecordDeps } from '../context.ts';
import { s2ErrorBody } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { ReadCall } from './call.ts';
import { readLive } from './live-read.ts';

/** Resolves when the session is over. @throws TailraceError as `startCalledRead`, while nothing is sent */
export function readSse(exchange: Exchange, call: ReadCall, deps: RecordDeps): Promise<void> {
  const range = call.delivered === undefined ? call.range : rangeAfter(call.range, call.delivered);
  const wire = new SseWire(exchange.correlationId, call, deps.readers);
  return readLive(exchange, { call, range, contentType: SSE_CONTENT_TYPE, wire, view: 's2.json' }, deps);
}

const NOTHING: Delivered = { lastSeq: 0n, records: 0n, bytes: 0n };

const ENCODERS: Readonly<Record<JsonFormat, Encoder>> = { raw: encoderOf('raw'), base64: encoderOf('base64') };

class SseWire implements Wire {
  readonly gathers = true;
  readonly batchEnd = batchEnd;
  readonly #correlationId: string;
  readonly #readers: ReaderSet;
  readonly #encoder: Encoder;
  /** Over all connections of the client: each event says what a resumed read goes on from. */
  #delivered: Delivered;

  constructor(correlationId: string, { format, delivered = NOTHING }: ReadCall, readers: ReaderSet) {
    this.#correlationId = correlationId;
    this.#readers = readers;
    this.#encoder = ENCODERS[format];
    this.#delivered = delivered;
  }

  /** The batch is the same for all readers, its id is this one's. */
  async batch(batch: Batch): Promise<Encoded> {
    const { parts } = batch;
    const { frames } = await this.#readers.frames.encoded(this.#encoder, batch);
    const added = { lastSeq: endOf(parts) - 1, records: recordsIn(parts), bytes: meteredBytesOf(parts) };
    this.#delivered = deliveredWith(this.#delivered, added);
    const { head, end } = batchEvent(this.#delivered);
    return { frames: [{ bytes: head }, ...frames, { bytes: end }] };
  }

  caughtUp(tail: Position): Frame {
    return this.heartbeat(tail);
  }

  heartbeat(tail: Position): Frame {
    return { bytes: pingEvent(this.#readers.clock.now(), tail) };
  }

  /** A sign of life under the id that a client resumes with. */
  passed(next: Position): Frame {
    this.#delivered = { ...this.#delivered, lastSeq: BigInt(next.seqNum - 1) };
    return { bytes: passedEvent(this.#readers.clock.now(), this.#delivered) };
  }

  /** Sequence numbers tell: no event of S2 says it. */
  gap(): undefined {
    return undefined;
  }

  advice(tail: Position): Frame {
    return this.heartbeat(tail);
  }

  lastFrame(error: TailraceError | undefined): Frame {
    return { bytes: error === undefined ? DONE_EVENT : errorEvent(s2ErrorBody(error, this.#correlationId)) };
  }
}

/** As bytes: what many readers wait for is in memory once. */
function encoderOf(format: JsonFormat): Encoder {
  return {
    name: `sse ${format}`,
    encode: ({ parts, tail }) => ({ frames: [{ bytes: Buffer.from(readBatchJson(parts, format, tail), 'utf8') }] }),
  };
}
