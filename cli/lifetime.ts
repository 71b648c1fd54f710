/** How a server process ends: in order on the first signal, at once on the second, or on a fault of ours. */

/**
 * A signal to a whole process group (from a terminal, `timeout`, systemd) reaches us twice when npm passes its own on: the
 * same signal again within this time is the same request.
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
 * Ends the process at once. Not by `process.exit()`: that waits for the store's writer thread, and hung with a write in
 * flight. The default action of the signal does not wait. Process 1 of a container has no such action, so it aborts.
 */
export function endAtOnce(signal: EndSignal | 'SIGHUP' | 'SIGABRT'): void {
  if (process.pid === 1) process.abort();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** Calls `call` after the delay, unless the function that it returns is called before. */
export function watchdog(delayMs: number, call: () => void): () => void {
  const timer = setTimeout(call, delayMs);
  return () => clearTimeout(timer);
}
