/**
 * A connection to NATS servers, with requests to JetStream. The package is loaded with the first connection: a node that
 * is alone never needs it. Errors name what failed and never what was sent, so that no secret is in them.
 */

import { access, readFile } from 'node:fs/promises';
import type { Msg, MsgHdrs, NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { TailraceError, unavailable } from '../../model/error.ts';
import { REPLICATION_CALL_MS } from '../../model/limits.ts';

export interface NatsOptions {
  /** As `nats://host:port` or `tls://host:port`. */
  readonly servers: readonly string[];
  /** What the servers show of this client. */
  readonly name: string;
  readonly credentialsFile?: string;
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Called when the connection is lost and when it is there again. */
  readonly onConnected?: (isConnected: boolean) => void;
}

export interface NatsMessage {
  readonly data: Uint8Array;
  /** The status of a message without content, such as 404; 0 for others. */
  readonly status: number;
  header(name: string): string | undefined;
}

export interface NatsSendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** What JetStream answers to a call of its API: its JSON, or the code of its refusal (`err_code`). */
export type ApiAnswer =
  | { readonly type: 'done'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly type: 'refused'; readonly errCode: number };

/** What a log and a bucket need of NATS. */
export interface NatsLink {
  readonly isConnected: boolean;
  /** @throws TailraceError `unavailable` when there is no answer, or the connection is lost meanwhile */
  request(subject: string, payload: Uint8Array, options?: NatsSendOptions): Promise<NatsMessage>;
  /** A call of JetStream's API: `$JS.API.` and `call`. @throws TailraceError `unavailable` */
  api(call: string, body?: Readonly<Record<string, unknown>>): Promise<ApiAnswer>;
  /** Sends without an answer. @throws TailraceError `unavailable` */
  publish(subject: string, payload: Uint8Array, options?: NatsSendOptions): void;
  /** Takes answers to one request until `take` returns true. @throws TailraceError `unavailable` */
  requestMany(subject: string, payload: Uint8Array, take: (message: NatsMessage) => boolean): Promise<void>;
  /** Returns how to stop. */
  subscribe(subject: string, listener: (message: NatsMessage) => void): () => void;
  /** Resolves when the connection changes, at the latest after `ms`. */
  pause(ms: number): Promise<void>;
  close(): Promise<void>;
}

const loadNats = () => import('@nats-io/transport-node');

type NatsPackage = Awaited<ReturnType<typeof loadNats>>;

/** A message of 1,000,000 bytes with its headers has to fit. */
const PAYLOAD_BYTES_MIN = 1_048_576;

const JSON_EMPTY = new Uint8Array(0);

/** @throws TailraceError `config` for what the operator has to change; `unavailable` when no server is reached */
export async function connectNats(options: NatsOptions): Promise<NatsLink> {
  const nats = await loadNats();
  const settings = await connectionSettings(nats, options);
  let connection: NatsConnection;
  try {
    connection = await nats.connect(settings);
  } catch (error) {
    if (error instanceof nats.AuthorizationError || error instanceof nats.UserAuthenticationExpiredError) {
      throw new TailraceError('config', 'the NATS servers refuse these credentials: check the credentials file');
    }
    throw unavailable(`no NATS server of ${options.servers.length} can be reached (${kindOf(error)})`);
  }
  const payloadBytesMax = connection.info?.max_payload ?? 0;
  if (payloadBytesMax < PAYLOAD_BYTES_MIN) {
    await connection.close();
    const fix = `set max_payload to ${PAYLOAD_BYTES_MIN} or more on each server`;
    throw new TailraceError('config', `the NATS servers take messages of ${payloadBytesMax} bytes only: ${fix}`);
  }
  return new Link(nats, connection, options.onConnected ?? (() => {}));
}

async function connectionSettings(nats: NatsPackage, options: NatsOptions): Promise<NodeConnectionOptions> {
  const { credentialsFile, tls } = options;
  const servers = options.servers.map(hostOf);
  for (const file of Object.values(tls ?? {})) await readable(file, () => access(file));
  const isTls = tls !== undefined || options.servers.some((url) => url.startsWith('tls://'));
  const settings: NodeConnectionOptions = {
    servers,
    name: options.name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 50,
    reconnectJitterTLS: 50,
    pingInterval: 1000,
    maxPingOut: 2,
    timeout: 1500,
    ignoreClusterUpdates: true,
    // An operator may repair the users of the servers while we run.
    ignoreAuthErrorAbort: true,
    // Traces name what was called; our own errors do that.
    noAsyncTraces: true,
    ...(isTls ? { tls: tls ?? {} } : {}),
  };
  if (credentialsFile === undefined) return settings;
  const credentials = await readable(credentialsFile, () => readFile(credentialsFile));
  const authenticator = nats.credsAuthenticator(credentials);
  try {
    authenticator('x');
  } catch {
    throw new TailraceError('config', `${credentialsFile} is no NATS credentials file: make it with nsc`);
  }
  return { ...settings, authenticator };
}

/** `host:port` of a server's URL. @throws TailraceError `config`, without the URL: it may hold a password */
function hostOf(url: string, index: number): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !['nats:', 'tls:'].includes(parsed.protocol) || parsed.hostname === '') {
    throw new TailraceError('config', `NATS server ${index + 1} is no URL such as nats://host:4222`);
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new TailraceError('config', `the URL of NATS server ${index + 1} holds a user: use a credentials file`);
  }
  return `${parsed.hostname}:${parsed.port === '' ? 4222 : parsed.port}`;
}

async function readable<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TailraceError('config', `${file} for NATS cannot be read (${code ?? kindOf(error)})`);
  }
}

class Link implements NatsLink {
  readonly #nats: NatsPackage;
  readonly #connection: NatsConnection;
  readonly #onConnected: (isConnected: boolean) => void;
  /** Called once when the connection changes. */
  readonly #waiting = new Set<() => void>();
  #isConnected = true;

  constructor(nats: NatsPackage, connection: NatsConnection, onConnected: (isConnected: boolean) => void) {
    this.#nats = nats;
    this.#connection = connection;
    this.#onConnected = onConnected;
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#connection.isClosed();
  }

  async request(subject: string, payload: Uint8Array, options: NatsSendOptions = {}): Promise<NatsMessage> {
    this.#mustBeConnected(subject);
    const { headers, timeoutMs = REPLICATION_CALL_MS } = options;
    const reply = this.#connection.request(subject, payload, {
      timeout: timeoutMs,
      ...(headers === undefined ? {} : { headers: this.#headers(headers) }),
    });
    return messageOf(await this.#unlessLost(subject, reply));
  }

  async api(call: string, body?: Readonly<Record<string, unknown>>): Promise<ApiAnswer> {
    const payload = body === undefined ? JSON_EMPTY : Buffer.from(JSON.stringify(body));
    return apiAnswer(await this.request(`$JS.API.${call}`, payload));
  }

  publish(subject: string, payload: Uint8Array, options: NatsSendOptions = {}): void {
    this.#mustBeConnected(subject);
    const { headers } = options;
    try {
      this.#connection.publish(
        subject,
        payload,
        headers === undefined ? undefined : { headers: this.#headers(headers) },
      );
    } catch (error) {
      throw unavailable(`NATS does not take ${subject} (${kindOf(error)})`);
    }
  }

  async requestMany(subject: string, payload: Uint8Array, take: (message: NatsMessage) => boolean): Promise<void> {
    this.#mustBeConnected(subject);
    let stop = () => {};
    const taken = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new this.#nats.TimeoutError()), REPLICATION_CALL_MS);
      const subscription = this.#connection.subscribe(this.#nats.createInbox(), {
        callback: (error, message) => {
          if (error !== null) return reject(error);
          timer.refresh();
          if (take(messageOf(message))) resolve();
        },
      });
      stop = () => {
        clearTimeout(timer);
        subscription.unsubscribe();
      };
      this.#connection.publish(subject, payload, { reply: subscription.getSubject() });
    });
    try {
      await this.#unlessLost(subject, taken);
    } finally {
      stop();
    }
  }

  subscribe(subject: string, listener: (message: NatsMessage) => void): () => void {
    this.#mustBeOpen();
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) listener(messageOf(message));
      },
    });
    return () => subscription.unsubscribe();
  }

  async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waiting.add(end);
    });
  }

  async close(): Promise<void> {
    await this.#connection.close();
    this.#changed(false);
  }

  /** Ends with the connection. */
  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#changed(false);
      if (status.type === 'reconnect') this.#changed(true);
    }
  }

  #changed(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    for (const wake of [...this.#waiting]) wake();
    if (!this.#connection.isClosed()) this.#onConnected(isConnected);
  }

  /** An answer to what was sent on a connection that is gone never comes. */
  async #unlessLost<T>(subject: string, answer: Promise<T>): Promise<T> {
    let forget = () => {};
    const lost = new Promise<never>((_, reject) => {
      const end = () => reject(unavailable(`the connection to NATS was lost before ${subject} was answered`));
      this.#waiting.add(end);
      forget = () => this.#waiting.delete(end);
    });
    try {
      return await Promise.race([answer, lost]);
    } catch (error) {
      answer.catch(() => {});
      if (error instanceof TailraceError) throw error;
      throw unavailable(`no answer from NATS to ${subject} (${kindOf(error)})`);
    } finally {
      forget();
    }
  }

  #mustBeOpen(): void {
    if (this.#connection.isClosed()) throw new TailraceError('closed', 'the connection to NATS is closed');
  }

  #mustBeConnected(subject: string): void {
    this.#mustBeOpen();
    if (!this.#isConnected) throw unavailable(`${subject} is not sent: no NATS server is connected`);
  }

  #headers(values: Readonly<Record<string, string>>): MsgHdrs {
    const headers = this.#nats.headers();
    for (const [name, value] of Object.entries(values)) headers.set(name, value);
    return headers;
  }
}

/** What JetStream says in JSON; what it cannot do now is no refusal. @throws TailraceError `unavailable` */
export function apiAnswer(message: NatsMessage): ApiAnswer {
  const body = parsed(message.data);
  if (body === undefined) throw unavailable('JetStream answered with something that is not JSON');
  const { error } = body;
  if (typeof error !== 'object' || error === null) return { type: 'done', body };
  const { code, err_code: errCode } = error as { code?: unknown; err_code?: unknown };
  if (typeof errCode !== 'number') throw unavailable('JetStream refused without a code');
  if (code === 503 && !isFull(errCode)) throw unavailable(`JetStream is not available (err_code ${errCode})`);
  return { type: 'refused', errCode };
}

/** Refusals for want of space, of the stream, the account, or the server; the stream's own is also said for other limits. */
export function isFull(errCode: number): boolean {
  return [10_077, 10_047, 10_002, 10_023].includes(errCode);
}

function parsed(data: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString());
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function messageOf({ data, headers }: Msg): NatsMessage {
  return {
    data,
    status: headers?.code ?? 0,
    header: (name) => (headers?.has(name) === true ? headers.get(name) : undefined),
  };
}

/** The name of an error: its text is not ours. */
function kindOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
