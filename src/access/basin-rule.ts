/**
 * Which basin a request is about. One rule for all calls on streams, OTLP data and WebSockets: what the request names,
 * in its header S2-Basin, its parameter `basin` or its Host; else the only basin of the token; else the default one.
 */

import { TailraceError } from '../model/error.ts';
import { basinNameFault } from '../model/names.ts';
import { onlyBasin, type Principal } from './grant.ts';

/** What of a request may name a basin; names of headers in lower case. */
export interface BasinRequest {
  readonly headers: {
    readonly host?: string | undefined;
    readonly 's2-basin'?: string | readonly string[] | undefined;
  };
  /** What is after the question mark. */
  readonly query: string;
}

export interface BasinRuleOptions {
  /** The basin of requests that name none, by callers whose token does not either. */
  readonly defaultBasin: string | undefined;
  /** The domain, besides `localhost`, whose names are those of basins. */
  readonly hostSuffix?: string | undefined;
}

/** What applying the rule takes. */
export interface BasinRuleDeps {
  readonly basinRule: BasinRule;
}

export class BasinRule {
  readonly #default: string | undefined;
  readonly #suffixes: readonly string[];
  /** The Host that came last, with its basin: most requests have the same. */
  #last: readonly [host: string, basin: string | undefined] = ['', undefined];

  constructor({ defaultBasin, hostSuffix }: BasinRuleOptions) {
    this.#default = defaultBasin;
    this.#suffixes = ['localhost', ...(hostSuffix === undefined ? [] : [hostSuffix])].map((domain) => `.${domain}`);
  }

  /**
   * The basin that a request names, whether it exists or not.
   * @throws TailraceError `bad_header`, `bad_query` for an illegal name, `bad_header` for two different ones
   */
  named({ headers, query }: BasinRequest): string | undefined {
    const header = basinInHeader(headers['s2-basin']);
    const parameter = basinInQuery(query);
    const host = this.#basinInHost(headers.host);
    const name = header ?? parameter ?? host;
    if (parameter !== undefined && parameter !== name) throw contradiction(HEADER, name, PARAMETER, parameter);
    if (host !== undefined && host !== name) {
      throw contradiction(header === undefined ? PARAMETER : HEADER, name, HOST, host);
    }
    return name;
  }

  /** The same for a caller who is identified only where the request names no basin. @throws as {@link named}, and as `caller` */
  of(request: BasinRequest, caller: () => Principal): string {
    return this.named(request) ?? this.usual(caller());
  }

  /** The basin of a caller whose request names none. @throws TailraceError `bad_request` when there is none either */
  usual(caller: Principal): string {
    const basin = onlyBasin(caller) ?? this.#default;
    if (basin === undefined) throw new TailraceError('bad_request', NO_BASIN);
    return basin;
  }

  /**
   * Checks a request of any kind: its header must not name another basin than its Host.
   * @throws TailraceError `bad_header`
   */
  expectAgreement({ headers }: Pick<BasinRequest, 'headers'>): void {
    const { 's2-basin': header, host } = headers;
    if (header !== undefined && this.#basinInHost(host) !== undefined) this.named({ headers, query: '' });
  }

  /** Any other host is legal too, and names no basin. */
  #basinInHost(host: string | undefined): string | undefined {
    if (host === undefined) return undefined;
    if (this.#last[0] !== host) this.#last = [host, this.#basinIn(host.replace(/:\d*$/, '').toLowerCase())];
    return this.#last[1];
  }

  #basinIn(host: string): string | undefined {
    for (const suffix of this.#suffixes) {
      const label = host.endsWith(suffix) ? host.slice(0, -suffix.length) : '';
      if (label !== '' && basinNameFault(label) === undefined) return label;
    }
    return undefined;
  }
}

function basinInHeader(name: string | readonly string[] | undefined): string | undefined {
  if (name === undefined) return undefined;
  if (typeof name !== 'string') throw new TailraceError('bad_header', 'the header s2-basin is there twice');
  const fault = basinNameFault(name);
  if (fault !== undefined) throw new TailraceError('bad_header', fault);
  return name;
}

function basinInQuery(query: string): string | undefined {
  // Most queries have no such parameter; a name with a percent sign may be it.
  if (!/basin|%/.test(query)) return undefined;
  const [name, second] = new URLSearchParams(query).getAll('basin');
  if (second !== undefined) throw new TailraceError('bad_query', 'the query parameter `basin` is there twice');
  const fault = name === undefined ? undefined : basinNameFault(name);
  if (fault !== undefined) throw new TailraceError('bad_query', fault);
  return name;
}

const HEADER = 'the header S2-Basin';
const PARAMETER = 'the parameter basin';
const HOST = 'the Host';

function contradiction(one: string, basin: string | undefined, other: string, otherBasin: string): TailraceError {
  const sentence = `${one} names the basin \`${basin}\`, and ${other} names \`${otherBasin}\`: name one basin`;
  return new TailraceError('bad_header', sentence);
}

const NO_BASIN =
  'no basin: name one in the header S2-Basin, in ?basin= or in the Host (<basin>.localhost), or use a token for one basin';
