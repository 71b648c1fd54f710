/** The query of a list call, parsed and checked. */

import { z } from 'zod';
import type { QueryNames } from '../../encoding/known-names.ts';
import { beginWork } from '../../encoding/turns.ts';
import { TailraceError } from '../../model/error.ts';
import {
  BASIN_NAME_BYTES_MAX,
  LISTED_ROW_BYTES_MAX,
  STREAM_NAME_BYTES_MAX,
  TOKEN_ID_BYTES_MAX,
} from '../../model/limits.ts';
import type { Exchange } from '../exchange.ts';
import { reserveAnswer } from '../held-answer.ts';
import type { ReplyDeps } from '../reply.ts';

const PAGE_MAX = 1_000;
/** What one thing in a list counts as, in bytes of work. */
const LISTED_BYTES = 256;
const BASIN_PART = /^([a-z0-9][a-z0-9-]*)?$/;

export interface Page {
  readonly prefix: string;
  /** Exclusive. */
  readonly startAfter: string;
  readonly limit: number;
}

/** The query parameters of every list. */
export const PAGE_PARAMETERS: QueryNames = { once: ['prefix', 'start_after', 'limit'] };

/** @throws TailraceError `bad_query`, also for a parameter that is there twice */
export function pageOf(query: string, kind: keyof typeof PAGES): Page {
  const params = new URLSearchParams(query);
  const given = {
    prefix: single(params, 'prefix'),
    start_after: single(params, 'start_after'),
    limit: single(params, 'limit'),
  };
  const parsed = PAGES[kind].safeParse(given);
  if (parsed.success) {
    return { prefix: parsed.data.prefix, startAfter: parsed.data.start_after, limit: parsed.data.limit };
  }
  const [issue] = parsed.error.issues;
  throw new TailraceError('bad_query', `\`${String(issue?.path[0])}\`: ${issue?.message}`);
}

/**
 * Takes memory for a page, and a share of a turn of the event loop: those of hundreds of callers do not fit into one.
 * @throws TailraceError `overloaded` when there is no memory for the page
 */
export async function turnForPage(exchange: Exchange, { limit }: Page, { replyContext }: ReplyDeps): Promise<void> {
  reserveAnswer(exchange, limit * LISTED_ROW_BYTES_MAX, replyContext.memory);
  const beginning = beginWork(limit * LISTED_BYTES);
  if (beginning !== undefined) await beginning;
}

function single(params: URLSearchParams, name: string): string | undefined {
  const [value, second] = params.getAll(name);
  if (second === undefined) return value;
  throw new TailraceError('bad_query', `the query parameter \`${name}\` is there twice`);
}

/** 0 and more than a page mean a page. */
const limit = z
  .string()
  .regex(/^\d{1,20}$/, 'must be a whole number')
  .default('0')
  .transform((text) => (Number(text) === 0 ? PAGE_MAX : Math.min(Number(text), PAGE_MAX)));

const basinPart = (what: string) =>
  z
    .string()
    .max(BASIN_NAME_BYTES_MAX, `basin ${what} must be at most ${BASIN_NAME_BYTES_MAX} bytes long`)
    .regex(
      BASIN_PART,
      `basin ${what} must consist of lower-case letters, digits and hyphens, and not start with a hyphen`,
    )
    .default('');

const streamPart = (what: string) =>
  z
    .string()
    .refine(
      (text) => Buffer.byteLength(text) <= STREAM_NAME_BYTES_MAX,
      `stream ${what} must be at most ${STREAM_NAME_BYTES_MAX} bytes long`,
    )
    .refine((text) => !text.includes('\0'), `stream ${what} must not contain NUL bytes`)
    .default('');

const tokenPart = (what: string) =>
  z
    .string()
    .refine(
      (text) => Buffer.byteLength(text) <= TOKEN_ID_BYTES_MAX,
      `access token ${what} must be at most ${TOKEN_ID_BYTES_MAX} bytes long`,
    )
    .refine((text) => !text.includes('\0'), `access token ${what} must not contain NUL bytes`)
    .default('');

const PAGES = {
  basin: z.object({ prefix: basinPart('prefix'), start_after: basinPart('start-after'), limit }),
  stream: z.object({ prefix: streamPart('prefix'), start_after: streamPart('start-after'), limit }),
  token: z.object({ prefix: tokenPart('prefix'), start_after: tokenPart('start-after'), limit }),
};
