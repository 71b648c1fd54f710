/** Every route of the HTTP protocol: the table that requests are found in, and that the authorization matrix is made from. */

import type { HttpDeps } from '../context.ts';
import type { Route } from '../router.ts';
import { accessTokenRoutes } from './access-tokens.ts';
import { backupRoutes } from './backup.ts';
import { basinRoutes } from './basins.ts';
import { clockRoutes } from './clock.ts';
import { healthRoutes } from './health.ts';
import { locationRoutes } from './locations.ts';
import { metricsRoutes } from './metrics.ts';
import { otlpRoutes } from './otlp.ts';
import { prometheusRoutes } from './prometheus.ts';
import { recordRoutes } from './records.ts';
import { streamRoutes } from './streams.ts';
import { ticketRoutes } from './tickets.ts';
import { exchangeRoutes } from './token-exchange.ts';

export function allRoutes(deps: HttpDeps): readonly Route[] {
  return [
    ...otlpRoutes(deps),
    ...healthRoutes(deps),
    ...backupRoutes(deps),
    ...basinRoutes(deps),
    ...clockRoutes(deps),
    ...recordRoutes(deps),
    ...accessTokenRoutes(deps),
    ...exchangeRoutes(deps),
    ...locationRoutes(deps),
    ...streamRoutes(deps),
    ...metricsRoutes(deps),
    ...prometheusRoutes(deps),
    ...ticketRoutes(deps),
  ];
}
