/**
 * Spans of the requests that a server gets, for its own telemetry: few, and no more than a fixed number, so that a flood
 * of requests is no flood of spans.
 */

import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../model/clock.ts';
import { SELF_SPANS_MAX, SELF_SPANS_ONE_OF } from '../../model/limits.ts';
import { isSelfAgent } from './own-requests.ts';

/** A request that is under way and gets a span. What is not known yet is set on it as it becomes known. */
export interface TracedRequest {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly startedAt: number;
  /** The path of its route, with braces: never what the client wrote. */
  route: string | undefined;
  /** The code of the error that refused it. */
  error: string | undefined;
  responseBytes: number | undefined;
}

/** What is known at the end. */
export interface RequestEnd {
  readonly method: string;
  readonly scheme: string;
  readonly httpVersion: string;
  /** Undefined when the client was gone before there was a response. */
  readonly status: number | undefined;
  /** Undefined when the client did not say it. */
  readonly requestBytes: number | undefined;
}

/** A span that has ended. */
export interface RequestSpan extends Omit<TracedRequest, 'startedAt'>, RequestEnd {
  readonly durationMs: number;
}

/** W3C Trace Context, section 3.2; later versions may add to the end. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-|$)/;

/** Collects spans between `take` and `take`. */
export class RequestSpans {
  readonly #clock: Pick<Clock, 'now' | 'monotonicMs'>;
  readonly #random: () => number;
  #begun = 0;
  #dropped = 0;
  #ended: RequestSpan[] = [];

  constructor(clock: Pick<Clock, 'now' | 'monotonicMs'>, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Undefined for a request that gets no span. Who sends a `traceparent` says whether it gets one. */
  begin({ traceparent, 'user-agent': agent }: IncomingHttpHeaders): TracedRequest | undefined {
    const parent = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : null;
    if (parent === null ? this.#random() * SELF_SPANS_ONE_OF >= 1 : !isSampled(parent)) return undefined;
    if (isSelfAgent(agent)) return undefined;
    if (this.#begun >= SELF_SPANS_MAX) {
      this.#dropped++;
      return undefined;
    }
    this.#begun++;
    const [, , traceId = randomBytes(16).toString('hex'), parentSpanId] = parent ?? [];
    const startMs = this.#clock.now();
    const unknown = { route: undefined, error: undefined, responseBytes: undefined };
    const spanId = randomBytes(8).toString('hex');
    return { traceId, spanId, parentSpanId, startMs, startedAt: this.#clock.monotonicMs(), ...unknown };
  }

  /** Call it once for each request that has begun. */
  end({ startedAt, ...traced }: TracedRequest, end: RequestEnd): void {
    if (this.#ended.length >= SELF_SPANS_MAX) {
      this.#dropped++;
      return;
    }
    this.#ended.push({ ...traced, ...end, durationMs: this.#clock.monotonicMs() - startedAt });
  }

  /** The spans that have ended since the last call, and how many there were too many. */
  take(): { readonly spans: readonly RequestSpan[]; readonly dropped: number } {
    const taken = { spans: this.#ended, dropped: this.#dropped };
    this.#ended = [];
    this.#begun = 0;
    this.#dropped = 0;
    return taken;
  }
}

function isSampled([, , , , flags = '']: RegExpExecArray): boolean {
  return (Number.parseInt(flags, 16) & 1) === 1;
}
