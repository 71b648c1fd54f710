/**
 * How late the event loop is: everything that the server does waits so long. Several scrapers look at it, each at its own
 * times, and none takes from another what happened: what is shown covers the last whole window and the one that runs.
 */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { type ScrapedMetric, unlabelled } from './scraped-metric.ts';

/** Smaller steps see more and cost more: 20 ms take three thousandths of one processor. */
const STEP_MS = 20;
/** A scrape ends the window that runs when that is as old. */
const WINDOW_MS_MIN = 10_000;

/** In seconds. */
interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a histogram of the runtime has; its times are nanoseconds and hold the step of its timer. */
type Measured = Pick<IntervalHistogram, 'percentile' | 'max' | 'count' | 'reset'>;

const NONE: Delays = { p50: 0, p99: 0, max: 0 };

/** Measures from `start` to `close`. */
export class EventLoopDelay {
  readonly #histogram: Measured;
  readonly #monotonicMs: () => number;
  readonly #stop: () => void;
  #since: number;
  #last: Delays = NONE;

  constructor(histogram: Measured, monotonicMs: () => number, stop: () => void = () => {}) {
    this.#histogram = histogram;
    this.#monotonicMs = monotonicMs;
    this.#stop = stop;
    this.#since = monotonicMs();
  }

  static start(monotonicMs: () => number): EventLoopDelay {
    const histogram = monitorEventLoopDelay({ resolution: STEP_MS });
    histogram.enable();
    return new EventLoopDelay(histogram, monotonicMs, () => void histogram.disable());
  }

  /** Since the last scrape, and for at least the last ten seconds. */
  look(): Delays {
    const now = delaysIn(this.#histogram);
    if (this.#monotonicMs() - this.#since < WINDOW_MS_MIN) return worse(this.#last, now);
    this.#last = now;
    this.#since = this.#monotonicMs();
    this.#histogram.reset();
    return now;
  }

  /** May be called twice. */
  close(): void {
    this.#stop();
  }
}

/** Under the names that Prometheus clients of Node give them. */
export function eventLoopMetrics(delay: Pick<EventLoopDelay, 'look'>): ScrapedMetric[] {
  // One look serves the three of a scrape, which are read in one go.
  let looked: Delays | undefined;
  const look = (): Delays => {
    if (looked !== undefined) return looked;
    looked = delay.look();
    setImmediate(() => {
      looked = undefined;
    });
    return looked;
  };
  const gauge = (which: keyof Delays, what: string): ScrapedMetric => ({
    type: 'gauge',
    name: `nodejs_eventloop_lag_${which}_seconds`,
    help: `How late the event loop was lately, in seconds: ${what}.`,
    labels: [],
    read: () => unlabelled(look()[which]),
  });
  return [gauge('p50', 'the median'), gauge('p99', '99 of 100 times it was at most that'), gauge('max', 'the most')];
}

function delaysIn(histogram: Measured): Delays {
  if (histogram.count === 0) return NONE;
  const seconds = (ns: number): number => Math.max(0, ns - STEP_MS * 1e6) / 1e9;
  return {
    p50: seconds(histogram.percentile(50)),
    p99: seconds(histogram.percentile(99)),
    max: seconds(histogram.max),
  };
}

function worse(one: Delays, other: Delays): Delays {
  return {
    p50: Math.max(one.p50, other.p50),
    p99: Math.max(one.p99, other.p99),
    max: Math.max(one.max, other.max),
  };
}
