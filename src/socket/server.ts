/** The WebSocket protocol: decides on upgrades, keeps the readers, ticks them, and sends them home. */

import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Access } from '../access/access.ts';
import { onlyBasin, type Principal } from '../access/grant.ts';
import { NO_ORIGINS, type Origins } from '../access/origins.ts';
import { holderOf } from '../access/tickets.ts';
import { BufferPool } from '../encoding/buffer-pool.ts';
import type { ReadEvent } from '../log/read.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import {
  SOCKET_BUFFERED_BYTES_MAX,
  SOCKET_BUFFERED_BYTES_MIN,
  SOCKET_DRAIN_MS,
  SOCKET_MESSAGE_BYTES_MAX,
  SOCKET_PING_MS,
  SOCKETS_BUFFERED_BYTES_MAX,
} from '../model/limits.ts';
import type { ReadRange } from '../model/read-range.ts';
import { type Audit, isAboutAccess, NOBODY, UNKNOWN } from '../observe/audit.ts';
import { correlationId } from '../observe/correlation-id.ts';
import type { Logger } from '../observe/logger.ts';
import type { Warnings } from '../observe/warnings.ts';
import { CLOSE_NOT_ALLOWED } from './close-codes.ts';
import { helloFrame } from './control-frames.ts';
import { FrameCache } from './frame-cache.ts';
import {
  type Handshake,
  parseHandshake,
  type Target,
  targetOf,
  unknownSubprotocol,
  type Wish,
  wishOf,
} from './handshake.ts';
import { isOriginAllowed } from './origin.ts';
import { refuseUpgrade } from './refusal.ts';
import { type Reading, Session, TICK_MS } from './session.ts';

/** What the server needs of the log, which has it all. B is its basin, S its stream. */
export interface ReadableLog<B, S extends { readonly id: string }> {
  basin(name: string): B | undefined;
  openStream(basin: B, name: string, purpose: 'read'): S | Promise<S>;
  read(
    stream: S,
    range: ReadRange,
    signal: AbortSignal,
    by: { readonly protocol: 'websocket' },
  ): AsyncIterable<ReadEvent>;
}

export interface SocketServerDeps<B, S extends { readonly id: string }> {
  readonly log: ReadableLog<B, S>;
  readonly access: Pick<Access, 'identify' | 'expectAllowed' | 'redeem' | 'admit' | 'watch'>;
  readonly defaultBasin: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Pages that may read besides the server's own. */
  readonly origins?: Origins | undefined;
  readonly audit: Pick<Audit, 'write'>;
  readonly warnings: Pick<Warnings, 'warn'>;
  /** Hears assertions of ours that failed: code `fatal`. */
  readonly onFatal?: (error: unknown) => void;
}

export interface SocketServer {
  /** Takes over the connection of an upgrade request, whatever it asks for. Never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Readers that are connected. */
  connections(): number;
  /** Refuses new readers, tells the others that the server stops, and waits a short while until they are gone. */
  drain(): Promise<void>;
  /** Cuts what is left. May be called twice. */
  close(): Promise<void>;
}

/** Makes the server. It owns nothing until the first upgrade. */
export function createSocketServer<B, S extends { readonly id: string }>(deps: SocketServerDeps<B, S>): SocketServer {
  const server = new Server(deps);
  return {
    upgrade: (request, socket, head) => server.upgrade(request, socket, head),
    connections: () => server.sessions.size,
    drain: () => server.drain(),
    close: () => server.close(),
  };
}

class Server<B, S extends { readonly id: string }> {
  readonly sessions = new Set<Session>();
  readonly #deps: SocketServerDeps<B, S>;
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: SOCKET_MESSAGE_BYTES_MAX,
    autoPong: false,
    handleProtocols: (_offered, request) => parseHandshake(request).selected ?? false,
  });
  readonly #frames = new FrameCache();
  readonly #pool = new BufferPool();
  #draining = false;
  #cancelTick: (() => void) | undefined;

  constructor(deps: SocketServerDeps<B, S>) {
    this.#deps = deps;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const ignore = (): void => {};
    // Until ws listens, an error of the connection would be nobody's.
    socket.on('error', ignore);
    const handshake = parseHandshake(request);
    const asked = whoAsks(request, handshake);
    const refusal = this.#refusal(request, handshake);
    if (refusal !== undefined) {
      this.#refused(asked, refusal);
      refuseUpgrade(asked.correlationId, socket, refusal);
      return;
    }
    const plan = this.#plan(request, handshake, asked);
    if (plan instanceof TailraceError) this.#refused(asked, plan);
    // A browser shows its page no status, so it is told by a frame; everybody else gets a plain 401 or 403.
    if (plan instanceof TailraceError && isAboutAccess(plan) && request.headers.origin === undefined) {
      refuseUpgrade(asked.correlationId, socket, plan);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', ignore);
      // The system notices a peer that vanished also while nobody has anything to say.
      if (socket instanceof Socket) socket.setKeepAlive(true, SOCKET_PING_MS);
      this.#serve(webSocket, socket, plan, asked);
    });
  }

  async drain(): Promise<void> {
    this.#draining = true;
    for (const session of this.sessions) session.end(draining());
    const gone = Promise.all([...this.sessions].map((session) => session.closed));
    const cut = this.#deps.clock.timer(SOCKET_DRAIN_MS, () => {
      for (const session of this.sessions) session.terminate();
    });
    await gone;
    cut();
  }

  async close(): Promise<void> {
    this.#draining = true;
    this.#cancelTick?.();
    const open = [...this.sessions];
    for (const session of open) session.terminate();
    await Promise.all(open.map((session) => session.closed));
  }

  /** What is refused before the upgrade, whoever asks. */
  #refusal(request: IncomingMessage, handshake: Handshake): TailraceError | undefined {
    if (this.#draining) return draining();
    if (handshake.rawStream === undefined) {
      return new TailraceError('not_found', 'readers connect to /v1/streams/{stream}/records');
    }
    if (!isOriginAllowed(request, this.#deps.origins ?? NO_ORIGINS)) {
      return new TailraceError('permission_denied', 'pages of this origin may not read here');
    }
    if (handshake.subprotocols.length > 0 && handshake.selected === undefined) {
      return new TailraceError('bad_request', unknownSubprotocol());
    }
    return errorOf(() => this.#deps.access.admit(request.headers));
  }

  /** What the reader wants and may have, or why not. */
  #plan(request: IncomingMessage, handshake: Handshake, asked: Asked): Plan | TailraceError {
    let plan: Plan | undefined;
    const fault = errorOf(() => {
      plan = { ...this.#reader(request, handshake, asked), ...wishOf(request, handshake) };
    });
    return plan ?? fault ?? new TailraceError('internal', 'the upgrade could not be planned');
  }

  /** Who reads which stream: by a token, or by a ticket, which knows its basin and works once. */
  #reader(request: IncomingMessage, handshake: Handshake, asked: Asked): Target & { readonly principal: Principal } {
    const { access, defaultBasin } = this.#deps;
    const { credential, ticket: secret } = handshake;
    if (secret === undefined) {
      const identify = (): Principal => {
        asked.principal ??= access.identify(credential);
        return asked.principal;
      };
      const target = targetOf(request, handshake, () => onlyBasin(identify()) ?? defaultBasin);
      asked.target = target;
      const principal = identify();
      access.expectAllowed(principal, { operation: 'read', ...target });
      return { ...target, principal };
    }
    const ticket = access.redeem(secret);
    const target = targetOf(request, handshake, () => ticket.basin);
    asked.target = target;
    asked.principal = ticket.principal;
    const principal = holderOf(ticket, target.basin, target.stream);
    access.expectAllowed(principal, { operation: 'read', ...target });
    return { ...target, principal };
  }

  #serve(webSocket: WebSocket, wire: Duplex, plan: Plan | TailraceError, asked: Asked): void {
    const session = new Session(webSocket, wire, {
      frames: this.#frames,
      pool: this.#pool,
      now: () => this.#deps.clock.monotonicMs(),
      bufferedBytesMax: () => this.#bufferedBytesMax(),
      onFault: (error) => this.#onFault(error),
    });
    this.sessions.add(session);
    const unwatch = plan instanceof TailraceError ? undefined : this.#watch(plan.principal, session, asked);
    webSocket.on('close', () => {
      this.sessions.delete(session);
      unwatch?.();
    });
    this.#startTicking();
    // `run` answers for its own errors.
    void session.run((signal) => this.#open(plan, signal));
  }

  async #open(plan: Plan | TailraceError, signal: AbortSignal): Promise<Reading> {
    if (plan instanceof TailraceError) throw plan;
    const { log } = this.#deps;
    const basin = log.basin(plan.basin);
    if (basin === undefined) throw new TailraceError('basin_not_found', `basin \`${plan.basin}\` not found`);
    const stream = await log.openStream(basin, plan.principal.absolute(plan.stream), 'read');
    const options = { protocol: 'websocket', encryptionKey: plan.encryptionKey } as const;
    return {
      hello: helloFrame(plan.basin, plan.stream, stream.id),
      encoder: plan.encoder,
      // Told behind the hello, which names the stream that is there now.
      events: isReplaced(plan, stream) ? replaced() : log.read(stream, plan.range, signal, options),
    };
  }

  /** A reader whose token ends is not allowed any more (readers.md: close code 1008). */
  #watch(principal: Principal, session: Session, asked: Asked): () => void {
    return this.#deps.access.watch(principal, (error) => {
      this.#audit(asked, error);
      session.end(error, CLOSE_NOT_ALLOWED);
    });
  }

  /** A reader who may not read: for the audit log, and for whoever looks at the terminal (users.md 2, 18). */
  #refused(asked: Asked, error: TailraceError): void {
    if (!isAboutAccess(error)) return;
    this.#audit(asked, error);
    const fields = { correlationId: asked.correlationId, code: error.code };
    this.#deps.warnings.warn(asked.sender, error.code, fields, `refused a WebSocket: ${error.message}`);
  }

  #audit({ principal, shown, target, sender, correlationId }: Asked, error: TailraceError): void {
    const stream = target === undefined ? undefined : (principal?.absolute(target.stream) ?? target.stream);
    this.#deps.audit.write(
      {
        ...{ action: 'read', protocol: 'websocket', sender, correlationId },
        principal: principal?.id ?? shown,
        principalNumber: principal?.token?.number,
        basin: target?.basin,
        stream,
      },
      error,
    );
  }

  /** Many readers share the room for what slow ones have not taken yet. */
  #bufferedBytesMax(): number {
    const share = SOCKETS_BUFFERED_BYTES_MAX / Math.max(1, this.sessions.size);
    return Math.min(SOCKET_BUFFERED_BYTES_MAX, Math.max(SOCKET_BUFFERED_BYTES_MIN, share));
  }

  #onFault(error: unknown): void {
    this.#deps.logger.error({ err: error }, 'a read failed');
    if (error instanceof TailraceError && error.code === 'fatal') this.#deps.onFatal?.(error);
  }

  /** One timer for all readers, and none while there are none. */
  #startTicking(): void {
    if (this.#cancelTick !== undefined) return;
    this.#cancelTick = this.#deps.clock.timer(TICK_MS, () => {
      this.#cancelTick = undefined;
      const now = this.#deps.clock.monotonicMs();
      for (const session of this.sessions) session.tick(now);
      if (this.sessions.size > 0) this.#startTicking();
    });
  }
}

/** What a reader wants, and who it is. */
type Plan = Target & Wish & { readonly principal: Principal };

/** What is known of a reader while its upgrade is judged. */
interface Asked {
  readonly sender: string;
  readonly correlationId: string;
  /** What to call one who is not known. */
  readonly shown: string;
  principal: Principal | undefined;
  target: Target | undefined;
}

function whoAsks({ socket, headers }: IncomingMessage, { credential, ticket }: Handshake): Asked {
  return {
    sender: socket.remoteAddress ?? 'unknown',
    correlationId: correlationId(headers['x-correlation-id']),
    shown: (headers.authorization ?? credential ?? ticket) === undefined ? NOBODY : UNKNOWN,
    principal: undefined,
    target: undefined,
  };
}

function draining(): TailraceError {
  return new TailraceError('draining', 'the server is stopping: connect again and go on', {
    detail: { retryAfterSeconds: 1 },
  });
}

function isReplaced(wish: Wish, stream: { readonly id: string }): boolean {
  return wish.streamId !== undefined && wish.streamId !== stream.id;
}

// biome-ignore lint/correctness/useYield: it ends before its first event
async function* replaced(): AsyncGenerator<never> {
  throw new TailraceError('stream_replaced', 'the stream was deleted and made again since you read it last');
}

/** The refusal that a check throws. */
function errorOf(check: () => void): TailraceError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError) return error;
    return new TailraceError('internal', 'a fault of the server', { cause: error });
  }
}
