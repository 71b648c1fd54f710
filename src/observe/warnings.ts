/**
 * Warnings about what senders do wrong. A line helps, a thousand a second do not: for each sender and cause at most one
 * line a minute is written, with the number of those that were held back. A second cause is seen at once, however often
 * the first one comes.
 */

import type { Clock } from '../model/clock.ts';
import type { LogFields, Logger } from './logger.ts';

const WINDOW_MS = 60_000;
/** How many pairs of sender and reason are remembered; beyond it the oldest is forgotten. */
const PAIRS_MAX = 1_000;
/** How many causes of one sender are told apart in a minute; further ones count as one. */
const CAUSES_MAX = 32;

/** Values in a sentence: they differ from request to request. */
const VALUES = /"[^"]*"|(?<=[\s(])(?:0x[0-9a-f]+|\d+)\b/g;

interface Seen {
  readonly since: number;
  held: number;
}

/** Lets one warning a minute through for each sender and cause; the others become debug lines. */
export class Warnings {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #seen = new Map<string, Seen>();
  /** By sender: how many new causes there were since when. */
  readonly #causes = new Map<string, { readonly since: number; count: number }>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `cause` tells warnings apart: a sentence, in which numbers and what is in quotes do not count. */
  warn(sender: string, cause: string, fields: LogFields, message: string): void {
    const now = this.#clock.monotonicMs();
    const key = this.#keyOf(sender, cause.replaceAll(VALUES, '…'), now);
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

  #keyOf(sender: string, cause: string, now: number): string {
    const key = `${sender} ${cause}`;
    if (this.#seen.has(key)) return key;
    const causes = this.#causes.get(sender);
    if (causes === undefined || now - causes.since >= WINDOW_MS) {
      this.#causes.delete(sender);
      const [oldest] = this.#causes.keys();
      if (this.#causes.size >= PAIRS_MAX && oldest !== undefined) this.#causes.delete(oldest);
      this.#causes.set(sender, { since: now, count: 1 });
      return key;
    }
    causes.count++;
    return causes.count <= CAUSES_MAX ? key : `${sender} other`;
  }

  #forgetOldest(): void {
    const oldest = this.#seen.keys().next();
    if (oldest.done !== true) this.#seen.delete(oldest.value);
  }
}
