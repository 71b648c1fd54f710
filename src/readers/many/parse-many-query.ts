/**
 * Which streams a reader of many asks for, and where it begins: the query of `/v1/records`, in one form for WebSocket and
 * server-sent events.
 */

import type { QueryNames } from '../../encoding/known-names.ts';
import { nearest } from '../../encoding/nearest.ts';
import type { ManySelection } from '../../log/many/list-members.ts';
import { TailraceError } from '../../model/error.ts';
import { READER_STREAMS_MAX, STREAM_NAME_BYTES_MAX } from '../../model/limits.ts';
import { streamNameFault } from '../../model/names.ts';
import { globMatcher } from '../../model/selection.ts';
import { single } from '../../s2/read-query.ts';

/** What is asked for. Names are those that the caller uses. */
export interface ManyQuery {
  /** Exactly these; undefined for all that `matches`. */
  readonly names: readonly string[] | undefined;
  /** What all names that match begin with. */
  readonly prefix: string;
  readonly matches: (name: string) => boolean;
  readonly from: ManyStart;
  /** Which records are wanted, as it was asked; none for all. */
  readonly filter: readonly string[];
}

/** Where to begin: `resume` says that the reader tells where it was. */
export type ManyStart = 'tail' | 'start' | 'resume';

/** Who asks, as far as names go. */
export interface NamedReader {
  /** The full name of what the caller means by a name. */
  absolute(name: string): string;
  /** Whether a stream may be read, by its full name. */
  mayRead(name: string): boolean;
}

/** Who may do what, as far as a reader of many asks. */
interface ManyPrincipal {
  absolute(name: string): string;
  allows(operation: 'read', basin: string, stream: string): boolean;
}

/** A caller as a reader in a basin. */
export function readerOf(principal: ManyPrincipal, basin: string): NamedReader {
  return {
    absolute: (name) => principal.absolute(name),
    mayRead: (name) => principal.allows('read', basin, name),
  };
}

const SELECTORS = ['prefix', 'glob', 'stream'] as const;
const STARTS: readonly ManyStart[] = ['tail', 'start', 'resume'];

/** All that it may have: a parameter that is ignored would be believed. */
export const MANY_PARAMETERS: QueryNames = {
  once: ['prefix', 'glob', 'from', 'format', 'view', 'basin', 'ticket'],
  many: ['stream', 'filter'],
};

/** `starts` are those that the protocol knows. @throws TailraceError `bad_query` */
export function parseManyQuery(query: URLSearchParams, starts: readonly ManyStart[] = STARTS): ManyQuery {
  const used = SELECTORS.filter((name) => query.has(name));
  const [selector, second] = used;
  if (selector === undefined) throw wrong(`say which streams: ${HOW}`);
  if (second !== undefined) throw wrong(`\`${selector}\` and \`${second}\` are both there: ${HOW}`);
  const word = single(query, 'from') ?? 'tail';
  const from = starts.find((known) => known === word);
  if (from === undefined) {
    const [near] = nearest(word.slice(0, 64), starts);
    throw wrong(`\`from\` must be ${starts.join(' or ')}, not ${shown(word)}${near === undefined ? '' : meant(near)}`);
  }
  return { ...chosenBy(selector, query), from, filter: query.getAll('filter') };
}

/** The streams of a query that its caller may read. */
export function selectionOf({ names, prefix, matches }: ManyQuery, reader: NamedReader): ManySelection {
  const own = reader.absolute('');
  const wanted = names?.map((name) => reader.absolute(name));
  const asBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  return {
    names: wanted?.sort(asBytes),
    prefix: reader.absolute(prefix),
    shownAs: (name) => {
      if (!name.startsWith(own) || name.length === own.length) return undefined;
      const shownName = name.slice(own.length);
      return matches(shownName) && reader.mayRead(name) ? shownName : undefined;
    },
  };
}

function chosenBy(selector: (typeof SELECTORS)[number], query: URLSearchParams) {
  if (selector === 'stream') return chosenByName(query.getAll('stream'));
  const text = single(query, selector) ?? '';
  const bytes = Buffer.byteLength(text);
  if (bytes > STREAM_NAME_BYTES_MAX) {
    throw wrong(`\`${selector}\` has ${bytes} bytes, and no name of a stream has more than ${STREAM_NAME_BYTES_MAX}`);
  }
  if (selector === 'prefix') {
    return { names: undefined, prefix: text, matches: (name: string) => name.startsWith(text) };
  }
  if (text === '') throw wrong('`glob` is empty and matches nothing: `*` matches every stream');
  return { names: undefined, prefix: text.slice(0, text.indexOf('*') >>> 0), matches: globMatcher(text) };
}

function chosenByName(given: readonly string[]) {
  const names = new Set(given);
  if (names.size > READER_STREAMS_MAX)
    throw wrong(`\`stream\` is there ${names.size} times: at most ${READER_STREAMS_MAX}`);
  for (const name of names) {
    const fault = streamNameFault(name);
    if (fault !== undefined) throw wrong(fault);
  }
  return { names: [...names], prefix: '', matches: (name: string) => names.has(name) };
}

const HOW = 'one `prefix` (empty for all), one `glob` with `*`, or a `stream` for each';

function meant(near: string): string {
  return `: did you mean \`${near}\`?`;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function wrong(message: string): TailraceError {
  return new TailraceError('bad_query', message);
}
