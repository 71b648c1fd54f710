/**
 * The server's own metrics and spans, sent every few seconds as they are. One request of each kind at a time, and no
 * second try: a target that is down or slow costs a warning a minute and a count of what it did not get.
 */

import type { Clock } from '../../model/clock.ts';
import { SELF_TELEMETRY_INTERVAL_MS, SELF_TELEMETRY_TIMEOUT_MS } from '../../model/limits.ts';
import { byLabel, type ScrapedMetric } from '../scraped-metric.ts';
import type { Warnings } from '../warnings.ts';
import type { RequestSpans } from './request-spans.ts';
import { metricsRequest, type SelfRequest, spansRequest } from './telemetry-json.ts';

/** Sends a request; returns how many items of it were not taken. Rejects when none was, also when the signal ends it. */
export type SendSelf = (request: SelfRequest, signal: AbortSignal) => Promise<number>;

export interface SelfTelemetryDeps {
  readonly clock: Clock;
  readonly warnings: Pick<Warnings, 'warn'>;
  readonly metrics: readonly ScrapedMetric[];
  readonly spans: Pick<RequestSpans, 'take'>;
  readonly send: SendSelf;
  /** Tells this start of the server from others. */
  readonly instance: string;
}

/** Data points and spans since the start. */
export class SelfCounts {
  readonly sent = { metrics: 0, traces: 0 };
  readonly dropped = { metrics: 0, traces: 0 };

  metrics(): ScrapedMetric[] {
    const counter = (what: 'sent' | 'dropped', help: string): ScrapedMetric => ({
      type: 'counter',
      name: `tailrace_self_telemetry_${what}_total`,
      help,
      labels: ['signal'],
      read: () => byLabel('signal', Object.entries(this[what])),
    });
    return [
      counter('sent', "Data points and spans of the server's own telemetry that its target took."),
      counter('dropped', 'Those that its target did not take, and spans that were too many.'),
    ];
  }
}

/** Runs from `start` to `close`. */
export class SelfTelemetry {
  readonly #deps: SelfTelemetryDeps;
  readonly #counts: SelfCounts;
  readonly #startMs: number;
  #cancelTimer = (): void => {};
  #sending: Promise<void> | undefined;
  #ending: AbortController | undefined;
  #isRunning = false;

  constructor(deps: SelfTelemetryDeps, counts: SelfCounts) {
    this.#deps = deps;
    this.#counts = counts;
    this.#startMs = deps.clock.now();
  }

  /** Sends at once, so that whoever turned it on sees that it works, and then again and again. */
  start(): void {
    this.#isRunning = true;
    this.#tick();
  }

  /** Sends what is there, and waits until that is done, for `waitMs` at most. May be called twice. */
  async close(waitMs: number): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#cancelTimer();
    const cancel = this.#deps.clock.timer(waitMs, () => this.#ending?.abort(late(waitMs)));
    await this.#sending;
    await this.#sendAll(waitMs);
    cancel();
  }

  readonly #tick = (): void => {
    // A target that takes longer than the interval gets less, and nothing waits for it.
    this.#sending ??= this.#sendAll(SELF_TELEMETRY_TIMEOUT_MS).finally(() => {
      this.#sending = undefined;
    });
    this.#cancelTimer = this.#deps.clock.timer(SELF_TELEMETRY_INTERVAL_MS, this.#tick);
  };

  async #sendAll(waitMs: number): Promise<void> {
    const { clock, metrics, spans: collected, instance } = this.#deps;
    const ending = new AbortController();
    this.#ending = ending;
    const cancel = clock.timer(waitMs, () => ending.abort(late(waitMs)));
    try {
      const { spans, dropped } = collected.take();
      this.#counts.dropped.traces += dropped;
      const times = { instance, startMs: this.#startMs, nowMs: clock.now() };
      await this.#send(await metricsRequest(metrics, times), ending.signal);
      if (spans.length > 0) await this.#send(spansRequest(spans, instance), ending.signal);
    } catch (error) {
      this.#warn(error);
    } finally {
      cancel();
    }
  }

  async #send(request: SelfRequest, signal: AbortSignal): Promise<void> {
    const { send } = this.#deps;
    const { signal: kind, items } = request;
    let refused = items;
    try {
      refused = await send(request, signal);
      if (refused > 0) this.#warn(new Error(`${refused} of ${items} ${kind} were rejected`));
    } catch (error) {
      this.#warn(signal.aborted ? signal.reason : error);
    }
    this.#counts.sent[kind] += items - refused;
    this.#counts.dropped[kind] += refused;
  }

  #warn(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `the server's own telemetry was not taken (--self-telemetry): ${reason}`;
    this.#deps.warnings.warn('self-telemetry', reason, {}, message);
  }
}

function late(waitMs: number): Error {
  return new Error(`no answer within ${waitMs / 1_000} s`);
}
