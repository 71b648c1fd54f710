/** Tries a call again while a server refuses for a while, or is away; longer each time, and not before it says. */

import { isTemporary } from '../../src/client/failures.ts';
import { pause } from '../../src/client/on-abort.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { Reporter } from '../print/console.ts';

export interface Patience {
  readonly attemptsMax: number;
  /** A server that never answered is more likely a wrong address: it is not tried again. */
  readonly wasReached: () => boolean;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

const DELAY_FIRST_MS = 100;
const DELAY_MAX_MS = 5_000;

/** @throws TailraceError the last refusal, or one that another attempt does not change */
export async function patiently<T>(call: (attempt: number) => Promise<T>, patience: Patience): Promise<T> {
  const { attemptsMax, wasReached, signal, reporter } = patience;
  for (let attempt = 1; ; attempt++) {
    try {
      const result = await call(attempt);
      if (attempt > 1) reporter.note('accepted again, going on');
      return result;
    } catch (error) {
      if (!(error instanceof TailraceError) || !isTemporary(error) || attempt >= attemptsMax || signal.aborted)
        throw error;
      if (error.code === 'unavailable' && !wasReached()) throw error;
      if (attempt === 1) reporter.note(`trying again for a while: ${error.message}`);
      const delayMs = Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** Math.min(attempt - 1, 10));
      await pause(Math.max(delayMs, (error.detail.retryAfterSeconds ?? 0) * 1_000), signal);
      if (signal.aborted) throw error;
    }
  }
}
