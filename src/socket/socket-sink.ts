/** Where a reader's frames go on a WebSocket. Signs of life are bytes that it takes, its pings, and its pongs. */

import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { ErrorCode, TailraceError } from '../model/error.ts';
import type { Sink, SinkListener } from '../readers/sink.ts';
import type { Frame } from '../readers/wire.ts';
import { CLOSE_CODES, CLOSE_DONE } from './close-codes.ts';

export class SocketSink implements Sink {
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #connection: Duplex;
  readonly #onError: (code: ErrorCode) => void;
  #listener: SinkListener | undefined;
  #closeCode: number | undefined;
  /** It came to its own end: closed once everything is out, since ws cuts whoever takes long to answer a close. */
  #isEnding = false;
  #isClosing = false;

  /** `connection` is what the WebSocket runs over; `onError` is told what it is ended for. */
  constructor(socket: WebSocket, connection: Duplex, onError: (code: ErrorCode) => void) {
    this.#onError = onError;
    this.#socket = socket;
    this.#connection = connection;
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosing = true;
        this.#listener?.onClosed();
        resolve();
      });
    });
    socket.on('pong', () => this.#listener?.onHeard());
    socket.on('ping', (data) => this.#answerPing(data));
    // ws closes the connection by itself; 'close' follows.
    socket.on('error', () => {});
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  connect(listener: SinkListener): void {
    this.#listener = listener;
  }

  write(frames: readonly Frame[]): void {
    // One system call for all of them.
    this.#connection.cork();
    for (const { bytes, isBinary = false, loan } of frames) {
      this.#socket.send(bytes, { binary: isBinary }, (error) => {
        // After a failure it is not known who still looks at the bytes: they are left to the garbage collector.
        if (!error) loan?.give();
        this.#onWritten();
      });
    }
    this.#connection.uncork();
  }

  /** Closes with this code instead of the one that follows from the error. */
  closeWith(code: number): void {
    this.#closeCode = code;
  }

  end(error: TailraceError | undefined): void {
    if (error !== undefined) {
      this.#onError(error.code);
      this.#close(this.#closeCode ?? CLOSE_CODES[error.code], error.code);
      return;
    }
    this.#isEnding = true;
    this.#endWhenEmpty();
  }

  cut(): void {
    this.#isClosing = true;
    this.#socket.terminate();
  }

  ping(): void {
    this.#socket.ping();
  }

  /** Pongs would pile up for a peer that pings and does not read: it gets no pong until it has read. */
  #answerPing(data: Buffer): void {
    this.#listener?.onHeard();
    if (!this.#isClosing && this.#socket.bufferedAmount === 0) this.#socket.pong(data);
  }

  #onWritten(): void {
    this.#listener?.onTaken();
    this.#endWhenEmpty();
  }

  #endWhenEmpty(): void {
    if (this.#isEnding && this.#socket.bufferedAmount === 0) this.#close(CLOSE_DONE, 'done');
  }

  #close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#socket.close(code, reason);
  }
}
