/**
 * A floor on the speed of uploads. node's own request timeout is one for the whole server and would cut long sessions,
 * so each body that is still coming is looked at here instead, by one sweep a second for all of them.
 */

import type { Clock } from '../model/clock.ts';
import { BODY_RATE_BYTES_PER_SECOND_MIN, BODY_RATE_WINDOW_MS } from '../model/limits.ts';

const SWEEP_MS = 1_000;
const WINDOW_BYTES_MIN = (BODY_RATE_BYTES_PER_SECOND_MIN * BODY_RATE_WINDOW_MS) / 1_000;

/** A body that is still coming. */
export interface Watched {
  /** Bytes that have come so far. */
  readonly received: number;
  /** Called once, when a whole window brought too little. */
  tooSlow(): void;
}

interface Window {
  since: number;
  received: number;
}

/** Watches uploads from `add` to `remove`. Its timer runs only while there is one. */
export class UploadWatch {
  readonly #clock: Clock;
  readonly #windows = new Map<Watched, Window>();
  #sweeping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(upload: Watched): void {
    this.#windows.set(upload, { since: this.#clock.monotonicMs(), received: upload.received });
    if (!this.#sweeping) this.#schedule();
  }

  remove(upload: Watched): void {
    this.#windows.delete(upload);
  }

  #schedule(): void {
    this.#sweeping = true;
    this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    const now = this.#clock.monotonicMs();
    for (const [upload, window] of this.#windows) {
      if (now - window.since < BODY_RATE_WINDOW_MS) continue;
      if (upload.received - window.received < WINDOW_BYTES_MIN) {
        this.#windows.delete(upload);
        upload.tooSlow();
      } else {
        window.since = now;
        window.received = upload.received;
      }
    }
    if (this.#windows.size > 0) this.#schedule();
  }
}
