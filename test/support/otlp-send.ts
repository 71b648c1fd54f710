/** Sends OTLP as it is given, byte by byte, and reads back what was stored: for tests of what real senders send. */

import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { call } from './http-call.ts';
import { itemsOf } from './otlp-items.ts';
import { field } from './otlp-wire.ts';
import { readStream } from './read-back.ts';
import type { TestServer } from './server.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const COUNTS = { logs: 'rejectedLogRecords', traces: 'rejectedSpans', metrics: 'rejectedDataPoints' } as const;
const COLLECTOR: Readonly<Record<Signal, string>> = { logs: 'Logs', traces: 'Trace', metrics: 'Metrics' };

export interface SendOptions {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The response, decoded: of an error the message of its Status. */
export interface Sent {
  readonly status: number;
  readonly rejected: number;
  readonly message: string;
}

/** Posts a body: text as JSON, bytes as protobuf. */
export async function send(
  server: TestServer,
  signal: Signal,
  body: string | Uint8Array,
  options: SendOptions = {},
): Promise<Sent> {
  const isJson = typeof body === 'string' || body[0] === 0x7b;
  const type = isJson ? 'application/json' : 'application/x-protobuf';
  const response = await call(server.port, {
    path: options.path ?? `/v1/${signal}`,
    headers: { authorization: `Bearer ${server.token}`, 'content-type': type, ...options.headers },
    body,
  });
  const said = response.headers['content-type'] === 'application/json' ? json(response.body) : undefined;
  if (response.status !== 200) {
    const message = said?.message ?? (decode('google.rpc.Status', response.body) as { message: string }).message;
    return { status: response.status, rejected: 0, message: message as string };
  }
  const name = COLLECTOR[signal];
  const type200 = `opentelemetry.proto.collector.${name.toLowerCase()}.v1.Export${name}ServiceResponse`;
  const answer = said ?? decode(type200, response.body);
  const partial = (answer.partialSuccess ?? {}) as Record<string, unknown>;
  return {
    status: 200,
    rejected: Number(partial[COUNTS[signal]] ?? 0),
    message: (partial.errorMessage as string | undefined) ?? '',
  };
}

/** What a stream holds: its items in order, as protobufjs decodes them. */
export async function stored(server: TestServer, signal: Signal, stream: string): Promise<readonly Plain[]> {
  const records = await readStream(server, stream);
  return records.flatMap((record) => itemsOf(signal, record.body, false)).map(({ item }) => item as Plain);
}

/** An item as protobufjs shows it: bytes are base64, 64-bit integers decimal strings. */
export type Plain = Readonly<Record<string, unknown>>;

/** A request that some sender really sent: see `test/fixtures/reports/`. */
export function report(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/reports/${name}`, import.meta.url));
}

/** A protobuf request with items of one stream; each is the content of its message. Fits every signal. */
export function requestOf(stream: string, ...items: readonly (readonly number[])[]): Uint8Array {
  const name = field(1, field(1, [...field(1, 's2.stream'), ...field(2, field(1, stream))]));
  return Uint8Array.from(
    field(1, [
      ...name,
      ...field(
        2,
        items.flatMap((item) => field(2, item)),
      ),
    ]),
  );
}

/** The same in JSON, from the texts of the items. */
export function jsonOf(signal: Signal, stream: string, ...items: readonly string[]): string {
  const [resources, scopes, list] = KEYS[signal];
  const resource = `{"attributes":[{"key":"s2.stream","value":{"stringValue":"${stream}"}}]}`;
  return `{"${resources}":[{"resource":${resource},"${scopes}":[{"${list}":[${items.join(',')}]}]}]}`;
}

const KEYS = {
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const satisfies Record<Signal, readonly string[]>;

function decode(type: string, body: Uint8Array): Record<string, unknown> {
  const message = root.lookupType(type);
  return message.toObject(message.decode(body), { longs: String, defaults: false }) as Record<string, unknown>;
}

function json(body: Buffer): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>;
}
