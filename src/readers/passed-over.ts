/** Up to where the filter of a reader passed over records, of each stream that it reads, while its client was not told. */

import type { Member } from '../log/events.ts';
import { PASSED_PER_SWEEP_MAX } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import type { Frame, Wire } from './wire.ts';

interface Passed {
  /** Undefined where one stream is read. */
  readonly of: Member | undefined;
  readonly next: Position;
}

export class PassedOver {
  readonly #byStream = new Map<string | undefined, Passed>();

  note(passed: Passed): void {
    this.#byStream.set(passed.of?.id, passed);
  }

  /** The client gets a record of the stream, or the stream is gone. */
  forget(of: Member | undefined): void {
    // Each batch of each reader asks.
    if (this.#byStream.size > 0) this.#byStream.delete(of?.id);
  }

  clear(): void {
    this.#byStream.clear();
  }

  /** Frames that tell the client, of a bounded number of streams; these are forgotten. */
  takeFrames(wire: Wire): readonly Frame[] {
    const frames: Frame[] = [];
    let left = Math.min(this.#byStream.size, PASSED_PER_SWEEP_MAX);
    for (const [id, { of, next }] of this.#byStream) {
      if (left-- === 0) break;
      this.#byStream.delete(id);
      const frame = wire.passed(next, of, left === 0);
      if (frame !== undefined) frames.push(frame);
    }
    return frames;
  }
}
