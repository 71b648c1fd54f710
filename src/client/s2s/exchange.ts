/**
 * One s2s session over an HTTP/2 connection of its own: frames of bytes go out, messages come in. It takes little of the
 * processor for each message, and nothing for a record: what reads and writes millions of them is built on it.
 */

import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { TailraceError } from '../../model/error.ts';
import { FrameReader } from '../../s2/frame-reader.ts';
import { abortedCall, identityHeaders, segment, unreachable } from '../calls.ts';
import { readRefusal, refusalError } from '../failures.ts';
import { onAbort } from '../on-abort.ts';
import type { RequestOptions, ServerTarget } from '../request.ts';

export interface ExchangeOptions extends RequestOptions {
  readonly target: ServerTarget;
  readonly stream: string;
  /** A session of appends sends, one of reads does not. */
  readonly method: 'GET' | 'POST';
  readonly query?: URLSearchParams;
}

/** So much may be on its way to us without a word of ours. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** What waits to go out counts too, and callers bound that themselves. */
const SESSION_MEMORY_MIB = 512;
const CONNECT_MS_MAX = 15_000;
const REFUSAL_BYTES_MAX = 64 * 1024;
/** Of the flag of a frame. */
const TERMINAL = 0x80;
const COMPRESSION = 0x60;
const STATUS_BYTES = 2;

export class S2sExchange {
  /** Resolves with the head of a response that is a success. */
  readonly answered: Promise<void>;
  /**
   * Resolves when the server has ended the session in order.
   * @throws TailraceError (rejects) what the server refused, `unavailable` for a lost connection, `aborted` by the signal
   */
  readonly done: Promise<void>;
  readonly #connection: ClientHttp2Session;
  readonly #request: ClientHttp2Stream;
  readonly #frames = new FrameReader();
  readonly #onMessage: (message: Buffer) => void;
  readonly #what: string;
  #end: { resolve(): void; reject(error: TailraceError): void } = { resolve() {}, reject() {} };
  #refused: { readonly status: number; readonly chunks: Buffer[]; bytes: number } | undefined;

  /** Connects, and calls back with each message, in order, as a view that stays as it is. */
  constructor(options: ExchangeOptions, onMessage: (message: Buffer) => void) {
    const { target, method, query, signal } = options;
    const path = `/v1/streams/${segment(options.stream, 'the name of a stream')}/records`;
    const url = new URL(`${target.endpoint}${path}${query === undefined ? '' : `?${query}`}`);
    this.#onMessage = onMessage;
    this.#what = `${method} ${path}`;
    this.#connection = connect(url.origin, {
      maxSessionMemory: SESSION_MEMORY_MIB,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    });
    this.#connection.once('connect', () => this.#connection.setLocalWindowSize(WINDOW_BYTES));
    this.#request = this.#connection.request(
      {
        ':method': method,
        ':path': url.pathname + url.search,
        'content-type': 's2s/proto',
        accept: 'application/protobuf',
        ...identityHeaders(target, options.basin),
      },
      { endStream: method === 'GET' },
    );
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = { resolve, reject };
    });
    const stop = onAbort(signal, () => this.#fail(abortedCall(url.href)));
    const late = setTimeout(
      () => this.#fail(unreachable(url.href, new Error('no connection in time'))),
      CONNECT_MS_MAX,
    );
    this.#connection.once('connect', () => clearTimeout(late));
    this.done = ended.finally(() => {
      clearTimeout(late);
      stop();
      this.#connection.destroy();
    });
    this.answered = this.#listen(url.href);
    // Both are looked at when their time has come, and one of them may be enough.
    this.done.catch(() => {});
    this.answered.catch(() => {});
  }

  /** Sends bytes, which must not change before the server has answered them. */
  write(frame: Uint8Array): void {
    if (!this.#request.destroyed) this.#request.write(frame);
  }

  /** Says that nothing more goes out: the server answers what it has got, then ends the session. */
  end(): void {
    this.#request.end();
  }

  /** Ends the session at once. May be called twice. */
  close(): void {
    this.#request.close(constants.NGHTTP2_CANCEL);
    this.#end.resolve();
  }

  #listen(url: string): Promise<void> {
    this.#connection.on('error', (error) => this.#fail(unreachable(url, error)));
    this.#request.on('error', (error) => this.#fail(unreachable(url, error)));
    this.#request.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#request.on('end', () => this.#onEnd());
    this.#request.on('close', () => this.#fail(unreachable(url, new Error('the connection was closed'))));
    const answered = new Promise<void>((resolve) => {
      this.#request.once('response', (head) => {
        const status = head[':status'] ?? 0;
        if (status === 200) resolve();
        else this.#refused = { status, chunks: [], bytes: 0 };
      });
    });
    return Promise.race([answered, this.done]);
  }

  #take(chunk: Buffer): void {
    if (this.#refused !== undefined) {
      if (this.#refused.bytes < REFUSAL_BYTES_MAX) this.#refused.chunks.push(chunk);
      this.#refused.bytes += chunk.length;
      return;
    }
    try {
      this.#frames.push(chunk);
      for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
        if ((frame.flag & TERMINAL) !== 0)
          throw this.#refusal(frame.body.readUInt16BE(0), frame.body.subarray(STATUS_BYTES));
        if ((frame.flag & COMPRESSION) !== 0) throw new Error('it was compressed, and that was not asked for');
        this.#onMessage(frame.body);
      }
    } catch (error) {
      this.#fail(error instanceof TailraceError ? error : notS2s(this.#what, error));
    }
  }

  #onEnd(): void {
    if (this.#refused !== undefined)
      this.#fail(this.#refusal(this.#refused.status, Buffer.concat(this.#refused.chunks)));
    else if (this.#frames.isWithinFrame) this.#fail(notS2s(this.#what, new Error('the last frame is cut')));
    else this.#end.resolve();
  }

  #refusal(status: number, body: Buffer): TailraceError {
    return refusalError(readRefusal(status, body.toString('utf8'), null), this.#what);
  }

  #fail(error: TailraceError): void {
    this.#end.reject(error);
    this.#request.destroy();
  }
}

function notS2s(what: string, cause: unknown): TailraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TailraceError('internal', `${what}: the answer is no s2s session: ${why}`, { cause });
}
