/**
 * Seals the blocks of one append: at once while they are few, and the rest in later turns of the event loop, since an
 * append may have thousands of them.
 */

import { goOnWithWork } from '../encoding/turns.ts';
import { TURN_STREAM_BYTES, YIELD_BYTES } from '../model/limits.ts';
import { type Encryption, encryptOtlp } from '../storage/block/cipher.ts';
import { type BlockDraft, type SealedBlock, sealBlock } from '../storage/block/seal.ts';

export type Sealed = SealedBlock | Promise<SealedBlock>;

/** What encrypts the items of a stream, and its number. */
export interface Cipher {
  readonly encryption: Encryption;
  readonly stream: number;
}

/** What it takes to encrypt a record besides its bytes, and to encrypt bytes rather than copy them. */
const ENCRYPTED_RECORD_BYTES = 1_024;
const ENCRYPTED_WEIGHT = 2;

interface Job {
  readonly seal: () => Sealed;
  readonly bytes: number;
  readonly done: (block: Sealed) => void;
  readonly failed: (fault: unknown) => void;
}

export class Sealing {
  #begun = 0;
  readonly #jobs: Job[] = [];

  /**
   * The arguments are those of `sealBlock`, and what encrypts OTLP items that are not yet encrypted. The payload must not
   * change until the block is sealed.
   */
  seal(
    key: Uint8Array,
    firstSeq: number,
    draft: BlockDraft,
    arrival: number,
    followed: boolean,
    cipher?: Cipher,
  ): Sealed {
    const bytes = bytesOf(draft, cipher);
    const seal = (): Sealed => sealBlock(key, firstSeq, sealable(draft, firstSeq, cipher), arrival, followed);
    if (this.#begun < YIELD_BYTES) {
      this.#begun += bytes;
      return seal();
    }
    return new Promise((done, failed) => {
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

function sealable(draft: BlockDraft, firstSeq: number, cipher: Cipher | undefined): BlockDraft {
  return cipher === undefined ? draft : encryptOtlp(draft, cipher.encryption, cipher.stream, firstSeq);
}

/** About the work that sealing takes. */
function bytesOf({ payload, layout, count, meteredBytes }: BlockDraft, cipher: Cipher | undefined): number {
  if (cipher !== undefined) return TURN_STREAM_BYTES + ENCRYPTED_WEIGHT * meteredBytes + ENCRYPTED_RECORD_BYTES * count;
  let bytes = TURN_STREAM_BYTES + layout.length;
  for (const part of payload) bytes += part.length;
  return bytes;
}
