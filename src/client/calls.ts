/** Plain HTTP calls: one request, one response, every failure a TailraceError. */

import { expectAbortSignal, expectText, invalid, optional } from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import { readRefusal, refusalError } from './failures.ts';
import { httpCall, type ResponseHeaders } from './http-call.ts';
import { onAbort } from './on-abort.ts';
import type { RequestOptions, ServerTarget } from './request.ts';

/** A whole response. Its body has at most `ANSWER_BYTES_MAX`. */
export interface RawResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Uint8Array;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Call {
  readonly method: Method;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

const CALL_TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Checks a base URL and removes the trailing slash.
 * @throws TailraceError `config` when it is not an http or https URL.
 */
export function normalizeEndpoint(endpoint: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TailraceError('config', `${JSON.stringify(endpoint)} is not an http:// or https:// URL`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new TailraceError('config', 'an endpoint must not hold a user name or password: tokens go into a header');
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/**
 * The headers that identify the caller and the basin.
 * @throws TailraceError `invalid` for a basin that no header can hold
 */
export function identityHeaders(target: ServerTarget, basin: string | undefined): Record<string, string> {
  if (basin !== undefined) expectHeaderText(basin, 'basin');
  return {
    ...(target.token === undefined ? {} : { authorization: `Bearer ${target.token}` }),
    ...(basin === undefined ? {} : { 's2-basin': basin }),
  };
}

/** @throws TailraceError `invalid` for a value with a line break or another character that no header can hold */
export function expectHeaderText(value: unknown, name: string): asserts value is string {
  expectText(value, name);
  if (!/^[\x20-\x7e\x80-\xff]*$/.test(value)) {
    throw invalid(`${name} holds a line break or another character that a header cannot hold`);
  }
}

/**
 * Sends one request and reads the whole response, of any status.
 * @throws TailraceError `unavailable` when there is no response within 30 s, or it breaks off or is too large;
 *   `aborted` by the signal of the caller.
 */
export async function exchange(call: Call): Promise<RawResponse> {
  optional(expectAbortSignal)(call.signal, 'signal');
  const ending = new AbortController();
  const { signal } = ending;
  const stop = onAbort(call.signal, () => ending.abort(abortedCall(call.url)));
  const deadline = setTimeout(() => ending.abort(late(call.url)), CALL_TIMEOUT_MS);
  deadline.unref();
  try {
    const { status, headers, body } = await httpCall({ ...call, signal });
    return { status, headers, body: await boundedBody(body) };
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(call.url, error);
  } finally {
    clearTimeout(deadline);
    stop();
  }
}

/** The error of a call that the signal of its caller ended: whether the server has done it is unknown. */
export function abortedCall(url: string): TailraceError {
  return new TailraceError('aborted', `the call to ${originOf(url)} was aborted by the signal that was passed to it`);
}

/**
 * A name as one segment of a path.
 * @throws TailraceError `invalid` for what no path can name: it would reach something else
 */
export function segment(name: string, what: string): string {
  expectText(name, what);
  if (name === '' || name === '.' || name === '..') throw invalid(`${what} must not be ${JSON.stringify(name)}`);
  try {
    return encodeURIComponent(name);
  } catch (cause) {
    throw new TailraceError('invalid', `${what} holds half of a surrogate pair, which is no character`, { cause });
  }
}

/** One call of the S2 API: JSON in, JSON out. */
export interface ApiCall extends RequestOptions {
  readonly method: Method;
  readonly path: string;
  readonly query?: URLSearchParams;
  /** Sent as JSON; undefined means no body. */
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A successful response, with its JSON, which is undefined for an empty body. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly json: unknown;
}

/**
 * Calls the API once.
 * @throws TailraceError by the status and the body of a refusal, `unavailable` when there is no response, `internal`
 * when the response is not JSON.
 */
export async function callApi(target: ServerTarget, call: ApiCall): Promise<ApiResponse> {
  const { method, path, json } = call;
  const query = call.query === undefined ? '' : `?${call.query}`;
  const headers = {
    ...identityHeaders(target, call.basin),
    accept: 'application/json',
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    ...call.headers,
  };
  const answer = await exchange({
    method,
    url: target.endpoint + path + query,
    headers,
    signal: call.signal,
    ...(json === undefined ? {} : { body: Buffer.from(jsonText(json)) }),
  });
  expectSuccess(answer, `${method} ${path}`);
  return { status: answer.status, headers: answer.headers, json: parsedJson(answer.body, `${method} ${path}`) };
}

/** @throws TailraceError by the status and the body, unless the response is a success. */
export function expectSuccess(answer: RawResponse, what: string): void {
  if (answer.status >= 200 && answer.status < 300) return;
  const text = Buffer.from(answer.body).toString('utf8');
  throw refusalError(
    readRefusal(answer.status, text, answer.headers.get('retry-after'), answer.headers.get('date')),
    what,
  );
}

/** @throws TailraceError `internal` when it is not a JSON object. */
export function objectIn(json: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof json === 'object' && json !== null) return json as Record<string, unknown>;
  throw new TailraceError('internal', `${what}: the answer is not a JSON object: is this a Tailrace?`);
}

/** The error for a server that cannot be reached, with the reason from the system. */
export function unreachable(url: string, cause: unknown): TailraceError {
  if (cause instanceof TailraceError) return cause;
  return new TailraceError('unavailable', `cannot reach ${originOf(url)}: ${reason(cause)}`, { cause });
}

function late(url: string): TailraceError {
  const message = `cannot reach ${originOf(url)}: no answer within ${CALL_TIMEOUT_MS / 1_000} s`;
  return new TailraceError('unavailable', message);
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin.replace(/^ws/, 'http') : url;
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (isNotTls(cause)) return 'it does not speak TLS there: is it http:// and not https://?';
  if (cause.cause instanceof Error) return reason(cause.cause);
  const inner = (cause as { errors?: readonly unknown[] }).errors?.[0];
  if (inner instanceof Error) return inner.message;
  return cause.message === '' ? ((cause as { code?: string }).code ?? cause.name) : cause.message;
}

/** OpenSSL could not read the answer to its first message: a server without TLS answers in plain text. */
function isNotTls(cause: object): boolean {
  return 'code' in cause && (cause.code === 'ERR_SSL_WRONG_VERSION_NUMBER' || cause.code === 'EPROTO');
}

/** @throws TailraceError `unavailable` when it is larger than `ANSWER_BYTES_MAX` */
export async function boundedBody(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new TailraceError('unavailable', `the answer is larger than ${ANSWER_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Only what a caller passed cannot be JSON: a bigint, or an object that holds itself. */
function jsonText(json: unknown): string {
  try {
    return JSON.stringify(json);
  } catch (cause) {
    throw new TailraceError('invalid', `what was passed cannot be written as JSON: ${reason(cause)}`, { cause });
  }
}

function parsedJson(body: Uint8Array, what: string): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (cause) {
    throw new TailraceError('internal', `${what}: the answer is not JSON: is this a Tailrace?`, { cause });
  }
}
