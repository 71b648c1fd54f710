/** The query of a list call, parsed and checked (S2 API §3.2). */

import { z } from 'zod';
import { TailraceError } from '../model/error.ts';
import { BASIN_NAME_BYTES_MAX, STREAM_NAME_BYTES_MAX } from '../model/limits.ts';

const PAGE_MAX = 1_000;
const BASIN_PART = /^([a-z0-9][a-z0-9-]*)?$/;

export interface Page {
  readonly prefix: string;
  /** Exclusive. */
  readonly startAfter: string;
  readonly limit: number;
}

/** @throws TailraceError `bad_query` */
export function pageOf(query: string, kind: 'basin' | 'stream'): Page {
  const given: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(query)) {
    if (name in given)
      throw new TailraceError('bad_query', `the query parameter ${JSON.stringify(name)} is there twice`);
    given[name] = value;
  }
  const parsed = PAGES[kind].safeParse({ ...given });
  if (parsed.success)
    return { prefix: parsed.data.prefix, startAfter: parsed.data.start_after, limit: parsed.data.limit };
  const [issue] = parsed.error.issues;
  throw new TailraceError('bad_query', `${String(issue?.path[0])}: ${issue?.message}`);
}

/** 0 and more than a page mean a page. */
const limit = z
  .string()
  .regex(/^\d{1,20}$/, 'must be a whole number')
  .default('0')
  .transform((text) => (Number(text) === 0 ? PAGE_MAX : Math.min(Number(text), PAGE_MAX)));

const basinPart = z
  .string()
  .max(BASIN_NAME_BYTES_MAX, `basin prefix must be at most ${BASIN_NAME_BYTES_MAX} bytes long`)
  .regex(BASIN_PART, 'must consist of lower-case letters, digits and hyphens, and start with a letter or digit')
  .default('');

const streamPart = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= STREAM_NAME_BYTES_MAX, `must be at most ${STREAM_NAME_BYTES_MAX} bytes`)
  .refine((text) => !text.includes('\0'), 'must not contain NUL bytes')
  .default('');

const PAGES = {
  basin: z.object({ prefix: basinPart, start_after: basinPart, limit }),
  stream: z.object({ prefix: streamPart, start_after: streamPart, limit }),
};
