/**
 * One request that goes to another node, and its response back: streamed in both directions, at the pace of the slower
 * side. What ends too early on one side ends as a failure on the other.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { type ClientHttp2Stream, constants, type IncomingHttpStatusHeader } from 'node:http2';
import type { Writable } from 'node:stream';
import { asTailraceError, TailraceError } from '../../model/error.ts';
import { FORWARD_WINDOW_BYTES } from '../../model/limits.ts';
import { discardRest, endQuietly, isBodyPending } from '../body/discard.ts';
import { type Reservation, reservationFor } from '../body/reservation.ts';
import { announcesBody, cut, type Exchange, goOn, isAnswered, isGone, isOpen, onceOver } from '../exchange.ts';
import { endResponse } from '../grpc/reply.ts';
import { closesAfter, type ReplyContext } from '../reply.ts';
import type { Refuse } from '../router.ts';
import { S2S_CONTENT_TYPE } from '../s2/session-response.ts';
import { WaitingBody } from '../send-body.ts';
import type { ForwardedStream } from './node-link.ts';
import { passedResponseHeaders } from './passed-headers.ts';

export interface PassedRequestDeps {
  readonly context: ReplyContext;
  /** Answers a request before anything of a response was sent. */
  readonly refuse: Refuse;
}

/** Lives until the response was sent, or its client is gone. */
export class PassedRequest {
  readonly #exchange: Exchange;
  readonly #sent: ForwardedStream;
  readonly #stream: ClientHttp2Stream;
  readonly #deps: PassedRequestDeps;
  readonly #sink: Writable;
  /** Of what waits for one of the two sides. */
  readonly #memory: Reservation;
  readonly #waiting: WaitingBody;
  /** Set once with the status of gRPC, for example. */
  #trailers: IncomingHttpHeaders = {};
  #isUploadHeld = false;
  #isDownloadHeld = false;
  #bytesOut = 0;
  /** The length of the body, where the head of the response says it. */
  #bytesExpected: number | undefined;
  /** Whether the response says that it is the last one of its connection of HTTP/1.1. */
  #isLast = false;
  #isDraining = false;
  /** What goes on until one side ends it. */
  #session: 'read' | 'append' | undefined;
  /** What had come when it was looked at last. */
  #bytesBefore = 0;
  readonly #onOver: () => void;
  /** Nothing more comes from the node, or counts. */
  #isOver = false;

  /** `onOver` is called once or more often, when nothing more comes from the node and nothing is sent to it. */
  constructor(exchange: Exchange, sent: ForwardedStream, deps: PassedRequestDeps, onOver: () => void) {
    this.#exchange = exchange;
    this.#sent = sent;
    this.#stream = sent.stream;
    this.#deps = deps;
    const { transport } = exchange;
    this.#sink = transport.version === 1 ? transport.response : transport.stream;
    this.#memory = reservationFor(exchange, deps.context.memory);
    this.#waiting = new WaitingBody(exchange, deps.context.answers);
    this.#listen();
    if (announcesBody(exchange)) this.#upload();
    this.#onOver = onOver;
    onceOver(exchange, () => {
      this.#isOver = true;
      this.#sent.reset();
      this.#letGo();
    });
  }

  /** Asks it to end soon when it is a session, also when its response begins later. */
  drain(): void {
    this.#isDraining = true;
    if (this.#session !== undefined) this.#endSession(this.#session);
  }

  /** Counts what waits for the node to take it, and ends a session that has its answers. Called again and again. */
  look(): void {
    if (this.#isOver) return;
    const isQuiet = this.#bytesOut === this.#bytesBefore;
    this.#bytesBefore = this.#bytesOut;
    if (this.#isDraining && isQuiet && (this.#session === 'append' || this.#isWaitingRead)) this.#fail(draining());
    if (!this.#isUploadHeld || this.#isOver) return;
    try {
      this.#memory.holdAtLeast(this.#exchange.request.readableLength);
    } catch (thrown) {
      this.#fail(asTailraceError(thrown));
    }
  }

  /** Nothing is lost when it is sent again. */
  get #isWaitingRead(): boolean {
    return this.#exchange.request.method === 'GET' && !isAnswered(this.#exchange);
  }

  #listen(): void {
    // A close follows every error.
    this.#sink.on('error', () => {});
    this.#stream
      .on('error', () => {})
      .on('continue', () => {
        if (!this.#isOver && !isGone(this.#exchange)) goOn(this.#exchange);
      })
      .on('response', (headers, flags) => this.#begin(headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0))
      .on('trailers', (trailers) => {
        this.#trailers = trailers;
      })
      .on('data', (chunk: Buffer) => this.#take(chunk))
      // Trailers, and a reset that node shows as an end, are known by the next turn.
      .on('end', () => setImmediate(() => this.#end()))
      .on('close', () => setImmediate(() => this.#fail(noAnswer())));
  }

  #upload(): void {
    const { request } = this.#exchange;
    request
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        if (this.#isOver || this.#stream.destroyed || this.#stream.writableEnded) return;
        const isTaken = this.#stream.write(chunk);
        if (isTaken && !(this.#isDraining && this.#session === 'append')) return;
        this.#isUploadHeld = true;
        request.pause();
      })
      // A stream of HTTP/2 that was reset without an error ends in node as if it were whole.
      .on('end', () => {
        if (!request.aborted && !this.#stream.destroyed) this.#stream.end();
      });
    this.#stream.on('drain', () => this.#goOnUploading());
  }

  #goOnUploading(): void {
    if (!this.#isUploadHeld || this.#isOver || (this.#isDraining && this.#session === 'append')) return;
    this.#isUploadHeld = false;
    this.#memory.holdExactly(this.#isDownloadHeld ? FORWARD_WINDOW_BYTES : 0);
    this.#exchange.request.resume();
  }

  #begin(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, isEnd: boolean): void {
    if (this.#isOver || isGone(this.#exchange)) return;
    const { transport, awaitsContinue } = this.#exchange;
    this.#session = isEnd ? undefined : sessionOf(headers['content-type'], isBodyPending(this.#exchange));
    const status = headers[':status'] ?? 0;
    const passed = passedResponseHeaders(headers);
    if (transport.version === 2) {
      transport.stream.respond({ ...passed, ':status': status }, { endStream: isEnd, waitForTrailers: !isEnd });
    } else {
      const { response } = transport;
      // A session has a response of unknown length, and ends while its client still sends.
      const isWhole = headers['content-length'] !== undefined;
      this.#isLast = isWhole && closesAfter(this.#exchange, response, this.#deps.context);
      // Its client may send the body or not: what comes next on the connection cannot be told.
      if (awaitsContinue || this.#isLast || this.#deps.context.closing()) passed.connection = 'close';
      response.writeHead(status, passed);
      // With the first bytes of the body, where they are there.
      setImmediate(() => response.flushHeaders());
    }
    if (isEnd) this.#end();
    else if (headers['content-length'] !== undefined) this.#bytesExpected = Number(headers['content-length']);
    if (this.#isDraining) this.drain();
  }

  /** What the client has not sent yet is not sent on: so nothing is stored of which it is not told. */
  #endSession(session: 'read' | 'append'): void {
    if (session === 'read') this.#fail(draining());
    else if (!this.#isUploadHeld) {
      this.#isUploadHeld = true;
      this.#exchange.request.pause();
    }
  }

  #take(chunk: Buffer): void {
    if (this.#isOver || isGone(this.#exchange)) return;
    const isTaken = this.#sink.write(chunk, (error) => {
      if (!error) this.#waiting.note(chunk.length);
    });
    this.#bytesOut += chunk.length;
    if (isTaken || this.#isDownloadHeld) return;
    this.#isDownloadHeld = true;
    this.#stream.pause();
    this.#waiting.watch();
    this.#sink.once('drain', () => this.#goOnSending());
    try {
      this.#memory.holdAtLeast(FORWARD_WINDOW_BYTES);
    } catch {
      // Of clients that don't take their responses, those that come last go when the memory is used up.
      cut(this.#exchange);
    }
  }

  #goOnSending(): void {
    this.#isDownloadHeld = false;
    if (this.#isOver) return;
    if (!this.#isUploadHeld) this.#memory.holdExactly(0);
    this.#waiting.unwatch();
    this.#stream.resume();
  }

  /** The response is whole, or only looks so. */
  #end(): void {
    if (this.#isOver) return;
    const { transport, request } = this.#exchange;
    const isWhole = this.#bytesExpected === undefined || this.#bytesOut === this.#bytesExpected;
    if (!isWhole || this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR || !isAnswered(this.#exchange)) {
      this.#fail(noAnswer());
      return;
    }
    this.#isOver = true;
    if (transport.version === 2) endResponse(transport.stream, passedResponseHeaders(this.#trailers));
    else if (Object.keys(this.#trailers).length > 0) transport.response.addTrailers(this.#trailers);
    this.#waiting.watch();
    // A stream of HTTP/2 of whose body something is left unread never closes.
    this.#sink.once('finish', () => this.#letGo());
    const isPending = !isGone(this.#exchange) && isBodyPending(this.#exchange) && !this.#exchange.awaitsContinue;
    // A response that says `close` takes the connection down when it ends, so that comes behind the body.
    if (!isPending || !this.#isLast) this.#sink.end();
    if (!isPending) return;
    request.resume();
    discardRest(this.#exchange, this.#deps.context.watch, () => {
      if (transport.version === 1) {
        if (!this.#sink.writableEnded) this.#sink.end();
      } else if (isOpen(transport.stream)) endQuietly(transport.stream);
    });
  }

  /** May be called twice. */
  #letGo(): void {
    this.#memory.release();
    this.#waiting.unwatch();
    this.#onOver();
  }

  /** The node sent no response, or only a part of one. */
  #fail(error: TailraceError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sent.reset();
    this.#letGo();
    if (isGone(this.#exchange)) return;
    if (isAnswered(this.#exchange)) cut(this.#exchange);
    else this.#deps.refuse(this.#exchange, error);
  }
}

function sessionOf(contentType: string | undefined, isBodyPending: boolean): 'read' | 'append' | undefined {
  if (contentType === S2S_CONTENT_TYPE) return isBodyPending ? 'append' : 'read';
  return contentType?.startsWith('text/event-stream') === true ? 'read' : undefined;
}

export function draining(): TailraceError {
  return new TailraceError('draining', 'this node is stopping: connect again and go on');
}

/** Whether the node has acted on the request is not known, so it is not sent again by us. */
function noAnswer(): TailraceError {
  return new TailraceError('unavailable', 'the node that leads did not answer: send the request again');
}
