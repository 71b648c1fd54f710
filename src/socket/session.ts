/**
 * One reader on one WebSocket: asks the log for the next records only while its socket takes them, and says how it
 * ends. It has no timers: the door calls `tick` now and then.
 */

import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import type { BufferPool, Loan } from '../encoding/buffer-pool.ts';
import type { ReadEvent } from '../log/read.ts';
import { TailraceError } from '../model/error.ts';
import {
  HEARTBEAT_MAX_MS,
  HEARTBEAT_MIN_MS,
  SOCKET_PING_MS,
  SOCKET_SILENCE_MS,
  SOCKET_STALL_MS,
  SOCKET_TURN_BYTES,
} from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import { CLOSE_CODES, CLOSE_DONE } from './close-codes.ts';
import { caughtUpFrame, errorFrame, gapFrame, heartbeatFrame } from './control-frames.ts';
import type { Encoder, Frame, Piece } from './encoders.ts';
import type { FrameCache } from './frame-cache.ts';

/** What a reader gets: its first frame, then events as they are asked for. */
export interface Reading {
  readonly hello: string;
  readonly encoder: Encoder;
  /** Ends when a bound is reached; throws what the client is told. */
  readonly events: AsyncIterable<ReadEvent>;
}

export interface SessionDeps {
  readonly frames: FrameCache;
  /** Where frames are made that nobody keeps. */
  readonly pool: BufferPool;
  /** Monotonic milliseconds. */
  now(): number;
  /** How many bytes may wait in one socket at this moment. */
  bufferedBytesMax(): number;
  /** Told about what we did wrong; what clients do wrong is theirs. */
  onFault(error: unknown): void;
}

export class Session {
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #wire: Duplex;
  readonly #deps: SessionDeps;
  readonly #abort = new AbortController();
  /** No more frames are sent: the close is on its way, or the connection is gone. */
  #over = false;
  /** Where the reader stands while it is level with the tail. */
  #level: Position | undefined;
  #caughtUp = false;
  #turnBytes = 0;
  #spokeAt: number;
  #heardAt: number;
  #pingedAt: number;
  #heartbeatMs = heartbeatDelay();
  #roomBelow = 0;
  #onRoom: (() => void) | undefined;

  /** `wire` is the connection below the WebSocket. */
  constructor(socket: WebSocket, wire: Duplex, deps: SessionDeps) {
    this.#socket = socket;
    this.#wire = wire;
    this.#deps = deps;
    this.#spokeAt = this.#heardAt = this.#pingedAt = deps.now();
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#stop();
        resolve();
      });
    });
    socket.on('pong', () => this.#heard());
    socket.on('ping', (data) => this.#answerPing(data));
    socket.on('message', () =>
      this.end(new TailraceError('bad_request', 'a reader sends nothing but close, ping and pong')),
    );
    // ws closes the connection by itself; 'close' follows.
    socket.on('error', () => {});
  }

  /**
   * Serves the reader until it ends. Never rejects: the reader is told, and `onFault` hears what is ours.
   * `open` gets the signal that ends the read.
   */
  async run(open: (signal: AbortSignal) => Promise<Reading>): Promise<void> {
    try {
      const reading = await open(this.#abort.signal);
      this.#say(reading.hello);
      for await (const event of reading.events) {
        if (this.#over) return;
        await this.#take(event, reading.encoder);
        if (this.#over) return;
      }
      await this.#room(0);
      this.#close(CLOSE_DONE, 'done');
    } catch (error) {
      if (this.#over) return;
      this.end(error);
    }
  }

  /** Tells the reader why, and closes; with the code of the error, unless there is a better one. */
  end(cause: unknown, code?: number): void {
    const error = cause instanceof TailraceError ? cause : undefined;
    const told = error ?? new TailraceError('internal', 'a fault of the server ended the read', { cause });
    if (this.#over) return;
    if (CLOSE_CODES[told.code] === CLOSE_CODES.internal) this.#deps.onFault(cause);
    this.#say(errorFrame(told));
    this.#close(code ?? CLOSE_CODES[told.code], told.code);
  }

  /** Ends the connection without a word. */
  terminate(): void {
    this.#stop();
    this.#socket.terminate();
  }

  /** What time asks for: a heartbeat, a ping, or the end of a reader that is gone. */
  tick(now: number): void {
    if (this.#over) return;
    const buffered = this.#socket.bufferedAmount;
    const patience = buffered === 0 ? SOCKET_SILENCE_MS : SOCKET_STALL_MS;
    if (now - this.#heardAt > patience) {
      this.end(new TailraceError('request_timeout', 'the reader takes nothing and gives no sign of life'));
      this.terminate();
      return;
    }
    if (buffered > 0) return;
    if (this.#level !== undefined && now - this.#spokeAt >= this.#heartbeatMs) {
      this.#heartbeatMs = heartbeatDelay();
      this.#say(heartbeatFrame(this.#level));
    }
    if (now - this.#pingedAt >= SOCKET_PING_MS) {
      this.#pingedAt = now;
      this.#socket.ping();
    }
  }

  async #take(event: ReadEvent, encoder: Encoder): Promise<void> {
    if (event.type === 'gap') {
      this.#say(gapFrame(event.from, event.to));
    } else if (event.type === 'caught_up') {
      this.#level = event.tail;
      if (!this.#caughtUp) this.#say(caughtUpFrame(event.tail));
      this.#caughtUp = true;
    } else {
      await this.#deliver(event, encoder);
    }
  }

  async #deliver(event: ReadEvent & { type: 'records' }, encoder: Encoder): Promise<void> {
    const { block, to, shared } = event;
    this.#level = undefined;
    for (let from = event.from; from < to && !this.#over; ) {
      const end = encoder.end(block, from, to);
      const tail = end === to ? event.tail : undefined;
      const frames = this.#framesOf(encoder, { block, from, to: end, tail }, shared);
      // One system call for all of them.
      this.#wire.cork();
      for (const { bytes, binary, loan } of frames) this.#send(bytes, binary, loan);
      this.#wire.uncork();
      this.#level = tail;
      from = end;
      await this.#turn();
    }
  }

  /** What nobody else gets is not kept: it would only crowd out what others wait for. */
  #framesOf(encoder: Encoder, piece: Piece, shared: boolean): readonly Frame[] {
    return shared ? this.#deps.frames.framesOf(encoder, piece) : encoder.encode(piece, this.#deps.pool);
  }

  /** Back-pressure: not asking for more is all it takes. A reader that takes all lets others have their turn. */
  async #turn(): Promise<void> {
    const max = this.#deps.bufferedBytesMax();
    if (this.#socket.bufferedAmount > max) {
      this.#turnBytes = 0;
      await this.#room(max / 2);
    } else if (this.#turnBytes >= SOCKET_TURN_BYTES) {
      this.#turnBytes = 0;
      await nextTurn();
    }
  }

  /** Waits until at most so many bytes wait in the socket, or all is over. */
  #room(bytes: number): Promise<void> | undefined {
    if (this.#over || this.#socket.bufferedAmount <= bytes) return undefined;
    this.#roomBelow = bytes;
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }

  readonly #onWritten = (): void => {
    this.#heardAt = this.#deps.now();
    if (this.#onRoom !== undefined && this.#socket.bufferedAmount <= this.#roomBelow) this.#wake();
  };

  #wake(): void {
    const wake = this.#onRoom;
    this.#onRoom = undefined;
    wake?.();
  }

  #say(text: string): void {
    this.#send(text, false);
  }

  #send(data: string | Buffer, binary: boolean, loan?: Loan): void {
    this.#spokeAt = this.#deps.now();
    this.#turnBytes += data.length;
    this.#socket.send(data, { binary }, loan === undefined ? this.#onWritten : (error) => this.#onSent(loan, error));
  }

  /** After a failure it is not known who still looks at the bytes: they are left to the garbage collector. */
  #onSent(loan: Loan, error: Error | null | undefined): void {
    if (!error) loan.give();
    this.#onWritten();
  }

  #heard(): void {
    this.#heardAt = this.#deps.now();
  }

  /** Answers would pile up for a peer that pings and does not read: it gets none until it has read. */
  #answerPing(data: Buffer): void {
    this.#heard();
    if (!this.#over && this.#socket.bufferedAmount === 0) this.#socket.pong(data);
  }

  #close(code: number, reason: string): void {
    if (this.#over) return;
    this.#stop();
    this.#socket.close(code, reason);
  }

  #stop(): void {
    this.#over = true;
    this.#abort.abort();
    this.#wake();
  }
}

function heartbeatDelay(): number {
  return HEARTBEAT_MIN_MS + Math.random() * (HEARTBEAT_MAX_MS - HEARTBEAT_MIN_MS - TICK_MS);
}

/** How often the door calls `tick`: heartbeats come at most so much late, and are asked for that much early. */
export const TICK_MS = 1_000;
