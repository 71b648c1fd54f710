/**
 * Web origins that the operator lets in besides the server's own (access.md, Browsers; users.md 18): how one is written
 * down, and whether a page is of one of them. CORS, readers' sockets and servers without tokens all ask here.
 */

/** Stands for every origin. */
export const ANY_ORIGIN = '*';

/** Schemes of apps and extensions too: `capacitor://localhost`. Nothing but scheme, host and port. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,*]+$/i;
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

  /** Whether a page may talk to us, by its Origin header. Browsers write one as we keep it; two are nobody's. */
  allows(origin: string | readonly string[] | undefined): origin is string {
    if (typeof origin !== 'string' || origin === ANY_ORIGIN) return false;
    return this.#named.has(origin) || (this.#isAny && isSane(origin));
  }
}

/** None: what holds where nothing is configured. */
export const NO_ORIGINS = new Origins([]);

/**
 * An origin as browsers send it: in lower case, without the port that is the scheme's own. Answers undefined for what is
 * none; `*` stays.
 */
export function normalOrigin(text: string): string | undefined {
  if (text === ANY_ORIGIN) return text;
  if (!isSane(text) || !URL.canParse(text)) return undefined;
  const { protocol, host } = new URL(text);
  return host === '' ? undefined : `${protocol}//${host}`;
}

/** What somebody meant who wrote an address where an origin belongs: its origin, if it has one. */
export function originWithin(text: string): string | undefined {
  const [, start = ''] = /^([^/]*:\/\/[^/?#]*)/.exec(text) ?? [];
  return normalOrigin(start.replace(/^(.*:\/\/).*@/, '$1'));
}

/** Pages without an origin of their own, as files are, say `null`. */
function isSane(origin: string): boolean {
  return origin === 'null' || (origin.length <= ORIGIN_CHARS_MAX && ORIGIN.test(origin));
}
