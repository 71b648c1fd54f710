/**
 * All tokens except the root token: in memory by the hash of their secrets, and durable before a change is reported.
 * Like the control plane of the log, every call checks and decides without an `await` in between.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import { nanosecondsOf } from '../../model/instant.ts';
import { TOKENS_MAX } from '../../model/limits.ts';
import { mayHold } from '../../model/scope.ts';
import type { TokenRequest } from '../../model/token-request.ts';
import { type Principal, principalOf, type Token } from '../grant.ts';
import { hashToken, makeToken } from './credential.ts';
import { checkIssue, tokenFor } from './issue.ts';
import { type LastUse, LastUses } from './last-uses.ts';

/** Keeps tokens. */
export interface TokenStore {
  load(): Promise<StoredTokens>;
  /** Durable when it resolves, with a row of uses for a new token. `before` is what it replaces. */
  put(hash: string, token: Token, nextNumber: number, before?: HashedTokenRow): Promise<void>;
  /**
   * When tokens were last used, by their numbers. Durable when it resolves; a node that does not lead tells the one that
   * does, which calls `noteUses`.
   */
  putUses(usedAt: ReadonlyMap<number, number>): Promise<void>;
  remove(hash: string, token: Token): Promise<void>;
}

export interface StoredTokens {
  /** All of them, each with the hash of its secret. */
  readonly tokens: readonly (readonly [hash: string, token: Token])[];
  readonly nextNumber: number;
  /** By the numbers of tokens; see `last-uses.ts`. */
  readonly usedAt: ReadonlyMap<number, number>;
}

/** A token with the hash of its secret. */
export interface HashedTokenRow {
  readonly hash: string;
  readonly token: Token;
}

export interface TokenPage {
  readonly tokens: readonly Token[];
  readonly hasMore: boolean;
}

/** A token with its secret: shown once. */
export interface IssuedToken {
  readonly token: Token;
  readonly secret: string;
}

/** The outcome for a token that was declared. */
export type Ensured = 'created' | 'replaced' | 'rotated' | 'unchanged' | 'expired';

interface TokenEntry {
  hash: string;
  readonly token: Token;
  readonly principal: Principal;
  /** Accepted, not durable yet: it is not valid, and its id is taken. */
  pending: boolean;
}

export class TokenTable {
  readonly #store: TokenStore;
  readonly #clock: Clock;
  readonly #onEnded: (token: Token) => void;
  readonly #byHash = new Map<string, TokenEntry>();
  readonly #byId = new Map<string, TokenEntry>();
  readonly #uses: LastUses;
  #sorted: readonly string[] | undefined;
  #nextNumber = 1;

  private constructor(store: TokenStore, clock: Clock, onEnded: (token: Token) => void, uses: LastUses) {
    this.#store = store;
    this.#clock = clock;
    this.#onEnded = onEnded;
    this.#uses = uses;
  }

  /**
   * `onEnded` is called with tokens whose secret is no longer valid: what they have opened must end. `onUnwritten` is
   * called with the reason why it could not be written when tokens were used; it is tried again.
   */
  static async load(
    store: TokenStore,
    clock: Clock,
    onEnded: (token: Token) => void,
    onUnwritten?: (error: unknown) => void,
  ): Promise<TokenTable> {
    const { tokens, nextNumber, usedAt } = await store.load();
    const write = (rows: ReadonlyMap<number, number>): Promise<void> => store.putUses(rows);
    const table = new TokenTable(store, clock, onEnded, new LastUses({ clock, write, onError: onUnwritten }, usedAt));
    for (const [hash, token] of tokens) table.#add({ hash, token, principal: principalOf(token), pending: false });
    table.#nextNumber = nextNumber;
    return table;
  }

  /** The holder of a secret, by its hash; undefined when the secret is not known, or no longer valid. */
  find(hash: string): Principal | undefined {
    const entry = this.#byHash.get(hash);
    if (entry === undefined || entry.pending || isExpired(entry.token, this.#clock.now())) return undefined;
    this.#uses.used(entry.token.number);
    return entry.principal;
  }

  /**
   * Takes what another node has stored: a token with the hash of its secret, or that a secret is void. What a token has
   * opened ends when it is void, or another one has its id.
   */
  follow(hash: string, token: Token | undefined): void {
    const known = this.#byHash.get(hash);
    if (known !== undefined && token !== undefined && isDeepStrictEqual(known.token, token)) return;
    for (const before of [known, token === undefined ? undefined : this.#byId.get(token.id)]) {
      if (before === undefined || this.#byId.get(before.token.id) !== before) continue;
      this.#drop(before);
      this.#uses.forget(before.token.number);
      this.#onEnded(before.token);
    }
    if (token !== undefined) this.#add({ hash, token, principal: principalOf(token), pending: false });
  }

  /** The same where the whole store is another one: all that it has, and nothing else. */
  replace(tokens: StoredTokens['tokens']): void {
    const hashes = new Set(tokens.map(([hash]) => hash));
    for (const hash of [...this.#byHash.keys()]) if (!hashes.has(hash)) this.follow(hash, undefined);
    for (const [hash, token] of tokens) this.follow(hash, token);
  }

  /** When a token was last used, by any of its secrets or by what was derived from it. */
  lastUse({ number }: Token): LastUse {
    return this.#uses.lastUse(number);
  }

  /** A token is used by what was derived from it, such as a ticket; one of an outside issuer is not kept. */
  used({ id, number }: Token): void {
    if (this.#byId.get(id)?.token.number === number) this.#uses.used(number);
  }

  /** When tokens were last used on another node, by their numbers; what is newer here stays. */
  noteUses(usedAt: ReadonlyMap<number, number>): void {
    for (const { token } of this.#byId.values()) {
      const at = usedAt.get(token.number);
      if (at !== undefined) this.#uses.note(token.number, at);
    }
  }

  /** Something stays open by the token, and uses it. Call what it returns when that has ended. */
  opened({ id, number }: Token): () => void {
    return this.#byId.get(id)?.token.number === number ? this.#uses.opened(number) : () => {};
  }

  /** Writes when tokens were last used. Call it when no request comes any more. May be called twice. */
  close(): Promise<void> {
    return this.#uses.close();
  }

  /** Whether this very token is still valid: not revoked, rotated or expired. */
  isAlive(token: Token): boolean {
    const entry = this.#byId.get(token.id);
    return entry?.token === token && !entry.pending && !isExpired(token, this.#clock.now());
  }

  /** The holder of the valid token with this number and rotation, for what was derived from it. */
  byNumber(number: number, rotation: number, id: string): Principal | undefined {
    const entry = this.#byId.get(id);
    const same = entry?.token.number === number && entry.token.rotation === rotation;
    if (!same || !this.isAlive(entry.token)) return undefined;
    this.#uses.used(number);
    return entry.principal;
  }

  /**
   * Makes a token; durable when it resolves.
   * @throws TailraceError `permission_denied` for more than the issuer holds, `invalid`, `resource_already_exists`,
   *   `quota_exhausted`
   */
  async issue(issuer: Principal, request: TokenRequest): Promise<IssuedToken> {
    const now = this.#clock.now();
    checkIssue(issuer, request, now);
    const known = this.#byId.get(request.id);
    if (known !== undefined && !isExpired(known.token, now)) {
      throw new TailraceError('resource_already_exists', `access token \`${request.id}\` already exists`);
    }
    this.#expectSpace();
    const token = tokenFor(issuer, request, { number: this.#nextNumber++, rotation: 0, createdAt: now });
    return this.#putNew(token, known);
  }

  /**
   * Makes sure that there is a token with this definition, whose secret has this hash; durable when it resolves. A
   * token that is so already stays unchanged, with all that it has opened. Another secret is a rotation; another
   * definition is another token under the same id. A token that has expired since it was declared stays expired.
   * @throws TailraceError `invalid`, `permission_denied`, `quota_exhausted`, and `resource_already_exists` when the
   *   secret is that of a token with another id
   */
  async ensure(issuer: Principal, request: TokenRequest, hash: string): Promise<Ensured> {
    const now = this.#clock.now();
    const known = this.#byId.get(request.id);
    const identity = known?.token ?? { number: this.#nextNumber, rotation: 0, createdAt: now };
    const token = tokenFor(issuer, request, identity);
    const isSame = known !== undefined && isDeepStrictEqual(comparable(known.token), comparable(token));
    if (isSame && isExpired(token, now)) return 'expired';
    checkIssue(issuer, request, now);
    const holder = this.#byHash.get(hash)?.token.id ?? request.id;
    if (holder !== request.id) {
      throw new TailraceError('resource_already_exists', `the secret is that of access token \`${holder}\``);
    }
    if (isSame && known.hash === hash) return 'unchanged';
    if (isSame) {
      await this.#put({ ...token, rotation: token.rotation + 1 }, hash, known);
      return 'rotated';
    }
    if (known === undefined) this.#expectSpace();
    await this.#put({ ...token, number: this.#nextNumber++, rotation: 0, createdAt: now }, hash, known);
    return known === undefined ? 'created' : 'replaced';
  }

  /**
   * Gives a token a new secret; the old one is void at once.
   * @throws TailraceError `access_token_not_found`, `permission_denied`
   */
  async rotate(holder: Principal, id: string, mayHave: (token: Token) => boolean): Promise<IssuedToken> {
    const known = this.#expect(id);
    if (!mayHave(known.token)) {
      throw new TailraceError('permission_denied', `access token \`${id}\` may do more than \`${holder.id}\` may`);
    }
    return this.#putNew({ ...known.token, rotation: known.token.rotation + 1 }, known);
  }

  /** The token is void at once; durable when it resolves. @throws TailraceError `access_token_not_found` */
  async revoke(id: string): Promise<void> {
    const entry = this.#expect(id);
    this.#drop(entry);
    this.#uses.forget(entry.token.number);
    this.#onEnded(entry.token);
    await this.#store.remove(entry.hash, entry.token);
  }

  /** Valid tokens, in the byte order of their ids. */
  list(holder: Principal, prefix: string, startAfter: string, limit: number): TokenPage {
    const reach = holder.token?.scope.accessTokens;
    if (holder.token !== undefined && !mayHold(reach, prefix)) return { tokens: [], hasMore: false };
    const now = this.#clock.now();
    const tokens: Token[] = [];
    for (const id of this.#ids()) {
      if (!id.startsWith(prefix) || byBytes(id, startAfter) <= 0) continue;
      const entry = this.#byId.get(id);
      if (entry === undefined || entry.pending || isExpired(entry.token, now)) continue;
      if (!holder.allows('list-access-tokens', undefined, undefined, id)) continue;
      if (tokens.length === limit) return { tokens, hasMore: true };
      tokens.push(entry.token);
    }
    return { tokens, hasMore: false };
  }

  /** A valid token. @throws TailraceError `access_token_not_found` */
  get(id: string): Token {
    return this.#expect(id).token;
  }

  #expectSpace(): void {
    if (this.#byId.size < TOKENS_MAX) return;
    throw new TailraceError('quota_exhausted', `there are ${TOKENS_MAX} access tokens: revoke some`);
  }

  /** Makes a secret for the token, and stores both. */
  async #putNew(token: Token, before: TokenEntry | undefined): Promise<IssuedToken> {
    const secret = makeToken(token.prefix);
    await this.#put(token, hashToken(secret), before);
    return { token, secret };
  }

  async #put(token: Token, hash: string, before: TokenEntry | undefined): Promise<void> {
    const entry = { hash, token, principal: principalOf(token), pending: true };
    if (before !== undefined) {
      this.#drop(before);
      if (before.token.number !== token.number) this.#uses.forget(before.token.number);
      this.#onEnded(before.token);
    }
    this.#add(entry);
    if (token.rotation === 0) this.#uses.add(token.number);
    try {
      await this.#store.put(entry.hash, token, this.#nextNumber, before);
    } catch (error) {
      // Whether the old secret is gone from the disk is not known: it stays void at least until a restart.
      if (this.#byId.get(token.id) === entry) {
        this.#drop(entry);
        this.#uses.forget(token.number);
      }
      throw error;
    }
    entry.pending = false;
  }

  #expect(id: string): TokenEntry {
    const entry = this.#byId.get(id);
    if (entry === undefined || entry.pending || isExpired(entry.token, this.#clock.now())) {
      throw new TailraceError('access_token_not_found', `access token \`${id}\` not found`);
    }
    return entry;
  }

  #ids(): readonly string[] {
    this.#sorted ??= [...this.#byId.keys()].sort(byBytes);
    return this.#sorted;
  }

  #add(entry: TokenEntry): void {
    this.#byHash.set(entry.hash, entry);
    this.#byId.set(entry.token.id, entry);
    this.#sorted = undefined;
  }

  #drop(entry: TokenEntry): void {
    this.#byHash.delete(entry.hash);
    this.#byId.delete(entry.token.id);
    this.#sorted = undefined;
  }
}

/** The definition of a token, in which the order of its operations and the digits of its expiry do not count. */
function comparable({ scope, ...token }: Token): unknown {
  const ofIdentity = { number: 0, rotation: 0, createdAt: 0 };
  const expiresFraction = nanosecondsOf(token.expiresFraction);
  return { ...token, ...ofIdentity, expiresFraction, scope: { ...scope, operations: new Set(scope.operations) } };
}

function isExpired({ expiresAt }: Token, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
