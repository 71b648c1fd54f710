/** A read as server-sent events (S2 API §5.7): batches, pings while there is nothing new, and a last word. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReadEvent } from '../../log/read.ts';
import type { TailraceError } from '../../model/error.ts';
import { HEARTBEAT_MAX_MS, HEARTBEAT_MIN_MS, SOCKET_TURN_BYTES } from '../../model/limits.ts';
import type { Position } from '../../model/position.ts';
import { batchEnd } from '../../s2/cut.ts';
import type { JsonFormat } from '../../s2/json.ts';
import { type Delivered, rangeBehind } from '../../s2/last-event-id.ts';
import { batchEvent, DONE_EVENT, deliveredWith, errorEvent, pingEvent, SSE_CONTENT_TYPE } from '../../s2/sse.ts';
import type { HttpDeps } from '../door.ts';
import type { Exchange } from '../exchange.ts';
import { asTailraceError, s2ErrorBody } from '../refuse.ts';
import type { ReadCall } from '../s2-door.ts';
import type { LiveSession } from '../sessions.ts';
import { StreamAnswer } from '../stream-answer.ts';
import { encodedBatch } from './encoded-batch.ts';
import { startCalledRead } from './reading.ts';

const HEADERS = ['Cache-Control', 'no-cache, no-transform', 'X-Accel-Buffering', 'no'];
const NOTHING: Delivered = { lastSeq: 0n, records: 0n, bytes: 0n };

/** Answers when the session is over. @throws TailraceError as `startCalledRead`, while nothing is sent */
export async function readSse(exchange: Exchange, call: ReadCall, deps: HttpDeps): Promise<void> {
  const abort = new AbortController();
  const range = call.delivered === undefined ? call.range : rangeBehind(call.range, call.delivered);
  const events = await startCalledRead(call, range, abort.signal, deps);
  const answer = StreamAnswer.open(
    exchange,
    { status: 200, contentType: SSE_CONTENT_TYPE, headers: HEADERS },
    deps.room,
  );
  const session = new SseSession({ exchange, answer, abort, format: call.format, deps }, call.delivered ?? NOTHING);
  await session.run(events);
}

interface SseParts {
  readonly exchange: Exchange;
  readonly answer: StreamAnswer;
  /** Ends the read below. */
  readonly abort: AbortController;
  readonly format: JsonFormat;
  readonly deps: HttpDeps;
}

class SseSession implements LiveSession {
  readonly #parts: SseParts;
  #delivered: Delivered;
  /** Where the client stands while it is level with the tail. */
  #level: Position | undefined;
  /** Why the server ends it. */
  #ending: TailraceError | undefined;
  #isStalled = false;
  #turnBytes = 0;
  #spokeAt: number;
  #heartbeatMs = heartbeatDelay();
  #cancelTimer = (): void => {};
  #over: Promise<void> | undefined;

  constructor(parts: SseParts, delivered: Delivered) {
    this.#parts = parts;
    this.#delivered = delivered;
    this.#spokeAt = parts.deps.clock.monotonicMs();
  }

  /** Serves the client until the read or the client ends. Never rejects: the client is told. */
  run(events: AsyncGenerator<ReadEvent>): Promise<void> {
    this.#over = this.#run(events);
    return this.#over;
  }

  drain(): void {
    this.#ping();
  }

  finish(error: TailraceError): Promise<void> | void {
    this.#ending ??= error;
    this.#parts.abort.abort();
    return this.#over;
  }

  async #run(events: AsyncGenerator<ReadEvent>): Promise<void> {
    const { answer, abort, deps } = this.#parts;
    const leave = deps.sessions.add(this);
    const onGone = (): void => abort.abort();
    answer.signal.addEventListener('abort', onGone);
    if (answer.signal.aborted) onGone();
    this.#arm();
    try {
      await this.#serve(events);
      void answer.write(this.#ending === undefined ? DONE_EVENT : this.#errorEvent(this.#ending));
    } catch (error) {
      void answer.write(this.#errorEvent(this.#noted(error)));
    } finally {
      leave();
      this.#cancelTimer();
      answer.signal.removeEventListener('abort', onGone);
    }
    await answer.end();
  }

  async #serve(events: AsyncGenerator<ReadEvent>): Promise<void> {
    const { signal } = this.#parts.abort;
    for await (const event of events) {
      if (event.type === 'records') {
        await this.#deliver(event);
      } else if (event.type === 'caught_up') {
        this.#level = event.tail;
        this.#ping();
      }
      if (signal.aborted) return;
    }
  }

  async #deliver({ block, from: first, to, tail }: ReadEvent & { type: 'records' }): Promise<void> {
    const { abort, answer, format } = this.#parts;
    this.#level = undefined;
    for (let from = first; from < to && !abort.signal.aborted; ) {
      const end = batchEnd(block, from, to);
      const batch = encodedBatch(block, { from, to: end, format, tail: end === to ? tail : undefined });
      const lastSeq = block.firstSeq + end - 1;
      this.#delivered = deliveredWith(this.#delivered, { lastSeq, records: end - from, bytes: batch.meteredBytes });
      const room = this.#say(batchEvent(batch.json, this.#delivered));
      if (end === to) this.#level = tail;
      from = end;
      await this.#turn(room, answer);
    }
  }

  /** Back-pressure is not asking for more. A client that takes all lets others have their turn. */
  async #turn(room: Promise<void> | undefined, answer: StreamAnswer): Promise<void> {
    if (room !== undefined) {
      this.#isStalled = true;
      await room;
      this.#isStalled = false;
    } else if (this.#turnBytes < SOCKET_TURN_BYTES || answer.signal.aborted) {
      return;
    } else {
      await nextTurn();
    }
    this.#turnBytes = 0;
  }

  /** Its tail is where the client stands: a resumed read starts there. */
  #ping(): void {
    if (this.#level === undefined || this.#isStalled) return;
    void this.#say(pingEvent(this.#parts.deps.clock.now(), this.#level));
  }

  #say(event: string): Promise<void> | undefined {
    this.#spokeAt = this.#parts.deps.clock.monotonicMs();
    this.#turnBytes += event.length;
    return this.#parts.answer.write(event);
  }

  /** One timer, which looks when it fires whether there was silence: setting one anew with each batch costs more. */
  #arm(): void {
    const { clock } = this.#parts.deps;
    const left = this.#spokeAt + this.#heartbeatMs - clock.monotonicMs();
    this.#cancelTimer = clock.timer(Math.max(0, left), () => {
      if (clock.monotonicMs() - this.#spokeAt >= this.#heartbeatMs) {
        this.#heartbeatMs = heartbeatDelay();
        this.#ping();
        this.#spokeAt = clock.monotonicMs();
      }
      this.#arm();
    });
  }

  /** What went wrong inside of us is written down; what a client may hear anyway is not. */
  #noted(thrown: unknown): TailraceError {
    const error = asTailraceError(thrown);
    const { correlationId } = this.#parts.exchange;
    if (error.code === 'internal' || error.code === 'fatal' || error.code === 'corrupt') {
      this.#parts.deps.logger.error({ correlationId, code: error.code, err: error }, 'a read over SSE failed');
    }
    return error;
  }

  #errorEvent(error: TailraceError): string {
    return errorEvent(s2ErrorBody(error, this.#parts.exchange.correlationId));
  }
}

function heartbeatDelay(): number {
  return HEARTBEAT_MIN_MS + Math.random() * (HEARTBEAT_MAX_MS - HEARTBEAT_MIN_MS);
}
