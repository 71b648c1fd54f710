/** Ways into the web page: logins that a link carries, the sessions that they begin, and the address that people type. */

import { z } from 'zod';
import type { Principal } from '../../access/grant.ts';
import { EXCHANGE_BODY_BYTES_MAX } from '../../model/limits.ts';
import { readJson, shaped } from '../body/json-body.ts';
import { type ControlRouteDeps, identify } from '../context.ts';
import { announcesBody, type Exchange } from '../exchange.ts';
import { NO_STORE, reply, replyJson } from '../reply.ts';
import type { Route } from '../router.ts';

const PATH = '/v1/logins';

/** Strict: what a login is for cannot be narrowed yet, and whoever tries should know. */
export const request = z.strictObject({});
export const exchanged = z.object({ login: z.string() });

export function loginRoutes(deps: ControlRouteDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: PATH,
      call: 'issue-login',
      action: 'issue-login',
      handle: (exchange) => issueLogin(exchange, deps),
    },
    {
      method: 'POST',
      path: `${PATH}/exchange`,
      call: 'exchange-login',
      action: 'exchange-login',
      isOpen: true,
      handle: (exchange) => exchangeLogin(exchange, deps),
    },
    {
      method: 'DELETE',
      path: `${PATH}/current`,
      call: 'end-session',
      action: 'end-session',
      handle: (exchange) => endSession(exchange, deps),
    },
    {
      method: 'GET',
      path: '/dashboard',
      call: 'dashboard',
      query: 'any',
      action: 'page',
      isOpen: true,
      handle: (exchange) => redirectToPage(exchange, deps),
    },
  ];
}

/** What `GET /v1/whoami` says of the session of a caller who has one. */
export function sessionJson({ session }: Principal): Record<string, unknown> {
  return session === undefined ? {} : { session: true, session_expires_at: timeText(session.expiresAt) };
}

/** Any caller may have the page act as them: that gives no more than their token does. */
async function issueLogin(exchange: Exchange, deps: ControlRouteDeps): Promise<void> {
  const principal = identify(exchange, deps);
  if (announcesBody(exchange)) shaped(request, await readJson(exchange, deps));
  const { secret, expiresAt } = deps.access.issueLogin(principal);
  replyJson(exchange, 201, { login: secret, expires_at: timeText(expiresAt) }, deps, NO_STORE);
}

/** The login is in the body: the caller needs no token. */
async function exchangeLogin(exchange: Exchange, deps: ControlRouteDeps): Promise<void> {
  const { login } = shaped(exchanged, await readJson(exchange, deps, EXCHANGE_BODY_BYTES_MAX));
  const { secret, expiresAt } = deps.access.signIn(login, exchange.auditContext);
  replyJson(exchange, 200, { access_token: secret, expires_at: timeText(expiresAt) }, deps, NO_STORE);
}

function endSession(exchange: Exchange, deps: ControlRouteDeps): void {
  deps.access.signOut(identify(exchange, deps));
  reply(exchange, { status: 204, contentType: 'application/json', body: '' }, deps.replyContext);
}

/** The page reads its own address from the fragment, which browsers keep over a redirect. */
function redirectToPage(exchange: Exchange, { replyContext }: ControlRouteDeps): void {
  reply(exchange, { status: 302, body: '', headers: ['Location', '/'] }, replyContext);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
