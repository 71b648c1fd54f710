/**
 * An append session over s2s: inputs are handed to the log as they come, without waiting for one another,
 * and acknowledged in their order. The first one that fails ends the session, and nothing after it is looked at.
 */

import { beginWork, inTurns } from '../../encoding/turns.ts';
import type { Stream } from '../../log/stream.ts';
import { asTailraceError, TailraceError } from '../../model/error.ts';
import type { LiveSession } from '../../readers/reader-set.ts';
import type { AppendInput } from '../../s2/append/input.ts';
import { decodeAppendInput, decodingAppendInput } from '../../s2/append/proto.ts';
import { badFrame, messageOf, type S2sFrame } from '../../s2/frame.ts';
import { FrameReader } from '../../s2/frame-reader.ts';
import { auditorOfCommands } from '../audit.ts';
import { holderOf } from '../body/reservation.ts';
import type { Watched } from '../body/upload-watch.ts';
import type { RecordDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import type { StreamResponse } from '../stream-response.ts';
import { AckQueue } from './ack-queue.ts';
import { queueBefore } from './budget-queue.ts';
import { type AppendCall, expectAppendable, openCalled } from './call.ts';
import { InputWindow } from './input-window.ts';
import { openSessionResponse, terminalOf } from './session-response.ts';

/** Resolves when the session is over. @throws TailraceError as `openCalled`, while nothing is sent */
export async function appendSession(exchange: Exchange, call: AppendCall, deps: RecordDeps): Promise<void> {
  deps.reading.workload?.expectTimely(holderOf(exchange));
  const stream = await openCalled(call, 'append', deps);
  const answer = openSessionResponse(exchange, deps);
  await new AppendSession({ exchange, call, stream, answer, deps }).run();
}

interface AppendParts {
  readonly exchange: Exchange;
  readonly call: AppendCall;
  readonly stream: Stream;
  readonly answer: StreamResponse;
  readonly deps: RecordDeps;
}

class AppendSession implements LiveSession {
  readonly #parts: AppendParts;
  readonly #frames = new FrameReader();
  readonly #window: InputWindow;
  readonly #acks: AckQueue;
  /** Inputs are taken. Turned off for good by the end, a failure, and when the server stops. */
  #isReading = true;
  /** An input waits to be unpacked, or for memory: those after it stay where they are. */
  #isWaiting = false;
  #hasEnded = false;
  /** The frame that is coming, while it comes in pieces: it must not come too slowly. */
  #coming: (Watched & { received: number }) | undefined;
  /** Resolves when everything was said. */
  #said: Promise<void> | undefined;

  constructor(parts: AppendParts) {
    this.#parts = parts;
    const { answer, deps } = parts;
    this.#window = new InputWindow(queueBefore(deps.reading.budget, deps.clock), holderOf(parts.exchange));
    this.#acks = new AckQueue({
      write: (bytes) => answer.write(bytes),
      isReconnectAdvised: () => deps.readers.draining,
      onAcked: (inputs) => this.#window.leave(inputs),
    });
  }

  /** Serves the client until the session is over. Never rejects: the client is told. */
  async run(): Promise<void> {
    const { answer, call, deps } = this.#parts;
    const leave = deps.readers.add(this);
    this.#said = this.#serve();
    const unwatch = deps.access.watch(call.principal, (error) => this.#stop(error));
    await this.#said;
    unwatch();
    leave();
    await answer.end();
  }

  /** Its acks carry the advice from now on; without one under way there is nothing that could. */
  drain(): void {}

  finish(error: TailraceError): Promise<void> | undefined {
    this.#stop(error);
    return this.#said;
  }

  async #serve(): Promise<void> {
    const { answer, deps, exchange } = this.#parts;
    const onGone = (): void => this.#drop();
    answer.signal.addEventListener('abort', onGone);
    if (answer.signal.aborted) onGone();
    else this.#listen();
    const failure = await this.#acks.over;
    this.#quit();
    if (failure !== undefined) void answer.write(terminalOf(failure, exchange, deps));
    answer.signal.removeEventListener('abort', onGone);
  }

  #listen(): void {
    const { request } = this.#parts.exchange;
    request.on('data', this.#onData).on('end', this.#onEnd);
    // What fails is followed by a close, which the response notices.
    request.on('error', () => {});
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#frames.push(chunk);
    if (this.#coming !== undefined) this.#coming.received += chunk.length;
    this.#pump();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#pump();
  };

  /** Hands in all inputs that are there. */
  #pump(): void {
    if (this.#isWaiting) return;
    try {
      while (this.#isReading) {
        const frame = this.#frames.next();
        if (frame === undefined) break;
        const taken = this.#take(frame);
        if (taken === undefined) continue;
        this.#wait(taken);
        return;
      }
      this.#watch();
      if (this.#hasEnded) this.#finishInput();
    } catch (thrown) {
      this.#stop(asTailraceError(thrown));
    }
  }

  #finishInput(): void {
    if (!this.#isReading) return;
    this.#frames.end();
    this.#stop();
  }

  #take(frame: S2sFrame): Promise<void> | undefined {
    const message = messageOf(frame);
    return message instanceof Promise ? message.then((unpacked) => this.#admit(unpacked)) : this.#admit(message);
  }

  #admit(message: Buffer): Promise<void> | undefined {
    const admitted = this.#window.enter(message.length) ?? beginWork(message.length);
    return admitted === undefined ? this.#handIn(message) : admitted.then(() => this.#handIn(message));
  }

  /** Decodes a large message in pieces, between which others run. */
  #handIn(message: Buffer): Promise<void> | undefined {
    if (message.length > IN_TURNS_BYTES_MIN) {
      const input = inTurns(decodingAppendInput(message));
      return input.then(
        (decoded) => this.#append(message, () => decoded),
        (thrown: unknown) =>
          this.#append(message, () => {
            throw thrown;
          }),
      );
    }
    this.#append(message, () => decodeAppendInput(message));
    return undefined;
  }

  /** The log judges an input and gives it its place within the call, so whatever follows it comes after it. */
  #append(message: Buffer, decode: () => AppendInput): void {
    const settled = (): void => this.#window.settle(message.length);
    if (!this.#isReading) {
      settled();
      return;
    }
    const { exchange, call, deps, stream } = this.#parts;
    let audit: ((error?: unknown) => void) | undefined;
    try {
      const input = inputOf(decode);
      expectAppendable(exchange, call, input.records);
      audit = auditorOfCommands(exchange, input.records, deps);
      const { accepted, done } = deps.log.tryAppendRecords({ stream, ...input, encryptionKey: call.encryptionKey });
      done.then(settled, settled);
      if (audit !== undefined) done.then(() => audit?.(), audit);
      this.#acks.add(done);
      if (!accepted) this.#quit();
    } catch (thrown) {
      settled();
      audit?.(thrown);
      throw thrown;
    }
  }

  /** Reads no more until an input is dealt with. */
  #wait(taken: Promise<void>): void {
    const { request } = this.#parts.exchange;
    this.#isWaiting = true;
    this.#watch();
    request.pause();
    taken.then(
      () => {
        this.#isWaiting = false;
        this.#pump();
        if (!this.#isWaiting && this.#isReading) request.resume();
      },
      (thrown: unknown) => {
        this.#isWaiting = false;
        this.#stop(asTailraceError(thrown));
      },
    );
  }

  /** A frame that has begun must go on coming; between frames a client may be silent for as long as it likes. */
  #watch(): void {
    const { watch } = this.#parts.deps.reading;
    const isComing = this.#isReading && !this.#isWaiting && !this.#hasEnded && this.#frames.isWithinFrame;
    if (isComing === (this.#coming !== undefined)) return;
    if (this.#coming !== undefined) watch.remove(this.#coming);
    this.#coming = isComing ? { received: 0, tooSlow: () => this.#stop(TOO_SLOW) } : undefined;
    if (this.#coming !== undefined) watch.add(this.#coming);
  }

  /** Takes no more inputs; the session is over when those before are acknowledged. */
  #stop(failure?: TailraceError): void {
    if (!this.#isReading) return;
    this.#quit();
    this.#acks.close(failure);
  }

  #quit(): void {
    if (!this.#isReading) return;
    const { request } = this.#parts.exchange;
    this.#isReading = false;
    this.#window.close();
    this.#watch();
    request.off('data', this.#onData).off('end', this.#onEnd);
    if (!this.#hasEnded) request.pause();
  }

  #drop(): void {
    this.#quit();
    this.#acks.drop();
  }
}

/** Of a smaller message, also the worst one is decoded in a few milliseconds. */
const IN_TURNS_BYTES_MIN = 128 * 1024;

const TOO_SLOW = new TailraceError('request_timeout', 'a frame comes too slowly: send it again');

/** @throws TailraceError `bad_frame`, `invalid` */
function inputOf(decode: () => AppendInput): AppendInput {
  try {
    return decode();
  } catch (thrown) {
    if (thrown instanceof TailraceError && thrown.code === 'bad_proto') throw badFrame(thrown.message, thrown);
    throw thrown;
  }
}
