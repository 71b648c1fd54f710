/**
 * Cross-origin requests (Fetch standard, CORS protocol): browsers ask before most calls, and hide every response from a
 * page whose origin it does not name. The server has no cookies, so credentials are never allowed.
 */

import type { Origins } from '../access/origins.ts';
import { CORS_HEADERS_CHARS_MAX } from '../model/limits.ts';
import type { HttpRequest } from './exchange.ts';

/** How long a browser remembers what it may do. */
const MAX_AGE_SECONDS = 7_200;
/** Response headers that pages may read besides those that any page may. */
const EXPOSED = [
  ...['Retry-After', 'X-Correlation-Id', 'Content-Disposition'],
  ...['Tailrace-Next-Seq-Num', 'Tailrace-Next-Before', 'Tailrace-At-Start', 'Tailrace-Signal'],
].join(', ');
/** For preflights that name no headers that we could repeat. */
const ALLOWED_HEADERS = [
  'content-type',
  'content-encoding',
  'authorization',
  's2-basin',
  's2-format',
  's2-stream-config',
  's2-encryption-key',
  's2-request-token',
  'accept',
  'last-event-id',
  'traceparent',
  'tracestate',
  'baggage',
  'x-correlation-id',
].join(', ');
const HEADER_NAMES = /^[a-z0-9!#$%&'*+.^_`|~-]+( *, *[a-z0-9!#$%&'*+.^_`|~-]+)*$/i;
/** Caches must not give the response for one origin to another, nor to a request without one. */
const VARY = ['Vary', 'Origin'] as const;
const VARY_PREFLIGHT =
  'Origin, Access-Control-Request-Headers, Access-Control-Request-Method, Access-Control-Request-Private-Network';

/** Names and values in turn. */
type FlatHeaders = readonly string[];

/** For a server with configured origins. */
export class Cors {
  readonly #origins: Origins;

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  /** Headers of every response to a request. Without an Origin, responses that no cache keeps need none. */
  headersFor({ headers, method }: HttpRequest): FlatHeaders | undefined {
    const { origin } = headers;
    if (origin === undefined) return method === 'POST' ? undefined : VARY;
    if (!this.#origins.allows(origin)) return VARY;
    return [...VARY, 'Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', EXPOSED];
  }

  /** Headers of the response to a preflight; undefined for another request, and for a page that may not send any. */
  preflightHeaders({ headers, method }: HttpRequest, methods: readonly string[]): FlatHeaders | undefined {
    const { origin } = headers;
    if (method !== 'OPTIONS' || !this.#origins.allows(origin)) return undefined;
    // Chromium asks whether a page of the public internet may talk to a private address.
    const isPrivate = headers['access-control-request-private-network'] === 'true';
    return [
      ...['Vary', VARY_PREFLIGHT],
      ...['Access-Control-Allow-Origin', origin],
      ...['Access-Control-Allow-Methods', [...methods, 'OPTIONS'].join(', ')],
      ...['Access-Control-Allow-Headers', allowedHeaders(headers['access-control-request-headers'])],
      ...['Access-Control-Max-Age', String(MAX_AGE_SECONDS)],
      ...(isPrivate ? ['Access-Control-Allow-Private-Network', 'true'] : []),
    ];
  }
}

/** An allowed page may send any header: the routes judge what it means. */
function allowedHeaders(asked: string | readonly string[] | undefined): string {
  const isSane = typeof asked === 'string' && asked.length <= CORS_HEADERS_CHARS_MAX && HEADER_NAMES.test(asked);
  return isSane ? asked : ALLOWED_HEADERS;
}
