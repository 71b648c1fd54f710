/** Every route of the HTTP port, in groups: the router and the tests of access are made from this table. */

import type { RecordDeps } from '../context.ts';
import { refuseS2 } from '../errors.ts';
import type { PortRoutes, RouteGroup } from '../router.ts';
import { type AccessTokenDeps, accessTokenRoutes } from './access-tokens.ts';
import { type AuditRouteDeps, auditRoutes } from './audit.ts';
import { type BackupDeps, backupRoutes } from './backup.ts';
import { type BasinDeps, basinRoutes } from './basins.ts';
import { type ClusterRouteDeps, clusterRoutes } from './cluster.ts';
import { descriptionRoutes } from './descriptions.ts';
import { locationRoutes } from './locations.ts';
import { loginRoutes } from './logins.ts';
import { type OperatorDeps, operatorRoutes } from './operator.ts';
import { type OtlpRouteDeps, otlpRoutes } from './otlp.ts';
import { pageRoutes } from './page.ts';
import { readerRoutes } from './readers.ts';
import { recordRoutes } from './records.ts';
import { type SendersDeps, senderRoutes } from './senders.ts';
import { type StreamDeps, streamRoutes } from './streams.ts';
import { type TicketRouteDeps, ticketRoutes } from './tickets.ts';
import { exchangeRoutes } from './token-exchange.ts';
import { unrouted, wrongPath } from './unrouted.ts';
import { type UsageRouteDeps, usageRoutes } from './usage.ts';

/** What the routes need, all together. Each file in this folder names its own part. */
export type RouteDeps = OtlpRouteDeps & S2Deps;

type S2Deps = AccessTokenDeps &
  AuditRouteDeps &
  BackupDeps &
  BasinDeps &
  ClusterRouteDeps &
  OperatorDeps &
  RecordDeps &
  SendersDeps &
  StreamDeps &
  TicketRouteDeps &
  UsageRouteDeps;

/** What the HTTP port serves. */
export function httpPortRoutes(deps: RouteDeps): PortRoutes {
  return { groups: allRoutes(deps), unrouted: unrouted(deps), wrongPath: (exchange) => wrongPath(exchange, deps) };
}

export function allRoutes(deps: RouteDeps): readonly RouteGroup[] {
  return [...otlpRoutes(deps), s2Routes(deps)];
}

/** S2's routes, and ours that reply as S2's do. */
function s2Routes(deps: S2Deps): RouteGroup {
  return {
    protocol: 'http',
    refuse: (exchange, error) => refuseS2(exchange, error, deps.replyContext),
    routes: [
      ...pageRoutes(deps),
      ...descriptionRoutes(deps),
      ...operatorRoutes(deps),
      ...backupRoutes(deps),
      ...auditRoutes(deps),
      ...clusterRoutes(deps),
      ...basinRoutes(deps),
      ...recordRoutes(deps),
      ...readerRoutes(deps),
      ...accessTokenRoutes(deps),
      ...exchangeRoutes(deps),
      ...locationRoutes(deps),
      ...streamRoutes(deps),
      ...usageRoutes(deps),
      ...senderRoutes(deps),
      ...ticketRoutes(deps),
      ...loginRoutes(deps),
    ],
  };
}
