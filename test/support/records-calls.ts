/** S2's data plane as a client calls it: appends, reads, and server-sent events one by one. */

import { type IncomingMessage, request } from 'node:http';
import { type CallResponse, call } from './http-call.ts';
import type { TestServer } from './server.ts';

export type Headers = Readonly<Record<string, string>>;

export interface JsonPosition {
  readonly seq_num: number;
  readonly timestamp: number;
}

export interface JsonAck {
  readonly start: JsonPosition;
  readonly end: JsonPosition;
  readonly tail: JsonPosition;
}

export interface JsonRecord extends JsonPosition {
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

export interface JsonBatch {
  readonly records: readonly JsonRecord[];
  readonly tail?: JsonPosition;
}

/** A status and a parsed body, in the form that most tests compare. */
export type Outcome = readonly [status: number, body: unknown];

export interface SseEvent {
  /** `message` when the event has no name. */
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

export interface SseStream {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The next event; undefined when the body ended cleanly. Rejects when it was cut. */
  next(): Promise<SseEvent | undefined>;
  /** All remaining events. */
  rest(): Promise<readonly SseEvent[]>;
  /** Disconnects without notice. */
  destroy(): void;
}

/** Where a server listens, and the token for it. */
export type Target = Pick<TestServer, 'port' | 'token'>;

/** The records of one basin on a server. */
export class RecordsClient {
  readonly server: Target;
  readonly basin: string;

  constructor(server: Target, basin = 'telemetry') {
    this.server = server;
    this.basin = basin;
  }

  headers(more: Headers = {}): Record<string, string> {
    return { authorization: `Bearer ${this.server.token}`, 's2-basin': this.basin, ...more };
  }

  path(stream: string, query = ''): string {
    return `/v1/streams/${encodeURIComponent(stream)}/records${query}`;
  }

  /** Sends a body unchanged. */
  post(stream: string, body: Uint8Array | string, headers: Headers = {}): Promise<CallResponse> {
    const all = this.headers({ 'content-type': 'application/json', ...headers });
    return call(this.server.port, { path: this.path(stream), headers: all, body });
  }

  async append(stream: string, input: unknown, headers: Headers = {}): Promise<Outcome> {
    return outcome(await this.post(stream, JSON.stringify(input), headers));
  }

  /** Appends texts; the append must succeed. */
  async texts(stream: string, ...bodies: readonly string[]): Promise<JsonAck> {
    const [status, ack] = await this.append(stream, { records: bodies.map((body) => ({ body })) });
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(ack)}`);
    return ack as JsonAck;
  }

  get(stream: string, query = '', headers: Headers = {}): Promise<CallResponse> {
    return call(this.server.port, { method: 'GET', path: this.path(stream, query), headers: this.headers(headers) });
  }

  async read(stream: string, query = '', headers: Headers = {}): Promise<Outcome> {
    return outcome(await this.get(stream, query, headers));
  }

  /** A read that must succeed. */
  async batch(stream: string, query = '', headers: Headers = {}): Promise<JsonBatch> {
    const [status, body] = await this.read(stream, query, headers);
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body as JsonBatch;
  }

  async bodies(stream: string, query = '?seq_num=0'): Promise<readonly (string | undefined)[]> {
    return (await this.batch(stream, query)).records.map(({ body }) => body);
  }

  async tail(stream: string): Promise<Outcome> {
    return outcome(await call(this.server.port, this.#get(`${this.path(stream)}/tail`)));
  }

  sse(stream: string, query = '', headers: Headers = {}): Promise<SseStream> {
    const all = this.headers({ accept: 'text/event-stream', ...headers });
    return openSse(this.server.port, this.path(stream, query), all);
  }

  /** Many streams as events. */
  sseMany(query: string, headers: Headers = {}): Promise<SseStream> {
    const all = this.headers({ accept: 'text/event-stream', ...headers });
    return openSse(this.server.port, `/v1/records${query}`, all);
  }

  /** A call of the control plane, for this basin. */
  async control(method: string, path: string, body?: unknown): Promise<Outcome> {
    const headers = this.headers({ 'content-type': 'application/json' });
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return outcome(await call(this.server.port, { method, path, headers, ...sent }));
  }

  #get(path: string) {
    return { method: 'GET', path, headers: this.headers() };
  }
}

/** The records of a new basin. */
export async function makeBasin(server: Target, name: string, config: object): Promise<RecordsClient> {
  const client = new RecordsClient(server, name);
  const [status, body] = await client.control('PUT', `/v1/basins/${name}`, { config });
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`);
  return client;
}

/** The body as JSON when it is JSON. */
export function outcome({ status, body }: CallResponse): Outcome {
  const text = body.toString();
  return [status, text === '' ? undefined : JSON.parse(text)];
}

/** Status and code of a refusal, which must also have a message. */
export function codeOf([status, body]: Outcome): readonly [number, string] {
  const { code, message } = body as { code: string; message: string };
  if (typeof message !== 'string' || message.length === 0) throw new Error(`no message: ${JSON.stringify(body)}`);
  return [status, code];
}

export function openSse(port: number, path: string, headers: Headers): Promise<SseStream> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, headers, agent: false });
    sent.on('error', reject);
    sent.on('response', (answer) => resolve(sseOf(answer, () => sent.destroy())));
    sent.end();
  });
}

function sseOf(answer: IncomingMessage, destroy: () => void): SseStream {
  answer.setEncoding('utf8');
  const events = parseEvents(answer);
  const next = async (): Promise<SseEvent | undefined> => {
    const { value, done } = await events.next();
    return done === true ? undefined : value;
  };
  const rest = async (): Promise<readonly SseEvent[]> => {
    const all: SseEvent[] = [];
    for (let event = await next(); event !== undefined; event = await next()) all.push(event);
    return all;
  };
  return { status: answer.statusCode ?? 0, headers: answer.headers, next, rest, destroy };
}

async function* parseEvents(chunks: AsyncIterable<string>): AsyncGenerator<SseEvent> {
  let text = '';
  for await (const chunk of chunks) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield parseEvent(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
  if (text !== '') throw new Error(`half an event at the end: ${text}`);
}

function parseEvent(text: string): SseEvent {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^(event|id|data): (.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined || fields.has(name)) throw new Error(`no line of an event: ${line}`);
    fields.set(name, value);
  }
  return { event: fields.get('event') ?? 'message', id: fields.get('id'), data: fields.get('data') ?? '' };
}
