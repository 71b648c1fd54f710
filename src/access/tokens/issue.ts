/**
 * What a token may be issued with: nothing that its issuer does not hold. Whatever binds the issuer binds the new token
 * too; a request may add to that, never take away.
 */

import { TailraceError } from '../../model/error.ts';
import { nanosecondsOf } from '../../model/instant.ts';
import { effectiveOperations, isWithin, type Scope } from '../../model/scope.ts';
import type { TokenLimits, TokenRequest } from '../../model/token-request.ts';
import { OUTSIDE_ID_PREFIX, type Principal, type Token } from '../grant.ts';
import { BURST_SECONDS } from '../rates/ingest-rates.ts';
import { ROOT_TOKEN_ID, TOKEN_PREFIX } from './credential.ts';

/** What the server assigns to a token. */
export interface Identity {
  readonly number: number;
  readonly rotation: number;
  readonly createdAt: number;
}

/** @throws TailraceError `invalid`, `permission_denied` */
export function checkIssue(issuer: Principal, request: TokenRequest, now: number): void {
  const { id, scope, expiresAt } = request;
  if (id === ROOT_TOKEN_ID)
    throw invalid(`the access token id \`${ROOT_TOKEN_ID}\` is that of the root token: choose another`);
  if (id.startsWith(OUTSIDE_ID_PREFIX)) {
    throw invalid(
      `ids that begin with \`${OUTSIDE_ID_PREFIX}\` stand for senders of outside issuers: choose another one`,
    );
  }
  if (effectiveOperations(scope).size === 0) throw invalid('Access token permissions cannot be empty');
  if (request.autoPrefixStreams && (scope.streams === undefined || !('prefix' in scope.streams))) {
    throw invalid('Auto prefixing is only allowed for streams with prefix matching');
  }
  if (expiresAt !== undefined && expiresAt <= now) throw invalid('expires_at must lie in the future');
  if (!issuer.allows('issue-access-token', undefined, undefined, id)) {
    throw denied(`the token \`${issuer.id}\` may not issue an access token with the id \`${id}\``);
  }
  const { token } = issuer;
  if (token !== undefined) checkWithin(token, request);
  const stream = request.stream ?? token?.stream;
  // Names that the holder sends are prefixed, so the fixed stream must have the prefix too.
  const prefix = autoPrefixOf(issuer, request);
  if (stream !== undefined && (!stream.startsWith(prefix) || stream === prefix)) {
    throw invalid('the fixed stream of an auto-prefixed token must begin with its prefix, and be longer');
  }
}

/** Whether the holder may do everything that a token may: whoever rotates a token gets its rights. */
export function holdsAllOf({ token: holder }: Principal, target: Token): boolean {
  if (holder === undefined) return true;
  try {
    checkRights(holder, target.scope);
    checkExpiry(holder, target);
  } catch {
    return false;
  }
  return isBoundLike(holder, target);
}

/**
 * To trust an outside issuer is like issuing tokens: whoever has its key appends to every stream of the basin, for as
 * long as the basin trusts it, bound to nothing.
 * @throws TailraceError `permission_denied` for a caller who may not do all that, or not for ever
 */
export function checkTrust(holder: Principal, basin: string): void {
  const { token } = holder;
  if (token === undefined) return;
  const isBound =
    token.expiresAt !== undefined ||
    token.autoPrefix !== '' ||
    token.stream !== undefined ||
    token.resourceAttributes.size > 0 ||
    COUNTED.some((name) => token.limits[name] !== undefined);
  if (!isBound && holder.allows('append', basin) && isWithin({ prefix: '' }, token.scope.streams)) return;
  throw denied(
    `to let basin \`${basin}\` trust an issuer takes a token that may append to all its streams, never expires and is bound to nothing`,
  );
}

/** Whether everything that binds the holder binds the target too. */
function isBoundLike(holder: Token, target: Token): boolean {
  return (
    [...holder.resourceAttributes].every(([key, value]) => target.resourceAttributes.get(key) === value) &&
    (holder.stream === undefined || target.stream === holder.stream) &&
    COUNTED.every((name) => most(target.limits, name) <= most(holder.limits, name)) &&
    target.autoPrefix.startsWith(holder.autoPrefix)
  );
}

/** The token for a request that passed {@link checkIssue}. */
export function tokenFor(issuer: Principal, request: TokenRequest, identity: Identity): Token {
  const { token: parent } = issuer;
  const { id, scope, prefix } = request;
  return {
    ...identity,
    id,
    scope,
    expiresAt: request.expiresAt ?? parent?.expiresAt,
    expiresFraction: request.expiresAt === undefined ? parent?.expiresFraction : request.expiresFraction,
    autoPrefix: autoPrefixOf(issuer, request),
    stream: request.stream ?? parent?.stream,
    resourceAttributes: new Map([...request.resourceAttributes, ...(parent?.resourceAttributes ?? [])]),
    limits: {
      profile: request.limits.profile ?? parent?.limits.profile,
      spansPerMinute: request.limits.spansPerMinute ?? parent?.limits.spansPerMinute,
      ...byteLimits(request, parent),
    },
    prefix: prefix ?? parent?.prefix ?? TOKEN_PREFIX,
  };
}

function autoPrefixOf({ token }: Principal, { autoPrefixStreams, scope: { streams } }: TokenRequest): string {
  if (autoPrefixStreams && streams !== undefined && 'prefix' in streams) return streams.prefix;
  return token?.autoPrefix ?? '';
}

function checkWithin(issuer: Token, request: TokenRequest): void {
  const { scope, stream, resourceAttributes, limits } = request;
  checkRights(issuer, scope);
  if (request.expiresAt !== undefined) checkExpiry(issuer, request);
  checkBonds(issuer, { stream, resourceAttributes, limits });
}

function checkRights(issuer: Token, scope: Scope): void {
  const held = effectiveOperations(issuer.scope);
  for (const operation of effectiveOperations(scope)) {
    if (!held.has(operation))
      throw denied(`the token \`${issuer.id}\` does not hold the operation ${operation} itself`);
  }
  for (const [set, name] of [
    ['basins', 'basins'],
    ['streams', 'streams'],
    ['accessTokens', 'access_tokens'],
  ] as const) {
    if (!isWithin(scope[set], issuer.scope[set])) {
      throw denied(`the ${name} of the scope reach farther than those of the token \`${issuer.id}\``);
    }
  }
}

function checkExpiry(
  issuer: Token,
  { expiresAt, expiresFraction }: Pick<Token, 'expiresAt' | 'expiresFraction'>,
): void {
  if (issuer.expiresAt === undefined) return;
  const isSameMs = expiresAt === issuer.expiresAt;
  const isLaterByLess = isSameMs && nanosecondsOf(expiresFraction) > nanosecondsOf(issuer.expiresFraction);
  if (expiresAt === undefined || expiresAt > issuer.expiresAt || isLaterByLess) {
    throw denied(`the token \`${issuer.id}\` expires itself before that`);
  }
}

type Bonds = Pick<TokenRequest, 'stream' | 'resourceAttributes' | 'limits'>;

/** A request may repeat what the issuer is bound to, but not change it. */
function checkBonds(issuer: Token, { stream, resourceAttributes, limits }: Bonds): void {
  if (issuer.stream !== undefined && stream !== undefined && stream !== issuer.stream) {
    throw denied(`the token \`${issuer.id}\` is bound to another stream`);
  }
  for (const [key, value] of issuer.resourceAttributes) {
    const given = resourceAttributes.get(key);
    if (given !== undefined && given !== value) {
      throw denied(`the token \`${issuer.id}\` sets the resource attribute ${JSON.stringify(key)} to another value`);
    }
  }
  for (const name of COUNTED) {
    const bound = issuer.limits[name];
    if (bound !== undefined && (limits[name] ?? bound) > bound) {
      throw denied(`the token \`${issuer.id}\` is limited to ${bound} ${UNITS[name]}`);
    }
  }
}

/** The limits of a token that are numbers: the smaller one binds more. */
const COUNTED = ['spansPerMinute', 'bytesPerSecond', 'burstBytes'] as const;
const UNITS = { spansPerMinute: 'spans a minute', bytesPerSecond: 'bytes a second', burstBytes: 'bytes at once' };

function most(limits: TokenLimits, name: (typeof COUNTED)[number]): number {
  return limits[name] ?? Number.POSITIVE_INFINITY;
}

/** A rate always has a burst, so that a child cannot have a larger one. */
function byteLimits({ limits }: TokenRequest, parent: Token | undefined): Partial<TokenLimits> {
  const bytesPerSecond = limits.bytesPerSecond ?? parent?.limits.bytesPerSecond;
  const usual = bytesPerSecond === undefined ? undefined : BURST_SECONDS * bytesPerSecond;
  const burstBytes = limits.burstBytes ?? parent?.limits.burstBytes ?? usual;
  return {
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(burstBytes === undefined ? {} : { burstBytes }),
  };
}

function denied(message: string): TailraceError {
  return new TailraceError('permission_denied', message);
}

function invalid(message: string): TailraceError {
  return new TailraceError('invalid', message);
}
