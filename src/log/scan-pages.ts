/** Reads a key range page by page. No snapshot of the store stays open between pages. */

import type { Engine, Entry } from '../storage/engine.ts';
import type { KeyRange } from '../storage/keys.ts';

const PAGE = 1_000;

/**
 * Yields the entries of a range in pages that are never empty. `valueBytesMax` cuts values, for callers that need only
 * keys.
 */
export async function* scanPages(
  engine: Engine,
  range: KeyRange,
  options: { readonly limit?: number; readonly valueBytesMax?: number } = {},
): AsyncGenerator<readonly Entry[]> {
  const { limit = PAGE } = options;
  for (let { from } = range; ; ) {
    const page = await engine.scan({ ...options, from, to: range.to, limit });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    if (page.length < limit) return;
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
