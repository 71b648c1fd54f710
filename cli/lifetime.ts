/** How a server process ends: on the first signal in order, on the second at once, on a fault of ours with a last word. */

/** `npm start` passes Ctrl-C on to a child that the terminal has already told: two within this time are one. */
const SAME_CTRL_C_MS = 500;

export type EndSignal = 'SIGTERM' | 'SIGINT';

/** Resolves with the first SIGTERM or SIGINT; the second ends the process. */
export function firstSignal(): Promise<EndSignal> {
  return new Promise((resolve) => {
    let first: number | undefined;
    const onSignal = (signal: EndSignal) => {
      const now = performance.now();
      if (first === undefined) {
        first = now;
        resolve(signal);
      } else if (signal !== 'SIGINT' || now - first > SAME_CTRL_C_MS) {
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
