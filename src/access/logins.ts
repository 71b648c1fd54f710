/**
 * Logins and sessions of the web page. A login is a secret that works once, soon after it was issued, so it may stand in
 * a link that a terminal shows; whoever shows it gets a session, whose secret acts as the token that asked for the login.
 * Both are kept in memory only, as hashes: a restart ends them.
 */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import {
  LOGIN_TTL_MS,
  LOGINS_MAX,
  LOGINS_PER_TOKEN_MAX,
  SESSION_IDLE_MS,
  SESSIONS_MAX,
  SESSIONS_PER_TOKEN_MAX,
} from '../model/limits.ts';
import type { PageSession, Principal, Token } from './grant.ts';
import { type IssuedSecret, SingleUse } from './single-use.ts';
import { hashToken, makeToken } from './tokens/credential.ts';

/** What a login is for: a session, and nothing else. */
type LoginBounds = Readonly<Record<string, never>>;

type End = (error: TailraceError) => void;

const LOGIN_PREFIX = 'lgn';
/** What secrets of sessions begin with. */
export const SESSION_PREFIX = 'ses';

/** Logins that were issued and not used yet. */
export class Logins extends SingleUse<LoginBounds> {
  constructor(clock: Clock) {
    const [ttlMs, max, perCallerMax] = [LOGIN_TTL_MS, LOGINS_MAX, LOGINS_PER_TOKEN_MAX];
    super(clock, { prefix: LOGIN_PREFIX, name: 'logins', ttlMs, max, perCallerMax });
  }
}

class KeptSession implements PageSession {
  readonly hash: string;
  /** The holder of the session. */
  readonly principal: Principal;
  /** What it has opened: while there is any, it is in use. */
  readonly opened = new Set<End>();
  usedAt: number;

  constructor(hash: string, caller: Principal, now: number) {
    this.hash = hash;
    this.principal = { ...caller, session: this };
    this.usedAt = now;
  }

  get expiresAt(): number {
    return Math.min(this.usedAt + SESSION_IDLE_MS, this.principal.token?.expiresAt ?? Number.POSITIVE_INFINITY);
  }

  isOver(now: number): boolean {
    const { token } = this.principal;
    if (token?.expiresAt !== undefined && token.expiresAt <= now) return true;
    return this.opened.size === 0 && this.expiresAt <= now;
  }
}

/** Sessions that are not over. */
export class Sessions {
  readonly #clock: Clock;
  /** By the hash of the secret; those that were used last come last. */
  readonly #byHash = new Map<string, KeptSession>();
  /** By the id of the caller, in the same order. */
  readonly #byCaller = new Map<string, Set<KeptSession>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are kept now. */
  get size(): number {
    return this.#byHash.size;
  }

  /**
   * Begins a session of a caller. Where there are too many, the one that is idle for the longest time ends: of the same
   * caller, or of any with an access token; none of these takes the share of the root token.
   * @throws TailraceError `quota_exhausted` when all of them are in use
   */
  begin(caller: Principal): IssuedSecret {
    const now = this.#clock.now();
    this.#sweep(now);
    this.#makeSpace(caller);
    const secret = makeToken(SESSION_PREFIX);
    const session = new KeptSession(hashToken(secret), caller, now);
    this.#add(session);
    return { secret, expiresAt: session.expiresAt };
  }

  /** Takes a session that another server has begun, by the hash of its secret. @throws TailraceError as {@link begin} */
  adopt(hash: string, caller: Principal): void {
    const now = this.#clock.now();
    const known = this.#byHash.get(hash);
    if (known !== undefined) {
      this.#use(known, now);
      return;
    }
    this.#sweep(now);
    this.#makeSpace(caller);
    this.#add(new KeptSession(hash, caller, now));
  }

  /** Ends a session by the hash of its secret, with all that it has opened. */
  endBy(hash: string): void {
    const session = this.#byHash.get(hash);
    if (session !== undefined) this.end(session);
  }

  /** Whether something is open by a session, by the hash of its secret. */
  hasOpened(hash: string): boolean {
    return (this.#byHash.get(hash)?.opened.size ?? 0) > 0;
  }

  /** The holder of a secret, by its hash, which is a use of the session; undefined when it is not known, or over. */
  find(hash: string): Principal | undefined {
    const session = this.#byHash.get(hash);
    if (session === undefined) return undefined;
    const now = this.#clock.now();
    if (session.isOver(now)) {
      this.#drop(session);
      return undefined;
    }
    this.#use(session, now);
    return session.principal;
  }

  isAlive(session: PageSession): boolean {
    return session instanceof KeptSession && this.#byHash.get(session.hash) === session;
  }

  /** Calls `end` when the session is ended, at once if it was already. Call what it returns to stop that. */
  watch(session: PageSession, end: End): () => void {
    if (!(session instanceof KeptSession) || !this.isAlive(session)) {
      end(sessionEnded());
      return () => {};
    }
    session.opened.add(end);
    return () => {
      if (session.opened.delete(end) && this.isAlive(session)) this.#use(session, this.#clock.now());
    };
  }

  /** Ends a session, with all that it has opened. */
  end(session: PageSession): void {
    if (!(session instanceof KeptSession) || !this.isAlive(session)) return;
    this.#drop(session);
    for (const end of [...session.opened]) end(sessionEnded());
  }

  /** Forgets the sessions of a token that has ended; what they have opened ends by the token. */
  forget(token: Token): void {
    for (const session of [...(this.#byCaller.get(token.id) ?? [])]) {
      if (session.principal.token === token) this.#drop(session);
    }
  }

  #makeSpace(caller: Principal): void {
    const own = this.#byCaller.get(caller.id);
    if (own !== undefined && own.size >= SESSIONS_PER_TOKEN_MAX) this.#endIdle(own, caller);
    else if (caller.token !== undefined && this.#byHash.size >= SESSIONS_MAX) {
      this.#endIdle(this.#byHash.values(), caller);
    }
  }

  /** Ends the first that has nothing open: of the root token only where that is the caller. */
  #endIdle(sessions: Iterable<KeptSession>, { token }: Principal): void {
    for (const session of sessions) {
      if (session.opened.size > 0 || (session.principal.token === undefined && token !== undefined)) continue;
      this.#drop(session);
      return;
    }
    throw new TailraceError('quota_exhausted', ALL_IN_USE);
  }

  #sweep(now: number): void {
    for (const session of this.#byHash.values()) {
      if (session.usedAt + SESSION_IDLE_MS > now) return;
      if (session.isOver(now)) this.#drop(session);
    }
  }

  #use(session: KeptSession, now: number): void {
    session.usedAt = now;
    this.#drop(session);
    this.#add(session);
  }

  #add(session: KeptSession): void {
    const { id } = session.principal;
    this.#byHash.set(session.hash, session);
    const own = this.#byCaller.get(id) ?? new Set();
    own.add(session);
    this.#byCaller.set(id, own);
  }

  #drop(session: KeptSession): void {
    const { id } = session.principal;
    this.#byHash.delete(session.hash);
    const own = this.#byCaller.get(id);
    own?.delete(session);
    if (own?.size === 0) this.#byCaller.delete(id);
  }
}

const ALL_IN_USE =
  'there are as many sessions of the page as there may be, and all are in use: sign out in one that is not needed';

function sessionEnded(): TailraceError {
  return new TailraceError('authn', 'the session was ended: sign in again');
}
