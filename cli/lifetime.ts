/** How a server process ends: on the first signal in order, on the second at once, on a fault of ours with a last word. */

/**
 * Whoever signals a whole group (a terminal, `timeout`, systemd) reaches us twice where npm passes its own on: the same
 * signal again within this time is the same wish.
 */
const SAME_SIGNAL_MS = 500;

export type EndSignal = 'SIGTERM' | 'SIGINT';

/** Resolves with the first SIGTERM or SIGINT; the second, of either kind, ends the process. */
export function firstSignal(): Promise<EndSignal> {
  return new Promise((resolve) => {
    let first: { readonly signal: EndSignal; readonly at: number } | undefined;
    const onSignal = (signal: EndSignal) => {
      const now = performance.now();
      if (first === undefined) {
        first = { signal, at: now };
        resolve(signal);
      } else if (signal !== first.signal || now - first.at > SAME_SIGNAL_MS) {
        endAtOnce(signal);
      }
    };
    process.on('SIGTERM', () => onSignal('SIGTERM'));
    process.on('SIGINT', () => onSignal('SIGINT'));
  });
}

/**
 * Ends the process without looking back. Not by `process.exit()`: that waits for the store's writer thread and hung
 * with a write in flight. The signal's own default action does not wait; process 1 of a container has none.
 */
export function endAtOnce(signal: EndSignal | 'SIGABRT'): void {
  if (process.pid === 1) process.abort();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** Calls when an orderly end takes too long; the answer cancels. */
export function watchdog(delayMs: number, call: () => void): () => void {
  const timer = setTimeout(call, delayMs);
  return () => clearTimeout(timer);
}
