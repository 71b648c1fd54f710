/** Sends OTLP over HTTP as a simple exporter does, and reads back what a stream holds, item by item. */

import type { ControlClient } from './control-calls.ts';
import { type CallResponse, call } from './http-call.ts';
import { itemsOf, type OtlpItem } from './otlp-items.ts';

export type Attributes = Readonly<Record<string, string>>;

/** What the response to a request says. */
export interface Outcome {
  readonly status: number;
  readonly rejected: number;
  /** Of a partial success, or of an error. */
  readonly message: string;
  readonly retryAfter: number | undefined;
}

export class OtlpSender {
  readonly #port: number;
  readonly #token: string;
  readonly #basin: string;

  constructor({ port, token }: { readonly port: number; readonly token: string }, basin: string) {
    this.#port = port;
    this.#token = token;
    this.#basin = basin;
  }

  /** One log record for each resource, or what `items` says. */
  logs(resources: readonly Attributes[], items: readonly object[] = [{ body: { stringValue: 'said' } }]) {
    const resourceLogs = resources.map((attributes) => ({
      resource: { attributes: keyValues(attributes) },
      scopeLogs: [{ logRecords: items }],
    }));
    return this.post('logs', { resourceLogs });
  }

  /** So many spans of one resource. */
  spans(count: number, attributes: Attributes = {}) {
    const span = { traceId: '0102030405060708090a0b0c0d0e0f10', spanId: '0102030405060708', name: 'step' };
    const scopeSpans = [{ spans: Array.from({ length: count }, () => span) }];
    return this.post('traces', { resourceSpans: [{ resource: { attributes: keyValues(attributes) }, scopeSpans }] });
  }

  post(signal: 'logs' | 'traces' | 'metrics', body: object | Uint8Array): Promise<Outcome> {
    const isJson = !(body instanceof Uint8Array);
    return this.#send(signal, isJson ? JSON.stringify(body) : body, isJson);
  }

  /** Sends JSON as it is written here. */
  postJson(signal: 'logs' | 'traces' | 'metrics', json: string): Promise<Outcome> {
    return this.#send(signal, json, true);
  }

  async #send(signal: string, body: string | Uint8Array, isJson: boolean): Promise<Outcome> {
    const answer = await call(this.#port, {
      path: `/v1/${signal}`,
      headers: {
        authorization: `Bearer ${this.#token}`,
        's2-basin': this.#basin,
        'content-type': isJson ? 'application/json' : 'application/x-protobuf',
      },
      body,
    });
    return outcomeOf(answer);
  }
}

function keyValues(attributes: Attributes): readonly object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } }));
}

/** The items of a stream, in order; none when it does not exist. */
export async function storedItems(
  s2: ControlClient,
  basin: string,
  stream: string,
  signal: 'logs' | 'traces' | 'metrics' = 'logs',
): Promise<readonly OtlpItem[]> {
  const target = `GET /streams/${encodeURIComponent(stream)}/records?seq_num=0`;
  const { status, body } = await s2.call(target, { basin, headers: { 's2-format': 'base64' } });
  if (status !== 200) return [];
  const { records } = body as { records: readonly { readonly body: string }[] };
  return records.flatMap((record) => itemsOf(signal, Buffer.from(record.body, 'base64'), false));
}

/** Of a JSON response; a protobuf one has no message here. */
function outcomeOf({ status, headers, body }: CallResponse): Outcome {
  const text = headers['content-type'] === 'application/json' ? body.toString() : '{}';
  const json = JSON.parse(text) as { message?: string; partialSuccess?: Readonly<Record<string, string>> };
  const { errorMessage, ...rejected } = json.partialSuccess ?? {};
  const seconds = headers['retry-after'];
  return {
    status,
    rejected: Number(Object.values(rejected)[0] ?? 0),
    message: json.message ?? errorMessage ?? '',
    retryAfter: seconds === undefined ? undefined : Number(seconds),
  };
}
