/**
 * Exchanges an access token for a short-lived one, for senders whose credentials should not last; and rotates, for the
 * root token, the key that signs them.
 */

import { z } from 'zod';
import type { TokenExchange } from '../../access/tokens/token-exchange.ts';
import { TailraceError } from '../../model/error.ts';
import { EXCHANGE_BODY_BYTES_MAX } from '../../model/limits.ts';
import { readJson, shaped } from '../body/json-body.ts';
import { authorize, type ControlRouteDeps } from '../context.ts';
import { announcesBody, type Exchange } from '../exchange.ts';
import { NO_STORE, replyJson } from '../reply.ts';
import type { Route } from '../router.ts';

export const request = z.object({ credential: z.string() });

/** Strict: with a mistyped field, keys would stay valid that should be void. */
export const rotation = z.strictObject({ void_old: z.boolean().optional() });

export function exchangeRoutes(deps: ControlRouteDeps): readonly Route[] {
  const path = '/v1/ingest-token';
  return [
    {
      method: 'POST',
      path: `${path}/exchange`,
      call: 'exchange-token',
      action: 'exchange-token',
      isOpen: true,
      handle: (exchange) => exchangeToken(exchange, deps),
    },
    {
      method: 'POST',
      path: `${path}/keys/rotate`,
      call: 'rotate-signing-key',
      action: 'rotate-signing-key',
      handle: (exchange) => rotateKey(exchange, deps),
    },
  ];
}

/** The token to exchange is in the body: the caller needs no other one. */
async function exchangeToken(exchange: Exchange, deps: ControlRouteDeps): Promise<void> {
  const { credential } = shaped(request, await readJson(exchange, deps, EXCHANGE_BODY_BYTES_MAX));
  const tokens = exchangeOf(deps);
  const principal = deps.access.identify(credential);
  exchange.auditContext.caller = principal;
  const { jwt, projectId, expiresAt } = await tokens.exchange(principal);
  // In whole seconds, as the JWT has it.
  const exchanged = { token: jwt, projectId, expiresAt: new Date(expiresAt).toISOString().replace('.000Z', 'Z') };
  replyJson(exchange, 200, exchanged, deps, NO_STORE);
}

/** Replies when the new key is durable: from then on it signs, and with `void_old` no other key is valid. */
async function rotateKey(exchange: Exchange, deps: ControlRouteDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'maintain' });
  const body = announcesBody(exchange) ? await readJson(exchange, deps) : {};
  const { void_old: voidOld = false } = shaped(rotation, body);
  const { keys } = exchangeOf(deps);
  const { id, createdAt } = await keys.rotate({ voidOld });
  const verifying = keys.verifying().map(({ id: kid, until }) => ({ kid, until: timeText(until) }));
  replyJson(exchange, 200, { kid: id, created_at: timeText(createdAt), verifying }, deps);
}

function timeText(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** @throws TailraceError `invalid` where callers need no token */
function exchangeOf({ access }: ControlRouteDeps): TokenExchange {
  if (access.exchange !== undefined) return access.exchange;
  throw new TailraceError('invalid', 'this server runs without authentication (--no-auth): send without a token');
}
