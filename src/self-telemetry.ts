/**
 * The server's own telemetry (`--self-telemetry`), put together: what is measured, and where it goes. Loaded only where it
 * is asked for.
 */

import { randomBytes, randomUUID } from 'node:crypto';
import { postOtlp } from './client/post-otlp.ts';
import type { Config } from './config.ts';
import type { MemoryBudget } from './encoding/memory-budget.ts';
import { loadIngest } from './http/receive-otlp.ts';
import { existingBasin } from './log/basins.ts';
import type { Log } from './log/log.ts';
import type { Clock } from './model/clock.ts';
import { SELF_TELEMETRY_BYTES } from './model/limits.ts';
import type { Metrics } from './observe/metrics.ts';
import { SELF_AGENT, SELF_HEADER } from './observe/self/own-requests.ts';
import { RequestSpans } from './observe/self/request-spans.ts';
import { SelfCounts, SelfTelemetry, type SendSelf } from './observe/self/self-telemetry.ts';
import type { Warnings } from './observe/warnings.ts';
import { OWN_STORE } from './settings/value-kinds.ts';

/** What it is made of. */
export interface SelfTelemetryParts {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly warnings: Pick<Warnings, 'warn'>;
  readonly clock: Clock;
  readonly budget: MemoryBudget;
}

/** What the servers tell of requests, and how long that goes on. */
export interface OwnTelemetry {
  readonly spans: RequestSpans;
  /** Whether a request carries what this very server measured: then it is not measured itself. */
  isOwn(header: unknown): boolean;
  /** Call it when the server listens. */
  start(): void;
  /** Sends the last of it, for `waitMs` at most. May be called twice. */
  close(waitMs: number): Promise<void>;
}

export async function ownTelemetry(parts: SelfTelemetryParts): Promise<OwnTelemetry> {
  const { config, log, metrics, warnings, clock, budget } = parts;
  const mark = randomBytes(16).toString('hex');
  const spans = new RequestSpans(clock);
  const counts = new SelfCounts();
  metrics.add(counts.metrics());
  // What is held is little, and bounded: it is taken once, and given back once.
  budget.take(SELF_TELEMETRY_BYTES);
  let heldBytes = SELF_TELEMETRY_BYTES;
  const target = config.selfTelemetry ?? OWN_STORE;
  const send = target === OWN_STORE ? intoStore(log, config) : await toEndpoint(target, config, mark);
  const instance = randomUUID();
  const telemetry = new SelfTelemetry({ clock, warnings, metrics: metrics.own, spans, send, instance }, counts);
  return {
    spans,
    isOwn: (header) => header === mark,
    start: () => telemetry.start(),
    close: async (waitMs) => {
      await telemetry.close(waitMs);
      budget.release(heldBytes);
      heldBytes = 0;
    },
  };
}

/** Past the ports: it is no request, so there is nothing to measure. */
function intoStore(log: Log, config: Config): SendSelf {
  return async ({ signal, json }) => {
    const ingest = await loadIngest();
    const basin = existingBasin(log, config.defaultBasin);
    const request = { signal, encoding: 'json', body: Buffer.from(json) } as const;
    return (await ingest(log, basin, request, { limits: config })).rejected;
  };
}

async function toEndpoint(target: string, config: Config, mark: string): Promise<SendSelf> {
  const { transcodeJson } = await import('./otlp/json/transcode.ts');
  const base = target.replace(/\/+$/, '');
  const headers = { ...config.selfTelemetryHeaders, 'user-agent': SELF_AGENT, [SELF_HEADER]: mark };
  return async ({ signal, json }, ending) => {
    const url = `${base}/v1/${signal}`;
    const body = transcodeJson(signal, Buffer.from(json));
    const contentType = 'application/x-protobuf';
    const { status, rejected, message = '' } = await postOtlp({ url, body, contentType, headers, signal: ending });
    if (status < 200 || status >= 300) throw new Error(`${url} answered ${status} ${message}`.trimEnd());
    return rejected;
  };
}
