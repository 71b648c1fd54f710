/**
 * Short-lived tokens for senders: a JWT in place of an access token, valid only while that token is, and limited to
 * sending OTLP data as one project.
 */

import type { JWTPayload } from 'jose';
import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import { EXCHANGED_TOKENS_CACHED_MAX } from '../../model/limits.ts';
import { onlyBasin, type Principal, type Token } from '../grant.ts';
import { unknownToken, unverifiedClaims } from '../jwt.ts';
import type { JwtKeys } from '../jwt-keys.ts';
import type { TokenTable } from './token-table.ts';

export interface ExchangeDeps {
  readonly tokens: TokenTable;
  readonly keys: JwtKeys;
  readonly clock: Clock;
  /** How long a JWT lives, in milliseconds. */
  readonly ttlMs: number;
  /** The project of tokens that have neither a project nor one basin. */
  readonly defaultBasin: string;
}

export interface ExchangedToken {
  readonly jwt: string;
  readonly projectId: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What a JWT says, once its signature was verified. */
interface Claims {
  readonly project: string;
  readonly expiresAt: number;
  readonly tokenId: string;
  readonly tokenNumber: number;
  readonly rotation: number;
}

/** Verified claims, with the principal that was made of them last. */
interface VerifiedClaims {
  readonly claims: Claims;
  /** Of the key that signed them, which may be made void at any time. */
  readonly keyId: string;
  base: Principal | undefined;
  narrowed: Principal | undefined;
}

/** Not a URL, so no outside issuer that a basin trusts can have this name. */
const ISSUER = 'tailrace';
const AUDIENCE = 'tailrace/otlp';
/** Ed25519 (RFC 8037). The algorithm in the header of a token is compared with this, never followed. */
const ALGORITHM = 'EdDSA';
/** The attribute, on every resource, of the project that sent it. */
export const PROJECT_ATTRIBUTE = 'project.id';

export class TokenExchange {
  /** The keys that sign JWTs; an operator may rotate them. */
  readonly keys: JwtKeys;
  readonly #deps: ExchangeDeps;
  /** Verified JWTs by their hash; the oldest is dropped first. */
  readonly #verified = new Map<string, VerifiedClaims>();

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
    this.keys = deps.keys;
  }

  /**
   * Makes a JWT of an access token; it expires no later than that.
   * @throws TailraceError `invalid` for the root token, `permission_denied` for one that may not append
   */
  async exchange(principal: Principal): Promise<ExchangedToken> {
    const { clock, ttlMs, keys } = this.#deps;
    const { token } = principal;
    if (token === undefined) throw new TailraceError('invalid', NOT_ROOT);
    if (!principal.allows('append')) {
      throw new TailraceError('permission_denied', `the token \`${principal.id}\` may not append`);
    }
    const project = this.#projectOf(principal, token);
    const issuedAt = Math.floor(clock.now() / 1_000);
    const expires = Math.floor(Math.min(clock.now() + ttlMs, token.expiresAt ?? Number.POSITIVE_INFINITY) / 1_000);
    const { SignJWT } = await import('jose');
    const { id, privateKey } = await keys.current();
    const jwt = await new SignJWT({ tid: token.id, tno: token.number, rot: token.rotation })
      .setProtectedHeader({ alg: ALGORITHM, kid: id, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(project)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expires)
      .sign(privateKey);
    // The key was made void meanwhile, and with it what it signed.
    if (keys.find(id) === undefined) return this.exchange(principal);
    return { jwt, projectId: project, expiresAt: expires * 1_000 };
  }

  /** Whether a JWT claims to be ours, truly or not: then no outside issuer is tried. */
  isOurs(jwt: string, hash: string): boolean {
    return this.#verified.has(hash) || unverifiedClaims(jwt)?.iss === ISSUER;
  }

  /**
   * The sender with a JWT. `hash` is that of the JWT, whose signature is verified once.
   * @throws TailraceError `authn` when it is not ours, has expired, or its access token does not work any more
   */
  async identify(jwt: string, hash: string): Promise<Principal> {
    const known = this.#verified.get(hash) ?? this.#remember(hash, await this.#verify(jwt));
    const { claims, keyId } = known;
    if (this.#deps.keys.find(keyId) === undefined) {
      this.#verified.delete(hash);
      throw unknownToken();
    }
    if (claims.expiresAt <= this.#deps.clock.now()) {
      this.#verified.delete(hash);
      throw expired(claims.tokenId);
    }
    const base = this.#deps.tokens.byNumber(claims.tokenNumber, claims.rotation, claims.tokenId);
    if (base === undefined) {
      this.#verified.delete(hash);
      throw new TailraceError('authn', 'the access token behind this one was revoked, rotated, or has expired');
    }
    if (known.narrowed === undefined || known.base !== base) {
      known.base = base;
      known.narrowed = narrowed(base, claims.project);
    }
    return known.narrowed;
  }

  #projectOf(principal: Principal, { resourceAttributes }: Token): string {
    return resourceAttributes.get(PROJECT_ATTRIBUTE) ?? onlyBasin(principal) ?? this.#deps.defaultBasin;
  }

  #remember(hash: string, signed: Pick<VerifiedClaims, 'claims' | 'keyId'>): VerifiedClaims {
    const verified: VerifiedClaims = { ...signed, base: undefined, narrowed: undefined };
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined && this.#verified.size >= EXCHANGED_TOKENS_CACHED_MAX) this.#verified.delete(oldest);
    this.#verified.set(hash, verified);
    return verified;
  }

  async #verify(jwt: string): Promise<Pick<VerifiedClaims, 'claims' | 'keyId'>> {
    const { keys, clock } = this.#deps;
    const { errors, jwtVerify } = await import('jose');
    try {
      const { payload, protectedHeader } = await jwtVerify(
        jwt,
        ({ kid }) => keys.find(kid)?.publicKey ?? unknownKey(),
        {
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          audience: AUDIENCE,
          currentDate: new Date(clock.now()),
          requiredClaims: ['sub', 'exp'],
        },
      );
      return { claims: claimsOf(payload), keyId: protectedHeader.kid ?? '' };
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) throw expired(idIn(cause.payload));
      // What it says itself is enough to refuse it: its key may be gone, because it signed nothing that is still good.
      if (hasEnded(jwt, clock.now())) throw expired();
      throw unknownToken(cause);
    }
  }
}

/** The holder of the access token, limited to appending as one project. */
function narrowed(base: Principal, project: string): Principal {
  const { token } = base;
  if (token === undefined) return base;
  const resourceAttributes = new Map([...token.resourceAttributes, [PROJECT_ATTRIBUTE, project]]);
  return {
    ...base,
    token: { ...token, resourceAttributes },
    allows: (operation, basin, stream, tokenId) =>
      operation === 'append' && base.allows(operation, basin, stream, tokenId),
  };
}

function claimsOf({ sub, exp, tid, tno, rot }: JWTPayload): Claims {
  if (sub === undefined || exp === undefined || typeof tid !== 'string') throw new Error('a claim is missing');
  if (typeof tno !== 'number' || typeof rot !== 'number') throw new Error('a claim is no number');
  return { project: sub, expiresAt: exp * 1_000, tokenId: tid, tokenNumber: tno, rotation: rot };
}

/** The id of the access token makes it another cause in the log than the next token that has expired. */
function expired(tokenId?: string): TailraceError {
  const of = tokenId === undefined ? '' : ` of access token \`${tokenId}\``;
  return new TailraceError('authn', `the short-lived token${of} has expired: exchange the access token again`);
}

function idIn({ tid }: JWTPayload): string | undefined {
  return typeof tid === 'string' ? tid : undefined;
}

function hasEnded(jwt: string, now: number): boolean {
  const { exp } = unverifiedClaims(jwt) ?? {};
  return typeof exp === 'number' && exp * 1_000 <= now;
}

function unknownKey(): never {
  throw new Error('no key has that id');
}

const NOT_ROOT = 'the root token cannot be exchanged: issue an access token for the sender, and exchange that';
