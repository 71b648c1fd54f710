/** Ends what reads a basin, of one stream and of many, when the basin is here no more. */

import type { TailraceError } from '../../model/error.ts';
import type { Basin } from '../basins.ts';
import type { Feeds } from '../many/feeds.ts';
import type { StreamTable } from '../streams.ts';

/** They get what came before, where that is in memory; a reader that scans the store looks at the place of its stream. */
export function endReaders(
  basin: Basin,
  { streams, feeds }: { readonly streams: StreamTable; readonly feeds: Feeds },
  error: TailraceError,
): void {
  for (const stream of streams.forgetBasin(basin)) {
    for (const follower of stream.followers) follower.end(error);
  }
  feeds.end(basin.name, error);
}
