/**
 * zstd for a node that lacks it: the reference decompressor as WebAssembly, from the package `zstddec`. Only the compiled
 * module of the package is used. Its own wrapper loops forever on damaged data, never frees what it took then, and keeps
 * one instance for good. So the functions of libzstd are called here, on an instance that can be dropped.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert, TailraceError } from '../../model/error.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import { damagedZstd, type GuardedZstd, type ZstdFrame, type ZstdTake } from './guard.ts';

/** What is called of libzstd. Pointers and sizes are numbers; a negative number is an error code. */
interface Libzstd {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): void;
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

/** A part of WebAssembly: node has it, the types of node don't. */
declare const WebAssembly: {
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

const OUTPUT_BYTES = YIELD_BYTES;
const INPUT_BYTES = 64 * 1024;
/** What a byte of input and a call add to the work of a turn: blocks may cost time and become nothing. */
const INPUT_WEIGHT = YIELD_BYTES / INPUT_BYTES;
const CALL_WEIGHT = 1_024;
/** An instance whose memory has grown beyond this is dropped: WebAssembly memory never shrinks. */
const KEPT_MEMORY_BYTES = 32 * 1024 * 1024;
/** Pointer, size and position of the output, then of the input: 4 bytes each. */
const BUFFERS_BYTES = 24;
const OUT_OF_MEMORY = -64;

let compiled: Promise<object> | undefined;
let kept: Instance | undefined;

/**
 * Decompresses frames one after the other. Yields to others after each `YIELD_BYTES` of work. An error
 * that `take` throws ends the work. Must not be called again before it has settled.
 * @throws TailraceError `bad_frame` for damaged data, `overloaded` when there is no memory for the window
 */
export async function decompressInWasm(body: GuardedZstd, take: ZstdTake): Promise<void> {
  compiled ??= compile();
  const instance = kept ?? new Instance(await compiled);
  // Kept again only when nothing unforeseen happens.
  kept = undefined;
  try {
    await instance.decompress(body.frames, take);
    kept = instance;
  } catch (error) {
    if (error instanceof TailraceError) kept = instance;
    throw error;
  } finally {
    instance.endBody();
    if (instance.memoryBytes > KEPT_MEMORY_BYTES) kept = undefined;
  }
}

/** Loads the package and compiles its module: 100 ms, once, and only in a server that receives zstd. */
async function compile(): Promise<object> {
  const { ZSTDDecoder } = await import('zstddec/stream');
  const decoder = new ZSTDDecoder();
  let module: object | undefined;
  // Called with the module and an instance; the wrapper would keep that one.
  decoder._init = (source: { readonly module: object }): void => {
    module = source.module;
  };
  await decoder.init();
  assert(module !== undefined, 'zstddec compiles its module in init()');
  return module;
}

/** libzstd with memory of its own. */
class Instance {
  readonly #zstd: Libzstd;
  readonly #input: number;
  readonly #output: number;
  readonly #buffers: number;
  /** The decompression context of the body; 0 without one. */
  #context = 0;
  /** Units of work since others had their turn. */
  #work = 0;

  constructor(module: object) {
    const imports = { env: { emscripten_notify_memory_growth: () => {} } };
    this.#zstd = new WebAssembly.Instance(module, imports).exports as Libzstd;
    this.#input = this.#zstd.malloc(INPUT_BYTES);
    this.#output = this.#zstd.malloc(OUTPUT_BYTES);
    this.#buffers = this.#zstd.malloc(BUFFERS_BYTES);
  }

  get memoryBytes(): number {
    return this.#zstd.memory.buffer.byteLength;
  }

  async decompress(frames: readonly ZstdFrame[], take: ZstdTake): Promise<void> {
    this.#context = this.#zstd.ZSTD_createDCtx();
    if (this.#context === 0) throw noMemory();
    this.#work = 0;
    for (const frame of frames) await this.#frame(frame, (piece) => take(piece, frame));
  }

  /** Frees what the body needed, also when it failed. */
  endBody(): void {
    this.#zstd.ZSTD_freeDCtx(this.#context);
    this.#context = 0;
  }

  async #frame({ head, blocks }: ZstdFrame, take: (piece: Uint8Array) => void): Promise<void> {
    this.#fill(head);
    let at = 0;
    for (;;) {
      if (this.#work >= YIELD_BYTES) {
        this.#work = 0;
        await nextTurn();
      }
      const state = this.#zstd.ZSTD_decompressStream(this.#context, this.#startOutput(), this.#buffers + 12);
      if (state === OUT_OF_MEMORY) throw noMemory();
      if (state < 0) throw damagedZstd(`libzstd's error ${-state}`);
      const view = new DataView(this.#zstd.memory.buffer);
      const produced = view.getUint32(this.#buffers + 8, true);
      const isConsumed = view.getUint32(this.#buffers + 20, true) === view.getUint32(this.#buffers + 16, true);
      take(new Uint8Array(this.#zstd.memory.buffer, this.#output, produced));
      this.#work += CALL_WEIGHT + produced;
      if (state === 0) {
        if (!isConsumed || at < blocks.length) throw damagedZstd('it ends before its last block');
        return;
      }
      if (produced === OUTPUT_BYTES) continue;
      if (!isConsumed || at === blocks.length) throw damagedZstd('it ends too early');
      const end = Math.min(blocks.length, at + INPUT_BYTES);
      this.#fill(blocks.subarray(at, end));
      at = end;
    }
  }

  #fill(bytes: Uint8Array): void {
    const { buffer } = this.#zstd.memory;
    new Uint8Array(buffer, this.#input, bytes.length).set(bytes);
    const view = new DataView(buffer, this.#buffers + 12, 12);
    view.setUint32(0, this.#input, true);
    view.setUint32(4, bytes.length, true);
    view.setUint32(8, 0, true);
    this.#work += bytes.length * INPUT_WEIGHT;
  }

  /** An empty output buffer; returns the pointer to its struct. */
  #startOutput(): number {
    const view = new DataView(this.#zstd.memory.buffer, this.#buffers, 12);
    view.setUint32(0, this.#output, true);
    view.setUint32(4, OUTPUT_BYTES, true);
    view.setUint32(8, 0, true);
    return this.#buffers;
  }
}

function noMemory(): TailraceError {
  return new TailraceError('overloaded', 'there is no memory to decompress zstd: send again later');
}
