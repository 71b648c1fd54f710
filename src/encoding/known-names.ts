/**
 * Names that a request may use: the query parameters of a call, and headers of S2 and of our own. One that is ignored would
 * change what a call does while nothing says so: a misspelt filter shows everything, and is believed.
 */

import { TailraceError } from '../model/error.ts';
import { nearest } from './nearest.ts';

/** The query parameters of a call. */
export interface QueryNames {
  /** There once at most. */
  readonly once: readonly string[];
  /** There as often as one likes. */
  readonly many?: readonly string[];
}

/** Headers of S2 that clients send. */
const HEADERS: readonly string[] = [
  's2-basin',
  's2-format',
  's2-encryption-key',
  's2-stream-config',
  's2-request-token',
];

/** No proxy adds such headers, and no other protocol has them. */
const OURS = /^(s2|tailrace)-/;

/** No such name is longer; what is shown of one is cut there. */
const NAME_CHARS_MAX = 64;

/** The error for the first parameter that the call does not have, or that is there too often. */
export function queryFault(query: URLSearchParams, { once, many = [] }: QueryNames): TailraceError | undefined {
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (many.includes(name)) continue;
    if (!once.includes(name)) return new TailraceError('bad_query', unknownParameter(name, [...once, ...many]));
    if (seen.has(name)) {
      return new TailraceError('bad_query', `the query parameter \`${name}\` is there twice: send it once`);
    }
    seen.add(name);
  }
  return undefined;
}

/** The error for the first header of S2 or ours that does not exist. Names are in lower case. */
export function headerFault(headers: Readonly<Record<string, unknown>>): TailraceError | undefined {
  for (const name in headers) {
    if (!OURS.test(name) || HEADERS.includes(name)) continue;
    const shown = name.slice(0, NAME_CHARS_MAX);
    const advice = adviceFor(shown, HEADERS, `the headers of requests are ${HEADERS.join(', ')}`);
    return new TailraceError('bad_header', `there is no header ${JSON.stringify(shown)}: ${advice}`);
  }
  return undefined;
}

function unknownParameter(name: string, known: readonly string[]): string {
  const shown = name.slice(0, NAME_CHARS_MAX);
  const all = known.length === 0 ? 'this call takes none' : `this call takes ${known.join(', ')}`;
  return `there is no query parameter ${JSON.stringify(shown)} here: ${adviceFor(shown, known, all)}`;
}

function adviceFor(name: string, known: readonly string[], all: string): string {
  const [close] = name === '' ? [] : nearest(name, known);
  return close === undefined ? all : `did you mean ${close}?`;
}
