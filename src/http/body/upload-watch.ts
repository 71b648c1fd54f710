/**
 * A floor on the speed of uploads. node's own request timeout is one for the whole server and would end long sessions. So
 * each body that is still coming is checked here instead, by one sweep a second for all of them. Most bodies are complete
 * before the first sweep and cost no more than an entry in a set.
 */

import type { Clock } from '../../model/clock.ts';
import { BODY_RATE_BYTES_PER_SECOND_MIN, BODY_RATE_WINDOW_MS } from '../../model/limits.ts';

const SWEEP_MS = 1_000;
const WINDOW_BYTES_MIN = (BODY_RATE_BYTES_PER_SECOND_MIN * BODY_RATE_WINDOW_MS) / 1_000;

/** A body that is still coming. */
export interface Watched {
  /** Bytes that have come so far. */
  readonly received: number;
  /** Called once, when too little came during a whole window. */
  tooSlow(): void;
}

interface Window {
  readonly since: number;
  readonly received: number;
}

/** Watches uploads from `add` to `remove`. Its timer runs only while there is one. */
export class UploadWatch {
  readonly #clock: Clock;
  readonly #uploads = new Set<Watched>();
  /** Of uploads that a sweep has seen: a window begins with the first sweep after `add`. */
  readonly #windows = new WeakMap<Watched, Window>();
  #sweeping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(upload: Watched): void {
    this.#uploads.add(upload);
    if (!this.#sweeping) this.#schedule();
  }

  remove(upload: Watched): void {
    this.#uploads.delete(upload);
  }

  #schedule(): void {
    this.#sweeping = true;
    this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    const since = this.#clock.monotonicMs();
    for (const upload of this.#uploads) {
      const window = this.#windows.get(upload);
      if (window !== undefined && since - window.since < BODY_RATE_WINDOW_MS) continue;
      if (window !== undefined && upload.received - window.received < WINDOW_BYTES_MIN) {
        this.#uploads.delete(upload);
        upload.tooSlow();
      } else {
        this.#windows.set(upload, { since, received: upload.received });
      }
    }
    if (this.#uploads.size > 0) this.#schedule();
  }
}
