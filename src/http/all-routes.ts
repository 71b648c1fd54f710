/** Every route of the HTTP door: the table that requests are found in, and that the authorization matrix is made from. */

import type { HttpDeps } from './door.ts';
import type { Route } from './router.ts';
import { accessTokenRoutes } from './routes/access-tokens.ts';
import { backupRoutes } from './routes/backup.ts';
import { basinRoutes } from './routes/basins.ts';
import { clockRoutes } from './routes/clock.ts';
import { exchangeRoutes } from './routes/exchange.ts';
import { healthRoutes } from './routes/health.ts';
import { locationRoutes } from './routes/locations.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { otlpRoutes } from './routes/otlp.ts';
import { prometheusRoutes } from './routes/prometheus.ts';
import { recordRoutes } from './routes/records.ts';
import { streamRoutes } from './routes/streams.ts';
import { ticketRoutes } from './routes/tickets.ts';

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
