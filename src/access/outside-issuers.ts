/**
 * Tokens of outside issuers (access.md, Exchange): a basin may trust one, whose tokens may then append to that basin
 * alone, through the OTLP doors, with their subject set as `project.id` on every resource.
 */

import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import type { Basin } from '../log/basins.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import {
  OIDC_BASINS_TRIED_MAX,
  OIDC_CLOCK_TOLERANCE_SECONDS,
  OIDC_TOKENS_CACHED_MAX,
  TOKEN_ATTRIBUTE_BYTES_MAX,
} from '../model/limits.ts';
import type { OidcTrust } from '../model/stream-config.ts';
import { OUTSIDE_ID_PREFIX, type Principal, principalOf, type Token } from './grant.ts';
import { type FetchKeys, type IssuerKeys, type KeySet, keysOf } from './issuer-keys.ts';
import { unknownToken, unverifiedClaims } from './jwt.ts';
import { PROJECT_ATTRIBUTE } from './tokens/token-exchange.ts';

export interface OutsideDeps {
  /** Those that are durable. The same list as long as nothing has changed. */
  readonly basins: () => readonly Pick<Basin, 'name' | 'config' | 'deletedAt'>[];
  readonly clock: Clock;
  /** Hears, for the operator, what is wrong with an issuer or its tokens; never a token. */
  readonly warn: (issuer: string, message: string) => void;
  /** For tests: in place of HTTP. */
  readonly fetchKeys?: FetchKeys;
}

/** A basin, and the issuer that it trusts. */
interface Trusting {
  readonly basin: string;
  readonly trust: OidcTrust;
}

/** A signature that was found good, with the keys that it was found good by. */
interface Verified {
  readonly keys: KeySet;
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly endsAt: number;
}

/** What signs with a private key. Never followed from the head of a token: `none` and all that is symmetric is out. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

export class OutsideIssuers {
  readonly #deps: OutsideDeps;
  /** By the configuration itself: another one, also of the same words, starts with nothing in mind. */
  readonly #keys = new WeakMap<OidcTrust, IssuerKeys>();
  /** By basin and the hash of the token; the oldest goes first. */
  readonly #verified = new Map<string, Verified>();
  /** By whom each sender was believed. */
  readonly #believers = new WeakMap<Token, Trusting>();
  #listed: ReturnType<OutsideDeps['basins']> | undefined;
  /** By issuer, then by the name of the basin. */
  #trusting: ReadonlyMap<string, ReadonlyMap<string, Trusting>> = new Map();

  constructor(deps: OutsideDeps) {
    this.#deps = deps;
  }

  /**
   * Who sends with a token of an outside issuer, to the basin that the request names, else to the one that trusts the
   * issuer. `hash` is that of the token: its signature is looked at once.
   * @throws TailraceError `authn` whatever is wrong with the token; `bad_header` when several basins trust the issuer of a
   *   good one; `unavailable` when the issuer's keys are needed and cannot be had
   */
  async identify(jwt: string, hash: string, basin: string | undefined): Promise<Principal> {
    const found = this.#trustingIn(jwt, basin);
    const [only] = found;
    if (only === undefined) throw unknownToken();
    if (found.length === 1) return this.#verifiedSender(only, jwt, hash);
    await this.#expectGenuine(found, jwt, hash);
    throw new TailraceError('bad_header', SEVERAL);
  }

  /** Whether the basin still trusts as it did when a sender was identified. */
  trusts(sender: Token): boolean {
    const believer = this.#believers.get(sender);
    return believer !== undefined && this.#isInForce(believer);
  }

  /** By what the token says, of which nothing has been verified. */
  #trustingIn(jwt: string, basin: string | undefined): readonly Trusting[] {
    const { iss, aud } = unverifiedClaims(jwt) ?? {};
    const all = typeof iss === 'string' ? this.#index().get(iss) : undefined;
    if (all === undefined) return [];
    const named = basin === undefined ? [...all.values()] : [all.get(basin)];
    return named.filter((one) => one !== undefined).filter(({ trust: { audience } }) => isFor(aud, audience));
  }

  /** Only who has a good token hears that there are several basins. */
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
    // Meanwhile the basin may have thought otherwise, or be gone.
    if (!this.#isInForce(one)) throw unknownToken();
    this.#remember(key, verified);
    const { principal } = verified;
    if (principal.token !== undefined) this.#believers.set(principal.token, one);
    return principal;
  }

  #isInForce({ basin, trust }: Trusting): boolean {
    return this.#index().get(trust.issuer)?.get(basin)?.trust === trust;
  }

  async #verify({ basin, trust }: Trusting, jwt: string, keys: KeySet): Promise<Verified> {
    try {
      const [payload, good] = await this.#payload(trust, jwt, keys);
      const endsAt = ((payload.exp ?? 0) + OIDC_CLOCK_TOLERANCE_SECONDS) * 1_000;
      return { keys: good, principal: senderOf(basin, subjectOf(payload), endsAt), endsAt };
    } catch (error) {
      if (isUnavailable(error)) throw error;
      this.#deps.warn(trust.issuer, `a token of ${trust.issuer} for basin ${basin} was refused: ${messageOf(error)}`);
      throw unknownToken(error);
    }
  }

  /** With the keys at hand; where none of them fits, with those that the issuer has by now. */
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
    const onFailure = (reason: string): void =>
      warn(trust.issuer, `the keys of the issuer ${trust.issuer} could not be fetched: ${reason}`);
    const keys = keysOf(trust, { clock, onFailure, fetchKeys });
    this.#keys.set(trust, keys);
    return keys;
  }

  #remember(key: string, verified: Verified): void {
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined && this.#verified.size >= OIDC_TOKENS_CACHED_MAX) this.#verified.delete(oldest);
    this.#verified.set(key, verified);
  }

  /** Made anew when a basin has changed. A basin that is being deleted trusts nobody. */
  #index(): ReadonlyMap<string, ReadonlyMap<string, Trusting>> {
    const listed = this.#deps.basins();
    if (listed === this.#listed) return this.#trusting;
    const trusting = new Map<string, Map<string, Trusting>>();
    for (const { name, config, deletedAt } of listed) {
      const { oidc: trust } = config;
      if (trust === undefined || deletedAt !== undefined) continue;
      const byName = trusting.get(trust.issuer) ?? new Map<string, Trusting>();
      trusting.set(trust.issuer, byName.set(name, { basin: name, trust }));
    }
    this.#listed = listed;
    this.#trusting = trusting;
    return trusting;
  }
}

function isFor(audiences: unknown, audience: string): boolean {
  return Array.isArray(audiences) ? audiences.includes(audience) : audiences === audience;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof TailraceError && error.code === 'unavailable';
}

/** No key has the token's id; or the token has none, and what was taken for its key is another one. */
function mayBeOfNewKey(error: unknown, jwt: string): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === 'ERR_JWKS_NO_MATCHING_KEY') return true;
  return code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' && decodeProtectedHeader(jwt).kid === undefined;
}

/** @throws TailraceError when it cannot be stamped */
function subjectOf({ sub }: JWTPayload): string {
  const bytes = Buffer.byteLength(PROJECT_ATTRIBUTE) + Buffer.byteLength(sub ?? '');
  if (sub !== undefined && sub !== '' && bytes <= TOKEN_ATTRIBUTE_BYTES_MAX && !/\p{Surrogate}/u.test(sub)) return sub;
  throw new TailraceError('authn', '"sub" is empty, too long, or no valid text');
}

const NONE = { read: false, write: false };

/** Like the holder of a token of ours, but no token of ours: it has no number, and no other door knows it. */
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

const SUBJECT_CHARS_SHOWN = 64;

/** For messages and log lines: short, and with nothing in it that is not seen, or that ends a name in a message. */
function legible(subject: string): string {
  const marks = [...subject];
  const short = marks.length > SUBJECT_CHARS_SHOWN ? [...marks.slice(0, SUBJECT_CHARS_SHOWN), '…'] : marks;
  return short.map((mark) => (/[\p{C}\p{Zl}\p{Zp}`"\\]/u.test(mark) ? escaped(mark) : mark)).join('');
}

function escaped(mark: string): string {
  return `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'it cannot be verified';
}

const SEVERAL = 'several basins trust the issuer of the token for this audience: name yours in the header S2-Basin';
