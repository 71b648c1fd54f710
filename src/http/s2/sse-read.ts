/** A live read as server-sent events, in any view that is text. */

import { assert, type TailraceError } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import type { View } from '../../model/view.ts';
import type { Subprotocol } from '../../readers/encoders.ts';
import { positionText, S2_WORDS } from '../../readers/frame-words.ts';
import type { ReaderSet } from '../../readers/reader-set.ts';
import type { Batch, Encoded, Frame, Wire } from '../../readers/wire.ts';
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
import { startCalledRead } from './start-read.ts';

/** Resolves when the session is over. @throws TailraceError as `startCalledRead`, while nothing is sent */
export async function readSse(exchange: Exchange, call: ReadCall, deps: RecordDeps): Promise<void> {
  const range = call.delivered === undefined ? call.range : rangeAfter(call.range, call.delivered);
  const form = await sseForm(call.view, call.format);
  const wire = new SseWire(exchange.correlationId, form, call, deps.readers);
  const live = {
    principal: call.principal,
    contentType: SSE_CONTENT_TYPE,
    wire,
    protocol: 'sse',
    view: form.shownAs,
  } as const;
  await readLive(exchange, { ...live, begin: (signal) => startCalledRead(call, range, signal, deps) }, deps);
}

/** What batches are as the data of events: one JSON object each. Views are loaded with the first reader of one. */
export async function sseForm(view: View, format: JsonFormat): Promise<SseForm> {
  if (view === 'raw') return RECORDS[format];
  const { apart, TEXT_ENCODERS } = await import('../../readers/encoders.ts');
  assert(view !== 'otlp', 'a call over server-sent events asks for no binary view');
  const encoder = TEXT_ENCODERS[view];
  return { ...encoder, apart, shownAs: encoder.name };
}

/** How the batches of a view become the data of events. */
export interface SseForm extends Subprotocol {
  /** What records look like, as the name of the subprotocol of the same form. */
  readonly shownAs: string;
  /** The batches that a batch goes out as, each under an id of its own. */
  apart(batch: Batch): readonly Batch[];
}

const NOTHING: Delivered = { lastSeq: 0n, records: 0n, bytes: 0n };

const RECORDS: Readonly<Record<JsonFormat, SseForm>> = { raw: recordsForm('raw'), base64: recordsForm('base64') };

class SseWire implements Wire {
  readonly gathers: boolean;
  readonly batchEnd: Wire['batchEnd'];
  readonly #correlationId: string;
  readonly #readers: ReaderSet;
  readonly #form: SseForm;
  /** Over all connections of the client: each event says what a resumed read goes on from. */
  #delivered: Delivered;

  constructor(correlationId: string, form: SseForm, { delivered = NOTHING }: ReadCall, readers: ReaderSet) {
    this.gathers = form.gathers;
    this.batchEnd = form.batchEnd;
    this.#correlationId = correlationId;
    this.#readers = readers;
    this.#form = form;
    this.#delivered = delivered;
  }

  /** The batch is the same for all readers, its id is this one's. */
  async batch(batch: Batch): Promise<Encoded> {
    const events: Frame[] = [];
    for (const each of this.#form.apart(batch)) {
      const { parts } = each;
      const { frames } = await this.#readers.frames.encoded(this.#form, each);
      const added = { lastSeq: endOf(parts) - 1, records: recordsIn(parts), bytes: meteredBytesOf(parts) };
      this.#delivered = deliveredWith(this.#delivered, added);
      const { head, end } = batchEvent(this.#delivered);
      events.push({ bytes: head }, ...frames, { bytes: end });
    }
    return { frames: events };
  }

  caughtUp(tail: Position): Frame {
    return this.heartbeat(tail);
  }

  heartbeat(tail: Position): Frame {
    const { words } = this.#form;
    return { bytes: pingEvent(this.#readers.clock.now(), tail, (position) => positionText(words, position)) };
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

/** S2's own events. As bytes: what many readers wait for is in memory once. */
function recordsForm(format: JsonFormat): SseForm {
  return {
    name: `sse ${format}`,
    shownAs: 's2.json',
    words: S2_WORDS,
    gathers: true,
    batchEnd,
    apart: (batch) => [batch],
    encode: ({ parts, tail }) => ({ frames: [{ bytes: Buffer.from(readBatchJson(parts, format, tail), 'utf8') }] }),
  };
}
