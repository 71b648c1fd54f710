/**
 * Few requests of one HTTP/1.1 connection are under way at a time. Node's parser takes all that a chunk holds, hundreds of
 * small requests, and each would get its answer made, which then waits for those before it and for a client that may never
 * read. So from the first request on that has to wait, the bytes are handed to the parser in pieces that hold one head at
 * most; what is behind stays in the socket, unparsed, and the socket takes no more. Before that, and so on nearly all
 * connections, Node reads by itself: to read here costs a tenth of the processor time of a request. What the parser had
 * taken by then is held.
 */

import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { assert } from '../../model/error.ts';
import { HTTP1_REQUESTS_HELD_MAX, HTTP1_REQUESTS_UNDER_WAY_MAX } from '../../model/limits.ts';

/** A head that comes in several chunks may have its end on the border of two: the rest of `\r\n\r\n`. */
const SPLIT_END_BYTES_MAX = 3;
/** Pieces of a body whose length is not known: few heads may hide in one, and few pieces are made of a chunk. */
const UNKNOWN_PIECE_BYTES_MIN = 256;
const UNKNOWN_PIECE_BYTES_MAX = 4_096;
const END_OF_HEAD = Buffer.from('\n\r\n');
/** Node's parser may take lines without a carriage return. */
const BARE_END_OF_HEAD = Buffer.from('\n\n');

/** A request that waits for others of its connection. */
interface HeldRequest {
  readonly response: ServerResponse;
  readonly handle: () => void;
}

/** How many requests of all connections are held. */
let held = 0;

/** Orders the requests of one connection, which Node's server has taken. */
export class Pipeline {
  readonly #socket: Socket;
  /** What Node's server does with bytes; undefined while it gets them by itself. */
  #parse: ((bytes: Buffer) => void) | undefined;
  readonly #underWay = new Set<ServerResponse>();
  readonly #held: HeldRequest[] = [];
  /** The last request whose head has come. */
  #last: IncomingMessage | undefined;
  /** What is still to come of its body; undefined while that is not known. */
  #left: number | undefined;
  #isWithinHead = false;
  #isHolding = false;
  #isOver = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => this.#closeWaiting());
  }

  /** The head of a request has come. Calls `handle` now, or when so many before it are answered. */
  begin(request: IncomingMessage, response: ServerResponse, handle: () => void): void {
    this.#last = request;
    this.#left = undefined;
    if (this.#held.length === 0 && this.#underWay.size < HTTP1_REQUESTS_UNDER_WAY_MAX) {
      this.#handle({ response, handle });
    } else if (held >= HTTP1_REQUESTS_HELD_MAX) {
      this.#socket.destroy();
    } else {
      held++;
      this.#held.push({ response, handle });
      this.#intercept();
    }
  }

  #handle({ response, handle }: HeldRequest): void {
    this.#underWay.add(response);
    response.once('close', () => {
      this.#underWay.delete(response);
      if (this.#isOver) return;
      const next = this.#held.shift();
      if (next === undefined) {
        this.#goOn();
        return;
      }
      held--;
      this.#handle(next);
    });
    handle();
  }

  /** From now on bytes come here first. A listener makes Node's parser give the connection back. */
  #intercept(): void {
    if (this.#parse !== undefined) return;
    const [parse] = this.#socket.listeners('data');
    assert(parse !== undefined, 'the HTTP server of Node listens to a connection that it was given');
    this.#parse = parse as (bytes: Buffer) => void;
    this.#socket.on('data', this.#onData).off('data', this.#parse);
  }

  /** Nothing more is handed to the parser: the connection is not HTTP any more, or broken. */
  end(): void {
    this.#isOver = true;
    this.#socket.off('data', this.#onData);
  }

  /** Calls back when all that has come as a whole is answered: nothing may be written before. */
  whenAnswered(call: () => void): void {
    const response = [...this.#underWay].find((other) => other.req !== this.#last || other.req.complete);
    if (response === undefined) call();
    else response.once('close', () => this.whenAnswered(call));
  }

  readonly #onData = (chunk: Buffer): void => {
    let at = 0;
    while (at < chunk.length && !this.#mustStop()) at = this.#feed(chunk, at);
    if (at < chunk.length && !this.#socket.destroyed) this.#socket.unshift(chunk.subarray(at));
  };

  /** Node pauses the socket too, and resumes it by itself. */
  #mustStop(): boolean {
    if (this.#isOver || this.#socket.destroyed || this.#socket.isPaused()) return true;
    if (this.#isInBody || (this.#held.length === 0 && this.#underWay.size < HTTP1_REQUESTS_UNDER_WAY_MAX)) return false;
    this.#isHolding = true;
    this.#socket.pause();
    return true;
  }

  #goOn(): void {
    if (!this.#isHolding || this.#underWay.size >= HTTP1_REQUESTS_UNDER_WAY_MAX) return;
    this.#isHolding = false;
    if (!this.#isOver) this.#socket.resume();
  }

  get #isInBody(): boolean {
    return this.#last !== undefined && !this.#last.complete;
  }

  /** Hands one piece to the parser. Returns where the next one begins. */
  #feed(chunk: Buffer, at: number): number {
    const { isInBody, last } = { isInBody: this.#isInBody, last: this.#last };
    const end = isInBody ? this.#endOfBodyPiece(chunk, at) : this.#endOfHeadPiece(chunk, at);
    if (isInBody && this.#left !== undefined) this.#left -= end - at;
    this.#parse?.(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    const isNew = this.#last !== last;
    // Only a piece that ends with the head of a request says where its body begins.
    if (isNew && !isInBody) this.#left = lengthOf(this.#last);
    this.#isWithinHead = !isInBody && !isNew;
    return end;
  }

  #endOfBodyPiece(chunk: Buffer, at: number): number {
    if (this.#left !== undefined && this.#left > 0) return Math.min(chunk.length, at + this.#left);
    const end = endOfHead(chunk, at + UNKNOWN_PIECE_BYTES_MIN);
    return Math.min(end, at + UNKNOWN_PIECE_BYTES_MAX);
  }

  #endOfHeadPiece(chunk: Buffer, at: number): number {
    if (this.#isWithinHead && at < SPLIT_END_BYTES_MAX) return at + 1;
    for (let from = Math.max(0, at - SPLIT_END_BYTES_MAX); ; ) {
      const end = endOfHead(chunk, from);
      if (end > at) return end;
      from = end - 1;
    }
  }

  /** Node tells only the response that is being sent that the connection is gone; those behind it wait for that too. */
  #closeWaiting(): void {
    this.#isOver = true;
    held -= this.#held.length;
    this.#held.length = 0;
    for (const response of [...this.#underWay]) {
      if (response.socket !== null) continue;
      response.destroyed = true;
      response.emit('close');
    }
  }
}

/** Behind the first empty line from there on; the end of the chunk when there is none. */
function endOfHead(chunk: Buffer, from: number): number {
  const found = chunk.indexOf(END_OF_HEAD, from);
  const end = found < 0 ? chunk.length : found + END_OF_HEAD.length;
  const bare = chunk.subarray(from, end).indexOf(BARE_END_OF_HEAD);
  return bare < 0 ? end : from + bare + BARE_END_OF_HEAD.length;
}

/** The length of a body; undefined when the request does not say it. */
function lengthOf(request: IncomingMessage | undefined): number | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = request?.headers ?? {};
  return length === undefined || coding !== undefined ? undefined : Number(length);
}
