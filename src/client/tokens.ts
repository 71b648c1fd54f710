/** Access tokens (S2 §7): issued, listed, looked at, revoked and rotated; and what the caller's own one is. */

import { TailraceError } from '../model/error.ts';
import { type CallOptions, callApi, objectIn, type Target } from './calls.ts';
import type { ListOptions } from './control.ts';

/** Names of one kind: one of them, or all with a prefix. The empty prefix is everything. */
export type ResourceSetJson = { readonly exact: string } | { readonly prefix: string };

/** Read and write of one group of operations. */
export interface GroupJson {
  readonly read?: boolean | null;
  readonly write?: boolean | null;
}

/** What a token reaches, and what it may do there. A set that is not there matches nothing. */
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

/** A token as S2's JSON has it, with our own fields. */
export interface TokenJson {
  readonly id: string;
  readonly scope: ScopeJson;
  /** RFC 3339; without one it expires when its issuer does. */
  readonly expires_at?: string | null;
  readonly auto_prefix_streams?: boolean | null;
  /** Where OTLP data goes that names no stream. */
  readonly stream?: string | null;
  /** Set on every OTLP resource, in place of what the sender wrote. */
  readonly resource_attributes?: Readonly<Record<string, string>> | null;
  readonly limits?: { readonly profile?: string | null; readonly spans_per_minute?: number | null } | null;
  /** What its secrets begin with. */
  readonly prefix?: string | null;
}

/** Who the server takes the caller for. The root token has no scope: it may do everything. */
export type WhoamiJson = { readonly id: string; readonly root: true } | (TokenJson & { readonly root: false });

/** Calls on tokens. Secrets are answered once and can't be asked for again. */
export interface TokenCalls {
  /** Every token that lives and that the caller may see, in order of ids; pages are fetched as they are needed. */
  listTokens(options?: ListOptions): AsyncGenerator<TokenJson>;
  /** Answers the secret. @throws TailraceError `permission_denied` for more than the caller holds, `resource_already_exists` */
  issueToken(token: TokenJson, options?: CallOptions): Promise<string>;
  /** @throws TailraceError `access_token_not_found` */
  getToken(id: string, options?: CallOptions): Promise<TokenJson>;
  /** It stops at once, and what is open by it within a second. @throws TailraceError `access_token_not_found` */
  revokeToken(id: string, options?: CallOptions): Promise<void>;
  /** Answers another secret; the old one stops as if revoked. @throws TailraceError `access_token_not_found` */
  rotateToken(id: string, options?: CallOptions): Promise<string>;
  whoami(options?: CallOptions): Promise<WhoamiJson>;
  /** Makes a new key that signs JWTs of the exchange; with `voidOld` all JWTs that are out end. For the root token. */
  rotateSigningKey(options?: CallOptions & { readonly voidOld?: boolean | undefined }): Promise<SigningKeyJson>;
}

/** The key that signs JWTs from now on, and all by which they are good: until when, null for the one that signs. */
export interface SigningKeyJson {
  readonly kid: string;
  readonly created_at: string;
  readonly verifying: readonly { readonly kid: string; readonly until: string | null }[];
}

const PATH = '/v1/access-tokens';
const PAGE_ENTRIES = 1_000;

/** The calls on one server. */
export function tokenCalls(target: Target): TokenCalls {
  const on = (id: string) => `${PATH}/${encodeURIComponent(id)}`;
  const plain = (options: CallOptions | undefined) => ({ signal: options?.signal });
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
      const { id, root } = objectIn(json, 'GET /v1/whoami');
      return root === true ? { id: String(id), root } : { ...tokenIn(json), root: false };
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
async function* listed(target: Target, options: ListOptions): AsyncGenerator<TokenJson> {
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

function tokenIn(json: unknown): TokenJson {
  const token = objectIn(json, 'an access token');
  if (typeof token.id !== 'string') throw new TailraceError('internal', 'an access token of the answer has no id');
  return { ...token, id: token.id, scope: objectIn(token.scope, 'the scope of an access token') };
}

function secretIn(json: unknown): string {
  const { access_token: secret } = objectIn(json, 'the answer');
  if (typeof secret === 'string') return secret;
  throw new TailraceError('internal', 'the answer holds no access token: is this a Tailrace?');
}
