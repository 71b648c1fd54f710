/** Lists of streams as their caller may see them (S2 API §7.2, §7.4): within the token's scope, without its prefix. */

import type { Principal } from '../../access/grant.ts';
import type { Basin } from '../../log/basins.ts';
import type { Log } from '../../log/log.ts';
import type { StreamInfo } from '../../log/streams.ts';
import type { Page } from './page-query.ts';

interface SeenStreams {
  readonly streams: readonly StreamInfo[];
  readonly hasMore: boolean;
}

const NONE: SeenStreams = { streams: [], hasMore: false };

/** A page of the streams that a caller may see; names are the ones that they are kept under. */
export async function streamsSeenBy(principal: Principal, basin: Basin, page: Page, log: Log): Promise<SeenStreams> {
  const prefix = principal.absolute(page.prefix);
  const startAfter = page.startAfter === '' ? '' : principal.absolute(page.startAfter);
  const wanted = { prefix, startAfter, limit: page.limit };
  const { token } = principal;
  if (token === undefined) return log.listStreams(basin, wanted);
  const { streams: scope } = token.scope;
  if (scope === undefined) return NONE;
  if ('prefix' in scope) {
    // Of two prefixes that hold the same names, one begins with the other: the longer one holds what both do.
    if (scope.prefix.startsWith(prefix)) return log.listStreams(basin, { ...wanted, prefix: scope.prefix });
    return prefix.startsWith(scope.prefix) ? log.listStreams(basin, wanted) : NONE;
  }
  if (scope.exact === '' || !scope.exact.startsWith(prefix)) return NONE;
  // Of all names with it as their prefix, a name comes first itself.
  const { streams } = await log.listStreams(basin, { prefix: scope.exact, startAfter, limit: 1 });
  return { streams: streams.filter(({ name }) => name === scope.exact), hasMore: false };
}
