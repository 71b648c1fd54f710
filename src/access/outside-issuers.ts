/**
 * Tokens of outside issuers (OpenID Connect): a basin may trust one issuer. Its tokens may then append OTLP data to
 * that basin only, with their subject set as `project.id` on every resource.
 */

import type { JWTPayload } from 'jose';
import type { Basin } from '../log/basins.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError, unavailable } from '../model/error.ts';
import {
  OIDC_BASINS_TRIED_MAX,
  OIDC_CLOCK_TOLERANCE_SECONDS,
  OIDC_MOVED_MS,
  OIDC_TOKENS_CACHED_MAX,
  TOKEN_ATTRIBUTE_BYTES_MAX,
} from '../model/limits.ts';
import type { OidcTrust } from '../model/stream-config.ts';
import { OUTSIDE_ID_PREFIX, type Principal, principalOf, type Token } from './grant.ts';
import { type FetchKeys, type IssuerKeys, type KeySet, keysOf } from './issuer-keys.ts';
import { unknownToken, unverifiedClaims, unverifiedHeader } from './jwt.ts';
import {
  checkThatThrew,
  isUnsigned,
  legible,
  type OutsideCheck,
  refusalDetail,
  refusedToken,
  SubjectError,
} from './outside-refusal.ts';
import { PROJECT_ATTRIBUTE } from './tokens/token-exchange.ts';

export interface OutsideDeps {
  /** Durable basins. Must return the same list while nothing has changed. */
  readonly basins: () => readonly Pick<Basin, 'name' | 'config' | 'deletedAt'>[];
  /** Whether a basin that is not here is in another partition of the cluster; without it none is. */
  readonly isElsewhere?: (basin: string) => boolean;
  readonly clock: Clock;
  /**
   * Tells the operator what is wrong with an issuer or its tokens; never called with a token. `reason` is the same for
   * all tokens that are refused alike, whatever they say.
   */
  readonly warn: (issuer: string, message: string, reason: string) => void;
  /** For tests: in place of HTTP. */
  readonly fetchKeys?: FetchKeys;
}

/** A basin, and the issuer that it trusts. */
interface Trusting {
  readonly basin: string;
  readonly trust: OidcTrust;
}

/** The sender of a token whose signature is valid, with the keys that verified it. */
interface VerifiedSender {
  readonly keys: KeySet;
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly endsAt: number;
}

/**
 * Algorithms that sign with a private key. The header of a token never adds one: `none` and symmetric ones are refused.
 */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

export class OutsideIssuers {
  readonly #deps: OutsideDeps;
  /** By the configuration object: another one, even with the same content, starts with no keys. */
  readonly #keys = new WeakMap<OidcTrust, IssuerKeys>();
  /** By basin and the hash of the token; the oldest is dropped first. */
  readonly #verified = new Map<string, VerifiedSender>();
  /** The basin and issuer by which each sender was identified. */
  readonly #trustedBy = new WeakMap<Token, Trusting>();
  /** By name, those that have moved to another partition lately. */
  readonly #moved = new Map<string, Trusting & { readonly until: number }>();
  #listed: ReturnType<OutsideDeps['basins']> | undefined;
  /** By issuer, then by the name of the basin. */
  #trusting: ReadonlyMap<string, ReadonlyMap<string, Trusting>> = new Map();

  constructor(deps: OutsideDeps) {
    this.#deps = deps;
  }

  /**
   * The sender with a token of an outside issuer, for the basin that the request names, else for the one that trusts
   * the issuer. `hash` is that of the token, whose signature is verified once.
   * @throws TailraceError `authn` that says which check the token failed; `bad_header` when the token is valid and several
   *   basins trust its issuer; `unavailable` when the issuer's keys are needed and cannot be fetched, and for a valid
   *   token of a basin that has moved to another partition
   */
  async identify(jwt: string, hash: string, basin: string | undefined): Promise<Principal> {
    const found = this.#trustingIn(jwt, basin);
    const [only] = found;
    if (only === undefined) throw (await this.#movedAway(jwt, basin)) ?? (await this.#refusalOf(jwt, basin));
    if (found.length === 1) return this.#verifiedSender(only, jwt, hash);
    await this.#expectGenuine(found, jwt, hash);
    throw new TailraceError('bad_header', SEVERAL);
  }

  /**
   * @throws TailraceError `authn` when the basin no longer trusts as it did when a sender was identified, `unavailable` when
   *   it has moved to another partition
   */
  expectTrust(sender: Token): void {
    const trusting = this.#trustedBy.get(sender);
    if (trusting === undefined || !this.#isInForce(trusting)) throw this.#noLongerTrusted(trusting);
  }

  #noLongerTrusted(trusting: Trusting | undefined): TailraceError {
    const moved = this.#movedLately().find(({ basin }) => basin === trusting?.basin);
    return moved !== undefined && moved.trust === trusting?.trust ? elsewhere() : unknownToken();
  }

  /** The error for a token that was valid here: its sender keeps what it sends, and sends it again. */
  async #movedAway(jwt: string, basin: string | undefined): Promise<TailraceError | undefined> {
    const { iss } = unverifiedClaims(jwt) ?? {};
    const likely = this.#movedLately().filter((one) => one.trust.issuer === iss && (basin ?? one.basin) === one.basin);
    for (const one of likely.slice(0, OIDC_BASINS_TRIED_MAX)) {
      // It is genuine, so its sender knows of the basin.
      if ((await this.#failedCheck(one, jwt)) === 'basin') return elsewhere();
    }
    return undefined;
  }

  /** By then all nodes send their requests elsewhere, and what is wrong with a token is said there. */
  #movedLately(): readonly Trusting[] {
    const now = this.#deps.clock.now();
    for (const [name, { until }] of this.#moved) if (until <= now) this.#moved.delete(name);
    return [...this.#moved.values()];
  }

  /** By the claims of the token, which are not verified. */
  #trustingIn(jwt: string, basin: string | undefined): readonly Trusting[] {
    const { iss, aud } = unverifiedClaims(jwt) ?? {};
    const all = typeof iss === 'string' ? this.#index().get(iss) : undefined;
    if (all === undefined) return [];
    const named = basin === undefined ? [...all.values()] : [all.get(basin)];
    return named.filter((one) => one !== undefined).filter(({ trust: { audience } }) => isFor(aud, audience));
  }

  /**
   * Why no basin takes a token. Whoever cannot sign as the issuer learns nothing about basins: the signature is judged
   * first, with the keys that any of them trusts.
   */
  async #refusalOf(jwt: string, basin: string | undefined): Promise<TailraceError> {
    const { iss, aud } = unverifiedClaims(jwt) ?? {};
    const all = typeof iss === 'string' ? this.#index().get(iss) : undefined;
    if (all === undefined) return this.#refused('issuer', jwt);
    const named = basin === undefined ? undefined : all.get(basin);
    // Those of its audience first: their keys are the likeliest.
    const ordered = [...all.values()].sort(
      (a, b) => Number(isFor(aud, b.trust.audience)) - Number(isFor(aud, a.trust.audience)),
    );
    const tried = named === undefined ? ordered.slice(0, OIDC_BASINS_TRIED_MAX) : [named];
    let failed: readonly [OutsideCheck, Trusting] | undefined;
    for (const one of tried) {
      const check = await this.#failedCheck(one, jwt);
      if (check === undefined) continue;
      if (!isUnsigned(check)) {
        failed = [check, one];
        break;
      }
      failed ??= [check, one];
    }
    // Without the keys nothing is known of the token, except that it is for no basin.
    if (failed === undefined) return unknownToken();
    const isElsewhere = basin !== undefined && named === undefined && !isUnsigned(failed[0]);
    return this.#refused(isElsewhere ? 'basin' : failed[0], jwt, failed[1]);
  }

  /** Undefined when the issuer's keys cannot be fetched. */
  async #failedCheck({ trust }: Trusting, jwt: string): Promise<OutsideCheck | undefined> {
    try {
      await this.#payload(trust, jwt, await this.#keysOf(trust).current());
      return 'basin';
    } catch (error) {
      return isUnavailable(error) ? undefined : checkThatThrew(error);
    }
  }

  #refused(check: OutsideCheck, jwt: string, by?: Trusting, cause?: unknown): TailraceError {
    const issuer = by?.trust.issuer ?? 'an issuer that is not trusted';
    const where = by === undefined || check === 'basin' ? '' : ` for basin ${by.basin}`;
    // Only of what the issuer signed: others may write any subject, and each would be a cause of its own in the log.
    const whose = isUnsigned(check) ? '' : ` with subject ${subjectText(jwt)}`;
    const refused = `a token of ${issuer}${whose}${where} was refused, check ${check}`;
    this.#deps.warn(issuer, `${refused}: ${refusalDetail(check, jwt, by?.trust)}`, refused);
    return refusedToken(check, cause);
  }

  /** Only a sender with a valid token may learn that there are several basins. */
  async #expectGenuine(found: readonly Trusting[], jwt: string, hash: string): Promise<void> {
    let thrown: unknown;
    for (const one of found.slice(0, OIDC_BASINS_TRIED_MAX)) {
      try {
        await this.#verifiedSender(one, jwt, hash);
        return;
      } catch (error) {
        if (!isUnavailable(thrown)) thrown = error;
      }
    }
    throw thrown;
  }

  async #verifiedSender(one: Trusting, jwt: string, hash: string): Promise<Principal> {
    const { basin, trust } = one;
    const key = `${basin} ${hash}`;
    const now = this.#deps.clock.now();
    const keys = await this.#keysOf(trust).current();
    const known = this.#verified.get(key);
    if (known?.keys === keys && known.endsAt > now) return known.principal;
    this.#verified.delete(key);
    const verified = await this.#verify(one, jwt, keys);
    // The basin may have changed its trust meanwhile, or be gone.
    if (!this.#isInForce(one)) throw this.#noLongerTrusted(one);
    this.#remember(key, verified);
    const { principal } = verified;
    if (principal.token !== undefined) this.#trustedBy.set(principal.token, one);
    return principal;
  }

  #isInForce({ basin, trust }: Trusting): boolean {
    return this.#index().get(trust.issuer)?.get(basin)?.trust === trust;
  }

  async #verify(one: Trusting, jwt: string, keys: KeySet): Promise<VerifiedSender> {
    const { basin, trust } = one;
    try {
      const [payload, good] = await this.#payload(trust, jwt, keys);
      const endsAt = ((payload.exp ?? 0) + OIDC_CLOCK_TOLERANCE_SECONDS) * 1_000;
      return { keys: good, principal: senderOf(basin, subjectOf(payload), endsAt), endsAt };
    } catch (error) {
      if (isUnavailable(error)) throw error;
      throw this.#refused(checkThatThrew(error), jwt, one, error);
    }
  }

  /** Verified with the keys at hand; where no key fits, with newer ones of the issuer. */
  async #payload(trust: OidcTrust, jwt: string, keys: KeySet): Promise<[JWTPayload, KeySet]> {
    try {
      return [await this.#payloadBy(trust, jwt, keys), keys];
    } catch (error) {
      if (!mayBeOfNewKey(error, jwt)) throw error;
      const renewed = await this.#keysOf(trust).renewed(keys);
      if (renewed === undefined) throw error;
      return [await this.#payloadBy(trust, jwt, renewed), renewed];
    }
  }

  async #payloadBy({ issuer, audience }: OidcTrust, jwt: string, keys: KeySet): Promise<JWTPayload> {
    const { jwtVerify } = await import('jose');
    const { payload } = await jwtVerify(jwt, keys, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      currentDate: new Date(this.#deps.clock.now()),
      clockTolerance: OIDC_CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['sub', 'exp'],
    });
    return payload;
  }

  #keysOf(trust: OidcTrust): IssuerKeys {
    const known = this.#keys.get(trust);
    if (known !== undefined) return known;
    const { clock, warn, fetchKeys } = this.#deps;
    const onFailure = (reason: string): void => {
      const message = `the keys of the issuer ${trust.issuer} could not be fetched: ${reason}`;
      warn(trust.issuer, message, message);
    };
    const keys = keysOf(trust, { clock, onFailure, fetchKeys });
    this.#keys.set(trust, keys);
    return keys;
  }

  #remember(key: string, verified: VerifiedSender): void {
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined && this.#verified.size >= OIDC_TOKENS_CACHED_MAX) this.#verified.delete(oldest);
    this.#verified.set(key, verified);
  }

  /** Made again when a basin has changed. A basin that is being deleted trusts no issuer. */
  #index(): ReadonlyMap<string, ReadonlyMap<string, Trusting>> {
    const listed = this.#deps.basins();
    if (listed === this.#listed) return this.#trusting;
    const trusting = new Map<string, Map<string, Trusting>>();
    for (const { name, config, deletedAt } of listed) {
      const { oidc: trust } = config;
      if (trust === undefined || deletedAt !== undefined) continue;
      const byName = trusting.get(trust.issuer) ?? new Map<string, Trusting>();
      trusting.set(trust.issuer, byName.set(name, { basin: name, trust }));
      this.#moved.delete(name);
    }
    this.#noteMoved(trusting);
    this.#listed = listed;
    this.#trusting = trusting;
    return trusting;
  }

  #noteMoved(trusting: ReadonlyMap<string, ReadonlyMap<string, Trusting>>): void {
    const { isElsewhere } = this.#deps;
    for (const [issuer, byName] of this.#trusting) {
      for (const [name, one] of byName) {
        if (trusting.get(issuer)?.has(name) === true || isElsewhere?.(name) !== true) continue;
        this.#moved.set(name, { ...one, until: this.#deps.clock.now() + OIDC_MOVED_MS });
      }
    }
  }
}

function elsewhere(): TailraceError {
  return unavailable('the basin is in another partition of the cluster now: send again');
}

function isFor(audiences: unknown, audience: string): boolean {
  return Array.isArray(audiences) ? audiences.includes(audience) : audiences === audience;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof TailraceError && error.code === 'unavailable';
}

/** No key has the id in the token; or the token has no id, and another key was tried. */
function mayBeOfNewKey(error: unknown, jwt: string): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === 'ERR_JWKS_NO_MATCHING_KEY') return true;
  return code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' && unverifiedHeader(jwt)?.kid === undefined;
}

function subjectText(jwt: string): string {
  const { sub } = unverifiedClaims(jwt) ?? {};
  return typeof sub === 'string' ? `${OUTSIDE_ID_PREFIX}${legible(sub)}` : 'of another form';
}

/** @throws SubjectError for a subject that cannot be set as an attribute */
function subjectOf({ sub }: JWTPayload): string {
  const bytes = Buffer.byteLength(PROJECT_ATTRIBUTE) + Buffer.byteLength(sub ?? '');
  if (sub !== undefined && sub !== '' && bytes <= TOKEN_ATTRIBUTE_BYTES_MAX && !/\p{Surrogate}/u.test(sub)) return sub;
  throw new SubjectError('"sub" cannot be an attribute');
}

const NONE = { read: false, write: false };

/** Like the holder of a token of ours, but without a number: only OTLP data is accepted from it. */
function senderOf(basin: string, subject: string, expiresAt: number): Principal {
  return principalOf({
    id: `${OUTSIDE_ID_PREFIX}${legible(subject)}`,
    number: 0,
    rotation: 0,
    createdAt: 0,
    expiresAt,
    scope: {
      basins: { exact: basin },
      streams: { prefix: '' },
      accessTokens: undefined,
      groups: { account: NONE, basin: NONE, stream: NONE },
      operations: ['append'],
    },
    autoPrefix: '',
    stream: undefined,
    resourceAttributes: new Map([[PROJECT_ATTRIBUTE, subject]]),
    limits: { profile: undefined, spansPerMinute: undefined },
    prefix: '',
  });
}

const SEVERAL = 'several basins trust the issuer of the token for this audience: name yours in the header S2-Basin';
