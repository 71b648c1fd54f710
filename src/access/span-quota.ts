/** The limit of spans per minute and token: spans sent with any of its secrets count. */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import type { Token } from './grant.ts';

const MINUTE_SECONDS = 60;
/** A minute of whole seconds and the current one: no minute, wherever it begins, holds more than the limit. */
const SLOTS = MINUTE_SECONDS + 1;

/** What one token sent, by second. */
interface SpanWindow {
  readonly counts: Uint32Array;
  total: number;
  /** The last second that it has a slot for. */
  second: number;
}

/** Counts in memory: as many windows as tokens that sent spans in the last minutes. */
export class SpanQuota {
  readonly #clock: Clock;
  /** By the number of the token, which outlives its secrets and is never reused. */
  readonly #windows = new Map<number, SpanWindow>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tokens that are counted now. */
  get size(): number {
    return this.#windows.size;
  }

  /**
   * Counts spans that are about to be stored, all of them or none.
   * @throws TailraceError `rate_limited` with the seconds after which they are within the limit
   */
  take({ id, number, limits }: Token, spans: number): void {
    const limit = limits.spansPerMinute;
    if (limit === undefined || spans === 0) return;
    const second = Math.floor(this.#clock.monotonicMs() / 1_000);
    this.#sweep(second);
    if (spans > limit) throw tooManyAtOnce(id, spans, limit);
    const window = this.#windowOf(number, second);
    if (window.total + spans > limit) throw over(id, limit, secondsUntilFree(window, limit - spans));
    const slot = second % SLOTS;
    window.counts[slot] = (window.counts[slot] ?? 0) + spans;
    window.total += spans;
  }

  #windowOf(number: number, second: number): SpanWindow {
    const known = this.#windows.get(number);
    if (known !== undefined) {
      advance(known, second);
      return known;
    }
    const fresh: SpanWindow = { counts: new Uint32Array(SLOTS), total: 0, second };
    this.#windows.set(number, fresh);
    return fresh;
  }

  /** Drops tokens that sent nothing for a minute. */
  #sweep(second: number): void {
    if (second - this.#sweptAt < SLOTS) return;
    this.#sweptAt = second;
    for (const [number, window] of this.#windows) if (second - window.second >= SLOTS) this.#windows.delete(number);
  }
}

/** Empties the slots of the seconds that have passed. */
function advance(window: SpanWindow, second: number): void {
  const passed = Math.min(second - window.second, SLOTS);
  for (let i = 1; i <= passed; i++) {
    const slot = (window.second + i) % SLOTS;
    window.total -= window.counts[slot] ?? 0;
    window.counts[slot] = 0;
  }
  window.second = Math.max(window.second, second);
}

/** After how many seconds at most `most` spans are left in the window. */
function secondsUntilFree({ counts, total, second }: SpanWindow, most: number): number {
  let left = total;
  let seconds = 0;
  while (left > most && seconds < SLOTS) {
    seconds++;
    left -= counts[(second + seconds) % SLOTS] ?? 0;
  }
  return seconds;
}

function over(id: string, limit: number, retryAfterSeconds: number): TailraceError {
  return new TailraceError('rate_limited', `the token \`${id}\` may send ${limit} spans a minute, and has`, {
    detail: { retryAfterSeconds },
  });
}

function tooManyAtOnce(id: string, spans: number, limit: number): TailraceError {
  const message = `the token \`${id}\` may send ${limit} spans a minute, and the request alone holds ${spans}: send smaller batches`;
  return new TailraceError('rate_limited', message, { detail: { retryAfterSeconds: MINUTE_SECONDS } });
}
