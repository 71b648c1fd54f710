/** Access tokens: issues, lists, shows, revokes and rotates them, and tells which one the caller has. */

import { TailraceError } from '../model/error.ts';
import { callApi, objectIn, segment } from './calls.ts';
import type { ListRequestOptions } from './control.ts';
import type { RequestOptions, ServerTarget } from './request.ts';

/** A set of names of one kind: one exact name, or all names with a prefix. The empty prefix matches everything. */
export type ResourceSetJson = { readonly exact: string } | { readonly prefix: string };

/** Read and write of one group of operations. */
export interface GroupJson {
  readonly read?: boolean | null;
  readonly write?: boolean | null;
}

/** What a token reaches, and what it may do there. An absent set matches nothing. */
export interface ScopeJson {
  readonly basins?: ResourceSetJson | null;
  readonly streams?: ResourceSetJson | null;
  readonly access_tokens?: ResourceSetJson | null;
  readonly op_groups?: {
    readonly account?: GroupJson | null;
    readonly basin?: GroupJson | null;
    readonly stream?: GroupJson | null;
  } | null;
  readonly ops?: readonly string[] | null;
}

/** A limit profile, and single values over it. */
export interface LimitsJson {
  readonly profile?: string | null;
  readonly spans_per_minute?: number | null;
  readonly bytes_per_second?: number | null;
  readonly burst_bytes?: number | null;
}

/** A token as S2's JSON has it, with our own fields. */
export interface TokenJson {
  readonly id: string;
  readonly scope: ScopeJson;
  /** RFC 3339; without one the token expires when its issuer does. */
  readonly expires_at?: string | null;
  readonly auto_prefix_streams?: boolean | null;
  /** The stream of OTLP data that names none. */
  readonly stream?: string | null;
  /** Set on every OTLP resource; replaces what the sender wrote. */
  readonly resource_attributes?: Readonly<Record<string, string>> | null;
  readonly limits?: LimitsJson | null;
  /** The prefix of its secrets. */
  readonly prefix?: string | null;
}

/** A token as the server shows it. */
export interface TokenInfoJson extends TokenJson {
  /** RFC 3339; null when it was never used. A server of an older version, or one that does not know, leaves it out. */
  readonly last_used_at?: string | null;
}

/** Which token the server sees in the caller's requests. The root token has no scope: it may do everything. */
export type WhoamiJson = WhoamiBasins &
  ({ readonly id: string; readonly root: true } | (TokenInfoJson & { readonly root: false }));

export interface WhoamiBasins {
  /** Whether the caller shows a session of the web page in place of the token, and until when it lasts unused. */
  readonly session?: boolean;
  readonly session_expires_at?: string;
  /** The default basin of the server. A server of an older version does not say it. */
  readonly default_basin?: string;
  /** The basin of the caller's requests that name none. */
  readonly basin?: string;
  /** The version of the server. A server of an older version does not say it. */
  readonly server_version?: string;
}

/** Calls on tokens. A secret is returned once and cannot be fetched again. */
export interface TokenCalls {
  /** Every valid token that the caller may see, in order of ids; pages are fetched as they are needed. */
  listTokens(options?: ListRequestOptions): AsyncGenerator<TokenInfoJson>;
  /**
   * Resolves with the secret.
   * @throws TailraceError `permission_denied` when the token may do more than the caller, `resource_already_exists`
   */
  issueToken(token: TokenJson, options?: RequestOptions): Promise<string>;
  /** @throws TailraceError `access_token_not_found` */
  getToken(id: string, options?: RequestOptions): Promise<TokenInfoJson>;
  /**
   * The token stops at once, and sessions that it opened end within a second.
   * @throws TailraceError `access_token_not_found`
   */
  revokeToken(id: string, options?: RequestOptions): Promise<void>;
  /** Resolves with a new secret; the old one stops as if revoked. @throws TailraceError `access_token_not_found` */
  rotateToken(id: string, options?: RequestOptions): Promise<string>;
  whoami(options?: RequestOptions): Promise<WhoamiJson>;
  /**
   * A secret that signs in to the page of the server as the caller, once and soon; see src/access/README.md.
   * @throws TailraceError `invalid` where the server asks for no token, `rate_limited`
   */
  issueLogin(options?: RequestOptions): Promise<LoginJson>;
  /** Makes a new key that signs JWTs of the exchange; with `voidOld` all issued JWTs end. Needs the root token. */
  rotateSigningKey(options?: RequestOptions & { readonly voidOld?: boolean | undefined }): Promise<SigningKeyJson>;
}

/** A login for the page, and until when it can be used. */
export interface LoginJson {
  readonly login: string;
  readonly expires_at: string;
}

/**
 * The key that signs JWTs from now on, and all keys that still verify them, with their end; null for the signing one.
 */
export interface SigningKeyJson {
  readonly kid: string;
  readonly created_at: string;
  readonly verifying: readonly { readonly kid: string; readonly until: string | null }[];
}

const PATH = '/v1/access-tokens';
const PAGE_ENTRIES = 1_000;

/** The calls on one server. */
export function tokenCalls(target: ServerTarget): TokenCalls {
  const on = (id: string) => `${PATH}/${segment(id, 'the id of a token')}`;
  const plain = (options: RequestOptions | undefined) => ({ signal: options?.signal });
  return {
    listTokens: (options = {}) => listed(target, options),
    issueToken: async (json, options) => {
      const { json: answer } = await callApi(target, { ...plain(options), method: 'POST', path: PATH, json });
      return secretIn(answer);
    },
    getToken: async (id, options) => {
      const { json } = await callApi(target, { ...plain(options), method: 'GET', path: on(id) });
      return tokenIn(json);
    },
    revokeToken: async (id, options) => {
      await callApi(target, { ...plain(options), method: 'DELETE', path: on(id) });
    },
    rotateToken: async (id, options) => {
      const { json } = await callApi(target, { ...plain(options), method: 'POST', path: `${on(id)}/rotate` });
      return secretIn(json);
    },
    whoami: async (options) => {
      const { json } = await callApi(target, { ...plain(options), method: 'GET', path: '/v1/whoami' });
      const { id, root, ...basins } = objectIn(json, 'GET /v1/whoami');
      return root === true ? { ...basins, id: String(id), root } : { ...tokenIn(json), root: false };
    },
    issueLogin: async (options) => {
      const { json } = await callApi(target, { ...plain(options), method: 'POST', path: '/v1/logins' });
      const { login, expires_at } = objectIn(json, 'POST /v1/logins');
      return { login: String(login), expires_at: String(expires_at) };
    },
    rotateSigningKey: async (options) => {
      const path = '/v1/ingest-token/keys/rotate';
      const asked = { void_old: options?.voidOld === true };
      const { json } = await callApi(target, { ...plain(options), method: 'POST', path, json: asked });
      const { kid, created_at, verifying } = objectIn(json, `POST ${path}`);
      const keys = Array.isArray(verifying) ? (verifying as SigningKeyJson['verifying']) : [];
      return { kid: String(kid), created_at: String(created_at), verifying: keys };
    },
  };
}

/** `start_after` is the last id of the page before. */
async function* listed(target: ServerTarget, options: ListRequestOptions): AsyncGenerator<TokenInfoJson> {
  for (let startAfter = options.startAfter ?? ''; ; ) {
    const page = { prefix: options.prefix ?? '', start_after: startAfter, limit: String(PAGE_ENTRIES) };
    const call = { method: 'GET', path: PATH, query: new URLSearchParams(page), signal: options.signal } as const;
    const { access_tokens: entries, has_more: hasMore } = objectIn((await callApi(target, call)).json, `GET ${PATH}`);
    const tokens = (Array.isArray(entries) ? (entries as unknown[]) : []).map(tokenIn);
    yield* tokens;
    const last = tokens.at(-1);
    if (hasMore !== true || last === undefined) return;
    startAfter = last.id;
  }
}

function tokenIn(json: unknown): TokenInfoJson {
  const token = objectIn(json, 'an access token');
  if (typeof token.id !== 'string') throw new TailraceError('internal', 'an access token of the answer has no id');
  return { ...token, id: token.id, scope: objectIn(token.scope, 'the scope of an access token') };
}

function secretIn(json: unknown): string {
  const { access_token: secret } = objectIn(json, 'the answer');
  if (typeof secret === 'string') return secret;
  throw new TailraceError('internal', 'the answer holds no access token: is this a Tailrace?');
}
