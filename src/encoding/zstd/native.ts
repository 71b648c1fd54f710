/**
 * zstd as node has it since 22.15: on the thread pool, but with a new context for each stream, which takes 70 µs of this
 * thread. It takes data that is cut short for whole: never to be called with what `guardZstd` has not seen.
 */

import zlib from 'node:zlib';
import { assert, TailraceError } from '../../model/error.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import { damagedZstd, type GuardedZstd, type ZstdTake } from './guard.ts';

/** The types of node 20 lack what is optional here. */
interface NativeZlib extends Pick<typeof zlib, 'createGunzip'> {
  readonly createZstdDecompress?: (options: { readonly chunkSize: number }) => zlib.Gunzip;
}

const { createZstdDecompress }: NativeZlib = zlib;
/** What a frame of this size takes in WebAssembly is what the way to another thread and back takes. */
const FRAME_BYTES_MIN = 256 * 1024;
const NOTHING = new Uint8Array(0);

/** Whether node has zstd, and the frames of this body are large enough to be better off there. */
export function isForNative({ frames, plainBytesMax }: GuardedZstd): boolean {
  return createZstdDecompress !== undefined && plainBytesMax >= frames.length * FRAME_BYTES_MIN;
}

/**
 * Decompresses frames one after the other. An error that `take` throws ends the work.
 * @throws TailraceError `bad_frame` for damaged data
 */
export async function decompressNatively({ frames }: GuardedZstd, take: ZstdTake): Promise<void> {
  assert(createZstdDecompress !== undefined, 'isForNative says whether node has zstd');
  for (const frame of frames) {
    const engine = createZstdDecompress({ chunkSize: YIELD_BYTES });
    engine.end(Buffer.concat([frame.head, frame.blocks]));
    try {
      // A frame of nothing yields nothing, but it must be seen.
      take(NOTHING, frame);
      for await (const piece of engine as AsyncIterable<Buffer>) take(piece, frame);
    } catch (cause) {
      if (cause instanceof TailraceError) throw cause;
      throw damagedZstd('node cannot decompress it', cause);
    }
  }
}
