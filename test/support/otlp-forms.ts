/**
 * Every form in which a request of OTLP can be sent, and its answer in one shape: path, encoding, compression and
 * transport multiply, and what the server says must not depend on them.
 */

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { deflateSync, gzipSync } from 'node:zlib';
import protobuf from 'protobufjs/light.js';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { EXPORT, framed, openCall, retryAfterIn } from './grpc-call.ts';
import { connectHttp2, type Http2Connection } from './http2-call.ts';
import { encodeJsonFixture } from './otlp-items.ts';
import { noticeHeaders } from './secrets.ts';
import type { TestServer } from './server.ts';

export type Transport = 'HTTP/1.1' | 'HTTP/2' | 'gRPC';
export type Encoding = 'protobuf' | 'JSON';
export type Compression = 'none' | 'gzip' | 'deflate' | 'zstd';

/** One way to send one signal. */
export interface Form {
  readonly signal: Signal;
  readonly path: string;
  readonly encoding: Encoding;
  readonly compression: Compression;
  readonly transport: Transport;
}

/** What is sent; what is left out is as usual in the form. */
export interface Sending {
  readonly body: Uint8Array;
  readonly method?: string;
  readonly path?: string;
  /** undefined leaves a usual one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** An answer in any form. */
export interface Answer {
  /** Of gRPC it is 200, or what is no answer of gRPC. */
  readonly status: number;
  /** All but those that the connection has: Date, Connection, Keep-Alive; of gRPC with the trailers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of gRPC without its frame. */
  readonly body: Buffer;
  /** Of a refusal: the code of gRPC in its Status, or in the status of the call. */
  readonly code: number;
  readonly message: string;
  /** Of a 200. */
  readonly rejected: number;
  /** Seconds: of `Retry-After`, or of RetryInfo. */
  readonly retryAfter: number | undefined;
}

const PATHS: Readonly<Record<Signal, readonly string[]>> = {
  logs: ['/v1/logs', '/otlp/v1/logs', '/api/v1/otlp/v1/logs', '/api/public/otel/v1/logs'],
  traces: [
    ...['/v1/traces', '/otlp/v1/traces', '/api/v1/otlp/v1/traces', '/api/public/otel/v1/traces'],
    '/v1/traces/otlp',
  ],
  metrics: ['/v1/metrics', '/otlp/v1/metrics', '/api/v1/otlp/v1/metrics'],
};
const ENCODINGS: readonly Encoding[] = ['protobuf', 'JSON'];
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'deflate', 'zstd'];

/** All of them: a request has a path, an encoding and a compression on either HTTP, and a call a compression. */
export const FORMS: readonly Form[] = SIGNALS.flatMap((signal) =>
  COMPRESSIONS.flatMap((compression): Form[] => [
    ...PATHS[signal].flatMap((path) =>
      ENCODINGS.flatMap((encoding) =>
        (['HTTP/1.1', 'HTTP/2'] as const).map((transport) => ({ signal, path, encoding, compression, transport })),
      ),
    ),
    { signal, path: EXPORT[signal], encoding: 'protobuf', compression, transport: 'gRPC' },
  ]),
);

export const nameOf = ({ path, encoding, compression, transport }: Form): string =>
  `${transport} ${path} in ${encoding} with ${compression}`;

/** Connections to a server for all forms; call `close`. */
export class FormSender {
  readonly #server: TestServer;
  readonly #ca: string | undefined;
  readonly #http2: Http2Connection;
  readonly #grpc: Http2Connection;

  private constructor(server: TestServer, ca: string | undefined, http2: Http2Connection, grpc: Http2Connection) {
    this.#server = server;
    this.#ca = ca;
    this.#http2 = http2;
    this.#grpc = grpc;
  }

  static async connect(server: TestServer, ca?: string): Promise<FormSender> {
    const options = ca === undefined ? {} : { ca };
    const [http2, grpc] = [connectHttp2(server.url, options), connectHttp2(server.grpcUrl ?? '', options)];
    return new FormSender(server, ca, await http2, await grpc);
  }

  /** Sends a body that is compressed already, with what the form says of it. */
  async send(form: Form, { body, method = 'POST', path = form.path, headers: more = {} }: Sending): Promise<Answer> {
    const all = { authorization: `Bearer ${this.#server.token}`, ...headersOf(form), ...more };
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(all)) if (value !== undefined) headers[name] = value;
    noticeHeaders(headers);
    if (form.transport === 'gRPC') return this.#call(form, path, body, headers);
    const answer =
      form.transport === 'HTTP/2'
        ? await this.#http2.call({ method, path, headers, body })
        : await this.#overHttp1(method, path, headers, body);
    return answerOf(form.signal, answer);
  }

  async close(): Promise<void> {
    await this.#http2.close();
    await this.#grpc.close();
  }

  async #call({ signal, compression }: Form, path: string, body: Uint8Array, headers: Record<string, string>) {
    const { stream, end } = openCall(this.#grpc, path, headers);
    stream.end(framed(body, compression === 'none' ? 0 : 1));
    const ended = await end;
    return answerOfCall(signal, ended.headers, ended.body);
  }

  #overHttp1(method: string, path: string, headers: Readonly<Record<string, string>>, body: Uint8Array) {
    const target = new URL(path, this.#server.url);
    const options = { method, headers: { 'content-length': String(body.length), ...headers }, agent: false };
    type Parts = { status: number; headers: IncomingHttpHeaders; body: Buffer };
    return new Promise<Parts>((resolve, reject) => {
      const sent =
        this.#ca === undefined ? httpRequest(target, options) : httpsRequest(target, { ...options, ca: this.#ca });
      sent.on('response', (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) }),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

/** A request in the encoding and compression of a form. */
export function bodyOf(form: Form, request: object): Uint8Array {
  return compressed(form, encoded(form, request));
}

/** OTLP/JSON, with ids in hex, in the encoding of a form. */
export function encoded({ signal, encoding }: Pick<Form, 'signal' | 'encoding'>, request: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(request));
  return encoding === 'JSON' ? json : encodeJsonFixture(signal, json);
}

export function compressed({ compression }: Pick<Form, 'compression'>, body: Uint8Array): Uint8Array {
  if (compression === 'gzip') return gzipSync(body);
  if (compression === 'deflate') return deflateSync(body);
  return compression === 'zstd' ? zstdStored(body) : body;
}

const ZSTD_BLOCK_BYTES = 128 * 1024;

/** A frame of Zstandard whose blocks are not compressed (RFC 8878, section 3.1.1): Node 20 cannot make others. */
function zstdStored(body: Uint8Array): Uint8Array {
  const head = Buffer.from('28b52ffda000000000', 'hex');
  head.writeUInt32LE(body.length, 5);
  const parts: Uint8Array[] = [head];
  for (let at = 0; at === 0 || at < body.length; at += ZSTD_BLOCK_BYTES) {
    const block = body.subarray(at, at + ZSTD_BLOCK_BYTES);
    const lead = Buffer.alloc(3);
    lead.writeUIntLE((block.length << 3) | (at + block.length >= body.length ? 1 : 0), 0, 3);
    parts.push(lead, block);
  }
  return Buffer.concat(parts);
}

function headersOf({ encoding, compression, transport }: Form): Record<string, string> {
  if (transport === 'gRPC') return compression === 'none' ? {} : { 'grpc-encoding': compression };
  const type = encoding === 'JSON' ? 'application/json' : 'application/x-protobuf';
  return { 'content-type': type, ...(compression === 'none' ? {} : { 'content-encoding': compression }) };
}

const root = protobuf.Root.fromJSON(SCHEMA);
const COLLECTOR: Readonly<Record<Signal, string>> = { logs: 'Logs', traces: 'Trace', metrics: 'Metrics' };
const COUNTS = { logs: 'rejectedLogRecords', traces: 'rejectedSpans', metrics: 'rejectedDataPoints' } as const;
const OF_THE_CONNECTION = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']);

function answerOf(
  signal: Signal,
  { status, headers, body }: { status: number; headers: IncomingHttpHeaders; body: Buffer },
): Answer {
  const seconds = headers['retry-after'];
  const common = { status, headers: shown(headers), body, retryAfter: seconds === undefined ? undefined : +seconds };
  const json = headers['content-type'] === 'application/json' ? (JSON.parse(body.toString()) as Plain) : undefined;
  if (status === 200) return { ...common, code: 0, ...partialOf(signal, json ?? decodeResponse(signal, body)) };
  const { code = 0, message = '' } = json ?? decode('google.rpc.Status', body);
  return { ...common, code: Number(code), message: String(message), rejected: 0 };
}

function answerOfCall(signal: Signal, headers: IncomingHttpHeaders, frames: Buffer): Answer {
  const details = headers['grpc-status-details-bin'];
  const retryAfter = details === undefined ? undefined : retryAfterIn(Buffer.from(String(details), 'base64'));
  const [status, code] = [Number(headers[':status']), Number(headers['grpc-status'])];
  const common = { status, headers: shown(headers), code, retryAfter };
  const body = frames.subarray(5);
  if (code !== 0) {
    return { ...common, body: frames, message: decodeURIComponent(String(headers['grpc-message'])), rejected: 0 };
  }
  if (!framed(body).equals(frames)) throw new Error(`this is no single message: ${frames.toString('hex')}`);
  return { ...common, body, ...partialOf(signal, decodeResponse(signal, body)) };
}

type Plain = Record<string, unknown>;

function partialOf(signal: Signal, response: Plain): { message: string; rejected: number } {
  const partial = (response.partialSuccess ?? {}) as Plain;
  return { message: String(partial.errorMessage ?? ''), rejected: Number(partial[COUNTS[signal]] ?? 0) };
}

function decodeResponse(signal: Signal, body: Uint8Array): Plain {
  const name = COLLECTOR[signal];
  return decode(`opentelemetry.proto.collector.${name.toLowerCase()}.v1.Export${name}ServiceResponse`, body);
}

function decode(type: string, body: Uint8Array): Plain {
  const message = root.lookupType(type);
  return message.toObject(message.decode(body), { longs: String }) as Plain;
}

function shown(headers: IncomingHttpHeaders): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith(':') && !OF_THE_CONNECTION.has(name));
  return Object.fromEntries(own.map(([name, value]) => [name, String(value)]));
}
