/** Proxies between a sender and the server, for OTLP over HTTP and over gRPC: they pass requests on and keep them, with what came of each. */

import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  type ClientHttp2Session,
  connect,
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync, inflateSync } from 'node:zlib';
import { zstdDecompress } from '../../src/encoding/zstd/decompress.ts';
import type { Signal } from '../../src/model/record.ts';

const GRPC_UNAVAILABLE = '14';
const PREFIX_BYTES = 5;
const PLAIN_BYTES_MAX = 64 * 1024 * 1024;

/** A request as it came, and its outcome. */
export interface SentRequest {
  readonly signal: Signal;
  readonly isJson: boolean;
  /** As the sender named it; empty without one. */
  readonly coding: string;
  /** After decompression; undefined where the coding is none that the server takes. */
  readonly body: Buffer | undefined;
  /** Of HTTP, or of the call; empty where there was no response. */
  status: string;
  isAcknowledged: boolean;
  /** The response, without prefix; it is empty when everything was stored. */
  answer: Buffer;
  readonly startedAt: number;
  endedAt: number;
}

export interface CaptureOptions {
  /** Of the server; asked for each request, because it may start again elsewhere. */
  readonly ports: () => { readonly http: number; readonly grpc: number };
  /** What goes to the server in place of a body; for the proof that faults are noticed. */
  readonly alter?: (body: Buffer, index: number) => readonly Buffer[];
}

export class Capture {
  readonly sent: SentRequest[] = [];
  readonly #options: CaptureOptions;
  readonly #http: Server;
  readonly #grpc: Http2Server;
  readonly #sockets = new Set<Socket>();
  #onward: ClientHttp2Session | undefined;
  #onEnd: () => void = () => {};

  private constructor(options: CaptureOptions) {
    this.#options = options;
    this.#http = createServer((incoming, outgoing) => void this.#passHttp(incoming, outgoing));
    this.#grpc = createHttp2Server();
    this.#grpc.on('stream', (stream, headers) => void this.#passGrpc(stream, headers));
    for (const server of [this.#http, this.#grpc]) {
      server.on('connection', (socket: Socket) => {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => this.#sockets.delete(socket));
      });
    }
  }

  static async start(options: CaptureOptions): Promise<Capture> {
    const capture = new Capture(options);
    for (const server of [capture.#http, capture.#grpc]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return capture;
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get grpcUrl(): string {
    return `http://127.0.0.1:${(this.#grpc.address() as AddressInfo).port}`;
  }

  get acknowledged(): number {
    return this.sent.filter(({ isAcknowledged }) => isAcknowledged).length;
  }

  /** Resolves when one more request has ended. */
  nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }

  close(): void {
    this.#http.close();
    this.#grpc.close();
    this.#onward?.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #passHttp(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    outgoing.on('error', () => {});
    const wire = await bytesOf(incoming);
    const { url: path = '/', headers, method } = incoming;
    const request = await this.#began(signalOf(path), headers['content-type'], headers['content-encoding'] ?? '', wire);
    const bodies = this.#options.alter?.(wire, this.sent.length - 1) ?? [wire];
    for (const [index, body] of bodies.entries()) {
      const onward = { port: this.#options.ports().http, host: '127.0.0.1', path, method, agent: false } as const;
      const length = { 'content-length': String(body.length) };
      const { 'transfer-encoding': _, ...given } = headers;
      const answered = await answerTo({ ...onward, headers: { ...given, ...length } }, body);
      if (index < bodies.length - 1) continue;
      this.#ended(request, answered?.status === undefined ? '' : String(answered.status), answered?.body);
      outgoing.writeHead(answered?.status ?? 502, answered?.headers).end(answered?.body);
    }
  }

  async #passGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    stream.on('error', () => {});
    const path = headers[':path'] ?? '';
    const wire = await bytesOf(stream);
    const coding = wire[0] === 1 ? String(headers['grpc-encoding'] ?? '') : '';
    const request = await this.#began(signalOf(path), 'application/grpc', coding, wire.subarray(PREFIX_BYTES));
    const { head, body, trailers } = await this.#callOnward(headers, wire);
    const all = { ...head, ...trailers };
    const status = all['grpc-status'] === undefined ? '' : `grpc ${all['grpc-status']}`;
    this.#ended(request, status, body.subarray(PREFIX_BYTES));
    if (stream.destroyed) return;
    if (status === '') {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': GRPC_UNAVAILABLE },
        { endStream: true },
      );
    } else if (trailers === undefined) {
      stream.respond(head, { endStream: true });
    } else {
      stream.respond(head, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      stream.end(body);
    }
  }

  #callOnward(headers: IncomingHttpHeaders, wire: Buffer) {
    return new Promise<{ head: IncomingHttpHeaders; body: Buffer; trailers: IncomingHttpHeaders | undefined }>(
      (resolve) => {
        if (this.#onward === undefined || this.#onward.destroyed || this.#onward.closed) {
          this.#onward = connect(`http://127.0.0.1:${this.#options.ports().grpc}`);
          this.#onward.on('error', () => {});
        }
        const { host: _, ...given } = headers;
        const stream = this.#onward.request(given);
        const parts: Buffer[] = [];
        let head: IncomingHttpHeaders = {};
        let trailers: IncomingHttpHeaders | undefined;
        stream.on('response', (found) => {
          head = withoutSymbols(found);
        });
        stream.on('trailers', (found) => {
          trailers = withoutSymbols(found);
        });
        stream.on('data', (part: Buffer) => parts.push(part));
        stream.on('error', () => {});
        stream.on('close', () => resolve({ head, body: Buffer.concat(parts), trailers }));
        stream.end(wire);
      },
    );
  }

  async #began(signal: Signal, type: string | undefined, coding: string, wire: Buffer): Promise<SentRequest> {
    const request: SentRequest = {
      signal,
      isJson: type === 'application/json',
      coding,
      body: await plain(wire, coding),
      status: '',
      isAcknowledged: false,
      answer: Buffer.alloc(0),
      startedAt: performance.now(),
      endedAt: Number.POSITIVE_INFINITY,
    };
    this.sent.push(request);
    return request;
  }

  #ended(request: SentRequest, status: string, answer: Buffer = Buffer.alloc(0)): void {
    request.status = status;
    request.isAcknowledged = status === '200' || status === 'grpc 0';
    request.answer = answer;
    request.endedAt = performance.now();
    this.#onEnd();
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Undefined where the connection broke. */
function answerTo(options: RequestOptions, body: Buffer): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const passed = httpRequest(options, (answer) => {
      bytesOf(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: bytes }),
        () => resolve(undefined),
      );
    });
    passed.on('error', () => resolve(undefined));
    passed.end(body);
  });
}

async function bytesOf(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

function signalOf(path: string): Signal {
  const found = /\/v1\/(logs|traces|metrics)$|(Logs|Trace|Metrics)Service\/Export$/.exec(path);
  if (found === null) throw new Error(`${path} is no path of OTLP`);
  const name = (found[1] ?? found[2] ?? '').toLowerCase();
  return (name === 'trace' ? 'traces' : name) as Signal;
}

async function plain(wire: Buffer, coding: string): Promise<Buffer | undefined> {
  if (coding === '' || coding === 'identity') return wire;
  if (coding === 'gzip') return gunzipSync(wire);
  if (coding === 'deflate' || coding === 'zlib') return inflateSync(wire);
  if (coding === 'zstd') return await zstdDecompress(wire, PLAIN_BYTES_MAX);
  return undefined;
}

/** Node marks headers with a symbol that it does not take back. */
function withoutSymbols(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers));
}
