/** The filter of a read, ready to be asked: see README.md. */

import type { RecordFilter } from '../../log/read.ts';
import { parseFilter } from './parse-filter.ts';

/**
 * The filter that is written in some texts, which are joined; undefined for none. What it needs is loaded with the first
 * one: most servers never have any, and a start must not wait for it.
 * @throws TailraceError `bad_query` that says where a text is wrong, and what was expected
 */
export async function loadFilter(texts: readonly string[]): Promise<RecordFilter | undefined> {
  const filter = parseFilter(texts);
  if (filter === undefined) return undefined;
  const { BlockMatcher } = await import('../../otlp/match/block-matcher.ts');
  return new BlockMatcher(filter);
}
