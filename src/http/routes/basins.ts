/** The list of basins (S2 API §3.2, §3.3). */

import { authorize, type HttpDeps } from '../door.ts';
import type { Exchange } from '../exchange.ts';
import { pageOf } from '../page-query.ts';
import { refuseS2 } from '../refuse.ts';
import { reply } from '../reply.ts';
import type { Route } from '../router.ts';

export function basinRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Route['refuse'] = (exchange, error) => refuseS2(exchange, error, deps.room);
  return [{ method: 'GET', path: '/v1/basins', handle: (exchange) => listBasins(exchange, deps), refuse }];
}

function listBasins(exchange: Exchange, deps: HttpDeps): void {
  authorize(exchange, deps, { operation: 'list-basins' });
  const { prefix, startAfter, limit } = pageOf(exchange.query, 'basin');
  const found = [...deps.log.listBasins()]
    .filter(({ name }) => name.startsWith(prefix) && name > startAfter)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const basins = found.slice(0, limit).map(({ name, createdAt }) => ({
    name,
    location: null,
    created_at: new Date(createdAt).toISOString(),
    deleted_at: null,
    state: 'active',
  }));
  const body = JSON.stringify({ basins, has_more: found.length > limit });
  reply(exchange, { status: 200, contentType: 'application/json', body }, deps.room);
}
