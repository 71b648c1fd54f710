/** A read session over s2s (S2 API §5.6, §5.8): batches, heartbeats while there is nothing new, and a clean end. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReadEvent } from '../../log/read.ts';
import type { TailraceError } from '../../model/error.ts';
import { HEARTBEAT_MAX_MS, HEARTBEAT_MIN_MS, SOCKET_TURN_BYTES } from '../../model/limits.ts';
import type { Position } from '../../model/position.ts';
import { type FrameCompression, frameCompression, framesOf } from '../../s2/frame.ts';
import { heartbeatProto } from '../../s2/proto.ts';
import type { HttpDeps } from '../door.ts';
import type { Exchange } from '../exchange.ts';
import { onceOver, startCalledRead } from '../records/reading.ts';
import { asTailraceError } from '../refuse.ts';
import type { ReadCall } from '../s2-door.ts';
import type { LiveSession } from '../sessions.ts';
import type { StreamAnswer } from '../stream-answer.ts';
import { batchFrame } from './batch-frames.ts';
import { openS2sAnswer, terminalOf } from './s2s-answer.ts';

/** Resolves when the session is over. @throws TailraceError as `startCalledRead`, while nothing is sent */
export async function readSession(exchange: Exchange, call: ReadCall, deps: HttpDeps): Promise<void> {
  const abort = new AbortController();
  const stopWatching = onceOver(exchange, () => abort.abort());
  const events = await startCalledRead(call, call.range, abort.signal, deps).finally(stopWatching);
  const answer = openS2sAnswer(exchange, deps);
  await new ReadSession({ exchange, answer, abort, deps }).run(events);
}

interface ReadParts {
  readonly exchange: Exchange;
  readonly answer: StreamAnswer;
  /** Ends the read below. */
  readonly abort: AbortController;
  readonly deps: HttpDeps;
}

class ReadSession implements LiveSession {
  readonly #parts: ReadParts;
  readonly #compression: FrameCompression;
  /** Where the client stands while it is level with the tail. A client that resumes does so from there. */
  #level: Position | undefined;
  /** It has been level with the tail: what comes now, other followers get as well. */
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

  constructor(parts: ReadParts) {
    this.#parts = parts;
    this.#compression = frameCompression(parts.exchange.request.headers['accept-encoding']?.toString());
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

  /** The advice needs a frame that carries it. */
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
      failure = asTailraceError(thrown);
    }
    this.#level = undefined;
    this.#cancelTimer();
    const { answer, deps, exchange } = this.#parts;
    if (failure !== undefined) void answer.write(terminalOf(failure, exchange, deps));
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
    const { abort, deps } = this.#parts;
    const isLive = this.#isLive;
    const compression = this.#compression;
    this.#level = undefined;
    for (let from = first; from < to && !abort.signal.aborted; ) {
      const reconnectAdvised = deps.sessions.draining;
      const { bytes, end } = batchFrame(block, { from, to, tail, compression, reconnectAdvised, isLive });
      const room = this.#say(bytes instanceof Promise ? await bytes : bytes);
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
    void this.#say(framesOf([heartbeatProto(this.#level)], this.#parts.deps.sessions.draining));
  }

  #say(frame: Buffer): Promise<void> | undefined {
    this.#spokeAt = this.#parts.deps.clock.monotonicMs();
    this.#turnBytes += frame.length;
    return this.#parts.answer.write(frame);
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
}

function heartbeatDelay(): number {
  return HEARTBEAT_MIN_MS + Math.random() * (HEARTBEAT_MAX_MS - HEARTBEAT_MIN_MS);
}
