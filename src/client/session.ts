/** One WebSocket connection of a reader: from the upgrade to the close, with a bounded queue between. */

import type { IncomingMessage } from 'node:http';
import { type RawData, WebSocket } from 'ws';
import { TailraceError } from '../model/error.ts';
import { unreachable } from './calls.ts';
import { readRefusal, refusalError } from './failures.ts';
import { parseTextFrame, type SessionFrame, type WireFrame } from './frames.ts';
import { onAbort } from './on-abort.ts';

/** What a session gives: frames, then one end. */
export type SessionEvent =
  | { readonly type: 'frame'; readonly frame: SessionFrame }
  | { readonly type: 'end'; readonly closeCode: number; readonly error: TailraceError | undefined };

export interface SessionOptions {
  readonly url: string;
  readonly protocol: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/** Above so many queued bytes the socket is paused, below half of it it goes on: a slow consumer slows the server. */
const QUEUE_BYTES_MAX = 1024 * 1024;
/** One frame holds at most a batch, which may be one record of 16 MiB as JSON; a server that sends more is not ours. */
const FRAME_BYTES_MAX = 128 * 1024 * 1024;
/** The server says something every 15 s at least; after this long without a word the connection is dead. */
const SILENCE_MAX_MS = 40_000;
const HANDSHAKE_TIMEOUT_MS = 15_000;
const REFUSAL_BYTES_MAX = 64 * 1024;

/** A reader's connection. `next()` is called by one consumer, one call at a time. */
export class Session {
  readonly #socket: WebSocket;
  readonly #queue: { event: SessionEvent; bytes: number }[] = [];
  #queuedBytes = 0;
  #error: TailraceError | undefined;
  #waiting: ((event: SessionEvent) => void) | undefined;
  #ended: SessionEvent | undefined;
  #positions: (WireFrame & { type: 'positions' }) | undefined;
  readonly #silence: NodeJS.Timeout;

  /**
   * Connects.
   * @throws TailraceError `unavailable` when no server answers, or what a refused upgrade means.
   */
  static async open(options: SessionOptions): Promise<Session> {
    const socket = new WebSocket(options.url, [options.protocol], {
      headers: options.headers,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: FRAME_BYTES_MAX,
      perMessageDeflate: false,
    });
    // The session listens before the upgrade is through: frames may come in the same packet as the response.
    const session = new Session(socket);
    await opened(socket, options.url, options.signal);
    return session;
  }

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#silence = setTimeout(() => this.#onSilence(), SILENCE_MAX_MS);
    this.#silence.unref();
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('close', (code) => this.#onClose(code));
    // Without a listener an error would end the process; 'close' follows and says all that a reader needs.
    socket.on('error', () => {});
  }

  /** The next frame, or the end; after the end always the end again. */
  next(): Promise<SessionEvent> {
    const first = this.#queue.shift();
    if (first !== undefined) {
      this.#queuedBytes -= first.bytes;
      if (this.#socket.isPaused && this.#queuedBytes < QUEUE_BYTES_MAX / 2) this.#resume();
      return Promise.resolve(first.event);
    }
    if (this.#ended !== undefined) return Promise.resolve(this.#ended);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Sends a text, after the connection is open. */
  send(text: string): void {
    this.#socket.send(text);
  }

  /** Ends the connection without waiting for the other side. May be called twice. */
  close(): void {
    clearTimeout(this.#silence);
    this.#socket.terminate();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    this.#silence.refresh();
    const bytes = data as Buffer;
    try {
      const frame = isBinary ? this.#otlpBatch(bytes) : parseTextFrame(bytes.toString('utf8'));
      if (frame !== undefined) this.#onFrame(frame, bytes.length);
    } catch (error) {
      this.#error = error instanceof TailraceError ? error : unreachable(this.#socket.url, error);
      this.#socket.close(1002);
    }
  }

  #onFrame(frame: SessionFrame, bytes: number): void {
    if (frame.type === 'error') this.#error = frame.error;
    else if (frame.type === 'positions') this.#positions = frame;
    else this.#push({ type: 'frame', frame }, bytes);
  }

  #otlpBatch(message: Uint8Array): WireFrame {
    const positions = this.#positions;
    this.#positions = undefined;
    if (positions === undefined) {
      throw new TailraceError('bad_proto', 'a binary frame came without its positions');
    }
    return { ...positions, type: 'batch', message };
  }

  #push(event: SessionEvent, bytes: number): void {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting(event);
      return;
    }
    this.#queue.push({ event, bytes });
    this.#queuedBytes += bytes;
    if (this.#queuedBytes > QUEUE_BYTES_MAX && !this.#socket.isPaused) this.#socket.pause();
  }

  #resume(): void {
    this.#silence.refresh();
    this.#socket.resume();
  }

  #onClose(closeCode: number): void {
    clearTimeout(this.#silence);
    this.#ended = { type: 'end', closeCode, error: this.#error };
    this.#waiting?.(this.#ended);
    this.#waiting = undefined;
  }

  #onSilence(): void {
    // A paused socket is silent because our consumer is slow.
    if (this.#socket.isPaused) this.#silence.refresh();
    else this.#socket.terminate();
  }
}

/** Waits for the upgrade. */
function opened(socket: WebSocket, url: string, signal: AbortSignal | undefined): Promise<void> {
  let stop = (): void => {};
  const waited = new Promise<void>((resolve, reject) => {
    stop = onAbort(signal, () => socket.terminate());
    socket.once('open', resolve);
    socket.once('error', (error) => reject(unreachable(url, error)));
    socket.once('close', () => reject(new TailraceError('unavailable', `the connection to ${url} was closed`)));
    socket.once('unexpected-response', (_request, response) => {
      refused(response).then((error) => {
        reject(error);
        socket.terminate();
      }, reject);
    });
  });
  return waited.finally(() => stop());
}

/** What the server said instead of upgrading. */
async function refused(response: IncomingMessage): Promise<TailraceError> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > REFUSAL_BYTES_MAX) break;
  }
  const body = Buffer.concat(chunks).toString('utf8');
  const { 'retry-after': retryAfter = null, date = null } = response.headers;
  return refusalError(readRefusal(response.statusCode ?? 0, body, retryAfter, date), 'read refused');
}
