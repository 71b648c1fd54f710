/**
 * A read that goes on for as long as its client listens (S2 API §5.6): batches, signs of life while there is nothing new,
 * and a last word. How these look on the wire is for SSE and s2s to say.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Loan } from '../../encoding/buffer-pool.ts';
import type { ReadEvent } from '../../log/read.ts';
import type { TailraceError } from '../../model/error.ts';
import { HEARTBEAT_MAX_MS, HEARTBEAT_MIN_MS, SOCKET_TURN_BYTES } from '../../model/limits.ts';
import type { Position } from '../../model/position.ts';
import type { ReadRange } from '../../model/read-range.ts';
import type { Block } from '../../storage/block/block.ts';
import { auditRefusal } from '../audit.ts';
import type { RecordDeps } from '../context.ts';
import { asTailraceError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { LiveSession } from '../sessions.ts';
import { StreamResponse } from '../stream-response.ts';
import type { ReadCall } from './call.ts';
import { onceOver, startCalledRead } from './start-read.ts';

/** Records of a block from `from` on. */
export interface LivePiece {
  readonly block: Block;
  readonly from: number;
  readonly to: number;
  /** Where the stream ends, when the records up to `to` end there. */
  readonly tail: Position | undefined;
  /** The client has been level with the tail: what comes now, other followers get as well. */
  readonly isLive: boolean;
}

/** Bytes of one batch; never changed, since they may be shared. */
export interface LiveBatch {
  readonly bytes: string | Uint8Array | Promise<Uint8Array>;
  /** Where the bytes stand, if that is borrowed. */
  readonly loan?: Loan;
  /** Behind the last record in it. */
  readonly end: number;
}

/** How a live read looks on the wire. */
export interface LiveWire {
  readonly contentType: string;
  /** The first batch of a piece: asked again from its end on. */
  batch(piece: LivePiece): LiveBatch;
  /** A sign of life of a client that has everything up to `level`. */
  heartbeat(level: Position): string | Uint8Array;
  /** What stands at the end; `error` is why, unless the read came to its own end. */
  lastWord(error: TailraceError | undefined): string | Uint8Array;
}

const HEADERS = ['Cache-Control', 'no-cache, no-transform', 'X-Accel-Buffering', 'no'];

/** Answers a call, and is done when its client has heard all or is gone. @throws TailraceError as `startCalledRead` */
export async function readLive(
  exchange: Exchange,
  call: ReadCall,
  range: ReadRange,
  wire: LiveWire,
  deps: RecordDeps,
): Promise<void> {
  const abort = new AbortController();
  const forget = onceOver(exchange, () => abort.abort());
  const events = await startCalledRead(call, range, abort.signal, deps).finally(forget);
  const head = { status: 200, contentType: wire.contentType, headers: HEADERS };
  const answer = StreamResponse.open(exchange, head, deps.replyContext);
  const live = new LiveRead({ exchange, answer, abort, wire, deps });
  const unwatch = deps.access.watch(call.principal, (error) => void live.finish(error));
  await live.run(events);
  unwatch();
}

interface LiveParts {
  readonly exchange: Exchange;
  readonly answer: StreamResponse;
  /** Ends the read below. */
  readonly abort: AbortController;
  readonly wire: LiveWire;
  readonly deps: RecordDeps;
}

class LiveRead implements LiveSession {
  readonly #parts: LiveParts;
  /** Where the client stands while it is level with the tail. A client that resumes does so from there. */
  #level: Position | undefined;
  #isLive = false;
  /** Why the server ends it. */
  #ending: TailraceError | undefined;
  #isStalled = false;
  #goOn = (): void => {};
  #turnBytes = 0;
  #spokeAt: number;
  #heartbeatMs = heartbeatDelay();
  #cancelTimer = (): void => {};
  /** Resolves when everything was said. */
  #said: Promise<void> | undefined;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#spokeAt = parts.deps.clock.monotonicMs();
  }

  /** Serves the client until the read or the client ends. Never rejects: the client is told. */
  async run(events: AsyncGenerator<ReadEvent>): Promise<void> {
    const { answer, deps } = this.#parts;
    const leave = deps.sessions.add(this);
    const onGone = (): void => this.#stop();
    answer.signal.addEventListener('abort', onGone);
    if (answer.signal.aborted) onGone();
    this.#said = this.#serve(events);
    await this.#said;
    leave();
    answer.signal.removeEventListener('abort', onGone);
    await answer.end();
  }

  drain(): void {
    this.#heartbeat();
  }

  finish(error: TailraceError): Promise<void> | undefined {
    this.#ending ??= error;
    this.#stop();
    return this.#said;
  }

  async #serve(events: AsyncGenerator<ReadEvent>): Promise<void> {
    let failure: TailraceError | undefined;
    this.#arm();
    try {
      await this.#deliverAll(events);
      failure = this.#ending;
    } catch (thrown) {
      failure = this.#noted(asTailraceError(thrown));
    }
    this.#level = undefined;
    this.#cancelTimer();
    if (failure !== undefined) auditRefusal(this.#parts.exchange, this.#parts.deps, failure);
    void this.#parts.answer.write(this.#parts.wire.lastWord(failure));
  }

  async #deliverAll(events: AsyncGenerator<ReadEvent>): Promise<void> {
    const { signal } = this.#parts.abort;
    for await (const event of events) {
      if (event.type === 'records') {
        await this.#deliver(event);
      } else if (event.type === 'caught_up') {
        this.#level = event.tail;
        this.#isLive = true;
        this.#heartbeat();
      }
      if (signal.aborted) return;
    }
  }

  async #deliver({ block, from: first, to, tail }: ReadEvent & { type: 'records' }): Promise<void> {
    const { abort, wire } = this.#parts;
    const isLive = this.#isLive;
    this.#level = undefined;
    for (let from = first; from < to && !abort.signal.aborted; ) {
      const { bytes, end, loan } = wire.batch({ block, from, to, tail, isLive });
      const room = this.#say(bytes instanceof Promise ? await bytes : bytes, loan);
      if (end === to) this.#level = tail;
      from = end;
      if (room !== undefined) await this.#stall(room);
      else if (this.#turnBytes >= SOCKET_TURN_BYTES) await this.#giveTurn();
    }
  }

  /** Back-pressure is not asking for more. */
  async #stall(room: Promise<void>): Promise<void> {
    this.#isStalled = true;
    await new Promise<void>((resolve) => {
      this.#goOn = resolve;
      void room.then(resolve);
    });
    this.#isStalled = false;
    this.#turnBytes = 0;
  }

  /** A client that takes all lets others have their turn. */
  async #giveTurn(): Promise<void> {
    this.#turnBytes = 0;
    await nextTurn();
  }

  #heartbeat(): void {
    if (this.#level === undefined || this.#isStalled) return;
    void this.#say(this.#parts.wire.heartbeat(this.#level));
  }

  #say(bytes: string | Uint8Array, loan?: Loan): Promise<void> | undefined {
    this.#spokeAt = this.#parts.deps.clock.monotonicMs();
    this.#turnBytes += bytes.length;
    return this.#parts.answer.write(bytes, loan);
  }

  /** One timer, which looks when it fires whether there was silence: setting one anew with each batch costs more. */
  #arm(): void {
    const { clock } = this.#parts.deps;
    const left = this.#spokeAt + this.#heartbeatMs - clock.monotonicMs();
    this.#cancelTimer = clock.timer(Math.max(0, left), () => {
      if (clock.monotonicMs() - this.#spokeAt >= this.#heartbeatMs) {
        this.#heartbeatMs = heartbeatDelay();
        this.#heartbeat();
        this.#spokeAt = clock.monotonicMs();
      }
      this.#arm();
    });
  }

  #stop(): void {
    this.#parts.abort.abort();
    this.#goOn();
  }

  /** What went wrong inside of us is written down. */
  #noted(error: TailraceError): TailraceError {
    const { correlationId, path } = this.#parts.exchange;
    if (error.code === 'internal' || error.code === 'fatal' || error.code === 'corrupt') {
      this.#parts.deps.logger.error({ correlationId, path, code: error.code, err: error }, 'a live read failed');
    }
    return error;
  }
}

/** Whole milliseconds: sums of fractions may come out a little less, and the timer would find that it is too early. */
function heartbeatDelay(): number {
  return HEARTBEAT_MIN_MS + Math.floor(Math.random() * (HEARTBEAT_MAX_MS - HEARTBEAT_MIN_MS));
}
