/**
 * One HTTP/1.1 request, and a response whose body comes as it is read. It is the module of Node and not `fetch`, which
 * takes longer to load than most commands take to run.
 */

import { once } from 'node:events';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';

/** What a response says in its headers; null for a header that it does not have. */
export interface ResponseHeaders {
  get(name: string): string | null;
}

/** A response of any status. Whoever does not read its body to the end aborts the call. */
export interface StreamedResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface HttpCall {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Ends the request and the response. */
  readonly signal: AbortSignal;
}

/** Shorter than servers keep connections that nothing uses (5 s in Node): a request must not meet the end of one. */
const IDLE_CONNECTION_MS = 4_000;

/** Connections that calls use again, by scheme; they do not keep the process alive. */
const agents = new Map<string, Agent>();

/** Resolves when the headers of the response are there. Rejects with what the system says, or with an abort. */
export async function httpCall(call: HttpCall): Promise<StreamedResponse> {
  const { method, headers, body, signal } = call;
  const url = new URL(call.url);
  // Only what is needed is loaded: TLS takes as long as everything else together.
  const { Agent, request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const agent = agents.get(url.protocol) ?? new Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS });
  agents.set(url.protocol, agent);
  signal.throwIfAborted();
  const sent: ClientRequest = request(url, {
    method,
    headers: { 'user-agent': 'tailrace', ...headers },
    agent,
    signal,
  });
  // A server may answer and close before it has read everything: then the answer counts.
  sent.on('error', () => {});
  sent.end(body);
  const [response] = (await once(sent, 'response').catch(rethrow)) as [IncomingMessage];
  return {
    status: response.statusCode ?? 0,
    headers: { get: (name) => headerText(response.headers[name.toLowerCase()]) },
    body: chunksOf(response),
  };
}

async function* chunksOf(response: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (error) {
    rethrow(error);
  }
}

function headerText(value: string | readonly string[] | undefined): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : value.join(', ');
}

/** Node's words for it are about its own sockets. @throws what was thrown, or what it means */
function rethrow(cause: unknown): never {
  const { code, message } = cause as NodeJS.ErrnoException;
  const isCut = message === 'aborted' || message === 'socket hang up' || code === 'ERR_STREAM_PREMATURE_CLOSE';
  throw isCut ? new Error('the connection was closed before the answer was complete') : cause;
}
