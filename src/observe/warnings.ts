/**
 * Warnings about what senders do wrong: each is worth a line, a thousand a second are not. At most one line a minute
 * goes out for each sender and reason, with the number of those that were held back (users.md 2).
 */

import type { Clock } from '../model/clock.ts';
import type { LogFields, Logger } from './logger.ts';

const WINDOW_MS = 60_000;
/** Sender and reason pairs that are remembered; beyond it the oldest is forgotten. */
const PAIRS_MAX = 1_000;

interface Seen {
  readonly since: number;
  held: number;
}

/** Lets one warning a minute through per sender and reason; the others are debug lines. */
export class Warnings {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #seen = new Map<string, Seen>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `reason` is a stable word or sentence without figures of the request in it: it tells warnings apart. */
  warn(sender: string, reason: string, fields: LogFields, message: string): void {
    const now = this.#clock.monotonicMs();
    const key = `${sender} ${reason}`;
    const seen = this.#seen.get(key);
    if (seen !== undefined && now - seen.since < WINDOW_MS) {
      seen.held++;
      this.#logger.debug({ sender, ...fields }, message);
      return;
    }
    // Deleted first, so that insertion order is the order of age.
    this.#seen.delete(key);
    if (this.#seen.size >= PAIRS_MAX) this.#forgetOldest();
    this.#seen.set(key, { since: now, held: 0 });
    const held = seen === undefined || seen.held === 0 ? {} : { heldBack: seen.held };
    this.#logger.warn({ sender, ...fields, ...held }, message);
  }

  #forgetOldest(): void {
    const oldest = this.#seen.keys().next();
    if (oldest.done !== true) this.#seen.delete(oldest.value);
  }
}
