/**
 * Decompresses zstd: large frames with node where node can (22.15 and later), everything else with WebAssembly. One body
 * at a time, however many come: others have their turn between two of them, and only one window is in memory.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { damagedZstd, guardZstd, type ZstdFrame, type ZstdTake, zstdTooLarge } from './guard.ts';
import { decompressNatively, isForNative } from './native.ts';
import { decompressInWasm } from './wasm.ts';

/** Settles when the last body that came is done. */
let last: Promise<void> = Promise.resolve();

/**
 * The plain bytes of one or more zstd frames. `bytes` must not change until it has settled. `reserve` is called with the
 * memory that it needs before that is taken, and may throw.
 * @throws TailraceError `too_large` when they are more than `bytesMax`; `bad_frame` when it is no zstd, is damaged, ends
 *   too early, or needs a dictionary; `overloaded` when there is no memory for it
 */
export function zstdDecompress(
  bytes: Uint8Array,
  bytesMax: number,
  reserve: (bytes: number) => void = noReserve,
): Promise<Buffer> {
  const plain = last.then(() => nextTurn()).then(() => decompress(bytes, bytesMax, reserve));
  last = plain.then(ignore, ignore);
  return plain;
}

async function decompress(bytes: Uint8Array, bytesMax: number, reserve: (bytes: number) => void): Promise<Buffer> {
  const body = guardZstd(bytes, bytesMax);
  reserve(body.plainBytesMax + body.windowBytes);
  const target = new ZstdTarget(body.plainBytesMax, bytesMax);
  await (isForNative(body) ? decompressNatively : decompressInWasm)(body, target.take);
  return target.end();
}

/** Where the plain bytes go. */
class ZstdTarget {
  readonly #bytes: Buffer;
  readonly #bytesMax: number;
  #filled = 0;
  #frame: ZstdFrame | undefined;
  #frameAt = 0;

  constructor(capacity: number, bytesMax: number) {
    // What is not filled is not shown.
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
    this.#bytesMax = bytesMax;
  }

  readonly take: ZstdTake = (piece, frame) => {
    if (frame !== this.#frame) this.#begin(frame);
    const { declaredBytes } = frame;
    const end = this.#filled + piece.length;
    if (end - this.#frameAt > (declaredBytes ?? Infinity)) throw damagedZstd('it holds more than it says');
    if (end > this.#bytes.length) throw zstdTooLarge(this.#bytesMax);
    this.#bytes.set(piece, this.#filled);
    this.#filled = end;
  };

  end(): Buffer {
    this.#endFrame();
    const plain = this.#bytes.subarray(0, this.#filled);
    // A small part must not hold all of the memory.
    return plain.length < this.#bytes.length / 2 ? Buffer.from(plain) : plain;
  }

  #begin(frame: ZstdFrame): void {
    this.#endFrame();
    this.#frame = frame;
    this.#frameAt = this.#filled;
  }

  #endFrame(): void {
    const declared = this.#frame?.declaredBytes;
    if (declared !== undefined && this.#filled - this.#frameAt !== declared) {
      throw damagedZstd('it holds less than it says');
    }
  }
}

function noReserve(): void {
  // The limit is so small that the memory need not be counted.
}

function ignore(): void {
  // The caller gets the error.
}
