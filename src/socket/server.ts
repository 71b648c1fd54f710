/** The WebSocket protocol: decides on upgrades, and connects each reader with the log. */

import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { memoryHolder } from '../access/memory-holder.ts';
import { existingBasin } from '../log/basins.ts';
import type { ManyRange } from '../log/many/read-many.ts';
import type { LogRead } from '../log/open-reads.ts';
import type { LogReadOptions } from '../log/options.ts';
import { type ErrorCode, TailraceError } from '../model/error.ts';
import { SOCKET_MESSAGE_BYTES_MAX, SOCKET_PING_MS } from '../model/limits.ts';
import type { ReadRange } from '../model/read-range.ts';
import { isAboutAccess } from '../observe/audit.ts';
import type { Logger } from '../observe/logger.ts';
import type { RequestSpans } from '../observe/self/request-spans.ts';
import { DEFAULT_SUBPROTOCOL, type Subprotocol } from '../readers/encoders.ts';
import { loadFilter } from '../readers/filter/load-filter.ts';
import { LiveReader } from '../readers/live-reader.ts';
import { type ManyQuery, readerOf, selectionOf } from '../readers/many/parse-many-query.ts';
import type { ReaderSet } from '../readers/reader-set.ts';
import { Admission, type AdmissionDeps, type Asked, type Plan, whoAsks } from './admission.ts';
import { CLOSE_CODES, CLOSE_NOT_ALLOWED } from './close-codes.ts';
import { helloFrame, helloManyFrame } from './control-frames.ts';
import { type Handshake, parseHandshake, type ReadRequest, subprotocolOf } from './handshake.ts';
import { ResumeInbox } from './resume-inbox.ts';
import { SocketSink } from './socket-sink.ts';
import { SocketWire } from './socket-wire.ts';
import { UpgradeSpans } from './upgrade-spans.ts';

const SWITCHING_PROTOCOLS = 101;

/** What the server needs of the log, which has it all. B is its basin, S its stream. */
export interface ReadableLog<B, S extends { readonly id: string }> {
  basin(name: string): B | undefined;
  openStream(basin: B, name: string, purpose: 'read'): S | Promise<S>;
  startMany(
    basin: B,
    range: ManyRange,
    signal: AbortSignal,
    by: Pick<LogReadOptions, 'encryptionKey' | 'filter'> & { readonly protocol: 'websocket' },
  ): Promise<LogRead>;
  startRead(
    stream: S,
    range: ReadRange,
    signal: AbortSignal,
    by: Pick<LogReadOptions, 'encryptionKey' | 'filter'> & { readonly protocol: 'websocket' },
  ): Promise<LogRead>;
}

export interface SocketServerDeps<B, S extends { readonly id: string }> extends AdmissionDeps {
  readonly log: ReadableLog<B, S>;
  readonly readers: ReaderSet;
  readonly logger: Logger;
  /** Told about assertions of ours that failed: code `fatal`. */
  readonly onFatal?: (error: unknown) => void;
  /** Of the server's own telemetry; undefined where that is off. */
  readonly spans?: Pick<RequestSpans, 'begin' | 'end'> | undefined;
  /** Takes over upgrades that would be refused, and those of streams that are not here. */
  readonly elsewhere?: SocketServer | undefined;
}

export interface SocketServer {
  /** Takes over the connection of an upgrade request, whatever it asks for. Never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** An upgrade that was judged. */
interface Admitted {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly handshake: Handshake;
  readonly asked: Asked;
  readonly plan: Plan | TailraceError;
}

/** A reader of many streams that is about to begin. */
interface Opening {
  readonly reader: LiveReader;
  /** Where its resume map comes in; undefined for one that begins elsewhere. */
  readonly inbox: ResumeInbox | undefined;
  readonly signal: AbortSignal;
}

/** Makes the server. Its readers belong to the ReaderSet, which ends them. */
export function createSocketServer<B, S extends { readonly id: string }>(deps: SocketServerDeps<B, S>): SocketServer {
  return new Server(deps);
}

class Server<B, S extends { readonly id: string }> implements SocketServer {
  readonly #deps: SocketServerDeps<B, S>;
  readonly #admission: Admission;
  readonly #spans: UpgradeSpans;
  /** For the responses that ws writes. */
  readonly #correlationIds = new WeakMap<IncomingMessage, string>();
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: SOCKET_MESSAGE_BYTES_MAX,
    autoPong: false,
    // One event a turn: a client can put ten thousand pings into one packet.
    allowSynchronousEvents: false,
    handleProtocols: (_offered, request) => parseHandshake(request).selected ?? false,
  });

  constructor(deps: SocketServerDeps<B, S>) {
    this.#deps = deps;
    this.#admission = new Admission(deps);
    this.#spans = new UpgradeSpans(deps.spans);
    const idOf = (request: IncomingMessage): string => this.#correlationIds.get(request) ?? '';
    this.#server.on('headers', (headers, request) => headers.push(`X-Correlation-Id: ${idOf(request)}`));
    this.#server.on('wsClientError', ({ message }, socket, request) =>
      this.#refuse(idOf(request), socket, wrongHandshake(request, message)),
    );
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const ignore = (): void => {};
    // Until ws listens, an error of the connection would end the process.
    socket.on('error', ignore);
    const handshake = parseHandshake(request);
    const asked = whoAsks(request, handshake, this.#deps.proxies);
    const refusal = this.#deps.readers.ending ? draining() : this.#admission.refusalOf(request, handshake);
    const plan = refusal ?? this.#admission.planOf(request, handshake, asked);
    const connect = (): void => {
      this.#connect({ request, socket, head, handshake, asked, plan }, () => socket.off('error', ignore));
    };
    if (this.#deps.elsewhere === undefined) {
      this.#spans.begin(request, socket);
      if (plan instanceof TailraceError) this.#admission.noteRefused(asked, plan);
      if (refusal === undefined) connect();
      else this.#refuse(asked.correlationId, socket, refusal);
      return;
    }
    void this.#isHere(plan).then((isHere) => {
      if (isHere && !this.#deps.readers.ending) connect();
      else this.#deps.elsewhere?.upgrade(request, socket, head);
    });
  }

  /** Whether a reader that may read finds here what it asks for. */
  async #isHere(plan: Plan | TailraceError): Promise<boolean> {
    const { log } = this.#deps;
    if (plan instanceof TailraceError) return false;
    const { stream, principal } = plan;
    try {
      const basin = existingBasin(log, plan.basin);
      if (stream !== undefined) await log.openStream(basin, principal.absolute(stream), 'read');
      return true;
    } catch {
      return false;
    }
  }

  #refuse(correlationId: string, socket: Duplex, error: TailraceError): void {
    this.#spans.failed(socket, error.code);
    this.#spans.answered(socket, refuseUpgrade(correlationId, socket, error));
  }

  #connect({ request, socket, head, handshake, asked, plan }: Admitted, onUpgraded: () => void): void {
    // A browser shows its page no status, so it is told by a frame; other clients get a plain 401 or 403.
    if (plan instanceof TailraceError && isAboutAccess(plan) && request.headers.origin === undefined) {
      this.#refuse(asked.correlationId, socket, plan);
      return;
    }
    this.#correlationIds.set(request, asked.correlationId);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      onUpgraded();
      this.#spans.answered(socket, SWITCHING_PROTOCOLS);
      // The system notices a peer that vanished also while neither side sends anything.
      if (socket instanceof Socket) socket.setKeepAlive(true, SOCKET_PING_MS);
      const sink = new SocketSink(webSocket, socket, (code) => this.#spans.failed(socket, code));
      if (plan instanceof TailraceError) this.#tell(webSocket, sink, { handshake, asked }, plan);
      else this.#serve(webSocket, sink, plan, asked);
    });
  }

  /** A reader that is refused after the upgrade, by a frame. */
  #tell(
    webSocket: WebSocket,
    sink: SocketSink,
    { handshake, asked }: { readonly handshake: Handshake; readonly asked: Asked },
    error: TailraceError,
  ): void {
    const holder = memoryHolder(undefined, asked.sender);
    const reader = this.#reader(webSocket, sink, subprotocolOf(handshake), holder);
    void reader.run(() => Promise.reject(error));
  }

  #serve(webSocket: WebSocket, sink: SocketSink, plan: Plan, asked: Asked): void {
    const holder = memoryHolder(plan.principal, asked.sender);
    const inbox =
      plan.many?.from === 'resume' ? new ResumeInbox(plan.subprotocol.words, this.#deps.readers, holder) : undefined;
    const reader = this.#reader(webSocket, sink, plan.subprotocol, holder, inbox);
    const unwatch = this.#admission.watch(plan.principal, asked, (error) => {
      sink.closeWith(CLOSE_NOT_ALLOWED);
      reader.end(error);
    });
    webSocket.on('close', unwatch);
    // `run` deals with its own errors.
    const own = {
      ...({ protocol: 'websocket', view: webSocket.protocol || DEFAULT_SUBPROTOCOL } as const),
      ...{ token: plan.principal.id, address: asked.sender },
      waitingBytes: () => sink.bufferedBytes,
    };
    let leave = (): void => {};
    const open = async (signal: AbortSignal): Promise<LogRead> => {
      const { many } = plan;
      const opening =
        many === undefined ? this.#open(plan, reader, signal) : this.#openMany(plan, many, { reader, inbox, signal });
      const read = await opening;
      leave = this.#deps.readers.readings.add({ ...own, read });
      return read;
    };
    void reader.run(open).then(() => leave());
  }

  #reader(
    webSocket: WebSocket,
    sink: SocketSink,
    subprotocol: Subprotocol,
    holder: string,
    inbox?: ResumeInbox,
  ): LiveReader {
    const { readers } = this.#deps;
    const wire = new SocketWire(subprotocol, readers.frames);
    const reader = new LiveReader({ wire, sink, readers, holder, onFailure: (error) => this.#onFailure(error) });
    webSocket.on('message', (data, isBinary) => {
      if (inbox?.take(data as Buffer, isBinary) === true) return;
      reader.end(new TailraceError('bad_request', 'a reader sends nothing but close, ping and pong'));
    });
    return reader;
  }

  async #open(plan: Plan, reader: LiveReader, signal: AbortSignal): Promise<LogRead> {
    const { log } = this.#deps;
    const filter = await loadFilter(plan.filter);
    const shown = plan.stream ?? '';
    const stream = await log.openStream(existingBasin(log, plan.basin), plan.principal.absolute(shown), 'read');
    reader.say({ bytes: helloFrame(plan.subprotocol.words, plan.basin, shown, stream.id) });
    // Told after the hello, which names the stream that is there now.
    if (isReplaced(plan, stream)) throw replaced();
    const { range, encryptionKey } = plan;
    return log.startRead(stream, range, signal, { protocol: 'websocket', encryptionKey, filter });
  }

  async #openMany(plan: Plan, many: ManyQuery, { reader, inbox, signal }: Opening): Promise<LogRead> {
    const { log } = this.#deps;
    const { basin: name, principal, encryptionKey } = plan;
    try {
      const filter = await loadFilter(plan.filter);
      const basin = existingBasin(log, name);
      const selection = selectionOf(many, readerOf(principal, name));
      const begin = (from: ManyRange['from']): Promise<LogRead> =>
        log.startMany(basin, { selection, from }, signal, { protocol: 'websocket', encryptionKey, filter });
      const hello = { bytes: helloManyFrame(name) };
      if (many.from === 'resume') {
        reader.say(hello);
        return await begin((await inbox?.map(signal)) ?? 'tail');
      }
      // What comes after the hello is not missed.
      const read = await begin(many.from);
      reader.say(hello);
      return read;
    } finally {
      inbox?.close();
    }
  }

  /** What clients do wrong is theirs; what we did wrong is written down. */
  #onFailure(error: TailraceError): void {
    if (CLOSE_CODES[error.code] !== CLOSE_CODES.internal) return;
    this.#deps.logger.error({ err: error }, 'a read failed');
    if (error.code === 'fatal') this.#deps.onFatal?.(error);
  }
}

/** Everything that is not here is told after the upgrade, by an `error` frame and a close code. */
const STATUSES: Partial<Record<ErrorCode, readonly [status: number, phrase: string]>> = {
  authn: [401, 'Unauthorized'],
  permission_denied: [403, 'Forbidden'],
  not_found: [404, 'Not Found'],
  bad_request: [400, 'Bad Request'],
  bad_header: [400, 'Bad Request'],
  method_not_allowed: [405, 'Method Not Allowed'],
  draining: [503, 'Service Unavailable'],
};

/** Refuses an upgrade in plain HTTP, since no WebSocket is there to say it, and closes the connection. Returns the status. */
function refuseUpgrade(correlationId: string, socket: Duplex, error: TailraceError): number {
  const [status, phrase] = STATUSES[error.code] ?? [500, 'Internal Server Error'];
  const body = JSON.stringify({ code: error.code, message: error.message });
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Correlation-Id: ${correlationId}`,
    'Connection: close',
  ];
  if (error.code === 'bad_header') head.push('Sec-WebSocket-Version: 13');
  if (status === 405) head.push('Allow: GET');
  if (status === 401) head.push('WWW-Authenticate: Bearer');
  if (status === 503) head.push('Retry-After: 1');
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  return status;
}

/** What ws finds wrong with the headers of an upgrade (RFC 6455, section 4.2.1). */
function wrongHandshake({ method }: IncomingMessage, message: string): TailraceError {
  if (method !== 'GET') return new TailraceError('method_not_allowed', 'a WebSocket is opened with GET');
  return new TailraceError('bad_header', `this is no WebSocket handshake of version 13: ${message}`);
}

function draining(): TailraceError {
  return new TailraceError('draining', 'the server is stopping: connect again and go on', {
    detail: { retryAfterSeconds: 1 },
  });
}

function isReplaced(request: ReadRequest, stream: { readonly id: string }): boolean {
  return request.streamId !== undefined && request.streamId !== stream.id;
}

function replaced(): TailraceError {
  return new TailraceError('stream_replaced', 'the stream was deleted and made again since you read it last');
}
