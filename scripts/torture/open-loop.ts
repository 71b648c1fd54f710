/**
 * An open-loop load, a process of its own: requests begin at a fixed rate, whatever has become of those before them, each on
 * a connection that has none under way. Bare sockets and one prepared request, so that the client takes as little of the
 * shared processors as it can. Prints one line of JSON.
 *
 * argv[2] is a JSON object: see {@link OpenLoopOptions}.
 */

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

export interface OpenLoopOptions {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyFile: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** A connection for each request, which the client asks to close. */
  readonly fresh?: boolean;
}

export interface OpenLoopResult {
  readonly sent: number;
  /** How many requests had each end: a status, or the code of the error that broke the connection. */
  readonly counts: Readonly<Record<string, number>>;
  /** Of responses with 200, from the moment when the request was due. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all other responses. */
  readonly refusedP99Ms: number;
  /** Responses with 200 that came while requests were sent, each second. */
  readonly goodPerSecond: number;
  /** When the last response came that was not 200, after the first request. */
  readonly lastRefusedMs: number;
  readonly connections: number;
  /** How late the load itself was, at most: it cannot tell that from a slow server. */
  readonly lateMs: number;
}

const TICK_MS = 4;
/** Requests without a response by then count as `none`. */
const PATIENCE_MS = 30_000;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #request: Buffer;
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  readonly #counts = new Map<string, number>();
  readonly #good: number[] = [];
  readonly #refused: number[] = [];
  readonly #startedAt = performance.now();
  #sent = 0;
  #underWay = 0;
  #connections = 0;
  #goodInTime = 0;
  #lastRefusedMs = 0;
  #lastTickMs = 0;
  #lateMs = 0;

  constructor(options: OpenLoopOptions) {
    const body = readFileSync(options.bodyFile);
    const close: Record<string, string> = options.fresh === true ? { connection: 'close' } : {};
    const headers = { ...options.headers, ...close, host: 'localhost', 'content-length': String(body.length) };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#options = options;
    this.#request = Buffer.concat([Buffer.from(`POST ${options.path} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
  }

  run(): void {
    const { perSecond, seconds } = this.#options;
    const timer = setInterval(() => {
      const elapsed = performance.now() - this.#startedAt;
      this.#lateMs = Math.max(this.#lateMs, elapsed - this.#lastTickMs - TICK_MS);
      this.#lastTickMs = elapsed;
      const due = Math.floor((Math.min(elapsed, seconds * 1_000) * perSecond) / 1_000);
      while (this.#sent < due) this.#begin(this.#startedAt + (this.#sent++ * 1_000) / perSecond);
      const isOver = elapsed > seconds * 1_000 && (this.#underWay === 0 || elapsed > seconds * 1_000 + PATIENCE_MS);
      if (!isOver) return;
      clearInterval(timer);
      this.#report();
    }, TICK_MS);
  }

  #begin(dueAt: number): void {
    this.#underWay++;
    const connection = this.#idle.shift() ?? this.#connect();
    connection.dueAt = dueAt;
    connection.socket.write(this.#request);
  }

  #connect(): Connection {
    this.#connections++;
    const socket = connect({ port: this.#options.port, host: '127.0.0.1', noDelay: true });
    const connection: Connection = { socket, dueAt: undefined, rest: undefined };
    this.#open.add(connection);
    let code = 'closed';
    socket.on('data', (chunk: Buffer) => this.#take(connection, chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? 'error';
    });
    socket.on('close', () => {
      this.#open.delete(connection);
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
      if (connection.dueAt !== undefined) this.#end(connection, code);
    });
    return connection;
  }

  #take(connection: Connection, chunk: Buffer): void {
    const bytes = connection.rest === undefined ? chunk : Buffer.concat([connection.rest, chunk]);
    const head = headOf(bytes);
    connection.rest = head === undefined ? bytes : undefined;
    if (head === undefined || connection.dueAt === undefined) return;
    const latency = performance.now() - connection.dueAt;
    this.#end(connection, head.status);
    if (head.status === '200') {
      this.#good.push(latency);
      if (performance.now() - this.#startedAt < this.#options.seconds * 1_000) this.#goodInTime++;
    } else {
      this.#refused.push(latency);
      this.#lastRefusedMs = performance.now() - this.#startedAt;
    }
    if (head.closes) connection.socket.end();
    else this.#idle.push(connection);
  }

  #end(connection: Connection, how: string): void {
    connection.dueAt = undefined;
    this.#underWay--;
    this.#counts.set(how, (this.#counts.get(how) ?? 0) + 1);
  }

  #report(): void {
    if (this.#underWay > 0) this.#counts.set('none', this.#underWay);
    for (const list of [this.#good, this.#refused]) list.sort((a, b) => a - b);
    const result: OpenLoopResult = {
      sent: this.#sent,
      counts: Object.fromEntries(this.#counts),
      p50Ms: at(this.#good, 0.5),
      p99Ms: at(this.#good, 0.99),
      refusedP99Ms: at(this.#refused, 0.99),
      goodPerSecond: this.#goodInTime / this.#options.seconds,
      lastRefusedMs: Math.round(this.#lastRefusedMs),
      connections: this.#connections,
      lateMs: Math.round(this.#lateMs),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    for (const { socket } of this.#open) socket.destroy();
  }
}

interface Connection {
  readonly socket: Socket;
  /** When its request was due; undefined without one under way. */
  dueAt: number | undefined;
  /** The beginning of a response. */
  rest: Buffer | undefined;
}

/** Undefined until the whole response is there. */
function headOf(bytes: Buffer): { readonly status: string; readonly closes: boolean } | undefined {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < end + END_OF_HEAD.length + length) return undefined;
  return { status: head.slice(9, 12), closes: /\r\nconnection: close/i.test(head) };
}

function at(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

if (process.argv[2] !== undefined) new OpenLoop(JSON.parse(process.argv[2]) as OpenLoopOptions).run();
