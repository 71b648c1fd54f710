/** One HTTP request to the server, with the token of this tab. All screens call the server through the files of this folder. */

/** What a request failed with: the server's own words, or that it could not be reached. */
export class WireError extends Error {
  /** The server's error code; `unreachable` without an answer. */
  readonly code: string;
  /** 0 without an answer. */
  readonly status: number;
  /** The field of what was sent that is wrong, as a path with dots; undefined where it is not a field. */
  readonly field: string | undefined;

  constructor(code: string, message: string, status: number, field?: string) {
    super(message);
    this.name = 'WireError';
    this.code = code;
    this.status = status;
    this.field = field;
  }

  /** The same request may be taken later: the server was not reached, or has too much to do. */
  get isTemporary(): boolean {
    return this.code === 'unreachable' || this.status === 429 || this.status === 503;
  }
}

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** The basin of calls on streams and records. */
  readonly basin?: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

let token: string | undefined;
let onRefused: (error: WireError) => void = () => {};

/** What later calls send, and what is called when the server does not know it. */
export function useToken(next: string | undefined, refused: (error: WireError) => void): void {
  token = next;
  onRefused = refused;
}

/** The token of this tab, for WebSockets. Never put it into a URL. */
export function currentToken(): string | undefined {
  return token;
}

/** The token is unknown to the server now: revoked, rotated or expired. */
export function tellRefused(error: WireError): void {
  onRefused(error);
}

/** @throws WireError for every answer that is not 2xx, and without one; an AbortError when `signal` is aborted */
export async function request(path: string, options: CallOptions = {}): Promise<Response> {
  const sent = token;
  const headers: Record<string, string> = { ...options.headers, Accept: options.accept ?? 'application/json' };
  if (sent !== undefined) headers.Authorization = `Bearer ${sent}`;
  if (options.basin !== undefined) headers['S2-Basin'] = options.basin;
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  const init: RequestInit = { method: options.method ?? 'GET', headers, cache: 'no-store', credentials: 'omit' };
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  if (options.signal !== undefined) init.signal = options.signal;
  const response = await answered(`${path}${searchOf(options.query)}`, init);
  if (response.ok) return response;
  const error = await errorOf(response);
  if (response.status === 401 && sent === token) onRefused(error);
  throw error;
}

/** The JSON of an answer. The caller says what it is: the server is trusted. Undefined for an empty answer. */
export async function call<T>(path: string, options?: CallOptions): Promise<T> {
  const response = await request(path, options);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** A name as a segment of a path. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}

async function answered(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown;
    throw new WireError('unreachable', 'the server does not answer: see whether it runs', 0);
  }
}

async function errorOf(response: Response): Promise<WireError> {
  const text = await response.text().catch(() => '');
  try {
    const { code, message, field } = JSON.parse(text) as { code?: unknown; message?: unknown; field?: unknown };
    const at = typeof field === 'string' ? field : undefined;
    if (typeof message === 'string') return new WireError(String(code), message, response.status, at);
  } catch {
    // Not from this server: a proxy in between.
  }
  return new WireError('unknown', `the server answered ${response.status} ${response.statusText}`, response.status);
}

function searchOf(query: CallOptions['query']): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}
