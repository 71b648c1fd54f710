/** What a node of a cluster serves itself while it does not lead: reads that follow, and what it measures of these. */

import { TailraceError } from '../../model/error.ts';
import type { RecordDeps } from '../context.ts';
import { refuseS2 } from '../errors.ts';
import type { HttpRequest } from '../exchange.ts';
import { asksOwnMetrics } from '../node-requests.ts';
import type { PortRoutes, RouteGroup } from '../router.ts';
import { readModeOf } from '../s2/call.ts';
import { type OperatorDeps, operatorRoutes } from './operator.ts';
import { recordRoutes } from './records.ts';

export function readerPortRoutes(deps: RecordDeps & OperatorDeps): PortRoutes {
  const group: Omit<RouteGroup, 'routes'> = {
    protocol: 'http',
    refuse: (exchange, error) => refuseS2(exchange, error, deps.replyContext),
  };
  const routes = [...operatorRoutes(deps), ...recordRoutes(deps)].filter(({ method }) => method === 'GET');
  return {
    groups: [{ ...group, routes }],
    unrouted: { ...group, routes: [] },
    wrongPath: () => new TailraceError('not_found', 'no such path'),
  };
}

const READS = /^\/v1\/(?:streams\/[^/?]+\/)?records(?:\?|$)/;

/** Whether a request is for these routes. A read that ends at the tail is not: it must be exact. */
export function isForReaderPort({ method, url = '', headers }: HttpRequest): boolean {
  if (method !== 'GET') return false;
  return asksOwnMetrics(url) || (READS.test(url) && readModeOf(headers) !== 'unary');
}
