/**
 * Web origins that the operator allows besides the server's own: how one is written, and whether a page is of one of
 * them. CORS, WebSockets and servers without tokens all use this check.
 */

import { type Authority, parseAuthority } from './authority.ts';

/** Stands for every origin. */
export const ANY_ORIGIN = '*';

/** Schemes of apps and extensions too: `capacitor://localhost`. Nothing but scheme, host and port. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,*]+$/i;
/** What browsers write of a host: no other mark of a URL. */
const WRITTEN_HOST = /^[\w.:%[\]-]+$/;
/** Longer than any host name with its scheme and port. */
const ORIGIN_CHARS_MAX = 300;

/** Origins as they were configured; never changes. */
export class Origins {
  readonly #isAny: boolean;
  readonly #named: ReadonlySet<string>;

  /** As {@link normalOrigin} gives them. */
  constructor(origins: readonly string[]) {
    this.#isAny = origins.includes(ANY_ORIGIN);
    this.#named = new Set(origins);
  }

  /**
   * Whether a page may send requests, by its Origin header. Browsers write it as we keep it; two values never match.
   */
  allows(origin: string | readonly string[] | undefined): origin is string {
    if (typeof origin !== 'string' || origin === ANY_ORIGIN) return false;
    return this.#named.has(origin) || (this.#isAny && isOrigin(origin));
  }
}

/** Where nothing is configured: no origin is allowed. */
export const NO_ORIGINS = new Origins([]);

/**
 * An origin as browsers send it: in lower case, without the default port of its scheme. Undefined for what is no
 * origin; `*` stays.
 */
export function normalOrigin(text: string): string | undefined {
  if (text === ANY_ORIGIN) return text;
  if (!isSane(text) || !URL.canParse(text)) return undefined;
  const { protocol, host } = new URL(text);
  return host === '' ? undefined : `${protocol}//${host}`;
}

/** The origin within an address, if it has one: what was meant where an address was written in place of an origin. */
export function originWithin(text: string): string | undefined {
  const [, start = ''] = /^([^/]*:\/\/[^/?#]*)/.exec(text) ?? [];
  return normalOrigin(start.replace(/^(.*:\/\/).*@/, '$1'));
}

/** An origin taken apart. */
export interface Origin extends Authority {
  /** In lower case. */
  readonly scheme: string;
}

/** Undefined for what no browser sends as the origin of a page, and for `null`. */
export function parseOrigin(text: string): Origin | undefined {
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.+)$/i.exec(text) ?? [];
  if (scheme === undefined || text.length > ORIGIN_CHARS_MAX || !WRITTEN_HOST.test(rest)) return undefined;
  const authority = parseAuthority(rest);
  return authority === undefined ? undefined : { ...authority, scheme: scheme.toLowerCase() };
}

/** For whoever reads why a page was refused: its origin as it came, and the flag that lets its pages in. */
export function refusedOrigin(origin: string | readonly string[]): string {
  const text = String(origin).slice(0, ORIGIN_CHARS_MAX);
  const normal = parseOrigin(text) === undefined ? undefined : normalOrigin(text);
  return `${JSON.stringify(text)} (${normal === undefined ? noFlagFor(text) : `--cors-origin ${normal} lets its pages in`})`;
}

function noFlagFor(text: string): string {
  return text === 'null' ? 'a page without an origin, which --cors-origin * alone lets in' : 'no browser sends that';
}

/** Pages without an origin of their own, such as files, send `null`. */
function isOrigin(origin: string): boolean {
  return origin === 'null' || parseOrigin(origin) !== undefined;
}

/** As an operator writes one: a name may have letters that browsers encode. */
function isSane(origin: string): boolean {
  return origin === 'null' || (origin.length <= ORIGIN_CHARS_MAX && ORIGIN.test(origin));
}
