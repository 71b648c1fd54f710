/** A live read as server-sent events (S2 API §5.7). */

import type { TailraceError } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import { batchEnd } from '../../s2/batch/batch-end.ts';
import type { JsonFormat } from '../../s2/batch/json.ts';
import { type Delivered, rangeBehind } from '../../s2/last-event-id.ts';
import { batchEvent, DONE_EVENT, deliveredWith, errorEvent, pingEvent, SSE_CONTENT_TYPE } from '../../s2/sse.ts';
import type { RecordDeps } from '../context.ts';
import { s2ErrorBody } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { ReadCall } from './call.ts';
import { encodedBatch } from './encoded-batch.ts';
import { type LiveBatch, type LivePiece, type LiveWire, readLive } from './live-read.ts';

/** Resolves when the session is over. @throws TailraceError as `startCalledRead`, while nothing is sent */
export function readSse(exchange: Exchange, call: ReadCall, deps: RecordDeps): Promise<void> {
  const range = call.delivered === undefined ? call.range : rangeBehind(call.range, call.delivered);
  return readLive(exchange, call, range, new SseWire(exchange, call, deps), deps);
}

const NOTHING: Delivered = { lastSeq: 0n, records: 0n, bytes: 0n };

class SseWire implements LiveWire {
  readonly contentType = SSE_CONTENT_TYPE;
  readonly #correlationId: string;
  readonly #deps: RecordDeps;
  readonly #format: JsonFormat;
  /** Over all connections of the client: each event says what a resumed read goes on from. */
  #delivered: Delivered;

  constructor({ correlationId }: Exchange, { format, delivered = NOTHING }: ReadCall, deps: RecordDeps) {
    this.#correlationId = correlationId;
    this.#deps = deps;
    this.#format = format;
    this.#delivered = delivered;
  }

  batch({ block, from, to, tail, isLive }: LivePiece): LiveBatch {
    const end = batchEnd(block, from, to);
    const piece = { from, to: end, format: this.#format, tail: end === to ? tail : undefined };
    const { json, meteredBytes } = encodedBatch(block, piece, isLive);
    const lastSeq = block.firstSeq + end - 1;
    this.#delivered = deliveredWith(this.#delivered, { lastSeq, records: end - from, bytes: meteredBytes });
    return { bytes: batchEvent(json, this.#delivered), end };
  }

  heartbeat(level: Position): string {
    return pingEvent(this.#deps.clock.now(), level);
  }

  lastWord(error: TailraceError | undefined): string {
    return error === undefined ? DONE_EVENT : errorEvent(s2ErrorBody(error, this.#correlationId));
  }
}
