/** The official TypeScript SDK as a client of a server under test: its setup, and how its calls end. */

import { AppendInput, AppendRecord, type ReadSession, S2, type S2ClientOptions, S2Error } from '@s2-dev/streamstore';
import { noticeResponse } from './http-call.ts';
import { noticeHeaders } from './secrets.ts';
import type { Target } from './writers.ts';

/** Both ways in which the SDK runs sessions. */
export const TRANSPORTS = ['fetch', 's2s'] as const;

/**
 * Tests run in a realm of their own, where objects that the built-in `fetch` parses are of no class that the SDK knows:
 * it would leave such objects untranslated.
 */
const { fetch: outside } = globalThis;
globalThis.fetch = async (...request) => {
  noticeHeaders(Object.fromEntries(new Headers(request[1]?.headers)));
  const response = await outside(...request);
  const json = async () => {
    const text = await response.text();
    noticeResponse(new URL(response.url).pathname, Buffer.from(text));
    return JSON.parse(text);
  };
  Object.defineProperty(response, 'json', { value: json });
  return response;
};

/** A client that does not retry: a failure shows unchanged. */
export function sdkOf(target: Target, options: Partial<S2ClientOptions> = {}): S2 {
  const url = `http://127.0.0.1:${target.port}`;
  return new S2({
    accessToken: target.token,
    endpoints: { account: url, basin: url },
    retry: { maxAttempts: 1, appendRetryPolicy: 'noSideEffects' },
    ...options,
  });
}

/** How a call failed, in a form that tests compare: SDK errors keep code, status and the fields of their kind. */
export async function failureOf(call: Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof S2Error)) throw error;
    const { name, code, status, message, origin } = error;
    return { ...error, name, code, status, message, origin };
  }
  throw new Error('the call succeeded');
}

/** A batch of text records. */
export function textBatch(bodies: readonly string[], conditions: Parameters<typeof AppendInput.create>[1] = {}) {
  return AppendInput.create(
    bodies.map((body) => AppendRecord.string({ body })),
    conditions,
  );
}

/** A number of records of a session, or all until it ends; the session is left open when it has not ended. */
export async function take<T extends 'string' | 'bytes'>(session: ReadSession<T>, count = Number.POSITIVE_INFINITY) {
  const records = [];
  const reader = session.getReader();
  while (records.length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    records.push(value);
  }
  reader.releaseLock();
  return records;
}
