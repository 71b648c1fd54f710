/**
 * Secrets that work once, soon after they were issued, for the caller who asked for them: tickets and logins. They are
 * kept in memory only, as hashes.
 */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import type { Principal } from './grant.ts';
import { hashToken, makeToken } from './tokens/credential.ts';

/** A secret that was issued: to whom, and for what. */
export type Issued<T> = T & {
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
};

export interface IssuedSecret {
  /** Shown once; only its hash is kept. */
  readonly secret: string;
  readonly expiresAt: number;
}

export interface SingleUseOptions {
  /** What the secrets begin with. */
  readonly prefix: string;
  /** What they are called in errors, in the plural. */
  readonly name: string;
  readonly ttlMs: number;
  /** How many are kept, of all callers and of one. The share of the root token is its own: no other takes it. */
  readonly max: number;
  readonly perCallerMax: number;
}

const RETRY_SECONDS = 5;

export class SingleUse<T> {
  readonly #clock: Clock;
  readonly #options: SingleUseOptions;
  /** By the hash of the secret, oldest first: all live equally long. */
  readonly #byHash = new Map<string, Issued<T>>();
  /** How many each caller has. */
  readonly #held = new Map<string, number>();

  constructor(clock: Clock, options: SingleUseOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** How many are kept now. */
  get size(): number {
    return this.#byHash.size;
  }

  /**
   * Call it only after checking that the principal may do what the secret is for.
   * @throws TailraceError `rate_limited`
   */
  issue(principal: Principal, what: T, prefix = this.#options.prefix): IssuedSecret {
    const { name, ttlMs, max, perCallerMax } = this.#options;
    const now = this.#clock.now();
    this.#sweep(now);
    const held = this.#held.get(principal.id) ?? 0;
    const isFull = principal.token !== undefined && this.#byHash.size >= max;
    if (held >= perCallerMax || isFull) throw tooMany(name);
    const secret = makeToken(prefix);
    const expiresAt = now + ttlMs;
    this.#byHash.set(hashToken(secret), { ...what, principal, expiresAt });
    this.#held.set(principal.id, held + 1);
    return { secret, expiresAt };
  }

  /** Takes one, which cannot be taken again. Undefined for one that is not known, or has expired. */
  take(secret: string): Issued<T> | undefined {
    const hash = hashToken(secret);
    const issued = this.#byHash.get(hash);
    if (issued === undefined) return undefined;
    this.#drop(hash, issued);
    return issued.expiresAt > this.#clock.now() ? issued : undefined;
  }

  #sweep(now: number): void {
    for (const [hash, issued] of this.#byHash) {
      if (issued.expiresAt > now) return;
      this.#drop(hash, issued);
    }
  }

  #drop(hash: string, { principal: { id } }: Issued<T>): void {
    this.#byHash.delete(hash);
    const held = (this.#held.get(id) ?? 1) - 1;
    if (held === 0) this.#held.delete(id);
    else this.#held.set(id, held);
  }
}

function tooMany(name: string): TailraceError {
  return new TailraceError('rate_limited', `too many ${name} were asked for and not used: wait until some expire`, {
    detail: { retryAfterSeconds: RETRY_SECONDS },
  });
}
