/** Every route of the HTTP server, by family: the table that requests are found in, and that the access matrix is made from. */

import type { RecordDeps } from '../context.ts';
import { refuseS2 } from '../errors.ts';
import type { RouteGroup } from '../router.ts';
import { accessTokenRoutes, type TokenDeps } from './access-tokens.ts';
import { type BackupDeps, backupRoutes } from './backup.ts';
import { type BasinDeps, basinRoutes } from './basins.ts';
import { type LocationDeps, locationRoutes } from './locations.ts';
import { type OperatorDeps, operatorRoutes } from './operator.ts';
import { type OtlpDeps, otlpRoutes } from './otlp.ts';
import { recordRoutes } from './records.ts';
import { type StreamDeps, streamRoutes } from './streams.ts';
import { type TicketDeps, ticketRoutes } from './tickets.ts';
import { type ExchangeDeps, exchangeRoutes } from './token-exchange.ts';
import { type UsageDeps, usageRoutes } from './usage.ts';

/** What the routes need, all together. Each file in this folder names its own part. */
export type RouteDeps = OtlpDeps & S2Deps;

type S2Deps = BackupDeps &
  BasinDeps &
  ExchangeDeps &
  LocationDeps &
  OperatorDeps &
  RecordDeps &
  StreamDeps &
  TicketDeps &
  TokenDeps &
  UsageDeps;

export function allRoutes(deps: RouteDeps): readonly RouteGroup[] {
  return [...otlpRoutes(deps), s2Routes(deps)];
}

/** S2's routes, and ours that reply as S2's do. */
function s2Routes(deps: S2Deps): RouteGroup {
  return {
    protocol: 'http',
    refuse: (exchange, error) => refuseS2(exchange, error, deps.replyContext),
    routes: [
      ...operatorRoutes(deps),
      ...backupRoutes(deps),
      ...basinRoutes(deps),
      ...recordRoutes(deps),
      ...accessTokenRoutes(deps),
      ...exchangeRoutes(deps),
      ...locationRoutes(deps),
      ...streamRoutes(deps),
      ...usageRoutes(deps),
      ...ticketRoutes(deps),
    ],
  };
}
