/** The clock of the machine: the only place that reads time or sets a timer, except for the servers' sockets. */

import type { Clock } from '../model/clock.ts';

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer: (delayMs, call) => {
    const timer = setTimeout(call, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
