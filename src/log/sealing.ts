/**
 * Seals the blocks of one append: at once while they are few, and the rest in later turns of the event loop, since an
 * append may have thousands of them.
 */

import { goOnWithWork } from '../encoding/turns.ts';
import { TURN_STREAM_BYTES, YIELD_BYTES } from '../model/limits.ts';
import { type BlockDraft, type SealedBlock, sealBlock } from '../storage/block/seal.ts';

export type Sealed = SealedBlock | Promise<SealedBlock>;

interface Job {
  readonly seal: () => Sealed;
  readonly bytes: number;
  readonly done: (block: Sealed) => void;
  readonly failed: (fault: unknown) => void;
}

export class Sealing {
  #begun = 0;
  readonly #jobs: Job[] = [];

  /** The arguments are those of `sealBlock`. The payload must not change until the block is sealed. */
  seal(key: Uint8Array, firstSeq: number, draft: BlockDraft, arrival: number, followed: boolean): Sealed {
    const bytes = bytesOf(draft);
    if (this.#begun < YIELD_BYTES) {
      this.#begun += bytes;
      return sealBlock(key, firstSeq, draft, arrival, followed);
    }
    return new Promise((done, failed) => {
      const seal = (): Sealed => sealBlock(key, firstSeq, draft, arrival, followed);
      this.#jobs.push({ seal, bytes, done, failed });
      if (this.#jobs.length === 1) void this.#work();
    });
  }

  async #work(): Promise<void> {
    let work = YIELD_BYTES;
    for (const { seal, bytes, done, failed } of this.#jobs) {
      if (work >= YIELD_BYTES) {
        await goOnWithWork(YIELD_BYTES);
        work = 0;
      }
      work += bytes;
      try {
        done(seal());
      } catch (fault) {
        failed(fault);
      }
    }
  }
}

function bytesOf({ payload, layout }: BlockDraft): number {
  let bytes = TURN_STREAM_BYTES + layout.length;
  for (const part of payload) bytes += part.length;
  return bytes;
}
