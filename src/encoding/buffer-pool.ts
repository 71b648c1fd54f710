/**
 * Large buffers that are used again and again: a fresh one for every body and block costs a third of the throughput in
 * page faults and garbage collections. A buffer goes back only when nothing uses it any more. What an engine was given
 * goes back only after the commit that uses it has settled, because the engine keeps a pointer to it.
 */

const SMALLEST_SHIFT = 14;
const LARGEST_SHIFT = 24;
/** Idle bytes that are kept for later; beyond this, buffers are left to the garbage collector. */
const IDLE_BYTES_MAX = 32 * 1024 * 1024;

/** Free buffers by power of two. */
export class BufferPool {
  readonly #free: Buffer[][] = Array.from({ length: LARGEST_SHIFT - SMALLEST_SHIFT + 1 }, () => []);
  #idleBytes = 0;

  /** A buffer of at least this many bytes, with arbitrary content. */
  take(bytes: number): Buffer {
    const shift = shiftFor(bytes);
    if (shift > LARGEST_SHIFT) return Buffer.allocUnsafeSlow(bytes);
    const buffer = this.#free[shift - SMALLEST_SHIFT]?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(2 ** shift);
    this.#idleBytes -= buffer.length;
    return buffer;
  }

  /** Gives back the whole buffer that `take` returned. Nothing may use it afterwards. */
  give(buffer: Buffer): void {
    const shift = shiftFor(buffer.length);
    if (shift > LARGEST_SHIFT || this.#idleBytes + buffer.length > IDLE_BYTES_MAX) return;
    this.#free[shift - SMALLEST_SHIFT]?.push(buffer);
    this.#idleBytes += buffer.length;
  }
}

/** One buffer of a pool at a time, for a writer that learns only while it writes how much it needs. */
export class Loan {
  readonly #pool: BufferPool;
  #buffer: Buffer | undefined;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** A buffer of at least this many bytes, in place of the one before. */
  readonly take = (bytes: number): Buffer => {
    this.give();
    this.#buffer = this.#pool.take(bytes);
    return this.#buffer;
  };

  /** Gives it back: nothing may use it afterwards. May be called twice. */
  give(): void {
    if (this.#buffer !== undefined) this.#pool.give(this.#buffer);
    this.#buffer = undefined;
  }
}

function shiftFor(bytes: number): number {
  return bytes <= 2 ** SMALLEST_SHIFT ? SMALLEST_SHIFT : 32 - Math.clz32(bytes - 1);
}
