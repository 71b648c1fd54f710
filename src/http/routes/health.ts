/** Whether the server lives and whether it takes work: for load balancers and supervisors, without a token. */

import type { HttpDeps } from '../context.ts';
import { refuseS2 } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { reply } from '../reply.ts';
import type { Route } from '../router.ts';

const TEXT = 'text/plain; charset=utf-8';

/** `/health` (and `/ping`) is 503 when only a restart helps; `/readyz` when requests should go elsewhere. */
export function healthRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Route['refuse'] = (exchange, error) => refuseS2(exchange, error, deps.replyContext);
  const health = (exchange: Exchange): Promise<void> => answerHealth(exchange, deps);
  const ready = (exchange: Exchange): Promise<void> => answerReady(exchange, deps);
  return [
    { method: 'GET', path: '/health', action: 'health', handle: health, refuse },
    { method: 'GET', path: '/ping', action: 'health', handle: health, refuse },
    { method: 'GET', path: '/readyz', action: 'health', handle: ready, refuse },
  ];
}

async function answerHealth(exchange: Exchange, deps: HttpDeps): Promise<void> {
  const { state } = (await deps.log.stat()).engine;
  const broken = state === 'read_only' || state === 'closed';
  const body = broken ? 'the store failed and takes no writes until a restart' : 'OK';
  reply(exchange, { status: broken ? 503 : 200, contentType: TEXT, body }, deps.replyContext);
}

async function answerReady(exchange: Exchange, deps: HttpDeps): Promise<void> {
  const { state } = (await deps.log.stat()).engine;
  const ready = !deps.replyContext.closing() && state !== 'closed';
  const body = JSON.stringify({ status: ready ? 'ready' : 'draining', writes: state === 'open' ? 'ok' : state });
  reply(exchange, { status: ready ? 200 : 503, contentType: 'application/json', body }, deps.replyContext);
}
