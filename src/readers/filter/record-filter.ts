/** The filter of a read, ready to be asked: see README.md. */

import { inTurns } from '../../encoding/turns.ts';
import type { RecordFilter } from '../../log/read.ts';
import { BlockMatcher } from '../../otlp/match/block-matcher.ts';
import { parseFilter } from './parse-filter.ts';

/**
 * The filter that is written in some texts, which are joined; undefined for none. Large blocks are looked at in turns of
 * the event loop.
 * @throws TailraceError `bad_query` that says where a text is wrong, and what was expected
 */
export function recordFilter(texts: readonly string[]): RecordFilter | undefined {
  const filter = parseFilter(texts);
  if (filter === undefined) return undefined;
  const matcher = new BlockMatcher(filter);
  return { runs: (block, from, to) => inTurns(matcher.runs(block, from, to)) };
}
