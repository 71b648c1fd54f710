/** Access tokens: issue, list, get, revoke, rotate, and who the caller is. */

import { onlyBasin, type Principal, type Token } from '../../access/grant.ts';
import { holdsAllOf } from '../../access/tokens/issue.ts';
import type { TokenTable } from '../../access/tokens/token-table.ts';
import { TailraceError } from '../../model/error.ts';
import { LISTED_TOKENS_BYTES_MAX } from '../../model/limits.ts';
import { tokenIdFault } from '../../model/names.ts';
import { effectiveOperations } from '../../model/scope.ts';
import { VERSION } from '../../model/version.ts';
import { parseTokenRequest, tokenInfoJson } from '../../s2/token-json.ts';
import { readJson } from '../body/json-body.ts';
import { authorize, type ControlRouteDeps, identify } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { NO_STORE, reply, replyJson } from '../reply.ts';
import { handlersOf, nameInPath, type Route } from '../router.ts';
import { PAGE_PARAMETERS, pageOf, turnForPage } from '../s2/page-query.ts';
import { sessionJson } from './logins.ts';

const PATH = '/v1/access-tokens/{id}';

export interface AccessTokenDeps extends ControlRouteDeps {
  readonly defaultBasin: string;
}

export function accessTokenRoutes(deps: AccessTokenDeps): readonly Route[] {
  const on = handlersOf((segment) => nameInPath(segment, tokenIdFault), deps);
  return [
    {
      method: 'GET',
      path: '/v1/access-tokens',
      call: 'list-access-tokens',
      query: PAGE_PARAMETERS,
      action: 'list-access-tokens',
      handle: (exchange) => listTokens(exchange, deps),
    },
    {
      method: 'POST',
      path: '/v1/access-tokens',
      call: 'issue-access-token',
      action: 'issue-access-token',
      handle: (exchange) => issueToken(exchange, deps),
    },
    { method: 'GET', path: PATH, call: 'get-access-token', action: 'list-access-tokens', handle: on(getToken) },
    {
      method: 'DELETE',
      path: PATH,
      call: 'revoke-access-token',
      action: 'revoke-access-token',
      handle: on(revokeToken),
    },
    {
      method: 'POST',
      path: `${PATH}/rotate`,
      call: 'rotate-access-token',
      action: 'rotate-access-token',
      handle: on(rotateToken),
    },
    {
      method: 'GET',
      path: '/v1/whoami',
      call: 'whoami',
      action: 'whoami',
      handle: (exchange) => whoami(exchange, deps),
    },
  ];
}

async function listTokens(exchange: Exchange, deps: ControlRouteDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'list-access-tokens' });
  const page = pageOf(exchange.query, 'token');
  await turnForPage(exchange, page, deps);
  const { prefix, startAfter, limit } = page;
  const table = tableOf(deps);
  const { tokens, hasMore } = table.list(principal, prefix, startAfter, limit);
  const rows = firstRows(tokens, table);
  replyJsonText(
    exchange,
    `{"access_tokens":[${rows.join()}],"has_more":${hasMore || rows.length < tokens.length}}`,
    deps,
  );
}

/** As JSON, one at least. */
function firstRows(tokens: readonly Token[], table: TokenTable): readonly string[] {
  const rows: string[] = [];
  let bytes = 0;
  for (const token of tokens) {
    const row = JSON.stringify(tokenInfoJson(token, table.lastUse(token)));
    bytes += Buffer.byteLength(row);
    if (rows.length > 0 && bytes > LISTED_TOKENS_BYTES_MAX) break;
    rows.push(row);
  }
  return rows;
}

function replyJsonText(exchange: Exchange, body: string, { replyContext }: ControlRouteDeps): void {
  reply(exchange, { status: 200, contentType: 'application/json', body }, replyContext);
}

async function issueToken(exchange: Exchange, deps: ControlRouteDeps): Promise<void> {
  // Identified first: a stranger learns nothing about what is wrong with the body.
  const principal = identify(exchange, deps);
  const request = parseTokenRequest(await readJson(exchange, deps));
  authorize(exchange, deps, { operation: 'issue-access-token', tokenId: request.id });
  const { secret } = await tableOf(deps).issue(principal, request);
  replyJson(exchange, 201, { access_token: secret }, deps, NO_STORE);
}

function getToken(exchange: Exchange, id: string, deps: ControlRouteDeps): void {
  authorize(exchange, deps, { operation: 'list-access-tokens', tokenId: id });
  const table = tableOf(deps);
  const token = table.get(id);
  replyJson(exchange, 200, tokenInfoJson(token, table.lastUse(token)), deps);
}

async function revokeToken(exchange: Exchange, id: string, deps: ControlRouteDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'revoke-access-token', tokenId: id });
  await tableOf(deps).revoke(id);
  reply(exchange, { status: 204, contentType: 'application/json', body: '' }, deps.replyContext);
}

async function rotateToken(exchange: Exchange, id: string, deps: ControlRouteDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'issue-access-token', tokenId: id });
  const principal = authorize(exchange, deps, { operation: 'revoke-access-token', tokenId: id });
  const mayHave = (target: Token): boolean => holdsAllOf(principal, target);
  const { secret } = await tableOf(deps).rotate(principal, id, mayHave);
  replyJson(exchange, 200, { access_token: secret }, deps, NO_STORE);
}

/** What the caller's token is: helps to find out why something is refused. */
function whoami(exchange: Exchange, deps: AccessTokenDeps): void {
  const principal = identify(exchange, deps);
  const who = { ...whoamiJson(principal, deps), ...sessionJson(principal) };
  const json = { ...who, ...basinsOf(principal, deps), server_version: VERSION };
  replyJson(exchange, 200, json, deps);
}

/** The default basin of the server, and the basin of requests of this caller that name none. */
function basinsOf(principal: Principal, { defaultBasin }: AccessTokenDeps): Record<string, string> {
  return { default_basin: defaultBasin, basin: onlyBasin(principal) ?? defaultBasin };
}

function whoamiJson({ id, token }: Principal, { access }: AccessTokenDeps): Record<string, unknown> {
  if (token === undefined) return { id, root: true };
  return {
    ...tokenInfoJson(token, access.tokens?.lastUse(token)),
    operations: [...effectiveOperations(token.scope)],
    root: false,
  };
}

/** @throws TailraceError `invalid` where callers need no token: a new one would change nothing */
function tableOf({ access }: ControlRouteDeps): TokenTable {
  if (access.tokens !== undefined) return access.tokens;
  throw new TailraceError('invalid', 'this server runs without authentication (--no-auth): it has no access tokens');
}
