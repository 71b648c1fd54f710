/** Responses whose bodies go out piece by piece: SSE and s2s, on HTTP/1.1 and HTTP/2. */

import type { Writable } from 'node:stream';
import type { Loan } from '../encoding/buffer-pool.ts';
import {
  STREAM_ANSWER_BUFFERED_BYTES_MAX,
  STREAM_ANSWER_BUFFERED_BYTES_MIN,
  STREAM_ANSWERS_BUFFERED_BYTES_MAX,
} from '../model/limits.ts';
import { discardRest, endQuietly, isBodyPending } from './body/discard.ts';
import { type Reservation, reservationFor } from './body/reservation.ts';
import { cut, type Exchange, goOn, isGone, isOpen } from './exchange.ts';
import { http2Headers, type ReplyContext } from './reply.ts';
import { WaitingBody } from './send-body.ts';

/** How a response begins. */
export interface StreamHead {
  readonly status: number;
  readonly contentType: string;
  /** Names and values in turn. */
  readonly headers?: readonly string[];
}

/** How often the system asks a silent peer whether it is still there. */
const KEEP_ALIVE_MS = 30_000;

/** Responses that are open, for each server. */
const openAnswers = new WeakMap<ReplyContext, number>();

/** Lives from `open` until it is ended, aborted, or the client is gone. */
export class StreamResponse {
  readonly #exchange: Exchange;
  readonly #context: ReplyContext;
  readonly #sink: Writable;
  readonly #gone = new AbortController();
  /** Bytes handed over that the system has not taken yet. */
  #waiting = 0;
  /** Counts what waits in the memory of all requests; of live readers their set does that. */
  readonly #memory: Reservation;
  /** Whether its client takes something; live readers are watched by their set. */
  readonly #waitingBody: WaitingBody;
  #wake: (() => void)[] = [];
  #onTaken = (): void => {};
  #ended: Promise<void> | undefined;

  private constructor(exchange: Exchange, sink: Writable, context: ReplyContext) {
    this.#exchange = exchange;
    this.#sink = sink;
    this.#context = context;
    this.#memory = reservationFor(exchange, context.memory);
    this.#waitingBody = new WaitingBody(exchange, context.answers);
    openAnswers.set(context, (openAnswers.get(context) ?? 0) + 1);
    sink.once('close', this.#onClose);
    // What fails is followed by a close.
    sink.on('error', () => {});
  }

  /**
   * Sends the headers at once. To a client that waits to send its body, `100 Continue` as well. A response to HEAD, or to
   * a client that is gone, is over from the start.
   */
  static open(exchange: Exchange, head: StreamHead, context: ReplyContext): StreamResponse {
    const { transport, request } = exchange;
    const answer = new StreamResponse(
      exchange,
      transport.version === 1 ? transport.response : transport.stream,
      context,
    );
    if (isGone(exchange)) {
      answer.#onClose();
      return answer;
    }
    goOn(exchange);
    answer.#begin(head);
    if (request.method === 'HEAD') {
      void answer.end();
      answer.#onClose();
    }
    return answer;
  }

  /** Aborted when the client is gone, and when the response is over. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Bytes handed over that the system has not taken yet. */
  get bufferedBytes(): number {
    return this.#waiting;
  }

  /** Calls whenever the system has taken bytes. There is one listener. */
  onTaken(listener: () => void): void {
    this.#onTaken = listener;
  }

  /** As `write`, for bytes that go out together where that is possible; the caller looks at `bufferedBytes` itself. */
  writeAll(pieces: readonly { readonly bytes: Uint8Array | string; readonly loan?: Loan }[]): void {
    this.#sink.cork();
    for (const { bytes, loan } of pieces) this.#hand(bytes, loan);
    this.#sink.uncork();
  }

  /**
   * Hands over bytes, which must not change any more. Returns nothing while the client takes them; otherwise a promise
   * until there is space again or the client is gone (see `signal`). Never rejects; what comes after the end is dropped.
   * Where the bytes are borrowed, they are given back once the system has them.
   */
  write(bytes: Uint8Array | string, loan?: Loan): Promise<void> | undefined {
    if (!this.#hand(bytes, loan)) return undefined;
    this.#memory.holdExactly(this.#waiting);
    this.#waitingBody.watch();
    if (this.#waiting <= this.#waitingMax()) return undefined;
    return new Promise((resolve) => void this.#wake.push(resolve));
  }

  /** Ends the body cleanly; resolves when it was handed to the system, or the client is gone. May be called twice. */
  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  /** Ends it so that the client sees a failure: cuts the connection of HTTP/1.1, resets the stream of HTTP/2. */
  abort(): void {
    this.#ended ??= Promise.resolve();
    if (!isGone(this.#exchange)) cut(this.#exchange);
    this.#onClose();
  }

  /** Returns false when nothing is sent any more. */
  #hand(bytes: Uint8Array | string, loan?: Loan): boolean {
    if (this.#gone.signal.aborted || this.#ended !== undefined || bytes.length === 0) return false;
    const { length } = bytes;
    this.#waiting += length;
    this.#sink.write(bytes, (error) => {
      // After a failure it is not known who still looks at them: the garbage collector finds out.
      if (!error) loan?.give();
      this.#written(length);
    });
    return true;
  }

  #begin({ status, contentType, headers: more = [] }: StreamHead): void {
    const { transport, correlationId, request, corsHeaders = [] } = this.#exchange;
    const headers = ['Content-Type', contentType, 'X-Correlation-Id', correlationId, ...more, ...corsHeaders];
    if (transport.version === 2) {
      transport.stream.respond(http2Headers(status, headers));
      return;
    }
    if (this.#context.closing()) headers.push('Connection', 'close');
    request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    transport.response.writeHead(status, headers);
    transport.response.flushHeaders();
  }

  async #end(): Promise<void> {
    if (this.#gone.signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#sink.once('close', resolve);
      this.#sink.end(resolve);
    });
    this.#dropInput();
  }

  /** A client may still be sending after the end of its response. */
  #dropInput(): void {
    const { transport } = this.#exchange;
    if (isGone(this.#exchange) || !isBodyPending(this.#exchange)) return;
    discardRest(this.#exchange, this.#context.watch, () => {
      if (transport.version === 2 && isOpen(transport.stream)) endQuietly(transport.stream);
    });
  }

  /** Many responses share the memory for what slow clients have not taken yet. */
  #waitingMax(): number {
    const share = STREAM_ANSWERS_BUFFERED_BYTES_MAX / Math.max(1, openAnswers.get(this.#context) ?? 1);
    return Math.min(STREAM_ANSWER_BUFFERED_BYTES_MAX, Math.max(STREAM_ANSWER_BUFFERED_BYTES_MIN, share));
  }

  #written(bytes: number): void {
    this.#waiting -= bytes;
    this.#waitingBody.note(bytes);
    if (this.#waiting === 0) this.#waitingBody.unwatch();
    if (this.#memory.held > 0) this.#memory.holdExactly(this.#waiting);
    this.#onTaken();
    if (this.#wake.length > 0 && this.#waiting <= this.#waitingMax() / 2) this.#wakeAll();
  }

  readonly #onClose = (): void => {
    if (this.#gone.signal.aborted) return;
    openAnswers.set(this.#context, (openAnswers.get(this.#context) ?? 1) - 1);
    this.#memory.release();
    this.#waitingBody.unwatch();
    this.#gone.abort();
    this.#wakeAll();
  };

  #wakeAll(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
