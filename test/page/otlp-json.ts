/** Spans and logs as OTLP/JSON, and how a test sends them: what a page shows is what a real server got. */

import type { TestServer } from '../support/server.ts';

export interface SpanGiven {
  readonly trace: string;
  /** Numbers become ids of 16 digits. */
  readonly id: number;
  readonly parent?: number;
  readonly name: string;
  /** 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind?: number;
  /** Milliseconds since the epoch; without an end it is open. */
  readonly from: number;
  readonly to?: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** The message of a failure. */
  readonly failed?: string;
  readonly events?: readonly { readonly at: number; readonly name: string; readonly attributes?: object }[];
}

export interface LogGiven {
  readonly at: number;
  readonly body: unknown;
  readonly severity?: number;
  readonly trace?: string;
  readonly span?: number;
  readonly eventName?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export interface Sender {
  readonly service: string;
  readonly stream: string;
  readonly scope?: string;
}

export function spanIdOf(id: number): string {
  return id.toString(16).padStart(16, '0');
}

export async function postSpans(server: TestServer, sender: Sender, spans: readonly SpanGiven[]): Promise<void> {
  const { scope = 'test' } = sender;
  const scopeSpans = [{ scope: { name: scope }, spans: spans.map(spanJson) }];
  await post(server, 'traces', { resourceSpans: [{ resource: resourceOf(sender), scopeSpans }] });
}

export async function postLogs(server: TestServer, sender: Sender, logs: readonly LogGiven[]): Promise<void> {
  const { scope = 'test' } = sender;
  const scopeLogs = [{ scope: { name: scope }, logRecords: logs.map(logJson) }];
  await post(server, 'logs', { resourceLogs: [{ resource: resourceOf(sender), scopeLogs }] });
}

async function post(server: TestServer, signal: 'logs' | 'traces', body: object): Promise<void> {
  const response = await fetch(`${server.url}/v1/${signal}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok || text.includes('rejected')) throw new Error(`${response.status}: ${text}`);
}

function resourceOf({ service, stream }: Sender): object {
  return { attributes: attributesOf({ 'service.name': service, 's2.stream': stream }) };
}

function spanJson({ trace, id, parent, name, kind = 1, from, to, attributes = {}, failed, events = [] }: SpanGiven) {
  return {
    traceId: trace,
    spanId: spanIdOf(id),
    parentSpanId: parent === undefined ? '' : spanIdOf(parent),
    name,
    kind,
    startTimeUnixNano: nanosOf(from),
    endTimeUnixNano: to === undefined ? '0' : nanosOf(to),
    attributes: attributesOf(attributes),
    status: failed === undefined ? {} : { code: 2, message: failed },
    events: events.map((event) => ({
      timeUnixNano: nanosOf(event.at),
      name: event.name,
      attributes: attributesOf(event.attributes ?? {}),
    })),
  };
}

function logJson({ at, body, severity = 9, trace = '', span, eventName = '', attributes = {} }: LogGiven): object {
  return {
    timeUnixNano: nanosOf(at),
    observedTimeUnixNano: nanosOf(at),
    severityNumber: severity,
    body: anyValue(body),
    traceId: trace,
    spanId: span === undefined ? '' : spanIdOf(span),
    eventName,
    attributes: attributesOf(attributes),
  };
}

function nanosOf(ms: number): string {
  return String(BigInt(Math.round(ms * 1_000)) * 1_000n);
}

function attributesOf(object: object): readonly object[] {
  return Object.entries(object).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: unknown): object {
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (typeof value === 'object' && value !== null) return { kvlistValue: { values: attributesOf(value) } };
  return { stringValue: String(value) };
}
