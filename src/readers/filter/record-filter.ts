/** The filter of a read, ready to be asked: see README.md. */

import type { RecordFilter } from '../../log/read.ts';
import { BlockMatcher } from '../../otlp/match/block-matcher.ts';
import { parseFilter } from './parse-filter.ts';

/**
 * The filter that is written in some texts, which are joined; undefined for none.
 * @throws TailraceError `bad_query` that says where a text is wrong, and what was expected
 */
export function recordFilter(texts: readonly string[]): RecordFilter | undefined {
  const filter = parseFilter(texts);
  if (filter === undefined) return undefined;
  return new BlockMatcher(filter);
}
