/** Access tokens: list, issue, rotate, revoke. What they mean is in src/access/README.md. */

import { call, segment } from './call.ts';

/** Names that a token reaches: one, or all that begin with something. The empty prefix is everything. */
export type NameSet = { readonly exact: string } | { readonly prefix: string };

export const GROUP_NAMES = ['account', 'basin', 'stream'] as const;
export type GroupName = (typeof GROUP_NAMES)[number];
export type GroupRights = { readonly read: boolean; readonly write: boolean };

export interface TokenScope {
  readonly basins: NameSet | null;
  readonly streams: NameSet | null;
  readonly access_tokens: NameSet | null;
  readonly op_groups: Readonly<Record<GroupName, GroupRights>>;
  readonly ops: readonly string[];
}

export interface TokenEntry {
  readonly id: string;
  readonly expires_at: string | null;
  readonly auto_prefix_streams: boolean;
  readonly scope: TokenScope;
  /** The stream of OTLP data that names none. */
  readonly stream: string | null;
  readonly resource_attributes: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string | number | null>>;
}

export interface NewToken {
  readonly id: string;
  readonly scope: Partial<TokenScope>;
  readonly expires_at?: string;
  readonly auto_prefix_streams?: boolean;
}

export interface TokenPage {
  readonly access_tokens: readonly TokenEntry[];
  readonly has_more: boolean;
}

/** In the order of their ids, those that begin with `prefix`, at most `limit`. */
export function listTokens(prefix: string, limit: number, signal?: AbortSignal): Promise<TokenPage> {
  const query = { prefix, limit };
  return call<TokenPage>('/v1/access-tokens', { query, ...(signal === undefined ? {} : { signal }) });
}

/** The secret, which is in this one answer and nowhere else. */
export async function issueToken(token: NewToken): Promise<string> {
  const { access_token } = await call<Secret>('/v1/access-tokens', { method: 'POST', body: token });
  return access_token;
}

/** Another secret; the one before it ends at once. */
export async function rotateToken(id: string): Promise<string> {
  const { access_token } = await call<Secret>(`/v1/access-tokens/${segment(id)}/rotate`, { method: 'POST' });
  return access_token;
}

export function revokeToken(id: string): Promise<void> {
  return call<void>(`/v1/access-tokens/${segment(id)}`, { method: 'DELETE' });
}

interface Secret {
  readonly access_token: string;
}
