/**
 * A bucket that several senders share. While it is in debt, a sender that has had less than its equal share of the rate
 * goes on: one that sends much makes only itself wait, not those that send little. In the long run the rate holds, because
 * the shares together are the rate.
 */

import { type Rate, TokenBucket } from './token-bucket.ts';

/** How often senders that had no more than their share are forgotten. */
const SWEEP_MS = 1_000;

/** What a sender had beyond its share; that is paid back by its share of the rate. */
interface Account {
  debt: number;
  atMs: number;
}

export class FairBucket {
  readonly #bucket: TokenBucket;
  readonly #accounts = new Map<string, Account>();
  #sweptMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#bucket = new TokenBucket(rate, nowMs);
    this.#sweptMs = nowMs;
  }

  /** Milliseconds until it takes a request of this sender. */
  waitMs(sender: string, rate: Rate, nowMs: number): number {
    const wait = this.#bucket.waitMs(rate, nowMs);
    if (wait === 0) return 0;
    const account = this.#accounts.get(sender);
    if (account === undefined) return 0;
    return Math.min(wait, (this.#paid(account, rate, nowMs) / this.#share(rate)) * 1_000);
  }

  take(sender: string, rate: Rate, nowMs: number, amount: number): void {
    this.#sweep(rate, nowMs);
    this.#bucket.take(rate, nowMs, amount);
    const account = this.#accounts.get(sender) ?? { debt: 0, atMs: nowMs };
    account.debt = this.#paid(account, rate, nowMs) + amount;
    this.#accounts.set(sender, account);
  }

  /** Whether it is as new. */
  isIdle(rate: Rate, nowMs: number): boolean {
    this.#sweep(rate, nowMs);
    return this.#accounts.size === 0 && this.#bucket.isFull(rate, nowMs);
  }

  /** The debt of an account after what was paid since. */
  #paid(account: Account, rate: Rate, nowMs: number): number {
    const passed = Math.max(0, nowMs - account.atMs);
    account.debt = Math.max(0, account.debt - (passed / 1_000) * this.#share(rate));
    account.atMs += passed;
    return account.debt;
  }

  #share({ perSecond }: Rate): number {
    return perSecond / Math.max(1, this.#accounts.size);
  }

  #sweep(rate: Rate, nowMs: number): void {
    if (nowMs - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = nowMs;
    for (const [sender, account] of this.#accounts) {
      if (this.#paid(account, rate, nowMs) === 0) this.#accounts.delete(sender);
    }
  }
}
