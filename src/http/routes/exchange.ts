/** An access token for a short-lived one (access.md, Exchange): for senders whose credentials should not last. */

import { z } from 'zod';
import type { TokenExchange } from '../../access/exchange.ts';
import { TailraceError } from '../../model/error.ts';
import type { HttpDeps } from '../door.ts';
import type { Exchange } from '../exchange.ts';
import { answerJson, readJson, shaped } from '../json-body.ts';
import { refuseS2 } from '../refuse.ts';
import type { Route } from '../router.ts';

const request = z.object({ credential: z.string() });

export function exchangeRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Route['refuse'] = (exchange, error) => refuseS2(exchange, error, deps.room);
  const path = '/v1/ingest-token/exchange';
  return [{ method: 'POST', path, handle: (exchange) => exchangeToken(exchange, deps), refuse }];
}

/** What is exchanged stands in the body: the caller needs no other token. */
async function exchangeToken(exchange: Exchange, deps: HttpDeps): Promise<void> {
  const { credential } = shaped(request, await readJson(exchange, deps));
  const tokens = exchangeOf(deps);
  const { jwt, projectId, expiresAt } = await tokens.exchange(deps.access.identify(credential));
  const answer = { token: jwt, projectId, expiresAt: new Date(expiresAt).toISOString() };
  answerJson(exchange, 200, answer, deps, ['Cache-Control', 'no-store']);
}

/** @throws TailraceError `invalid` where nobody is asked for a token */
function exchangeOf({ access }: HttpDeps): TokenExchange {
  if (access.exchange !== undefined) return access.exchange;
  throw new TailraceError('invalid', 'this server runs without authentication (--no-auth): send without a token');
}
