/**
 * Warnings about what senders do wrong. A line helps, a thousand a second do not: for each sender and reason at most
 * one line a minute is written, with the number of those that were held back.
 */

import type { Clock } from '../model/clock.ts';
import type { LogFields, Logger } from './logger.ts';

const WINDOW_MS = 60_000;
/** How many pairs of sender and reason are remembered; beyond it the oldest is forgotten. */
const PAIRS_MAX = 1_000;

interface Seen {
  readonly since: number;
  held: number;
}

/** Lets one warning a minute through for each sender and reason; the others become debug lines. */
export class Warnings {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #seen = new Map<string, Seen>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `reason` tells warnings apart: it must be the same for each request, without values from it. */
  warn(sender: string, reason: string, fields: LogFields, message: string): void {
    const now = this.#clock.monotonicMs();
    const key = `${sender} ${reason}`;
    const seen = this.#seen.get(key);
    if (seen !== undefined && now - seen.since < WINDOW_MS) {
      seen.held++;
      this.#logger.debug({ sender, ...fields }, message);
      return;
    }
    // Deleted first, so that the insertion order of the map is the order of age.
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
