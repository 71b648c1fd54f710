/** `POST /v1/clock/confirm`: an operator says that the clock of the machine is right; our own route, for the root token. */

import { answerJson } from '../body/json-body.ts';
import { authorize, type HttpDeps } from '../context.ts';
import { refuseS2 } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Route } from '../router.ts';

export function clockRoutes(deps: HttpDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/clock/confirm',
      action: 'confirm-clock',
      handle: (exchange) => confirm(exchange, deps),
      refuse: (exchange, error) => refuseS2(exchange, error, deps.replyContext),
    },
  ];
}

/** Answers what the clock says, and whether expiry had waited for it. */
function confirm(exchange: Exchange, deps: HttpDeps): void {
  authorize(exchange, deps, { operation: 'maintain' });
  const wasPaused = deps.log.confirmClock();
  answerJson(exchange, 200, { clock: new Date(deps.clock.now()).toISOString(), was_paused: wasPaused }, deps);
}
