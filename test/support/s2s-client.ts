/** A plain s2s client over node:http2 or HTTP/1.1, which sends and receives frame by frame whatever a test requests. */

import { request as httpRequest } from 'node:http';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { Duplex, Readable, Writable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import { noticeHeaders } from './secrets.ts';
import type { Target } from './writers.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const AppendInputType = root.lookupType('s2.v1.AppendInput');
const AppendAckType = root.lookupType('s2.v1.AppendAck');
const ReadBatchType = root.lookupType('s2.v1.ReadBatch');

export interface TestPosition {
  readonly seqNum: number;
  readonly timestamp: number;
}

export interface TestInput {
  readonly records: readonly {
    readonly body?: Uint8Array | string;
    readonly headers?: readonly (readonly [string, string])[];
    readonly timestamp?: number;
  }[];
  readonly matchSeqNum?: number;
  readonly fencingToken?: string;
}

export interface TestAck {
  readonly start: TestPosition;
  readonly end: TestPosition;
  readonly tail: TestPosition;
}

export interface TestBatch {
  readonly records: readonly (TestPosition & { readonly headers: readonly unknown[]; readonly body: Buffer })[];
  readonly tail: TestPosition | undefined;
}

/** node's own limit is lower than what a test may have in flight. */
const CLIENT_MEMORY_MIB = 512;

/** A received frame. */
export interface ServerFrame {
  readonly flag: number;
  /** Decompressed; without the status of a terminal frame. */
  readonly body: Buffer;
  /** Of a terminal frame. */
  readonly status: number | undefined;
}

/** How a session ended: cleanly, or with status and JSON of its terminal frame. */
export type SessionEnd = 'clean' | { readonly status: number; readonly json: unknown };

export type Headers = Readonly<Record<string, string>>;

/** One session. Frames are buffered until they are read. */
export class S2sSession {
  readonly status: Promise<number>;
  readonly headers: Promise<Readonly<Record<string, unknown>>>;
  readonly #sink: Writable;
  readonly #cancel: () => void;
  #source: Readable | undefined;
  #buffered: Buffer = Buffer.alloc(0);
  readonly #frames: ServerFrame[] = [];
  #ended = false;
  #error: unknown;
  #wake = (): void => {};
  #plain = '';
  #isFramed = false;

  constructor(sink: Writable, answered: Promise<Answered>, cancel: () => void) {
    this.#sink = sink;
    this.#cancel = cancel;
    this.status = answered.then(({ status }) => status);
    this.headers = answered.then(({ headers }) => headers);
    this.status.catch(() => {});
    this.headers.catch(() => {});
    sink.on('error', (error) => this.#fail(error));
    answered.then(
      ({ source, status }) => this.#take(source, status),
      (error: unknown) => this.#fail(error),
    );
  }

  /** Sends any bytes. */
  send(bytes: Uint8Array): void {
    this.#sink.write(bytes);
  }

  /** Sends one input per frame, in one write per call. */
  sendInputs(...inputs: readonly TestInput[]): void {
    this.send(Buffer.concat(inputs.map((input) => frame(encodeInput(input)))));
  }

  /** Ends the request body. */
  halfClose(): void {
    this.#sink.end();
  }

  /** Disconnects. */
  cancel(): void {
    this.#cancel();
  }

  /** Stops reading until `resume`. */
  pause(): void {
    this.#source?.pause();
  }

  resume(): void {
    this.#source?.resume();
  }

  /** The next frame; undefined at the end of the body. Rejects when the response was cut. */
  async nextFrame(): Promise<ServerFrame | undefined> {
    for (;;) {
      const next = this.#frames.shift();
      if (next !== undefined) return next;
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) {
        if (this.#buffered.length > 0) throw new Error('the last frame is truncated');
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async nextAck(): Promise<TestAck> {
    return decodeAck(await this.#nextRegular());
  }

  async nextBatch(): Promise<TestBatch> {
    return decodeBatch(await this.#nextRegular());
  }

  /** Reads a number of records, from any number of batches; heartbeats are skipped. */
  async records(count: number): Promise<TestBatch['records']> {
    const records: TestBatch['records'][number][] = [];
    while (records.length < count) records.push(...(await this.nextBatch()).records);
    return records;
  }

  /** All remaining acks, and how the session ended. */
  async restOfAcks(): Promise<{ acks: readonly TestAck[]; end: SessionEnd }> {
    const { bodies, end } = await this.#rest();
    return { acks: bodies.map(decodeAck), end };
  }

  async restOfBatches(): Promise<{ batches: readonly TestBatch[]; end: SessionEnd }> {
    const { bodies, end } = await this.#rest();
    return { batches: bodies.map(decodeBatch), end };
  }

  /** The whole response of a call that was refused before it became a session. */
  async refusal(): Promise<{ status: number; json: unknown }> {
    const status = await this.status;
    await this.nextFrame();
    return { status, json: JSON.parse(this.#plain) };
  }

  async #nextRegular(): Promise<Buffer> {
    const next = await this.nextFrame();
    if (next === undefined) throw new Error('the session is over');
    if (next.status !== undefined) throw new Error(`terminal frame ${next.status}: ${next.body.toString()}`);
    return next.body;
  }

  async #rest(): Promise<{ bodies: readonly Buffer[]; end: SessionEnd }> {
    const bodies: Buffer[] = [];
    for (let next = await this.nextFrame(); next !== undefined; next = await this.nextFrame()) {
      if (next.status === undefined) {
        bodies.push(next.body);
        continue;
      }
      if ((await this.nextFrame()) !== undefined) throw new Error('something follows the terminal frame');
      return { bodies, end: { status: next.status, json: JSON.parse(next.body.toString()) } };
    }
    return { bodies, end: 'clean' };
  }

  #take(source: Readable, status: number): void {
    this.#source = source;
    this.#isFramed = status === 200;
    source.on('data', (chunk: Buffer) => {
      if (this.#isFramed) this.#push(chunk);
      else this.#plain += chunk.toString();
      this.#wake();
    });
    source.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    source.on('error', (error) => this.#fail(error));
    source.on('close', () => {
      if (!this.#ended) this.#fail(new Error('the answer was cut'));
    });
  }

  #push(chunk: Buffer): void {
    let rest = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    while (rest.length >= 4 && rest.length >= 3 + rest.readUIntBE(0, 3)) {
      const end = 3 + rest.readUIntBE(0, 3);
      this.#frames.push(parseFrame(rest.subarray(3, end)));
      rest = rest.subarray(end);
    }
    this.#buffered = rest;
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#wake();
  }
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly source: Readable;
}

/** One HTTP/2 connection. */
export class S2sConnection {
  readonly #target: Target;
  readonly session: ClientHttp2Session;
  /** The server announced that it accepts no more streams here. */
  readonly goneAway: Promise<void>;

  constructor(target: Target) {
    this.#target = target;
    this.session = connect(`http://127.0.0.1:${target.port}`, { maxSessionMemory: CLIENT_MEMORY_MIB });
    this.session.on('error', () => {});
    this.goneAway = new Promise((resolve) => this.session.once('goaway', () => resolve()));
  }

  append(stream: string, headers: Headers = {}): S2sSession {
    return this.#open('POST', recordsPath(stream), headers);
  }

  read(stream: string, query = '', headers: Headers = {}): S2sSession {
    const session = this.#open('GET', `${recordsPath(stream)}?${query}`, headers);
    session.halfClose();
    return session;
  }

  close(): void {
    this.session.destroy();
  }

  #open(method: string, path: string, headers: Headers): S2sSession {
    noticeHeaders(headers);
    const stream = this.session.request(
      { ':method': method, ':path': path, ...s2sHeaders(this.#target), ...headers },
      { endStream: false },
    );
    const answered = new Promise<Answered>((resolve, reject) => {
      stream.once('response', (head) => resolve({ status: head[':status'] ?? 0, headers: head, source: stream }));
      stream.once('close', () => reject(new Error('the stream was closed without an answer')));
    });
    return new S2sSession(stream as Duplex, answered, () => stream.close(constants.NGHTTP2_CANCEL));
  }
}

/** A session on a connection of its own over HTTP/1.1, both directions at once. */
export function http1Session(target: Target, method: 'GET' | 'POST', stream: string, query = ''): S2sSession {
  const path = `${recordsPath(stream)}?${query}`;
  const options = { host: '127.0.0.1', port: target.port, method, path, agent: false, headers: s2sHeaders(target) };
  const sent = httpRequest(options);
  const answered = new Promise<Answered>((resolve, reject) => {
    sent.once('response', (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, source: answer });
    });
    sent.once('error', reject);
  });
  if (method === 'GET') sent.end();
  else sent.flushHeaders();
  return new S2sSession(sent, answered, () => sent.destroy());
}

/** A regular frame. */
export function frame(body: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntBE(body.length + 1, 0, 3);
  head[3] = flag;
  return Buffer.concat([head, body]);
}

export function encodeInput({ records, ...conditions }: TestInput): Buffer {
  const bytes = (value: Uint8Array | string): Uint8Array => (typeof value === 'string' ? Buffer.from(value) : value);
  const message = {
    ...conditions,
    records: records.map(({ body = '', headers = [], ...rest }) => ({
      ...rest,
      body: bytes(body),
      headers: headers.map(([name, value]) => ({ name: bytes(name), value: bytes(value) })),
    })),
  };
  return Buffer.from(AppendInputType.encode(AppendInputType.create(message)).finish());
}

function recordsPath(stream: string): string {
  return `/v1/streams/${encodeURIComponent(stream)}/records`;
}

function s2sHeaders({ token }: Target): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    's2-basin': 'telemetry',
    'content-type': 's2s/proto',
    accept: 'application/protobuf',
  };
}

/** The whole frames in a complete body. */
export function parseFrames(body: Buffer): readonly ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 3 + body.readUIntBE(at, 3);
    frames.push(parseFrame(body.subarray(at + 3, end)));
    at = end;
  }
  return frames;
}

function parseFrame(bytes: Buffer): ServerFrame {
  const flag = bytes[0] ?? 0;
  const body = bytes.subarray(1);
  if ((flag & 0x80) !== 0) return { flag, status: body.readUInt16BE(0), body: body.subarray(2) };
  return { flag, status: undefined, body: (flag & 0x60) === 0x40 ? gunzipSync(body) : body };
}

const PLAIN = { longs: Number, defaults: true, arrays: true } as const;

function decodeAck(body: Buffer): TestAck {
  return AppendAckType.toObject(AppendAckType.decode(body), PLAIN) as TestAck;
}

export function decodeBatch(body: Buffer): TestBatch {
  const { tail, records } = ReadBatchType.toObject(ReadBatchType.decode(body), PLAIN) as TestBatch & { tail: unknown };
  return { records, tail: tail ?? undefined };
}
