/** What Prometheus scrapes. It tells more than a passer-by should know, so it asks for the token like other doors. */

import { authorizeUncounted, type HttpDeps } from '../context.ts';
import { refuseS2 } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { reply } from '../reply.ts';
import type { Route } from '../router.ts';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** `GET /metrics`; `/v1/metrics` is the usage metrics of S2. */
export function prometheusRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Route['refuse'] = (exchange, error) => refuseS2(exchange, error, deps.replyContext);
  return [
    {
      method: 'GET',
      path: '/metrics',
      action: 'account-metrics',
      handle: (exchange) => scrape(exchange, deps),
      refuse,
    },
  ];
}

/** A scrape every few seconds is no use of the account, and is not counted. */
async function scrape(exchange: Exchange, deps: HttpDeps): Promise<void> {
  authorizeUncounted(exchange, deps, { operation: 'account-metrics' });
  const body = await deps.metrics.text();
  reply(exchange, { status: 200, contentType: CONTENT_TYPE, body }, deps.replyContext);
}
