/**
 * One body while it is received. A body that comes as one chunk, as small ones do, is that chunk. Others are copied into
 * a pooled buffer: of the declared size, or one that grows.
 */

import type { BufferPool } from '../../encoding/buffer-pool.ts';
import { TailraceError } from '../../model/error.ts';
import { BODY_BUFFER_BYTES, BODY_BUFFER_GROWTH, BODY_RESERVED_STEP_BYTES } from '../../model/limits.ts';
import type { HttpRequest } from '../exchange.ts';
import type { Reservation } from './reservation.ts';
import type { UploadWatch, Watched } from './upload-watch.ts';

/** What an upload needs of the server. */
export interface UploadContext {
  readonly pool: BufferPool;
  readonly watch: UploadWatch;
  readonly wireBytesMax: number;
  /** Bytes around what is counted, such as the prefix of a message of gRPC. */
  readonly prefixBytes?: number;
  /** What sets that limit, where it is not the setting of the server. */
  readonly wireSetting?: string;
}

/** Exists from the first byte of a body until its memory is given back. */
export class Upload implements Watched {
  received = 0;
  readonly #request: HttpRequest;
  readonly #declared: number | undefined;
  readonly #reservation: Reservation;
  readonly #context: UploadContext;
  #isOver = false;
  /** The whole body, when it came in one chunk. */
  #only: Buffer | undefined;
  /** From the pool. */
  #buffer: Buffer | undefined;
  #resolve: (bytes: Uint8Array) => void = unset;
  #reject: (error: unknown) => void = unset;

  constructor(request: HttpRequest, declared: number | undefined, reservation: Reservation, context: UploadContext) {
    this.#request = request;
    this.#declared = declared;
    this.#reservation = reservation;
    this.#context = context;
  }

  /**
   * The whole body. The bytes are valid until `giveBack`.
   * @throws TailraceError `too_large`, `overloaded`, `request_timeout`, `unavailable`; the request is then paused where it was
   */
  whole(): Promise<Uint8Array> {
    this.#context.watch.add(this);
    this.#request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  tooSlow(): void {
    this.#fail(new TailraceError('request_timeout', 'the body comes too slowly: send it again'));
  }

  /** Gives the buffer back for another body. May be called twice. */
  giveBack(): void {
    if (this.#buffer !== undefined) this.#context.pool.give(this.#buffer);
    this.#buffer = undefined;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    try {
      this.#take(chunk);
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly #onEnd = (): void => {
    if (this.#isOver) return;
    // A stream of HTTP/2 that was reset without an error ends in node as if it were whole.
    if (this.#request.aborted) {
      this.#onClose();
      return;
    }
    this.#finish();
    this.#resolve(this.#only ?? this.#buffer?.subarray(0, this.received) ?? new Uint8Array(0));
  };

  readonly #onClose = (): void => {
    // An error costs a stack trace, and every request closes.
    if (this.#isOver) return;
    this.#fail(new TailraceError('unavailable', 'the client hung up before its body was complete'));
  };

  #take(chunk: Buffer): void {
    const at = this.received;
    const end = at + chunk.length;
    this.received = end;
    const { wireBytesMax, prefixBytes = 0 } = this.#context;
    if (end > wireBytesMax + prefixBytes) throw wireTooLarge(this.#context);
    if (at === 0 && chunk.length === this.#declared) {
      this.#reservation.holdAtLeast(chunk.length);
      this.#only = chunk;
      return;
    }
    this.#reserve(end);
    this.#makeSpace(at, end);
    this.#buffer?.set(chunk, at);
  }

  /** Counts what has come, in steps; of a buffer that is larger, the system gives no memory to what was not written. */
  #reserve(received: number): void {
    if (received <= this.#reservation.held) return;
    const step = Math.ceil(received / BODY_RESERVED_STEP_BYTES) * BODY_RESERVED_STEP_BYTES;
    this.#reservation.holdAtLeast(Math.max(received, Math.min(step, this.#context.wireBytesMax)));
  }

  /** A buffer of the declared size at once: to copy into larger ones costs a fifth of a large request. */
  #makeSpace(used: number, needed: number): void {
    const old = this.#buffer;
    if (old !== undefined && old.length >= needed) return;
    const bytes =
      this.#declared ??
      Math.max(needed, Math.min(this.#context.wireBytesMax, used * BODY_BUFFER_GROWTH), BODY_BUFFER_BYTES);
    const larger = this.#context.pool.take(bytes);
    if (old !== undefined) {
      larger.set(old.subarray(0, used));
      this.#context.pool.give(old);
    }
    this.#buffer = larger;
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#finish();
    this.#request.pause();
    this.#reject(error);
  }

  /** The listeners stay on the request, which ends soon: to remove them costs more than to keep them. */
  #finish(): void {
    this.#isOver = true;
    this.#context.watch.remove(this);
  }
}

/** @throws TailraceError `too_large` naming the limit and its setting */
export function wireTooLarge({
  wireBytesMax,
  wireSetting = '--wire-bytes-max',
}: Pick<UploadContext, 'wireBytesMax' | 'wireSetting'>): TailraceError {
  return new TailraceError(
    'too_large',
    `the body has more than ${wireBytesMax} bytes on the wire: send smaller batches, or raise ${wireSetting}`,
  );
}

function unset(): void {
  // Replaced when `whole` is called.
}
