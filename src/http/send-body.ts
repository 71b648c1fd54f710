/**
 * Sends the body of a response and watches whether its client takes it. A large one is handed to the system piece by piece,
 * so that it is known when something was taken.
 */

import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { ANSWER_PIECE_BYTES } from '../model/limits.ts';
import type { AnswerWatch, WaitingAnswer } from './answer-watch.ts';
import { connectionOf, cut, cutConnection, type Exchange, isGone } from './exchange.ts';

type AnswerSink = ServerResponse | ServerHttp2Stream;

/** What clients have taken on a connection, by how often. */
const takenBelow = new WeakMap<object, { times: number }>();

/** Ends the response with a body, after its head. */
export function sendBody(
  exchange: Exchange,
  sink: AnswerSink,
  body: string | Uint8Array | undefined,
  answers: AnswerWatch,
): void {
  if (typeof body === 'object' && body.length > ANSWER_PIECE_BYTES) {
    const waiting = new WaitingBody(exchange, answers);
    sendPieces(sink, body, 0, waiting);
    if (!isTaken(exchange)) watchUntilClosed(sink, waiting);
    return;
  }
  sink.end(body);
  if (!isTaken(exchange)) watchUntilClosed(sink, new WaitingBody(exchange, answers));
}

/** As `sendBody`, but the caller ends the response. */
export function writeBody(exchange: Exchange, sink: AnswerSink, body: string | Uint8Array, answers: AnswerWatch): void {
  sink.write(body);
  watchUntilClosed(sink, new WaitingBody(exchange, answers));
}

/** A response of which something waits for the client. */
export class WaitingBody implements WaitingAnswer {
  taken = 0;
  readonly #exchange: Exchange;
  readonly #answers: AnswerWatch;
  /** Of its connection: then, and when it had last taken something itself. */
  readonly #below: { times: number };
  #timesBelow = 0;
  #isWatched = false;

  constructor(exchange: Exchange, answers: AnswerWatch) {
    this.#exchange = exchange;
    this.#answers = answers;
    this.#below = belowOf(connectionOf(exchange));
  }

  /** Pipelined responses go out one after another. */
  get isBehindOthers(): boolean {
    const { transport } = this.#exchange;
    return transport.version === 1 && transport.response.socket === null;
  }

  /** May be called twice. */
  watch(): void {
    if (this.#isWatched || isGone(this.#exchange)) return;
    this.#isWatched = true;
    this.#timesBelow = this.#below.times;
    this.#answers.add(this);
  }

  /** May be called twice. */
  unwatch(): void {
    if (this.#isWatched) this.#answers.remove(this);
    this.#isWatched = false;
  }

  /** The client has taken so many more bytes. */
  note(bytes: number): void {
    this.taken += bytes;
    this.#timesBelow = ++this.#below.times;
  }

  /** A connection on which nothing at all is taken goes as a whole: what it has queued would stay behind a stream. */
  stalled(): void {
    if (this.#below.times === this.#timesBelow) cutConnection(this.#exchange);
    else cut(this.#exchange);
  }
}

function belowOf(connection: object): { times: number } {
  const known = takenBelow.get(connection);
  if (known !== undefined) return known;
  const below = { times: 0 };
  takenBelow.set(connection, below);
  return below;
}

/** Whether the system has all of it already; HTTP/2 never tells. */
function isTaken({ transport }: Exchange): boolean {
  if (transport.version === 2) return false;
  const { response } = transport;
  return response.writableEnded && response.socket !== null && response.socket.writableLength === 0;
}

function watchUntilClosed(sink: AnswerSink, waiting: WaitingBody): void {
  waiting.watch();
  sink.once('close', () => {
    waiting.unwatch();
    if (sink.writableFinished) waiting.note(1);
  });
}

function sendPieces(sink: AnswerSink, body: Uint8Array, at: number, waiting: WaitingBody): void {
  const end = at + ANSWER_PIECE_BYTES;
  if (end >= body.length) {
    sink.end(body.subarray(at));
    return;
  }
  sink.write(body.subarray(at, end), (error) => {
    if (error) return;
    waiting.note(end - at);
    sendPieces(sink, body, end, waiting);
  });
}
