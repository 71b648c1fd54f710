/** The query of a read that goes backwards from a position, or shows what is around a record. Ours: S2 has none. */

import { nearest } from '../encoding/nearest.ts';
import { TailraceError } from '../model/error.ts';
import {
  BACK_RECORDS_DEFAULT,
  BACK_RECORDS_MAX,
  CONTEXT_RECORDS_DEFAULT,
  CONTEXT_RECORDS_MAX,
} from '../model/limits.ts';
import { boolean, integer, single } from './read-query.ts';

export type BackQuery =
  /** The last records before a position, or before the tail, which is undefined here. */
  | { readonly type: 'before'; readonly before: number | undefined; readonly limit: number; readonly clamp: boolean }
  /** A record, and so many on each side of it. */
  | { readonly type: 'around'; readonly around: number; readonly context: number };

/** Those that only such a read has. */
export const BACK_PARAMETERS: readonly string[] = ['before', 'limit', 'around', 'context'];

/** What goes with each of the two; `view` and `format` say what records look like. */
const BESIDE = ['basin', 'view', 'format'];
const PARAMETERS = {
  before: ['before', 'limit', 'clamp', 'filter', ...BESIDE],
  around: ['around', 'context', ...BESIDE],
} as const;

/**
 * Undefined when the query asks for another read. Larger numbers of records than there may be are the most.
 * @throws TailraceError `bad_query` for a wrong value, or a parameter that does not go with the others
 */
export function parseBackQuery(query: URLSearchParams): BackQuery | undefined {
  if (query.has('before')) {
    expectOnly(query, 'before');
    const limit = integer(query, 'limit') ?? BACK_RECORDS_DEFAULT;
    if (limit === 0) throw new TailraceError('bad_query', '`limit` must be a whole number from 1, not 0');
    const clamp = boolean(query, 'clamp');
    return { type: 'before', before: beforeIn(query), limit: Math.min(limit, BACK_RECORDS_MAX), clamp };
  }
  if (query.has('limit')) throw alone('limit', 'before', 'the last records before a position, or before=tail');
  if (!query.has('around')) {
    if (query.has('context')) throw alone('context', 'around', 'a record and those around it');
    return undefined;
  }
  expectOnly(query, 'around');
  const context = Math.min(integer(query, 'context') ?? CONTEXT_RECORDS_DEFAULT, CONTEXT_RECORDS_MAX);
  return { type: 'around', around: integer(query, 'around') ?? 0, context };
}

/** For reads that go on as records come. @throws TailraceError `bad_query` where such a read is asked to go backwards */
export function expectForward(query: URLSearchParams): void {
  const given = parseBackQuery(query)?.type;
  if (given === undefined) return;
  throw new TailraceError(
    'bad_query',
    `\`${given}\` is for a plain GET, which is answered once; a live read begins at \`seq_num\`, \`timestamp\` or \`tail_offset\``,
  );
}

function beforeIn(query: URLSearchParams): number | undefined {
  const text = single(query, 'before') ?? '';
  if (text === 'tail') return undefined;
  if (/^\d{1,20}$/.test(text)) return integer(query, 'before');
  throw new TailraceError(
    'bad_query',
    `\`before\` must be a sequence number, or \`tail\`, not ${JSON.stringify(text.slice(0, 64))}`,
  );
}

/** A parameter that is ignored would be believed. */
function expectOnly(query: URLSearchParams, kind: keyof typeof PARAMETERS): void {
  const known: readonly string[] = PARAMETERS[kind];
  for (const name of query.keys()) {
    if (known.includes(name)) continue;
    const [near] = nearest(name, known);
    const hint = near === undefined ? `it takes ${known.join(', ')}` : `did you mean \`${near}\`?`;
    throw new TailraceError('bad_query', `with \`${kind}\` a read takes no \`${name.slice(0, 64)}\`: ${hint}`);
  }
}

function alone(name: string, other: string, what: string): TailraceError {
  return new TailraceError('bad_query', `\`${name}\` goes with \`${other}\`, which asks for ${what}`);
}
