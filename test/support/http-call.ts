/** Plain HTTP calls, each over a socket of its own, with nothing added that a test did not ask for; and raw bytes. */

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { noticeHeaders, noticeSecrets } from './secrets.ts';

export interface Call {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Sends the body in these pieces, without a length. */
  readonly chunks?: readonly Uint8Array[];
  /** Over TLS, where the server has a certificate that this one has signed. */
  readonly ca?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface CallResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request on a connection of its own. */
export function call(
  port: number,
  { method = 'POST', path, headers = {}, body, chunks, ca, signal }: Call,
): Promise<CallResponse> {
  noticeHeaders(headers);
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = (ca === undefined ? httpRequest : httpsRequest)({
      ...{ port, host: '127.0.0.1', method, path },
      agent: false,
      headers: { ...length, ...headers },
      ...(ca === undefined ? {} : { ca }),
      ...(signal === undefined ? {} : { signal }),
    });
    sent.on('response', (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        const body = Buffer.concat(parts);
        noticeResponse(path, body);
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body });
      });
    });
    sent.on('error', reject);
    for (const chunk of chunks ?? []) sent.write(chunk);
    sent.end(body);
  });
}

/**
 * These paths issue secrets, which are remembered for test/support/secrets.ts; other responses may hold what tests have
 * stored.
 */
export function noticeResponse(path: string, body: Uint8Array): void {
  if (HANDS_OUT_SECRETS.test(path)) noticeSecrets(Buffer.from(body).toString());
}

const HANDS_OUT_SECRETS = /^\/v1\/(access-tokens|tickets|logins|ingest-token)\b/;

export interface RawConnection {
  /** Everything received so far. */
  received(): string;
  send(bytes: string | Uint8Array): void;
  /** Resolves when the received bytes match. Rejects when the connection ends before. */
  until(pattern: RegExp): Promise<string>;
  readonly closed: Promise<void>;
  destroy(): void;
}

/** A bare connection: for what no client library would send. */
export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let text = '';
  let check = (): void => {};
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    check();
  });
  return {
    received: () => text,
    send: (bytes) => void socket.write(bytes),
    until: (pattern) =>
      new Promise((resolve, reject) => {
        check = () => {
          if (pattern.test(text)) resolve(text);
        };
        check();
        closed.then(
          () => reject(new Error(`the connection ended after: ${text}`)),
          () => {},
        );
      }),
    closed,
    destroy: () => socket.destroy(),
  };
}
