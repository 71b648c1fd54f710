/**
 * When tokens were last used, by their numbers. It is in memory at once and on disk within a minute, together with others,
 * so using a token never waits for the disk: kill -9 loses the uses of the last minute.
 */

import type { Clock } from '../../model/clock.ts';
import { TOKEN_USES_WRITTEN_MAX } from '../../model/limits.ts';

/** Milliseconds since the epoch; null: never since the token was made; undefined: not known. */
export type LastUse = number | null | undefined;

/** What is stored for a token that has not been used. */
export const UNUSED = 0;
const WRITE_MS = 60_000;

export interface LastUsesDeps {
  readonly clock: Clock;
  /** Durable when it resolves. */
  write(usedAt: ReadonlyMap<number, number>): Promise<void>;
  /** Called with the reason why something was not written. It is tried again. */
  onError?: ((error: unknown) => void) | undefined;
}

/** Holds a row for each token, no more. */
export class LastUses {
  readonly #deps: LastUsesDeps;
  readonly #usedAt: Map<number, number>;
  readonly #unwritten = new Set<number>();
  /** How much each token has open: what is open uses it. */
  readonly #open = new Map<number, number>();
  #writing: Promise<void> = Promise.resolve();
  #armed = false;
  #closed = false;

  constructor(deps: LastUsesDeps, usedAt: ReadonlyMap<number, number>) {
    this.#deps = deps;
    this.#usedAt = new Map(usedAt);
  }

  lastUse(number: number): LastUse {
    if (this.#open.has(number)) return this.#deps.clock.now();
    const usedAt = this.#usedAt.get(number);
    return usedAt === UNUSED ? null : usedAt;
  }

  /** A new token, whose row is written with it. */
  add(number: number): void {
    this.#usedAt.set(number, UNUSED);
  }

  /** Its token has ended, and its row goes with it. */
  forget(number: number): void {
    this.#usedAt.delete(number);
    this.#unwritten.delete(number);
    this.#open.delete(number);
  }

  used(number: number): void {
    this.#usedAt.set(number, this.#deps.clock.now());
    this.#unwritten.add(number);
    this.#arm();
  }

  /** It was used elsewhere, then. */
  note(number: number, at: number): void {
    const then = Math.min(at, this.#deps.clock.now());
    if (then <= (this.#usedAt.get(number) ?? UNUSED)) return;
    this.#usedAt.set(number, then);
    this.#unwritten.add(number);
    this.#arm();
  }

  /** Something stays open by the token. Call what it returns when that has ended. */
  opened(number: number): () => void {
    this.#open.set(number, (this.#open.get(number) ?? 0) + 1);
    this.used(number);
    return () => {
      const left = this.#open.get(number);
      if (left === undefined) return;
      if (left > 1) this.#open.set(number, left - 1);
      else this.#open.delete(number);
      this.used(number);
    };
  }

  /** Writes what is not written, except what is too much for now. Resolves also when that fails. */
  flush(): Promise<void> {
    for (const number of this.#open.keys()) this.used(number);
    const rows = new Map<number, number>();
    for (const number of this.#unwritten) {
      if (rows.size === TOKEN_USES_WRITTEN_MAX) break;
      this.#unwritten.delete(number);
      rows.set(number, this.#usedAt.get(number) ?? UNUSED);
    }
    // Handed over at once, so that the removal of a token that comes later finds its row.
    if (rows.size > 0) this.#writing = Promise.all([this.#writing, this.#write(rows)]).then(() => {});
    return this.#writing;
  }

  /** Writes all of it. Call it when nothing more comes in. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    for (let before = Number.POSITIVE_INFINITY; this.#unwritten.size < before && this.#unwritten.size > 0; ) {
      before = this.#unwritten.size;
      await this.flush();
    }
    await this.#writing;
  }

  async #write(rows: ReadonlyMap<number, number>): Promise<void> {
    try {
      await this.#deps.write(rows);
    } catch (error) {
      for (const number of rows.keys()) if (this.#usedAt.has(number)) this.#unwritten.add(number);
      this.#deps.onError?.(error);
    }
  }

  #arm(): void {
    if (this.#armed || this.#closed) return;
    this.#armed = true;
    this.#deps.clock.timer(WRITE_MS, () => {
      this.#armed = false;
      if (this.#closed) return;
      void this.flush().then(() => {
        if (this.#unwritten.size > 0 || this.#open.size > 0) this.#arm();
      });
    });
  }
}
