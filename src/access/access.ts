/**
 * Who may do what. Every server calls {@link Access.authorize}, or its two steps, before it looks whether something
 * exists. What a token has opened ends with the token, within a second.
 */

import type { Basin } from '../log/basins.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import type { Operation } from '../model/operation.ts';
import { expectLegalHost, type HostHeaders } from './authority.ts';
import { ANYONE, OUTSIDE_ID_PREFIX, type Principal, type Token, unlimited } from './grant.ts';
import { looksLikeJwt, unknownToken } from './jwt.ts';
import { Logins, Sessions } from './logins.ts';
import { admitLocal, type OriginHeaders } from './loopback.ts';
import type { Origins } from './origins.ts';
import type { OutsideIssuers } from './outside-issuers.ts';
import { IngestRates, type SenderRates } from './rates/ingest-rates.ts';
import type { IssuedSecret } from './single-use.ts';
import { type Ticket, Tickets } from './tickets.ts';
import { type HashedToken, hashCredential, headerFault, ROOT_TOKEN_ID } from './tokens/credential.ts';
import type { TokenExchange } from './tokens/token-exchange.ts';
import type { TokenTable } from './tokens/token-table.ts';

export type { Operation } from '../model/operation.ts';

/**
 * What a request is about to do, and to what. The stream is named as the caller does: see {@link Principal.absolute}.
 */
export interface Need {
  readonly operation: Operation;
  readonly basin?: string | undefined;
  readonly stream?: string | undefined;
  /** Id of the token that the request is about. */
  readonly tokenId?: string | undefined;
}

/** What authorizing a request finds out, step by step, so also when the request is refused: for the audit log. */
export interface AuthContext {
  /** Undefined until the caller is identified. */
  caller: Principal | undefined;
  /** The permission that was asked for last. */
  need: Need | undefined;
}

/** What of a request is checked before anything else. */
export interface AdmittedRequest extends HostHeaders {
  readonly headers: OriginHeaders;
}

/** Whether callers need a token. */
export type AccessMode =
  | {
      readonly type: 'open';
      /** Origins whose pages may send requests, besides those of this machine. */
      readonly origins?: Origins | undefined;
    }
  | {
      readonly type: 'tokens';
      /** Asked each time: on a node that follows it may come later. Undefined while it is not known. */
      readonly rootTokenHash: string | undefined;
      readonly tokens: TokenTable;
      /** Undefined allows no short-lived tokens. */
      readonly exchange?: TokenExchange;
      /** Undefined accepts no tokens of outside issuers. */
      readonly outside?: OutsideIssuers;
    };

const ROOT = unlimited(ROOT_TOKEN_ID);
/** How often the tokens of open connections are checked for expiry. */
const SWEEP_MS = 1_000;

/** Decides on requests. Keeps only hashes of secrets. */
export class Access {
  readonly #mode: AccessMode;
  readonly #clock: Clock;
  /** What each token has opened. */
  readonly #watched = new Map<Token, Set<(error: TailraceError) => void>>();
  readonly #rates: IngestRates;
  /** What web pages may open once. */
  readonly tickets: Tickets;
  readonly #logins: Logins;
  /** Of the page. */
  readonly sessions: Sessions;
  #sweeping = false;

  constructor(mode: AccessMode, clock: Clock) {
    this.#mode = mode;
    this.#clock = clock;
    this.#rates = new IngestRates(clock);
    this.tickets = new Tickets(clock);
    this.#logins = new Logins(clock);
    this.sessions = new Sessions(clock);
  }

  /** Whether callers need no token. */
  get isOpen(): boolean {
    return this.#mode.type === 'open';
  }

  /** All tokens except the root token; undefined where callers need none. */
  get tokens(): TokenTable | undefined {
    return this.#mode.type === 'open' ? undefined : this.#mode.tokens;
  }

  /** Where access tokens are exchanged for short-lived ones; undefined where callers need none. */
  get exchange(): TokenExchange | undefined {
    return this.#mode.type === 'open' ? undefined : this.#mode.exchange;
  }

  /** Who a credential belongs to. @throws TailraceError `authn` for a missing or unknown token */
  identify(credential: string | HashedToken | undefined, header?: string): Principal {
    if (this.#mode.type === 'open') return ANYONE;
    if (credential === undefined)
      throw new TailraceError('authn', header === undefined ? NO_TOKEN : headerFault(header));
    const hashed = typeof credential === 'string' ? hashCredential(credential) : credential;
    const principal = this.find(hashed.hash);
    if (principal === undefined) throw unknownToken(undefined, hintFor(hashed));
    return principal;
  }

  /**
   * The same for OTLP data, for which JWTs are accepted too: our own short-lived ones, and those of issuers that the
   * basin trusts. `basin` is the one that the request names. Returns a promise only for what may be a JWT.
   * @throws TailraceError `authn`, also as a rejection; `bad_header`, `unavailable` as {@link OutsideIssuers.identify}
   */
  identifySender(
    credential: string | undefined,
    hashed: HashedToken | undefined,
    basin: string | undefined,
    header?: string,
  ): Principal | Promise<Principal> {
    if (this.#mode.type === 'open' || credential === undefined || hashed === undefined) {
      return this.identify(hashed, header);
    }
    if (!looksLikeJwt(credential) || this.find(hashed.hash) !== undefined) return this.identify(hashed);
    const { exchange, outside } = this.#mode;
    if (exchange?.isOurs(credential, hashed.hash) === true) return exchange.identify(credential, hashed.hash);
    return outside?.identify(credential, hashed.hash, basin) ?? this.identify(hashed);
  }

  /**
   * Takes a ticket, which then cannot be used again. `holderOf` checks what it is for.
   * @throws TailraceError `authn` when it is not known, was used, has expired, or its token is no longer valid
   */
  redeem(secret: string): Ticket {
    const ticket = this.tickets.take(secret);
    if (ticket !== undefined && this.#isAlive(ticket.principal)) {
      this.#used(ticket.principal);
      return ticket;
    }
    throw new TailraceError('authn', 'the ticket is not known, was used, or has expired: ask for a new one');
  }

  /**
   * Makes a login for a session of the web page as this caller.
   * @throws TailraceError `rate_limited`, and `invalid` where callers need no token
   */
  issueLogin(principal: Principal): IssuedSecret {
    if (this.isOpen) throw new TailraceError('invalid', NO_LOGINS);
    return this.#logins.issue(principal, {});
  }

  /** The same as the root token; undefined where callers need none. */
  issueRootLogin(): IssuedSecret | undefined {
    return this.isOpen ? undefined : this.issueLogin(ROOT);
  }

  /**
   * Takes a login, which then cannot be used again, and begins a session as the caller who asked for it. `context` is
   * told of that caller.
   * @throws TailraceError `authn` when it is not known, was used, has expired, or its token is no longer valid;
   *   `quota_exhausted`, and `invalid` where callers need no token
   */
  signIn(secret: string, context: Pick<AuthContext, 'caller'>): IssuedSecret {
    if (this.isOpen) throw new TailraceError('invalid', NO_LOGINS);
    const login = this.#logins.take(secret);
    if (login === undefined || !this.#isAlive(login.principal)) throw new TailraceError('authn', BAD_LOGIN);
    context.caller = login.principal;
    return this.sessions.begin({ ...login.principal, session: undefined });
  }

  /** The caller whom another server names by what it knows of them; undefined where their token is no longer valid. */
  holderNamed(token: Pick<Token, 'id' | 'number' | 'rotation'> | undefined): Principal | undefined {
    if (this.isOpen) return ANYONE;
    return token === undefined ? ROOT : this.tokens?.byNumber(token.number, token.rotation, token.id);
  }

  /** Ends the session of the caller, with all that it has opened; a caller with a token has none, and keeps that. */
  signOut({ session }: Principal): void {
    if (session !== undefined) this.sessions.end(session);
  }

  /**
   * Returns who the caller is, if they have the permission.
   * @throws TailraceError `authn` for a missing or unknown token, `permission_denied` for one that may not do it
   */
  authorize(credential: string | HashedToken | undefined, need: Need): Principal {
    const principal = this.identify(credential);
    this.expectAllowed(principal, need);
    return principal;
  }

  /** Checks the permission of a caller who was identified before. @throws TailraceError `permission_denied` */
  expectAllowed(principal: Principal, need: Need): void {
    expectAllowed(principal, need);
  }

  /**
   * Checks where a request goes and comes from: its Host must be legal, and without tokens only this machine may send
   * requests. Every server calls it first.
   * @throws TailraceError `bad_header`, `permission_denied`
   */
  admit(request: AdmittedRequest): void {
    expectLegalHost(request);
    if (this.#mode.type === 'open') admitLocal(request.headers, this.#mode.origins);
  }

  /**
   * For what stays open (sessions, sockets, streams of events): calls `end` within a second after the caller's token is
   * revoked, rotated or expires, or their session of the page ends. Call what it returns to stop that.
   */
  watch({ token, session }: Principal, end: (error: TailraceError) => void): () => void {
    if (session === undefined) return this.#watchToken(token, end);
    const leave = this.sessions.watch(session, end);
    // One that is over has told so.
    const unwatch = this.sessions.isAlive(session) ? this.#watchToken(token, end) : () => {};
    return () => {
      unwatch();
      leave();
    };
  }

  #watchToken(token: Token | undefined, end: (error: TailraceError) => void): () => void {
    if (token === undefined) return () => {};
    const ends = this.#watched.get(token) ?? new Set();
    ends.add(end);
    this.#watched.set(token, ends);
    const closed = this.tokens?.opened(token);
    if (token.expiresAt !== undefined) this.#sweepLater();
    // The token may have ended since it was checked.
    if (this.#mode.type === 'tokens' && !this.#mode.tokens.isAlive(token)) this.ended(token);
    return () => {
      if (ends.delete(end)) closed?.();
      if (ends.size === 0 && this.#watched.get(token) === ends) this.#watched.delete(token);
    };
  }

  /**
   * Checks a caller again after something slow, such as receiving the body of their request. The expiry of JWTs is
   * checked only when the caller is identified.
   * @throws TailraceError `authn` when the token or the session has ended meanwhile, or the basin no longer trusts its
   *   issuer; `unavailable` when that basin has moved to another partition
   */
  expectAlive({ token, session }: Principal): void {
    if (session !== undefined && !this.sessions.isAlive(session)) throw unknownToken();
    if (token === undefined || this.#mode.type === 'open') return;
    const { tokens, outside } = this.#mode;
    if (token.id.startsWith(OUTSIDE_ID_PREFIX)) {
      if (outside === undefined) throw unknownToken();
      outside.expectTrust(token);
    } else if (tokens.byNumber(token.number, token.rotation, token.id) === undefined) {
      throw tokenEnded();
    }
  }

  /** What limits how much OTLP data the sender may send into the basin; undefined where nothing does. */
  ratesOf(principal: Principal, basin: Basin): SenderRates | undefined {
    return this.#rates.of(principal, basin);
  }

  /** Call it when a token's secret is no longer valid: what it has opened ends now. */
  ended(token: Token): void {
    this.sessions.forget(token);
    const ends = this.#watched.get(token);
    if (ends === undefined) return;
    this.#watched.delete(token);
    for (const end of ends) end(tokenEnded());
  }

  /** Writes what is only in memory. Call it when no request comes any more. May be called twice. */
  async close(): Promise<void> {
    await this.tokens?.close();
  }

  #used({ token }: Principal): void {
    if (token !== undefined) this.tokens?.used(token);
  }

  /** Who a secret belongs to, by its hash; undefined for an unknown one. */
  find(hash: string): Principal | undefined {
    if (this.#mode.type === 'open') return ANYONE;
    const holder = hash === this.#mode.rootTokenHash ? ROOT : this.#mode.tokens.find(hash);
    if (holder !== undefined) return holder;
    const visitor = this.sessions.find(hash);
    if (visitor !== undefined) this.#used(visitor);
    return visitor;
  }

  /** Whether what was issued to this caller is still good. */
  #isAlive({ token, session }: Principal): boolean {
    if (session !== undefined && !this.sessions.isAlive(session)) return false;
    return token === undefined || this.tokens?.isAlive(token) === true;
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

/** @throws TailraceError `permission_denied` that says what is missing, with names as the caller uses them */
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

const NO_LOGINS = 'this server runs without authentication (--no-auth): open its page without a login';
const BAD_LOGIN =
  'the login is not known, was used, or has expired: each works once, for 60 s; `tailrace open` makes another, or sign in with a token';

function tokenEnded(): TailraceError {
  return new TailraceError('authn', 'the token was revoked, rotated, or has expired');
}

/** Some exporters send the value of `OTEL_EXPORTER_OTLP_HEADERS` without decoding it. */
function hintFor({ isEncoded, isQuoted }: HashedToken): string {
  if (isQuoted) return ': it is in quotes, which the header must not have; they belong to the shell';
  return isEncoded ? ': it holds "%20", which this client does not decode; use a space' : '';
}
