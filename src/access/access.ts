/**
 * Who may do what. {@link Access.authorize} is the one function that every door calls before it looks whether something
 * exists; what is open by a token that ends, ends with it, within a second.
 */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import type { Operation } from '../model/operation.ts';
import { OUTSIDE_ID_PREFIX, type Principal, type Token, unlimited } from './grant.ts';
import { looksLikeJwt, unknownToken } from './jwt.ts';
import { admitLocal, type OriginHeaders } from './loopback.ts';
import type { Origins } from './origins.ts';
import type { OutsideIssuers } from './outside-issuers.ts';
import { SpanQuota } from './span-quota.ts';
import { type Ticket, Tickets } from './tickets.ts';
import { type HashedToken, hashCredential, ROOT_TOKEN_ID } from './tokens/credential.ts';
import type { TokenExchange } from './tokens/token-exchange.ts';
import type { TokenTable } from './tokens/token-table.ts';

export type { Operation } from '../model/operation.ts';

/** What a request is about to do, and to what. A stream's name is the caller's: see {@link Principal.absolute}. */
export interface Need {
  readonly operation: Operation;
  readonly basin?: string | undefined;
  readonly stream?: string | undefined;
  /** Id of the token that the call is about. */
  readonly tokenId?: string | undefined;
}

/** What authorizing a request finds out, step by step, so also when the request is refused: for the audit log. */
export interface AuthContext {
  /** Undefined until the caller is identified. */
  caller: Principal | undefined;
  /** The permission that was asked for last. */
  need: Need | undefined;
}

/** Whether callers must show a token. */
export type AccessMode =
  | {
      readonly type: 'open';
      /** Pages that may send requests besides those of this machine. */
      readonly origins?: Origins | undefined;
    }
  | {
      readonly type: 'tokens';
      readonly rootTokenHash: string;
      readonly tokens: TokenTable;
      /** Without it there are no short-lived tokens. */
      readonly exchange?: TokenExchange;
      /** Without it no basin's outside issuer is heard. */
      readonly outside?: OutsideIssuers;
    };

const ROOT = unlimited(ROOT_TOKEN_ID);
const ANYONE = unlimited('anyone');
/** How often open connections are looked through for tokens that expired. */
const SWEEP_MS = 1_000;

/** Decides on requests. Keeps hashes of secrets only. */
export class Access {
  readonly #mode: AccessMode;
  readonly #clock: Clock;
  /** What is open by each token. */
  readonly #watched = new Map<Token, Set<(error: TailraceError) => void>>();
  readonly #spans: SpanQuota;
  /** What pages may open once. */
  readonly tickets: Tickets;
  #sweeping = false;

  constructor(mode: AccessMode, clock: Clock) {
    this.#mode = mode;
    this.#clock = clock;
    this.#spans = new SpanQuota(clock);
    this.tickets = new Tickets(clock);
  }

  /** Whether nobody is asked for a token. */
  get isOpen(): boolean {
    return this.#mode.type === 'open';
  }

  /** All tokens but the root one; undefined where nobody is asked for one. */
  get tokens(): TokenTable | undefined {
    return this.#mode.type === 'open' ? undefined : this.#mode.tokens;
  }

  /** Where access tokens are exchanged for short-lived ones; undefined where nobody is asked for a token. */
  get exchange(): TokenExchange | undefined {
    return this.#mode.type === 'open' ? undefined : this.#mode.exchange;
  }

  /** @throws TailraceError `authn` for a missing or unknown token */
  identify(credential: string | HashedToken | undefined): Principal {
    if (this.#mode.type === 'open') return ANYONE;
    if (credential === undefined) throw new TailraceError('authn', NO_TOKEN);
    const hashed = typeof credential === 'string' ? hashCredential(credential) : credential;
    const principal = this.#find(hashed.hash);
    if (principal === undefined) throw unknownToken(undefined, hintFor(hashed));
    return principal;
  }

  /**
   * The same for the doors of OTLP, which take JWTs besides: short-lived ones of our own, and those of issuers that the
   * basin trusts, which is the one that the request names. Only what may be a JWT goes the longer way.
   * @throws TailraceError `authn`, also as a rejection; `bad_header`, `unavailable` as {@link OutsideIssuers.identify}
   */
  identifySender(
    credential: string | undefined,
    hashed: HashedToken | undefined,
    basin: string | undefined,
  ): Principal | Promise<Principal> {
    if (this.#mode.type === 'open' || credential === undefined || hashed === undefined) return this.identify(hashed);
    if (!looksLikeJwt(credential) || this.#find(hashed.hash) !== undefined) return this.identify(hashed);
    const { exchange, outside } = this.#mode;
    if (exchange?.isOurs(credential, hashed.hash) === true) return exchange.identify(credential, hashed.hash);
    return outside?.identify(credential, hashed.hash, basin) ?? this.identify(hashed);
  }

  /**
   * Takes a ticket, which nobody can show again. What it is for is for `holderOf` to judge.
   * @throws TailraceError `authn` when it is not known, was used, has expired, or the token behind it does not work any more
   */
  redeem(secret: string): Ticket {
    const ticket = this.tickets.take(secret);
    const token = ticket?.principal.token;
    const isGood = token === undefined || this.tokens?.isAlive(token) === true;
    if (ticket !== undefined && isGood) return ticket;
    throw new TailraceError('authn', 'the ticket is not known, was used, or has expired: ask for a new one');
  }

  /**
   * Answers who is asking, when they may do what they need.
   * @throws TailraceError `authn` for a missing or unknown token, `permission_denied` for one that may not do it
   */
  authorize(credential: string | HashedToken | undefined, need: Need): Principal {
    const principal = this.identify(credential);
    this.expectAllowed(principal, need);
    return principal;
  }

  /** For a caller who was identified before. @throws TailraceError `permission_denied` */
  expectAllowed(principal: Principal, need: Need): void {
    expectAllowed(principal, need);
  }

  /**
   * Looks where a request comes from: without tokens only this machine may talk to us. Every door calls it first.
   * @throws TailraceError `permission_denied`
   */
  admit(headers: OriginHeaders): void {
    if (this.#mode.type === 'open') admitLocal(headers, this.#mode.origins);
  }

  /**
   * Calls `end` when the caller's token is revoked, rotated or expires, within a second; answers how to stop that. For
   * what stays open: sessions, sockets, streams of events.
   */
  watch({ token }: Principal, end: (error: TailraceError) => void): () => void {
    if (token === undefined) return () => {};
    const ends = this.#watched.get(token) ?? new Set();
    ends.add(end);
    this.#watched.set(token, ends);
    if (token.expiresAt !== undefined) this.#sweepLater();
    // It may have ended between the look at it and now.
    if (this.#mode.type === 'tokens' && !this.#mode.tokens.isAlive(token)) this.ended(token);
    return () => {
      ends.delete(end);
      if (ends.size === 0 && this.#watched.get(token) === ends) this.#watched.delete(token);
    };
  }

  /**
   * For a caller who was identified before something that takes long, such as the body of their request: whether their
   * token has ended meanwhile, or the basin trusts its issuer no more. The expiry of JWTs is looked at once.
   * @throws TailraceError `authn`
   */
  expectAlive({ token }: Principal): void {
    if (token === undefined || this.#mode.type === 'open') return;
    const { tokens, outside } = this.#mode;
    if (token.id.startsWith(OUTSIDE_ID_PREFIX)) {
      if (outside?.trusts(token) !== true) throw unknownToken();
    } else if (tokens.byNumber(token.number, token.rotation, token.id) === undefined) {
      throw tokenEnded();
    }
  }

  /** Counts spans that are about to be stored. @throws TailraceError `rate_limited`: then none may be */
  takeSpans({ token }: Principal, spans: number): void {
    if (token !== undefined) this.#spans.take(token, spans);
  }

  /** A token's secret stopped working: whatever is open by it ends now. */
  ended(token: Token): void {
    const ends = this.#watched.get(token);
    if (ends === undefined) return;
    this.#watched.delete(token);
    for (const end of ends) end(tokenEnded());
  }

  /** Undefined for a secret that nobody has. */
  #find(hash: string): Principal | undefined {
    if (this.#mode.type === 'open') return ANYONE;
    return hash === this.#mode.rootTokenHash ? ROOT : this.#mode.tokens.find(hash);
  }

  #sweepLater(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#clock.timer(SWEEP_MS, () => {
      this.#sweeping = false;
      const now = this.#clock.now();
      for (const token of [...this.#watched.keys()]) {
        if (token.expiresAt !== undefined && token.expiresAt <= now) this.ended(token);
      }
      if ([...this.#watched.keys()].some(({ expiresAt }) => expiresAt !== undefined)) this.#sweepLater();
    });
  }
}

/** @throws TailraceError `permission_denied` that says what is missing, in the caller's own words */
function expectAllowed(principal: Principal, { operation, basin, stream, tokenId }: Need): void {
  const absolute = stream === undefined ? undefined : principal.absolute(stream);
  if (principal.allows(operation, basin, absolute, tokenId)) return;
  const where = [
    stream === undefined ? '' : ` on stream \`${stream}\``,
    basin === undefined ? '' : ` in basin \`${basin}\``,
    tokenId === undefined ? '' : ` of access token \`${tokenId}\``,
  ].join('');
  throw new TailraceError('permission_denied', `the token \`${principal.id}\` may not ${operation}${where}`);
}

const NO_TOKEN = 'a token is needed: send the header "Authorization: Bearer <token>"';

function tokenEnded(): TailraceError {
  return new TailraceError('authn', 'the token was revoked, rotated, or has expired');
}

/** Some exporters pass `OTEL_EXPORTER_OTLP_HEADERS` on without decoding it. */
function hintFor({ isEncoded }: HashedToken): string {
  return isEncoded ? ': it holds "%20", which this client does not decode; use a space' : '';
}
