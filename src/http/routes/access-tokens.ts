/** Access tokens: issue, list, look at, revoke, rotate (S2 API §7), and who the caller is. */

import type { Principal, Token } from '../../access/grant.ts';
import { holdsAllOf } from '../../access/tokens/issue.ts';
import type { TokenTable } from '../../access/tokens/token-table.ts';
import { TailraceError } from '../../model/error.ts';
import { tokenIdFault } from '../../model/names.ts';
import { parseTokenRequest, tokenInfoJson } from '../../s2/token-json.ts';
import { answerJson, readJson } from '../body/json-body.ts';
import { authorize, type HttpDeps, identify } from '../context.ts';
import { refuseS2 } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { reply } from '../reply.ts';
import { decodeSegment, type Route } from '../router.ts';
import { pageOf } from '../s2/page-query.ts';

const PATH = '/v1/access-tokens/{id}';

export function accessTokenRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Route['refuse'] = (exchange, error) => refuseS2(exchange, error, deps.replyContext);
  const on =
    (call: (exchange: Exchange, id: string, deps: HttpDeps) => void | Promise<void>): Route['handle'] =>
    (exchange, [segment = '']) =>
      call(exchange, idInPath(segment), deps);
  return [
    {
      method: 'GET',
      path: '/v1/access-tokens',
      action: 'list-access-tokens',
      handle: (exchange) => listTokens(exchange, deps),
      refuse,
    },
    {
      method: 'POST',
      path: '/v1/access-tokens',
      action: 'issue-access-token',
      handle: (exchange) => issueToken(exchange, deps),
      refuse,
    },
    { method: 'GET', path: PATH, action: 'list-access-tokens', handle: on(getToken), refuse },
    { method: 'DELETE', path: PATH, action: 'revoke-access-token', handle: on(revokeToken), refuse },
    { method: 'POST', path: `${PATH}/rotate`, action: 'rotate-access-token', handle: on(rotateToken), refuse },
    { method: 'GET', path: '/v1/whoami', action: 'whoami', handle: (exchange) => whoami(exchange, deps), refuse },
  ];
}

function listTokens(exchange: Exchange, deps: HttpDeps): void {
  const principal = authorize(exchange, deps, { operation: 'list-access-tokens' });
  const { prefix, startAfter, limit } = pageOf(exchange.query, 'token');
  const { tokens, hasMore } = tableOf(deps).list(principal, prefix, startAfter, limit);
  answerJson(exchange, 200, { access_tokens: tokens.map(tokenInfoJson), has_more: hasMore }, deps);
}

async function issueToken(exchange: Exchange, deps: HttpDeps): Promise<void> {
  // Who is asking comes first: a stranger learns nothing about what is wrong with the body.
  const principal = identify(exchange, deps);
  const request = parseTokenRequest(await readJson(exchange, deps));
  authorize(exchange, deps, { operation: 'issue-access-token', tokenId: request.id });
  const { secret } = await tableOf(deps).issue(principal, request);
  answerJson(exchange, 201, { access_token: secret }, deps, NO_STORE);
}

function getToken(exchange: Exchange, id: string, deps: HttpDeps): void {
  authorize(exchange, deps, { operation: 'list-access-tokens', tokenId: id });
  answerJson(exchange, 200, tokenInfoJson(tableOf(deps).get(id)), deps);
}

async function revokeToken(exchange: Exchange, id: string, deps: HttpDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'revoke-access-token', tokenId: id });
  await tableOf(deps).revoke(id);
  reply(exchange, { status: 204, contentType: 'application/json', body: '' }, deps.replyContext);
}

async function rotateToken(exchange: Exchange, id: string, deps: HttpDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'issue-access-token', tokenId: id });
  const principal = authorize(exchange, deps, { operation: 'revoke-access-token', tokenId: id });
  const mayHave = (target: Token): boolean => holdsAllOf(principal, target);
  const { secret } = await tableOf(deps).rotate(principal, id, mayHave);
  answerJson(exchange, 200, { access_token: secret }, deps, NO_STORE);
}

/** What the caller's token is, for those who wonder why something is refused (users.md 18). */
function whoami(exchange: Exchange, deps: HttpDeps): void {
  const principal = identify(exchange, deps);
  answerJson(exchange, 200, whoamiJson(principal), deps);
}

function whoamiJson({ id, token }: Principal): Record<string, unknown> {
  return token === undefined ? { id, root: true } : { ...tokenInfoJson(token), root: false };
}

/** An answer with a secret is nobody's to keep. */
const NO_STORE = ['Cache-Control', 'no-store'];

function idInPath(segment: string): string {
  const id = decodeSegment(segment);
  const fault = tokenIdFault(id);
  if (fault !== undefined) throw new TailraceError('bad_path', fault);
  return id;
}

/** @throws TailraceError `invalid` where nobody is asked for a token: a new one would change nothing */
function tableOf({ access }: HttpDeps): TokenTable {
  if (access.tokens !== undefined) return access.tokens;
  throw new TailraceError('invalid', 'this server runs without authentication (--no-auth): it has no access tokens');
}
