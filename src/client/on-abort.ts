/**
 * Waiting for a caller's signal without leaving anything on it: one listener while somebody waits, none afterwards.
 *
 * A program passes one signal to everything it does for hours. A listener for each attempt, and a signal that
 * `AbortSignal.any` derives for each call, would stay on it for as long; and more than ten listeners at once make Node
 * warn of a leak.
 */

import { setTimeout as sleep } from 'node:timers/promises';

interface Waiting {
  readonly acts: Set<() => void>;
  readonly listener: () => void;
}

const waitingOn = new WeakMap<AbortSignal, Waiting>();

/** Calls `act` once when the signal is aborted, at once when it is already. Returns how to stop waiting for it. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    act();
    return () => {};
  }
  const { acts, listener } = waitingOn.get(signal) ?? listen(signal);
  // The same function may wait twice.
  const once = (): void => act();
  acts.add(once);
  return () => {
    if (!acts.delete(once) || acts.size > 0) return;
    signal.removeEventListener('abort', listener);
    waitingOn.delete(signal);
  };
}

/** Waits until the time is over or the signal is aborted. */
export async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  const awake = new AbortController();
  const stop = onAbort(signal, () => awake.abort());
  await sleep(delayMs, undefined, { signal: awake.signal }).catch(() => {});
  stop();
}

function listen(signal: AbortSignal): Waiting {
  const acts = new Set<() => void>();
  const listener = (): void => {
    waitingOn.delete(signal);
    for (const act of acts) act();
  };
  const waiting = { acts, listener };
  waitingOn.set(signal, waiting);
  signal.addEventListener('abort', listener, { once: true });
  return waiting;
}
