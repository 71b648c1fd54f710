/** The query of a read call, parsed and checked. */

import type { QueryNames } from '../encoding/known-names.ts';
import { nearest } from '../encoding/nearest.ts';
import { TailraceError } from '../model/error.ts';
import { FROM_TAIL, type ReadRange, type ReadStart } from '../model/read-range.ts';
import { VIEWS, type View } from '../model/view.ts';
import type { JsonFormat } from './batch/json.ts';

/** The query parameters of a read on any protocol. A page shows a ticket, since it sends no headers. */
export const READ_PARAMETERS: QueryNames = {
  once: [
    ...['seq_num', 'timestamp', 'tail_offset', 'clamp', 'count', 'bytes', 'until', 'wait'],
    ...['view', 'format', 'basin', 'ticket'],
  ],
  many: ['filter'],
};

const U64_MAX = 2n ** 64n - 1n;
const U32_MAX = 2 ** 32 - 1;
/** The longest time of a timer, 24.8 days: a longer wait ends then. */
const WAIT_MS_MAX = 2 ** 31 - 1;

const FORMATS: ReadonlyMap<string, JsonFormat> = new Map([
  ['raw', 'raw'],
  ['json', 'raw'],
  ['base64', 'base64'],
  ['json-binsafe', 'base64'],
]);

/** The parameters of a read, each parsed, but not compared with each other. */
export interface ReadParams {
  readonly seqNum: number | undefined;
  readonly timestamp: number | undefined;
  readonly tailOffset: number | undefined;
  readonly clamp: boolean;
  readonly count: number | undefined;
  readonly bytes: number | undefined;
  readonly until: number | undefined;
  readonly waitMs: number | undefined;
}

/**
 * The range that a read session asks for. Numbers above 2^53 − 1 become 2^53 − 1: a start there is beyond every tail,
 * and a bound there limits nothing.
 * @throws TailraceError `bad_query` when a value cannot be parsed or is there twice; `invalid` when there are two
 * starts, or the start is at or after `until`.
 */
export function parseReadQuery(query: URLSearchParams): ReadRange {
  return readRangeOf(parseReadParams(query));
}

/** @throws TailraceError `bad_query` when a value cannot be parsed or is there twice */
export function parseReadParams(query: URLSearchParams): ReadParams {
  const wait = integer(query, 'wait', U32_MAX);
  return {
    seqNum: integer(query, 'seq_num'),
    timestamp: integer(query, 'timestamp'),
    tailOffset: integer(query, 'tail_offset'),
    clamp: boolean(query, 'clamp'),
    count: integer(query, 'count'),
    bytes: integer(query, 'bytes'),
    until: integer(query, 'until'),
    waitMs: wait === undefined ? undefined : Math.min(wait * 1_000, WAIT_MS_MAX),
  };
}

/** @throws TailraceError `invalid` when there are two starts, or the start is at or after `until` */
export function readRangeOf(params: ReadParams): ReadRange {
  const { clamp, count, bytes, until, waitMs } = params;
  const start = startOf(params);
  if (until !== undefined && 'timestamp' in start && start.timestamp >= until) {
    throw new TailraceError('invalid', 'start `timestamp` exceeds or equal to `until`');
  }
  return { start, clamp, count, bytes, until, waitMs };
}

/**
 * How bytes are written in JSON: the `format` parameter, else the `S2-Format` header, else `raw`.
 * @throws TailraceError `bad_query` or `bad_header` for any other word.
 */
export function parseFormat(query: URLSearchParams, header: string | undefined): JsonFormat {
  const word = single(query, 'format');
  return word === undefined ? formatInHeader(header) : formatNamed(word, 'format', 'bad_query');
}

/** The same where only the header counts. @throws TailraceError `bad_header` */
export function formatInHeader(header: string | undefined): JsonFormat {
  return formatNamed(header ?? 'raw', 's2-format', 'bad_header');
}

/** How records are to look: the `view` parameter; undefined where there is none. @throws TailraceError `bad_query` */
export function parseView(query: URLSearchParams): View | undefined {
  const word = single(query, 'view');
  if (word === undefined) return undefined;
  const view = VIEWS.find((known) => known === word);
  if (view !== undefined) return view;
  const [close] = word === '' ? [] : nearest(word, VIEWS);
  const advice = close === undefined ? '' : `: did you mean ${close}?`;
  const shown = JSON.stringify(word.slice(0, 64));
  throw new TailraceError('bad_query', `view must be one of ${VIEWS.join(', ')}, not ${shown}${advice}`);
}

/** A parameter that may be given once. @throws TailraceError `bad_query` when it is given twice. */
export function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name);
  if (values.length > 1) throw new TailraceError('bad_query', `duplicate query parameter \`${name}\``);
  return values[0];
}

function formatNamed(word: string, name: string, code: 'bad_query' | 'bad_header'): JsonFormat {
  const format = FORMATS.get(word.trim().toLowerCase());
  if (format !== undefined) return format;
  throw new TailraceError(code, `${name} must be "raw" or "base64", not ${JSON.stringify(word.slice(0, 64))}`);
}

function startOf({ seqNum, timestamp, tailOffset }: ReadParams): ReadStart {
  const starts: ReadStart[] = [];
  if (seqNum !== undefined) starts.push({ seqNum });
  if (timestamp !== undefined) starts.push({ timestamp });
  if (tailOffset !== undefined) starts.push({ tailOffset });
  if (starts.length > 1) {
    throw new TailraceError('invalid', 'only one of seq_num, timestamp, or tail_offset can be provided');
  }
  return starts[0] ?? FROM_TAIL;
}

/** A whole number; above 2^53 − 1 it is that. @throws TailraceError `bad_query` */
export function integer(query: URLSearchParams, name: string, max?: number): number | undefined {
  const text = single(query, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
  if (value === undefined || value > (max === undefined ? U64_MAX : BigInt(max))) {
    throw new TailraceError(
      'bad_query',
      `\`${name}\` must be a whole number, not ${JSON.stringify(text.slice(0, 64))}`,
    );
  }
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
}

/** @throws TailraceError `bad_query` for anything but `true` and `false` */
export function boolean(query: URLSearchParams, name: string): boolean {
  const text = single(query, name);
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new TailraceError('bad_query', `\`${name}\` must be true or false, not ${JSON.stringify(text.slice(0, 64))}`);
}
