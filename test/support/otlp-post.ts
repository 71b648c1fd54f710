/** Requests of OTLP/JSON as short as tests write them, and the responses to them, parsed. */

import { type CallResponse, call } from './http-call.ts';
import type { TestServer } from './server.ts';

export const TRACE_ID = '5b8efff798038103d269b633813fc60c';
export const SPAN_ID = 'eee19b7ec3c1b174';

export type Attributes = Readonly<Record<string, string | number>>;

export function keyValues(attributes: Attributes): readonly object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { doubleValue: value } : { stringValue: value },
  }));
}

export const numbered = (count: number): Attributes =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key.${i}`, 'v']));
export const logs = (resource: Attributes, ...logRecords: readonly object[]) => ({
  resourceLogs: [{ resource: { attributes: keyValues(resource) }, scopeLogs: [{ logRecords }] }],
});
export const spans = (resource: Attributes, ...some: readonly object[]) => ({
  resourceSpans: [{ resource: { attributes: keyValues(resource) }, scopeSpans: [{ spans: some.map(span) }] }],
});
export const metrics = (resource: Attributes) => ({
  resourceMetrics: [
    {
      resource: { attributes: keyValues(resource) },
      scopeMetrics: [{ metrics: [{ name: 'requests', sum: { dataPoints: [{ asInt: '1' }] } }] }],
    },
  ],
});
const span = (fields: object) => ({ traceId: TRACE_ID, spanId: SPAN_ID, name: 'step', ...fields });

export interface Post {
  readonly token?: string;
  readonly basin?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: CallResponse['headers'];
  readonly json: Readonly<Record<string, unknown>> & { readonly partialSuccess?: Readonly<Record<string, string>> };
}

/** Posts JSON: an object, or bytes that are compressed. */
export async function post(
  server: TestServer,
  path: string,
  body: object,
  { token = server.token, basin, headers = {} }: Post = {},
): Promise<Answer> {
  const all = {
    'content-type': 'application/json',
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    ...(basin === undefined ? {} : { 's2-basin': basin }),
    ...(body instanceof Uint8Array ? { 'content-encoding': 'gzip' } : {}),
    ...headers,
  };
  const sent = body instanceof Uint8Array ? body : JSON.stringify(body);
  const answer = await call(server.port, { path, headers: all, body: sent });
  return { status: answer.status, headers: answer.headers, json: JSON.parse(answer.body.toString()) } as Answer;
}
