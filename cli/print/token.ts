/** Access tokens as text: one line in a list, or one line for each property of a token. */

import type { GroupJson, ResourceSetJson, TokenJson, WhoamiJson } from '../../src/client/tokens.ts';
import { alignedLines, type Colors, escapeControls } from './format.ts';

/** A line of a list: when the token expires, its id, and what it may do. */
export function listedToken(token: TokenJson, colors: Colors): string {
  const expires = colors.green(escapeControls(token.expires_at ?? 'never').padEnd(24));
  return `${expires}  ${escapeControls(token.id)}  ${escapeControls(grantsText(token))}`;
}

/** Everything about a token, by the names of its flags. */
export function tokenLines(token: TokenJson): string {
  const { scope, limits } = token;
  const attributes = Object.entries(token.resource_attributes ?? {});
  return alignedLines([
    ['id', token.id],
    ['expires', token.expires_at ?? 'never'],
    ['basins', setText(scope.basins)],
    ['streams', setText(scope.streams)],
    ['access-tokens', setText(scope.access_tokens)],
    ['may', grantsText(token)],
    ...(token.auto_prefix_streams === true ? [['auto-prefix', 'yes'] as const] : []),
    ...(token.stream == null ? [] : [['stream', token.stream] as const]),
    ...attributes.map(([key, value]) => ['attribute', `${key}=${value}`] as const),
    ...(limits?.profile == null ? [] : [['limits', limits.profile] as const]),
    ...(limits?.spans_per_minute == null ? [] : [['spans-per-minute', String(limits.spans_per_minute)] as const]),
    ['prefix', token.prefix ?? ''],
  ]);
}

/** Who the caller is. */
export function whoamiLines(me: WhoamiJson): string {
  if (!me.root) return tokenLines(me);
  const may = me.id === 'root' ? 'everything (the root token)' : 'everything (this server needs no token)';
  return alignedLines([
    ['id', me.id],
    ['may', may],
  ]);
}

/** `basin=r stream=rw append`: groups, then single operations. */
export function grantsText({ scope: { op_groups: groups, ops } }: TokenJson): string {
  const texts = Object.entries(groups ?? {}).flatMap(([name, group]) => {
    const modes = modesText(group);
    return modes === '' ? [] : [`${name}=${modes}`];
  });
  return [...texts, ...(ops ?? [])].join(' ') || 'nothing';
}

function modesText(group: GroupJson | null | undefined): string {
  return `${group?.read === true ? 'r' : ''}${group?.write === true ? 'w' : ''}`;
}

function setText(set: ResourceSetJson | null | undefined): string {
  if (set == null || ('exact' in set && set.exact === '')) return 'none';
  if ('exact' in set) return set.exact;
  return set.prefix === '' ? 'all' : `${set.prefix}…`;
}
