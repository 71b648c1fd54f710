/**
 * Reads a whole store of a node again and again, slowly and only while nothing else is to be done, to find what its disk
 * has damaged before it is read.
 */

import type { OneAtATime } from '../encoding/one-at-a-time.ts';
import { isWorking } from '../encoding/turns.ts';
import type { Clock } from '../model/clock.ts';
import { asTailraceError, type TailraceError } from '../model/error.ts';
import { SCRUB_BYTES_PER_SECOND, SCRUB_EVERY_MS, SCRUB_PAUSE_MS } from '../model/limits.ts';
import type { Engine } from '../storage/engine.ts';
import { StoreScrub } from '../storage/offline/store-scrub.ts';

export interface ScrubOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Of all scrubs of the node: they read a part each, in turns, so that many stores are read no faster than one. */
  readonly pace: OneAtATime;
  /** Called with what is damaged; the pass ends there. */
  onDamaged(error: TailraceError): void;
}

/** Lives from `start` to `stop`. The first pass begins at once: a disk may be damaged where nothing is read. */
export class Scrub {
  readonly #options: ScrubOptions;
  #stopped = false;
  #wake = (): void => {};

  private constructor(options: ScrubOptions) {
    this.#options = options;
  }

  static start(options: ScrubOptions): Scrub {
    const scrub = new Scrub(options);
    void scrub.#run();
    return scrub;
  }

  /** What it reads at this moment it reads to its end, or until the store is closed. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    const { clock, onDamaged } = this.#options;
    while (!this.#stopped) {
      const since = clock.monotonicMs();
      try {
        await this.#pass();
      } catch (thrown) {
        const error = asTailraceError(thrown);
        if (this.#stopped || error.code === 'closed') return;
        onDamaged(error);
      }
      await this.#pause(since + SCRUB_EVERY_MS - clock.monotonicMs());
    }
  }

  async #pass(): Promise<void> {
    const scrub = new StoreScrub(this.#options.engine);
    while (await this.#options.pace.run(() => this.#part(scrub)));
  }

  /** Returns whether there may be more. */
  async #part(scrub: StoreScrub): Promise<boolean> {
    if (!this.#stopped) await this.#idle();
    if (this.#stopped) return false;
    const bytes = await scrub.next().catch(() => this.#again(scrub));
    await this.#pause(((bytes ?? 0) / SCRUB_BYTES_PER_SECOND) * 1_000);
    return bytes !== undefined;
  }

  /** A store that is opened again after a failed write takes its snapshots back: damage is what is found twice. */
  async #again(scrub: StoreScrub): Promise<number | undefined> {
    await this.#idle();
    return scrub.next();
  }

  async #idle(): Promise<void> {
    do await this.#pause(SCRUB_PAUSE_MS);
    while (isWorking() && !this.#stopped);
  }

  async #pause(ms: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.timer(Math.max(0, ms), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
