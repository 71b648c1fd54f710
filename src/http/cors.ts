/**
 * What pages of other sites are told (checklist §3.6; users.md 18): browsers ask before most calls, and keep every answer
 * from a page whose origin it does not name. There are no cookies here, so credentials are never allowed.
 */

import type { Origins } from '../access/origins.ts';
import { CORS_HEADERS_CHARS_MAX } from '../model/limits.ts';
import type { HttpRequest } from './exchange.ts';

/** How long a browser remembers what it may do. */
const MAX_AGE_SECONDS = 7_200;
/** What pages may read of an answer besides what any page may. */
const EXPOSED = 'Retry-After, X-Correlation-Id, Content-Disposition';
/** For preflights that ask for nothing we could repeat. */
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
/** Caches must not give one origin's answer to another, nor to no origin at all. */
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

  /** What every answer to a request carries, whatever it says. What no cache keeps needs nothing without an Origin. */
  headersFor({ headers, method }: HttpRequest): FlatHeaders | undefined {
    const { origin } = headers;
    if (origin === undefined) return method === 'POST' ? undefined : VARY;
    if (!this.#origins.allows(origin)) return VARY;
    return [...VARY, 'Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', EXPOSED];
  }

  /** What the answer to a preflight carries; nothing for a request that is none, or of a page that may not ask. */
  preflightHeaders({ headers, method }: HttpRequest, methods: readonly string[]): FlatHeaders | undefined {
    const { origin } = headers;
    if (method !== 'OPTIONS' || !this.#origins.allows(origin)) return undefined;
    // Chromium asks whether a page of the open internet may talk to an address that is not on it.
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

/** Whatever an allowed page wants to send, it may: what a header means is for the doors to judge. */
function allowedHeaders(asked: string | readonly string[] | undefined): string {
  const isSane = typeof asked === 'string' && asked.length <= CORS_HEADERS_CHARS_MAX && HEADER_NAMES.test(asked);
  return isSane ? asked : ALLOWED_HEADERS;
}
