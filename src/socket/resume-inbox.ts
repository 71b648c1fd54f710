/**
 * Takes the messages with which a reader of many streams says where it was. They count in the memory of all requests
 * until the read has begun, and must all be there soon.
 */

import type { ResumePoint } from '../log/many/read-many.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { RESUME_WAIT_MS } from '../model/limits.ts';
import { ResumeMap, type ResumeWords } from '../readers/many/resume-map.ts';
import type { ReaderSet } from '../readers/reader-set.ts';

export class ResumeInbox {
  readonly #readers: ReaderSet;
  readonly #holder: string;
  readonly #map: ResumeMap;
  #heldBytes = 0;
  #failure: TailraceError | undefined;
  #isOver = false;
  #wake = (): void => {};

  constructor(words: ResumeWords, readers: ReaderSet, holder: string) {
    this.#readers = readers;
    this.#holder = holder;
    this.#map = new ResumeMap(words);
  }

  /** Takes a message; false when none is expected any more. */
  take(message: Buffer, isBinary: boolean): boolean {
    if (this.#isOver || this.#map.isWhole) return false;
    try {
      if (!this.#readers.memory.noteHeld(message.length, this.#holder)) throw noMemory();
      this.#heldBytes += message.length;
      this.#map.add(message, isBinary);
    } catch (thrown) {
      this.#failure ??= asTailraceError(thrown);
    }
    if (this.#failure !== undefined || this.#map.isWhole) this.#wake();
    return true;
  }

  /** What was said, once all of it is there. @throws TailraceError as `ResumeMap.add`, `request_timeout`, `overloaded` */
  async map(signal: AbortSignal): Promise<ReadonlyMap<string, ResumePoint>> {
    const whole = new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const cancel = this.#readers.clock.timer(RESUME_WAIT_MS, () => {
      this.#failure ??= late();
      this.#wake();
    });
    if (!this.#map.isWhole && this.#failure === undefined && !signal.aborted) await whole;
    cancel();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#map.points;
  }

  /** Gives back its memory, and takes nothing more. */
  close(): void {
    this.#isOver = true;
    this.#readers.memory.noteHeld(-this.#heldBytes, this.#holder);
    this.#heldBytes = 0;
  }
}

function late(): TailraceError {
  return new TailraceError(
    'request_timeout',
    `the resume map did not come within ${RESUME_WAIT_MS / 1_000} s: after from=resume it is the first that a reader sends`,
  );
}

function noMemory(): TailraceError {
  return new TailraceError('overloaded', 'there is no memory left for the resume map: try again later');
}
